"""Parquet, csv, SPSS and Excel: the formats that are written by libraries."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyreadstat
import xlsxwriter

from annotune.errors import AnnotuneError
from annotune.export.formula_guard import guards, may_be_formula
from annotune.export.names import cut, spss_names
from annotune.export.sheet import Column, Sheet
from annotune.export.storable import Change, Facts
from annotune.tables import reasons
from annotune.tables.parquet import METADATA
from annotune.tables.temporal import PERIODS, kind_of, period

SAV_LABEL, SAV_VALUE_LABEL, SAV_TITLE, SAV_NOTE, SAV_TEXT = 256, 120, 64, 80, 32_767  # bytes
SAV_MISSING = 3  # codes of a variable that may count as missing
SAV_PERIODS, SAV_DURATION = {"week": "WKYR10", "month": "MOYR8", "quarter": "QYR8"}, "DTIME23"
SAV_KINDS: dict[Any, tuple[str, ...]] = {
    pl.Date: ("day", *PERIODS.values()),
    pl.Datetime: ("moment",),
    pl.Time: ("clock",),
    pl.Duration: ("clock", "length"),
}
SAV_DATE_AT, SAV_DATE = 92, b"01 Jan 7000:00:00"  # the place of the creation time in a .sav, and the fixed time
XLSX_ROWS, XLSX_COLUMNS, XLSX_TEXT = 1_048_576, 16_384, 32_767
XLSX_FIRST = dt.date(1900, 3, 1)
XLSX_FORMATS: dict[Any, str] = {pl.Date: "yyyy-mm-dd", pl.Time: "hh:mm:ss", pl.Duration: "[h]:mm:ss"}
XLSX_MADE = dt.datetime(1970, 1, 1)
NOT_FINITE = "not-a-number and infinite values became empty cells"


def write_parquet(sheet: Sheet, _facts: dict[str, Facts], path: Path) -> list[Change]:
    """The frame with all its types, coded columns as Enum; labels and notes go into the file's metadata, as JSON."""
    about = {
        "labels": {column.name: column.labels for column in sheet.columns if column.labels is not None},
        "text_codes": [column.name for column in sheet.columns if column.code_type == pl.String],
        "headings": {column.name: column.heading for column in sheet.columns if column.heading},
        "notes": sheet.notes,
        "title": sheet.title,
    }
    named = [
        pl.col(column.name).cast(pl.String).cast(pl.Enum(column.names)) for column in sheet.columns if column.named
    ]
    sheet.frame().with_columns(named).sink_parquet(path, metadata={METADATA: json.dumps(about, ensure_ascii=False)})
    return []


def write_csv(sheet: Sheet, facts: dict[str, Facts], path: Path, guard_formulas: bool = False) -> list[Change]:
    """UTF-8 with a header; labels by their names, a missing text as an empty field and an empty one as ""."""
    lengths = [name for name, dtype in sheet.schema.items() if isinstance(dtype, pl.Duration)]
    strange = {name: count for name, fact in facts.items() if (count := fact.nan + fact.infinite)}
    numbers = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in strange]
    texts, names, changes = guards(sheet) if guard_formulas else ([], {}, [])
    rows = sheet.frame().with_columns(pl.col(lengths).dt.total_microseconds() / 1e6, *numbers, *texts)
    rows.rename(names).sink_csv(path)
    bare = [column.name for column in sheet.columns if column.labels is not None and not column.named]
    changes += [Change(name, "type", "durations became seconds") for name in lengths]
    changes += [Change(name, "missing", NOT_FINITE, count) for name, count in strange.items()]
    return changes + [Change(name, "label", "the cells are codes; their labels were left out") for name in bare]


def write_sav(sheet: Sheet, facts: dict[str, Facts], path: Path) -> list[Change]:
    """SPSS's .sav through pyreadstat."""
    names, changes = spss_names([column.name for column in sheet.columns])
    user = {name: _user_missing(sheet, column) for name, column in zip(names, sheet.columns, strict=True)}
    frame = (
        sheet.frame()
        .select(
            _sav_cells(column, sheet.schema[column.name], facts[column.name], user[name], changes).alias(name)
            for column, name in zip(sheet.columns, names, strict=True)
        )
        .collect()
    )
    coded = {name: column for name, column in zip(names, sheet.columns, strict=True) if column.labels is not None}
    notes = [piece for note in sheet.notes for piece in _lines_that_fit(note, SAV_NOTE)]
    pyreadstat.write_sav(
        frame,
        str(path),
        file_label=_fitted(sheet.title, SAV_TITLE, None, "title", changes),
        column_labels=[
            _fitted(column.heading, SAV_LABEL, column.name, "variable label", changes) or None
            for column in sheet.columns
        ],
        note=notes or None,
        variable_value_labels={name: _sav_labels(column, changes) for name, column in coded.items()},
        missing_ranges={name: _missing_range(codes) for name, codes in user.items() if codes},
        variable_format={
            name: form
            for name, column in zip(names, sheet.columns, strict=True)
            if (form := _sav_format(column, sheet.schema[column.name]))
        },
        variable_measure={name: "ordinal" if column.ordered else "nominal" for name, column in coded.items()},
    )
    with path.open("r+b") as file:  # the same data give the same bytes
        file.seek(SAV_DATE_AT)
        file.write(SAV_DATE)
    return changes


