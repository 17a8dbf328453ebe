"""Coding sheets: the texts that a coder is to code, with a drop-down for each answer, and the codebook beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from annotune.data.codebook import Codebook, Variable
from annotune.data.columns_of_sets import label_columns
from annotune.data.frames import require_columns
from annotune.data.row_checks import CHECK, row_checks
from annotune.errors import AnnotuneError, listing, warn
from annotune.export.others import XLSX_MADE, XLSX_ROWS, cut_for_excel
from annotune.records.files import replacing, require_writable

SUFFIXES = (".xlsx", ".csv", ".parquet")
ABOUT = ("variable", "code", "name", "kind", "instruction", "definition", "examples", "parent")
BEGINS_FORMULA = r"^[=+\-@\t\r]"  # what a spreadsheet takes for a formula where it opens a csv file
WIDTHS = {"unit_id": 12, "coder": 10, "text": 80}
OTHER_WIDTH, ANSWER_WIDTH = 30, 20
MOST_OF_MESSAGE = 250  # characters; Excel takes 255
LAST_ROW = XLSX_ROWS - 1


def sheet_paths(target: Path, coders: Sequence[str]) -> dict[str, Path]:
    """The sheet of each coder: coding_sheet_anna.xlsx; without coders one for whoever codes, under the name "".

    >>> sheet_paths(Path("coding_sheet.xlsx"), ["anna", "ben"])["ben"].name
    'coding_sheet_ben.xlsx'
    """
    if not coders:
        return {"": target}
    return {name: target.with_name(f"{target.stem}_{name}{target.suffix}") for name in coders}


def require_sheets(paths: Mapping[str, Path], codebook: Codebook | None, store: str | Path | None = None) -> Codebook:
    """Stop, before texts are drawn, where a sheet could not be written or is there: people may have filled it.

    Beside a store that is there, `write_sheet` looks whether it is the one that a run had written when it was stopped.
    """
    if codebook is None:
        raise AnnotuneError("A coding sheet needs to know what is coded.", "Give the codebook.")
    for path in paths.values():
        require_format(path)
        if path.exists() and not (store is not None and Path(store).exists()):
            raise _in_use(path)
    require_writable(list(paths.values()))
    return codebook


def require_format(path: Path) -> None:
    """Stop where sheets are not written in the format that a file's name asks for."""
    if path.suffix.lower() not in SUFFIXES:
        raise AnnotuneError(f"{path} cannot be a coding sheet.", f"Write one of {', '.join(SUFFIXES)}.")


def _in_use(path: Path) -> AnnotuneError:
    what = f"{path} is there already, and may hold what people coded."
    return AnnotuneError(what, "Write to a file of another name, or move it away.")


def require_shown(corpus: pl.DataFrame, shown: Sequence[str], codebook: Codebook) -> None:
    """Stop where a column that coders are to see is not there, or is called as one for their answers."""
    require_columns(corpus, shown, "The corpus")
    in_use = {"unit_id", "coder", CHECK, *shown}
    answers = [name for name in answer_columns(codebook) if name in in_use]
    if answers:
        what = f"The column {answers[0]!r} of the sheet would be both shown and coded."
        raise AnnotuneError(what, "Rename the corpus's column, or the codebook's variable.")


def answer_columns(codebook: Codebook) -> dict[str, Variable]:
    """The columns that coders fill: one for each variable, and of a multi-label one a 0/1 column for each label."""
    return {
        name: entry
        for entry in codebook.variables
        for name in (label_columns(entry, entry.name).values() if entry.kind == "multilabel" else [entry.name])
    }


def write_sheet(path: Path, texts: pl.DataFrame, coder: str, codebook: Codebook) -> None:
    """Write one coder's sheet, whole or not at all; one that is there has to be the same to the last byte.

    Parameters
    ----------
    path
        .xlsx, with drop-downs and the codebook on a second sheet; .csv or .parquet.
    texts
        One row per text, in the coder's order: `unit_id`, `text`, and what else is shown.
    coder
        Fills the column `coder`; without a name there is none.
    """
    about = {} if not coder else {"coder": pl.lit(coder)}
    frame = texts.with_columns(pl.col(pl.String), **about)
    frame = frame.select("unit_id", *about, *(name for name in texts.columns if name != "unit_id"))
    frame = frame.with_columns(row_checks(frame["unit_id"], frame["text"]))
    empty = [pl.lit(None, pl.String).alias(name) for name in answer_columns(codebook)]
    suffix = path.suffix.lower()
    with replacing(path) as draft:
        if suffix == ".xlsx":
            _write_workbook(draft, frame, codebook, path.name)
        elif suffix == ".csv":
            _with_answers(_as_plain_csv(frame, path), empty).write_csv(draft, include_bom=True)
        else:
            _with_answers(frame, empty).write_parquet(draft)
        if path.exists() and path.read_bytes() != draft.read_bytes():
            raise _in_use(path)


def _with_answers(frame: pl.DataFrame, empty: Sequence[pl.Expr]) -> pl.DataFrame:
    """The columns that coders fill beside what they see, and last what only programs read."""
    return frame.with_columns(empty).select(pl.exclude(CHECK), CHECK)


