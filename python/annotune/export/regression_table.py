"""Regression tables for a paper, by the library maketables: LaTeX, Word and HTML, in one of two layouts."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotune.export.estimates import Estimates, methods, row_name, title_of
from annotune.export.journal import MINUS, NONE, SPACE, Layout, journal
from annotune.export.latex import escaped
from annotune.extras import require
from annotune.numbers import decimals, p_value

SUFFIXES = (".tex", ".docx", ".html")
HEADER = ("estimate", "std. error", "interval", "p", "texts")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # for every part of a .docx: the same table has the same bytes
TEX_STYLE = {"tab_width": None, "data_align": "r", "data_addlinespace": None, "first_row_addlinespace": None}
EXPLAINED = (
    "Hand-coded only: the texts coded by people. Naive: the model's codes treated as the truth. "
    "Corrected: the model's codes for all texts, corrected for the error observed in the hand-coded ones."
)


def write_regression_table(
    correction: Estimates, path: Path, title: str, notes: Sequence[str], layout: Layout = "journal"
) -> None:
    """Write the table to `path`: .tex, .docx or .html."""
    suffix = path.suffix.lower()
    table = _TABLES[layout](correction, title, notes, suffix == ".tex")
    if suffix == ".docx":
        document = io.BytesIO()
        table.make(type="docx").save(document)
        path.write_bytes(undated(document))
    else:
        path.write_text(_tex(table) if suffix == ".tex" else _html(table), encoding="utf-8")


def require_library() -> Any:
    """The library maketables, or an error that says how to install it."""
    return require("maketables", "Tables in .tex, .docx and .html need")


def _journal_table(correction: Estimates, title: str, notes: Sequence[str], tex: bool) -> Any:
    """The table of the library: a column for each method, the sizes below the coefficients."""
    import pandas as pd

    cells = journal(correction)
    safe = _in_tex if tex else str
    rows = [*((" ", *row) for row in cells.coefficients), *(("  ", *row) for row in cells.sizes)]
    index = pd.MultiIndex.from_tuples([(row[0], safe(row[1])) for row in rows])
    frame = pd.DataFrame([[safe(cell) for cell in row[2:]] for row in rows], index, [safe(h) for h in cells.header[1:]])
    footnote = safe(" ".join([*cells.notes, *notes, EXPLAINED]))
    made = require_library().MTable
    return made(frame, notes=footnote, caption=safe(title or cells.caption), rgroup_sep="t", rgroup_display=False)


def _in_tex(text: str) -> str:
    """Text for LaTeX, numbers with its minus sign and without the space that aligns them elsewhere."""
    return escaped(text.rstrip(SPACE)).replace(MINUS, "$-$").replace(NONE, "--").replace("×", r"$\times$")


def _stacked_table(correction: Estimates, title: str, notes: Sequence[str], tex: bool) -> Any:
    """The table of the library: a group of rows for each coefficient, one row for each method."""
    import pandas as pd

    safe = escaped if tex else str
    order = {method: place for place, method in enumerate(methods(correction))}
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in correction.estimates.to_dicts():
        groups.setdefault(row_name(row), []).append(row)
    index, cells = [], []
    for name, rows in groups.items():
        digits = decimals(row["std_error"] for row in rows)
        for row in sorted(rows, key=lambda row: order[row["method"]]):
            index.append((safe(name), safe(row["method"])))
            cells.append([safe(cell) for cell in _table_cells(row, digits)])
    header = [safe(f"{100 * correction.level:g} % interval" if name == "interval" else name) for name in HEADER]
    footnote = safe(" ".join([*notes, EXPLAINED, "Standard errors are robust; p is two-sided."]))
    frame = pd.DataFrame(cells, index=pd.MultiIndex.from_tuples(index), columns=header)
    return require_library().MTable(frame, notes=footnote, caption=safe(title or title_of(correction)), rgroup_sep="t")


_TABLES = {"journal": _journal_table, "stacked": _stacked_table}


def _table_cells(row: dict[str, Any], digits: int) -> list[str]:
    if row["estimate"] is None:
        return ["", "", "", "", f"{row['n']:,}"]
    estimate = f"{row['estimate']:.{digits}f}"
    if row["std_error"] is None:
        return [estimate, "", "", "", f"{row['n']:,}"]
    interval = f"{row['conf_low']:.{digits}f} to {row['conf_high']:.{digits}f}"
    return [estimate, f"{row['std_error']:.{digits}f}", interval, p_value(row["p_value"]), f"{row['n']:,}"]


def _tex(table: Any) -> str:
    needed = "% \\usepackage{booktabs,array,makecell,threeparttable}\n"
    return needed + str(table.make(type="tex", tex_style=TEX_STYLE)) + "\n"


def _html(table: Any) -> str:
    """A page with the table; the library's random identifier is replaced by a fixed one."""
    body = str(table.make(type="gt").as_raw_html())
    drawn = re.search(r'<div id="([a-z]+)"', body)
    title, named = html.escape(table.caption), body.replace(drawn[1], "annotune-table") if drawn else body
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>\n{named}\n</body></html>\n'


def undated(document: io.BytesIO) -> bytes:
    """A Word document with a fixed time in place of the time of writing of its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(document) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            after.writestr(zipfile.ZipInfo(part.filename, LONG_AGO), before.read(part), zipfile.ZIP_DEFLATED)
    return out.getvalue()
