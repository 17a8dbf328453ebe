"""Numbers as papers print them."""

from __future__ import annotations

import math
from collections.abc import Iterable


def p_value(p: float) -> str:
    """A p-value for a column of a table.

    >>> p_value(0.0004), p_value(0.0314)
    ('< .001', '0.031')
    """
    return "< .001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """A p-value within a sentence.

    >>> p_equals(0.0004), p_equals(0.0314)
    ('p < .001', 'p = 0.031')
    """
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def decimals(errors: Iterable[float | None]) -> int:
    """The decimals that leave two figures of the smallest standard error; from 3 to 12.

    >>> decimals([0.0179, 0.0021, None]), decimals([0.4])
    (4, 3)
    """
    known = [error for error in errors if error]
    return min(max(3, 1 - math.floor(math.log10(min(known)))), 12) if known else 3


def with_interval(estimate: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    r"""An estimate and its interval in one cell; a tab between, at which the rows of a column are aligned.

    >>> with_interval(0.712, 0.6, 0.8, ".2f"), with_interval(0.712, None, None, ".2f"), with_interval(None, None, None)
    ('0.71\t(0.60 to 0.80)', '0.71', '-')
    """
    if estimate is None:
        return "-"
    if low is None or high is None:
        return format(estimate, form)
    return f"{estimate:{form}}\t({low:{form}} to {high:{form}})"