def _sav_format(column: Column, dtype: pl.DataType) -> str:
    """The display format that the column had in SPSS, or one for its months or quarters in Stata; else that of SPSS."""
    own = "" if column.format.startswith("%") else column.format
    if kind_of(own) in SAV_KINDS.get(dtype.base_type(), ()):
        return own
    if isinstance(dtype, pl.Duration):
        return SAV_DURATION
    return SAV_PERIODS.get(period(column.format) or "", "") if dtype == pl.Date else ""


def _user_missing(sheet: Sheet, column: Column) -> dict[str, float]:
    """The reasons that can be user-missing codes again: in a numeric column that does not use these codes."""
    codes = reasons.codes(column.reasons)
    if (
        not codes
        or column.code_type == pl.String
        or (column.labels is None and not sheet.schema[column.name].is_numeric())
    ):
        return {}
    values, limits = column.codes().cast(pl.Float64), (min(codes.values()), max(codes.values()))
    taken = values.is_in(list(codes.values())) if len(codes) <= SAV_MISSING else values.is_between(*limits)
    return {} if sheet.frame().select(taken.any()).collect().item() else codes


def _missing_range(codes: dict[str, float]) -> list[Any]:
    """Single codes, or from the lowest to the highest where there are more than a variable may have."""
    values = sorted(codes.values())
    return values if len(values) <= SAV_MISSING else [{"lo": values[0], "hi": values[-1]}]


def _sav_cells(
    column: Column, dtype: pl.DataType, facts: Facts, user: dict[str, float], changes: list[Change]
) -> pl.Expr:
    cells = pl.col(column.name)
    if column.status is not None and facts.nulls and len(user) < len(column.reasons):
        detail = f"missing codes are {'partly' if user else 'all'} system-missing; {column.status} tells why"
        changes.append(Change(column.name, "missing", detail, facts.nulls))
    if user:
        why = pl.col(str(column.status)).cast(pl.String)
        return pl.coalesce(column.codes(), why.replace_strict(user, default=None, return_dtype=pl.Float64))
    if column.labels is not None:
        text = column.code_type == pl.String
        return column.codes().fill_null("") if text else column.codes().cast(pl.Float64).fill_nan(None)
    if dtype == pl.String:
        if facts.nulls:
            changes.append(Change(column.name, "missing", "missing texts became empty ones", facts.nulls))
        if facts.width > SAV_TEXT:
            raise AnnotuneError(
                f"Column {column.name!r} has a text of {facts.width:,} bytes; SPSS takes {SAV_TEXT:,}.",
                "Leave the column out, or write another format.",
            )
        return cells.fill_null("")
    if dtype.is_float():
        if facts.nan + facts.infinite:
            detail = "not-a-number and infinite values became system-missing"
            changes.append(Change(column.name, "missing", detail, facts.nan + facts.infinite))
        return pl.when(cells.is_finite()).then(cells).cast(pl.Float64)
    return _sav_times(cells, dtype) if dtype.is_temporal() else cells.cast(pl.Float64)


def _sav_times(cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Duration):
        return cells.dt.total_microseconds() / 1e6
    return cells.dt.replace_time_zone(None) if isinstance(dtype, pl.Datetime) else cells


def _sav_labels(column: Column, changes: list[Change]) -> dict[Any, str]:
    return {
        code if isinstance(code, str) else float(code): _fitted(
            text, SAV_VALUE_LABEL, column.name, f"label of {code}", changes
        )
        for code, text in (column.labels or {}).items()
    }


def _fitted(text: str, most: int, column: str | None, what: str, changes: list[Change]) -> str:
    short = cut(text, most)
    if short != text:
        changes.append(Change(column, "truncated", f"the {what} was cut to {most} bytes"))
    return short


def _lines_that_fit(text: str, most: int) -> Sequence[str]:
    """A long text as several lines that fit."""
    pieces = []
    while text:
        piece = cut(text, most)
        pieces.append(piece)
        text = text[len(piece) :]
    return pieces


