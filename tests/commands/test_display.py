"""Tables on the screen: what a label says is what is shown."""

import io
import re

import polars as pl
import pytest
from rich.console import Console

import annotune as at
from annotune.commands import display


def printed(table):
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("label", ["[bold]", "[/]", "a [red]b", "None", "-", "🐄", "[link=x]"])
def test_labels_are_shown_as_they_are(label):
    assert label in printed(display.rows(pl.DataFrame({"label": [label, None]})))
    assert label in printed(display.labels(at.evaluate([label, "b"], [label, "b"], n_boot=0)))
    assert label in printed(display.comparison(at.evaluate(["a", "b"], ["a", "b"], name=label, n_boot=0)))
    said = pl.DataFrame({"unit_id": ["1"], "variable": ["v"], "label": [label], "status": ["ok"]})
    assert label in printed(display.counts(said))


def test_only_what_is_missing_is_a_dash():
    lines = printed(display.rows(pl.DataFrame({"said": ["None", None]}))).split()
    assert lines == ["said", "None", "-"]


def test_numbers_are_rounded_counts_have_commas_and_years_none():
    frame = pl.DataFrame({"year": [2000], "n": [12345], "n_units": [6789], "estimate": [0.123456], "sure": [True]})
    assert printed(display.rows(frame)).split()[5:] == ["2000", "12,345", "6,789", "0.1235", "True"]
    assert "0.123 " in printed(display.rows(frame, floats=".3f"))


def test_a_column_may_have_brackets_in_its_name_and_a_table_no_rows():
    assert "[b]" in printed(display.rows(pl.DataFrame(schema={"[b]": pl.String})))


def test_ordered_labels_show_quadratic_kappa_and_fit_80_columns():
    names = ["low", "medium", "high"]
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
    codebook = at.Codebook(variables=(at.Variable(name="v", kind="ordinal", labels=labels),))
    truth, said = (
        pl.DataFrame({"unit_id": list("abcdef"), "variable": "v", "label": given, "coder": "anna"})
        for given in (names * 2, names + names[::-1])
    )
    found = at.evaluate(truth, said, codebook=codebook, n_boot=20)
    assert "quadratic kappa" in printed(display.comparison(found))
    assert "kappa_quadratic" in found.table().columns
    assert "reaches more" not in printed(display.comparison(found))
    worse = at.evaluate(["a", "a", "a", "b"], ["b", "b", "a", "a"], n_boot=0)
    assert "Always giving the most frequent label reaches more: 0.429." in printed(display.comparison(worse))
    console = Console(file=io.StringIO(), width=80)
    console.print(display.comparison(found))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    (model,) = (line for line in lines if line.startswith("anna"))
    assert re.fullmatch(r"anna +0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)( +-?\d\.\d{3}){3}", model)
    left_out = "Left out for lack of width: accuracy; the intervals of quadratic kappa, kappa,"
    assert any(line.startswith(left_out) for line in lines)


def test_notes_on_shares_say_which_they_are_about():
    rows = [
        {"land": land, "label": label, "method": method, "note": note}
        for land in ("DE", "FR")
        for label in ("tax", "war")
        for method, note in (("count", "all"), ("dsl", "few; heavy" if label == "tax" else None))
    ]
    told = list(display._notes_of_shares(pl.DataFrame(rows), ["land", "label"]))
    assert told == ["count: all.", "dsl (DE, tax; FR, tax): few.", "dsl (DE, tax; FR, tax): heavy."]
    many = pl.DataFrame([{"label": str(i), "method": "dsl", "note": "few" if i else None} for i in range(6)])
    assert list(display._notes_of_shares(many, ["label"])) == ["dsl (5 of 6 shares): few."]
