"""Texts that a spreadsheet takes for a formula when it opens a file: Excel runs the `=cmd|...` of a cell in a csv.

See OWASP, "CSV Injection": a cell that begins with =, +, -, @, a tab or a line break, with blanks before it or not.
"""

from __future__ import annotations

import re

import polars as pl

from annotune.export.sheet import WORDS, Sheet
from annotune.export.storable import Change

FORMULA = r"^(?:[\t\r\n]|\s*[=+\-@＝＋－＠])"
APOSTROPHE = "'"  # before a text, by which spreadsheets know that it is one


def may_be_formula(text: str) -> bool:
    r"""Whether a spreadsheet may take a text for a formula.

    >>> [may_be_formula(text) for text in ("=1+1", " @SUM(A1)", "-5", "\tx", "a=b", "5")]
    [True, True, True, True, False, False]
    """
    return re.match(FORMULA, text) is not None


def guards(sheet: Sheet) -> tuple[list[pl.Expr], dict[str, str], list[Change]]:
    """An apostrophe before every text, and before every column's name, that may be taken for a formula.

    Returns the columns that need one, the new names of columns, and both as changes.
    """
    counts = {name: count for name, count in _formula_counts(sheet).items() if count}
    words = {name: pl.col(name).cast(pl.String) for name in counts}
    columns = [
        pl.when(cells.str.contains(FORMULA)).then(pl.concat_str(pl.lit(APOSTROPHE), cells)).otherwise(cells).alias(name)
        for name, cells in words.items()
    ]
    changes = [
        Change(name, "guarded", "texts that may be taken for a formula have an apostrophe before them", count)
        for name, count in counts.items()
    ]
    renamed = {name: f"{APOSTROPHE}{name}" for name in sheet.schema if may_be_formula(name)}
    changes += [Change(name, "renamed", f"is called {new}") for name, new in renamed.items()]
    return columns, renamed, changes


def _formula_counts(sheet: Sheet) -> dict[str, int]:
    """How many cells may be taken for a formula, for each column of texts."""
    texts = [name for name, dtype in sheet.schema.items() if dtype.base_type() in WORDS]
    counts = dict.fromkeys(texts, 0)
    for batch in sheet.batches([pl.col(name).cast(pl.String).str.contains(FORMULA).sum() for name in texts]):
        for name in texts:
            counts[name] += batch[name][0] or 0
    return counts