def write_xlsx(sheet: Sheet, facts: dict[str, Facts], path: Path, guard_formulas: bool = False) -> list[Change]:
    """A workbook with one sheet each for the data, their labels, and their headings and notes; no cell is a formula.

    With `guard_formulas`, cells that look like one are marked as text, so that they stay text when they are edited.
    """
    if sheet.rows >= XLSX_ROWS or len(sheet.columns) > XLSX_COLUMNS:
        raise AnnotuneError(
            f"Excel takes {XLSX_ROWS - 1:,} rows and {XLSX_COLUMNS:,} columns; these are {sheet.rows:,} and "
            f"{len(sheet.columns):,}.",
            "Write .csv or .parquet.",
        )
    changes: list[Change] = []
    safe = {"strings_to_formulas": False, "strings_to_urls": False, "default_date_format": "yyyy-mm-dd hh:mm:ss"}
    with xlsxwriter.Workbook(path, safe) as book:
        book.set_properties({"created": XLSX_MADE, "title": sheet.title})
        mark = book.add_format({"quote_prefix": True}) if guard_formulas else None
        data = book.add_worksheet("data")
        marked = _mark_formulas(data, mark) if guard_formulas else Counter[int]()
        data.freeze_panes(1, 0)
        data.write_row(0, 0, [column.name for column in sheet.columns])
        formats = {dtype: book.add_format({"num_format": form}) for dtype, form in XLSX_FORMATS.items()}
        for place, column in enumerate(sheet.columns):
            cells = _xlsx_cells(sheet, column, facts[column.name], changes)
            if data.write_column(1, place, cells.to_list(), formats.get(cells.dtype.base_type())):
                raise AnnotuneError(
                    f"{path}: Excel does not take the column {column.name!r}.", "Write .csv or .parquet."
                )
        _write_about_sheets(book, sheet, mark)
    return changes + [
        Change(sheet.columns[place].name, "guarded", "texts that may be taken for a formula are marked as text", count)
        for place, count in sorted(marked.items())
    ]


def _mark_formulas(page: Any, mark: Any) -> Counter[int]:
    """From now on, texts that may be taken for a formula get the mark of text; how many there were, by column."""
    marked = Counter[int]()

    def write(page: Any, row: int, column: int, text: str, *_format: Any) -> int | None:
        if not may_be_formula(text):
            return None  # written as usual
        marked.update([column] * (row > 0))
        return int(page.write_string(row, column, text, mark))

    page.add_write_handler(str, write)
    return marked


def _write_about_sheets(book: Any, sheet: Sheet, mark: Any) -> None:
    labels = [(column.name, code, text) for column in sheet.columns for code, text in (column.labels or {}).items()]
    headings = [("heading", column.name, column.heading) for column in sheet.columns if column.heading]
    about = [("title", "", sheet.title)] * bool(sheet.title) + headings + [("note", "", note) for note in sheet.notes]
    for name, header, rows in (("labels", ("column", "code", "label"), labels), ("about", ("", "column", ""), about)):
        if rows:
            page = book.add_worksheet(name)
            if mark is not None:
                _mark_formulas(page, mark)
            for place, row in enumerate((header, *rows)):
                page.write_row(place, 0, row)


def cut_for_excel(text: str) -> str:
    """The beginning of a text that fits into a cell; Excel counts an emoji as two characters."""
    return text.encode("utf-16-le")[: 2 * XLSX_TEXT].decode("utf-16-le", "ignore")


def _xlsx_cells(sheet: Sheet, column: Column, facts: Facts, changes: list[Change]) -> pl.Series:
    cells = sheet.frame().select(column.name).collect().to_series()
    if cells.dtype.is_float() and facts.nan + facts.infinite:
        changes.append(Change(column.name, "missing", NOT_FINITE, facts.nan + facts.infinite))
        return cells.set(~cells.is_finite(), None)
    if cells.dtype == pl.String and (long := cells.str.len_bytes() > XLSX_TEXT).any():
        short = cells.filter(long).map_elements(cut_for_excel, return_dtype=pl.String)
        if cut := int((short != cells.filter(long)).sum()):
            changes.append(Change(column.name, "truncated", f"texts were cut to {XLSX_TEXT:,} characters", cut))
        return cells.scatter(long.arg_true(), short)
    cells = cells.dt.replace_time_zone(None) if isinstance(cells.dtype, pl.Datetime) else cells
    return _old_days_as_text(cells, changes) if cells.dtype in (pl.Date, pl.Datetime) else cells


def _old_days_as_text(cells: pl.Series, changes: list[Change]) -> pl.Series:
    """Texts where a day is before March 1900: Excel has no days before 1900, and a 29 February in that year."""
    old = int((cells.dt.date() < XLSX_FIRST).sum())
    if not old:
        return cells
    detail = "days became text, as programs disagree on Excel's before March 1900"
    changes.append(Change(cells.name, "type", detail, old))
    return cells.cast(pl.String).str.strip_suffix(".000000")