def _as_plain_csv(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """No cell that a spreadsheet would run as a formula: an apostrophe before it makes it a text.

    See OWASP, CSV injection. Identifiers cannot have one, as texts are known by them.
    """
    risky = frame["unit_id"].filter(frame["unit_id"].str.contains(BEGINS_FORMULA))
    if len(risky):
        what = f"{path}: a spreadsheet takes the identifier {risky[0]!r} in a .csv for a formula."
        raise AnnotuneError(what, "Write .xlsx.")
    return frame.with_columns(pl.col(pl.String).exclude("unit_id").str.replace(BEGINS_FORMULA, "'${0}"))


def _write_workbook(draft: Path, frame: pl.DataFrame, codebook: Codebook, name: str) -> None:
    if len(frame) > LAST_ROW:
        raise AnnotuneError(f"{name}: Excel takes {LAST_ROW:,} texts.", "Draw fewer, or write .csv.")
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(draft, safe) as book:
        book.set_properties({"created": XLSX_MADE})
        words = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        page, about = book.add_worksheet("texts"), book.add_worksheet("codebook")
        page.freeze_panes(1, 1)
        _write_shown(page, frame, words, head, name)
        answers = answer_columns(codebook)
        page.autofilter(0, 0, max(len(frame), 1), frame.width + len(answers) - 1)  # sorts rows as wholes
        rows = _write_codebook(about, codebook, words, head)
        for place, (column, entry) in enumerate(answers.items(), start=frame.width):
            page.write_string(0, place, column, head)
            page.set_column(place, place, ANSWER_WIDTH, words)
            page.data_validation(1, place, max(len(frame), 1), place, _choices(entry, rows[entry.name]))


def _write_shown(page: Any, frame: pl.DataFrame, words: Any, head: Any, name: str) -> None:
    """The columns to the left, as texts whatever they look like; what is too long for a cell is cut, and counted."""
    for place, column in enumerate(frame):
        hidden = {"hidden": column.name == CHECK}
        page.set_column(place, place, WIDTHS.get(column.name, OTHER_WIDTH), words, hidden)
        page.write_string(0, place, column.name, head)
        cells = [cut_for_excel(cell) if cell else "" for cell in column.cast(pl.String).to_list()]
        cut = sum(len(cell) < len(whole or "") for cell, whole in zip(cells, column.cast(pl.String), strict=True))
        if cut:
            warn(
                f"{name}: {cut:,} of {len(cells):,} cells of {column.name!r} are longer than Excel takes, and were cut."
            )
        for row, cell in enumerate(cells, start=1):
            page.write_string(row, place, cell, words) if cell else page.write_blank(row, place, None, words)


def _write_codebook(page: Any, codebook: Codebook, words: Any, head: Any) -> dict[str, tuple[int, int]]:
    """The codebook, one row per label; the first and last row of each variable."""
    place_of: dict[str, tuple[int, int]] = {}
    for place, column in enumerate(ABOUT):
        page.set_column(place, place, OTHER_WIDTH, words)
        page.write_string(0, place, column, head)
    row = 1
    for entry in codebook.variables:
        place_of[entry.name] = (row, row + len(entry.labels) - 1)
        for cells in _label_rows(entry):
            for place, cell in enumerate(cells):
                page.write_string(row, place, cut_for_excel(cell), words)
            row += 1
    return place_of


def codebook_rows(codebook: Codebook) -> pl.DataFrame:
    """The codebook as a sheet that `read_codebook` reads, one row per label."""
    rows = [cells for entry in codebook.variables for cells in _label_rows(entry)]
    return pl.DataFrame(rows, schema=dict.fromkeys(ABOUT, pl.String), orient="row")


def _label_rows(entry: Variable) -> Iterator[tuple[str, ...]]:
    for number, label in enumerate(entry.labels):
        once = (entry.kind, entry.instruction or "") if number == 0 else ("", "")
        parent = "" if label.parent is None else str(label.parent)
        more = (label.definition or "", "\n".join(label.examples), parent)
        yield (entry.name, str(label.code), label.name, *once, *more)


def _choices(entry: Variable, rows: tuple[int, int]) -> dict[str, Any]:
    """The drop-down of an answer: the labels of a variable, or whether a label applies."""
    column = chr(ord("A") + ABOUT.index("name"))
    labels = f"=codebook!${column}${rows[0] + 1}:${column}${rows[1] + 1}"
    sets = entry.kind == "multilabel"
    shown = "1: the label applies. 0: it does not." if sets else (entry.instruction or "")
    choice: dict[str, Any] = {"validate": "list", "source": ["1", "0"] if sets else labels}
    error = "Choose 1 or 0." if sets else f"Choose a label: {listing(entry.names, 5)}."
    choice |= {"error_title": "Not in the codebook", "error_message": error[:MOST_OF_MESSAGE]}
    return choice | ({"input_message": shown[:MOST_OF_MESSAGE]} if shown else {})
