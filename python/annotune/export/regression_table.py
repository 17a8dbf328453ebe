"""Regression tables for a paper, by the library maketables: LaTeX, Word and HTML, three rows for each coefficient."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotune.export.estimates import Estimates, methods, row_name
from annotune.export.latex import escaped
from annotune.extras import require
from annotune.numbers import decimals, p_value

SUFFIXES = (".tex", ".docx", ".html")
HEADER = ("estimate", "std. error", "interval", "p", "texts")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # for every part of a .docx: the same table has the same bytes
TEX_STYLE = {"tab_width": None, "data_align": "r", "data_addlinespace": None, "first_row_addlinespace": None}
EXPLAINED = (
    "Hand-coded only: the texts that people coded. Naive: the model's codes as if they were the truth. "
    "Corrected: the model's codes for all texts, with their error as the hand-coded ones show it."
)


def write(found: Estimates, path: Path, title: str, notes: Sequence[str]) -> None:
    """Write the table to `path`: .tex, .docx or .html."""
    suffix = path.suffix.lower()
    table = _table(found, title, notes, suffix == ".tex")
    if suffix == ".docx":
        made = io.BytesIO()
        table.make(type="docx").save(made)
        path.write_bytes(undated(made))
    else:
        path.write_text(_tex(table) if suffix == ".tex" else _html(table), encoding="utf-8")


def require_library() -> Any:
    """The library, or a sentence on how to get it."""
    return require("maketables", "Tables in .tex, .docx and .html need")


def _table(found: Estimates, title: str, notes: Sequence[str], tex: bool) -> Any:
    """The table as the library has it: a group of rows for each coefficient, a row for each method."""
    import pandas as pd

    safe = escaped if tex else str
    order = {method: place for place, method in enumerate(methods(found))}
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in found.estimates.to_dicts():
        groups.setdefault(row_name(row), []).append(row)
    index, cells = [], []
    for name, rows in groups.items():
        digits = decimals(row["std_error"] for row in rows)
        for row in sorted(rows, key=lambda row: order[row["method"]]):
            index.append((safe(name), safe(row["method"])))
            cells.append([safe(cell) for cell in _cells(row, digits)])
    header = [safe(f"{100 * found.level:g} % interval" if name == "interval" else name) for name in HEADER]
    told = safe(" ".join([*notes, EXPLAINED, "Standard errors are robust; p is two-sided."]))
    frame = pd.DataFrame(cells, index=pd.MultiIndex.from_tuples(index), columns=header)
    return require_library().MTable(frame, notes=told, caption=safe(title), rgroup_sep="t")


def _cells(row: dict[str, Any], digits: int) -> list[str]:
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
    """A page of its own; the library's random name for the table gives way to one that stays the same."""
    body = str(table.make(type="gt").as_raw_html())
    drawn = re.search(r'<div id="([a-z]+)"', body)
    title, named = html.escape(table.caption), body.replace(drawn[1], "annotune-table") if drawn else body
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f'<!DOCTYPE html>\n<html lang="en">{head}\n<body>\n{named}\n</body></html>\n'


def undated(made: io.BytesIO) -> bytes:
    """A Word document, its parts without the time at which they were written."""
    out = io.BytesIO()
    with zipfile.ZipFile(made) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            after.writestr(zipfile.ZipInfo(part.filename, LONG_AGO), before.read(part), zipfile.ZIP_DEFLATED)
    return out.getvalue()
