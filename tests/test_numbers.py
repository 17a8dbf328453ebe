"""Numbers as papers print them."""

from __future__ import annotations

import pytest

from annotune.numbers import p_equals, p_value, with_interval


@pytest.mark.parametrize(("p", "shown"), [(0.0, "< .001"), (0.00099, "< .001"), (0.001, "0.001"), (0.25, "0.250")])
def test_a_small_p_value_has_a_bound_and_any_other_three_decimals(p: float, shown: str) -> None:
    assert p_value(p) == shown
    assert p_equals(p) == (f"p {shown}" if shown.startswith("<") else f"p = {shown}")


def test_an_interval_is_in_the_form_of_its_estimate() -> None:
    assert with_interval(-0.12345, -0.2, 0.01, "+.2f") == "-0.12\t(-0.20 to +0.01)"
    assert with_interval(0.5, 0.4, None) == "0.500"
