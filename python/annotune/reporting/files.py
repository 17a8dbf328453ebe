"""A page as a file: HTML with its figures, or its tables for Word and LaTeX."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.export.latex import escaped
from annotune.export.regression_table import undated
from annotune.extras import require
from annotune.reporting.page import Figure, Page, Table, plain

MOST_ROWS = 45  # of a table that LaTeX does not have to break
BLUE = (31, 78, 121)
NEEDED = "Tables for Word need"
WIDE = 9  # columns from which tables are set smaller


def as_html(page: Page) -> bytes:
    """The page as HTML: no scripts, nothing fetched, and all content escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    loader = PackageLoader("annotune.reporting", "templates")
    rooms = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, finalize=plain, trim_blocks=True, lstrip_blocks=True
    )
    rooms.tests |= {"table": lambda part: isinstance(part, Table), "figure": lambda part: isinstance(part, Figure)}
    rooms.filters["drawing"] = lambda figure: Markup(figure.svg)  # made by drawing.inlined, which escapes
    rooms.filters |= {"next": next}
    rooms.filters["shade"] = lambda share: Markup(shade(share))
    text = rooms.get_template("page.html.j2").render(page=page, numbers=itertools.count(1))
    return (text.rstrip() + "\n").encode()


def shade(share: float) -> str:
    """The style of a cell: a background from white to dark blue, with legible letters."""
    if share <= 0:
        return ""
    ground = [round(255 - (255 - end) * share) for end in BLUE]
    return f' style="background:rgb({",".join(map(str, ground))});color:{"#fff" if share > 0.75 else "#000"}"'


def as_tex(page: Page) -> bytes:
    """The tables, each ready to be pasted into a LaTeX document."""
    needed = "% \\usepackage{booktabs,longtable}; with other scripts than Latin: XeLaTeX or LuaLaTeX\n"
    return "\n".join([needed, *map(tex, page.tables)]).encode()


def tex(table: Table) -> str:
    """A table for the packages booktabs and longtable."""
    long = len(table.rows) > MOST_ROWS
    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    head, body = _tex_row(table.header), "\n".join(map(_tex_row, table.rows))
    caption = rf"\caption{{{escaped(plain(table.caption))}}}"
    notes = "".join(f"\\par\\footnotesize {escaped(plain(note))}\n" for note in table.notes)
    if long:
        return (
            f"\\begin{{longtable}}{{{columns}}}\n{caption} \\\\\n\\toprule\n{head}\n\\midrule\n\\endfirsthead\n"
            f"\\toprule\n{head}\n\\midrule\n\\endhead\n\\bottomrule\n\\endlastfoot\n{body}\n\\end{{longtable}}\n"
            + (f"{{{notes}}}\n" if notes else "")
        )
    size = "\\small\n" if len(table.header) >= WIDE else ""
    return (
        f"\\begin{{table}}[htbp]\n\\centering\n{size}{caption}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\n"
        f"\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n{notes}\\end{{table}}\n"
    )


def _tex_row(cells: tuple[str, ...]) -> str:
    """A row; a bracket at its start is protected, as LaTeX would read it as an option of the row before."""
    texts = [escaped(plain(text)).replace("−", "$-$").replace("–", "--") for text in cells]
    return " & ".join("{" + text + "}" if text.startswith(("[", "*")) else text for text in texts) + r" \\"


def as_docx(page: Page) -> bytes:
    """The tables as a Word document, each with its caption and notes; the same tables have the same bytes."""
    document, out = require("docx", NEEDED).Document(), io.BytesIO()
    from docx.shared import Pt

    document.core_properties.title = plain(page.title)
    document.core_properties.author = "annotune"
    document.add_heading(plain(page.title), level=1)
    for table in page.tables:
        document.add_paragraph(plain(table.caption), style="Caption").paragraph_format.keep_with_next = True
        _docx_table(document, table)
        for note in table.notes:
            run = document.add_paragraph().add_run(plain(note))
            run.font.size = Pt(8)
        document.add_paragraph()
    document.save(out)
    return undated(out)


def _docx_table(document: Any, table: Table) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    grid = document.add_table(rows=1 + len(table.rows), cols=len(table.header), style="Light List")
    size = Pt(7 if len(table.header) >= WIDE else 9)
    for cells, row in zip((table.header, *table.rows), grid.rows, strict=True):
        for i, (text, cell) in enumerate(zip(cells, row.cells, strict=True)):
            paragraph = cell.paragraphs[0]
            paragraph.add_run(plain(text)).font.size = size
            if i >= table.words:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


WRITERS = {"html": as_html, "docx": as_docx, "tex": as_tex}


def writer_for(path: Path, format: str | None = None) -> Callable[[Page], bytes]:
    """The writer of a page for a format; refuses unknown formats before anything is computed."""
    suffix = format or path.suffix.lower().lstrip(".")
    if suffix not in WRITERS:
        what = f"{path}: a report cannot be written as {suffix!r}."
        raise AnnotuneError(what, "Use .html for the page, .docx or .tex for its tables.")
    if suffix == "docx":
        require("docx", NEEDED)
    return WRITERS[suffix]
