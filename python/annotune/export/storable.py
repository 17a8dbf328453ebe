"""What makes the values and words of a table storable: types, texts and labels that every format has."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, counted, listing, nearest
from annotune.export.sheet import Column, Sheet
from annotune.tables.labelled import EXACT_BELOW
from annotune.tables.temporal import DAY_MS, FIRST_DAY, LAST_DAY

MERGED = {"low": min, "high": max, "width": max}  # of the facts of two slices; all others are counts


@dataclass(frozen=True)
class Change:
    """One change that a format required, and the number of cells concerned."""

    column: str | None
    change: str
    detail: str
    cells: int | None = None


@dataclass(frozen=True)
class Facts:
    """Facts about a column, from one pass over the data."""

    nulls: int = 0
    low: float | None = None  # of numbers, and of the days of dates and times
    high: float | None = None
    width: int = 0  # of the longest text, in bytes
    nul: int = 0
    nan: int = 0
    infinite: int = 0
    finer: int = 0  # times with parts of a millisecond
    unlabelled: int = 0


def column_facts(sheet: Sheet) -> dict[str, Facts]:
    """The facts about every column, in one pass over the rows."""
    expressions = [
        expression.alias(f"{place}:{fact}")
        for place, column in enumerate(sheet.columns)
        for fact, expression in _fact_expressions(column, sheet.schema[column.name]).items()
    ]
    facts: list[dict[str, Any]] = [{} for _ in sheet.columns]
    for answers in sheet.batches(expressions):
        for key, answer in answers.row(0, named=True).items():
            place, fact = key.split(":")
            facts_of_column = facts[int(place)]
            if answer is not None:
                facts_of_column[fact] = (
                    MERGED.get(fact, operator.add)(facts_of_column[fact], answer) if fact in facts_of_column else answer
                )
    return {column.name: Facts(**facts_of_column) for column, facts_of_column in zip(sheet.columns, facts, strict=True)}


def _fact_expressions(column: Column, dtype: pl.DataType) -> dict[str, pl.Expr]:
    cells = pl.col(column.name)
    expressions = {"nulls": cells.null_count()}
    if column.labels is not None:
        codes = pl.Series(list(column.labels), dtype=column.code_type, strict=False)
        in_codes = cells.cast(column.code_type, strict=False).is_in(codes.implode())
        labelled = cells.cast(pl.String).is_in(column.names) if column.named else in_codes
        expressions["unlabelled"] = (~labelled).sum()
    if dtype.is_integer() or dtype == pl.Date:
        number = cells.to_physical()
        expressions |= {"low": number.min(), "high": number.max()}
    elif dtype.is_float():
        finite = cells.filter(cells.is_finite())
        expressions |= {"nan": cells.is_nan().sum(), "infinite": cells.is_infinite().sum()}
        expressions |= {"low": finite.min(), "high": finite.max()}
    elif dtype == pl.String:
        expressions |= {"width": cells.str.len_bytes().max(), "nul": cells.str.contains("\0", literal=True).sum()}
    elif isinstance(dtype, pl.Datetime):
        days = cells.dt.timestamp("ms") // DAY_MS
        expressions |= {"finer": (cells.dt.nanosecond() % 1_000_000 != 0).sum(), "low": days.min(), "high": days.max()}
    elif dtype == pl.Time:
        expressions["finer"] = (cells.dt.nanosecond() % 1_000_000 != 0).sum()
    return expressions


def require_known_labels(sheet: Sheet, facts: Mapping[str, Facts]) -> None:
    """Refuse cells with a name that has no code."""
    for column in sheet.columns:
        if column.named and facts[column.name].unlabelled:
            cells = pl.col(column.name).cast(pl.String)
            strange = sheet.frame().filter(~cells.is_in(column.names)).select(cells.unique().sort()).collect()
            names = strange.to_series().to_list()
            raise AnnotuneError(
                f"Column {column.name!r} has cells that are not among its labels: {listing(names)} "
                f"({counted(facts[column.name].unlabelled, 'cell', 'cells')}).",
                nearest(str(names[0]), column.names),
            )


def with_common_types(sheet: Sheet) -> tuple[Sheet, dict[str, Facts], list[Change]]:
    """The sheet in types that every format has: integers, reals, truth values, texts, days, times, codes."""
    facts = column_facts(sheet)
    require_known_labels(sheet, facts)
    changes: list[Change] = []
    expressions = []
    for column in sheet.columns:
        expression, detail, cells = _common_type(column, sheet.schema[column.name], facts[column.name])
        if detail:
            changes.append(Change(column.name, "type", detail, cells))
            expressions.append(expression.alias(column.name))
    if not expressions:
        return sheet, facts, changes
    schema = sheet.source.with_columns(expressions).collect_schema()
    cast_sheet = dataclasses.replace(sheet, schema=schema, casts=tuple(expressions))
    return cast_sheet, column_facts(cast_sheet), changes


def _common_type(column: Column, dtype: pl.DataType, facts: Facts) -> tuple[pl.Expr, str, int | None]:
    """A column in a type that every format has, the change in words ("" for none), and the number of cells."""
    cells = pl.col(column.name)
    if column.labels is not None:
        return cells, "", None
    _require_storable(column, dtype, facts)
    if dtype.is_integer() and max(-(facts.low or 0), facts.high or 0) > EXACT_BELOW[pl.Float64]:
        return cells.cast(pl.String), "integers beyond 2^53 became text, to keep every digit", None
    if dtype == pl.String:
        detail = "NUL characters were removed" if facts.nul else ""
        return cells.str.replace_all("\0", "", literal=True), detail, facts.nul or None
    if isinstance(dtype, pl.Datetime) and dtype.time_zone not in (None, "UTC"):
        return cells.dt.convert_time_zone("UTC"), f"times in {dtype.time_zone} became times in UTC", None
    return *_cast(cells, dtype), None


def _require_storable(column: Column, dtype: pl.DataType, facts: Facts) -> None:
    """Refuse dates that no format has, bytes in lists, and Python objects."""
    if dtype in (pl.Date, pl.Datetime) and not FIRST_DAY <= (facts.low or 0) <= (facts.high or 0) <= LAST_DAY:
        what = f"Column {column.name!r} has dates outside the years 1 to 9999."
        raise AnnotuneError(what, "Correct them, or leave the column out.")
    if dtype != pl.Binary and _holds_objects(dtype):
        what = f"Column {column.name!r} holds bytes in lists, or Python objects."
        raise AnnotuneError(what, "Turn them into text or numbers first.")


def _cast(cells: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, str]:
    """Cells of a type that only some formats have as text or numbers, and the change in words."""
    if isinstance(dtype, pl.Categorical):
        return cells.cast(pl.String), "categories became text; use an Enum or labels for codes"
    if isinstance(dtype, pl.Decimal):
        return cells.cast(pl.Float64), f"{dtype} became double precision"
    if dtype == pl.Binary:
        return cells.bin.encode("hex"), "bytes became text, in hexadecimal"
    return (_as_json(cells), f"{dtype} became text, in JSON") if dtype.is_nested() else (cells, "")


def _as_json(cells: pl.Expr) -> pl.Expr:
    """Each cell as JSON, by way of a struct, the only type for which polars writes it."""
    text = pl.struct(cells.alias("v")).struct.json_encode()
    return pl.when(cells.is_not_null()).then(text.str.slice(len('{"v":')).str.head(-1))


def _holds_objects(dtype: Any) -> bool:
    """Whether a type is, or contains, bytes or Python objects."""
    if isinstance(dtype, pl.Struct):
        return any(_holds_objects(part.dtype) for part in dtype.fields)
    if isinstance(dtype, (pl.List, pl.Array)):
        return _holds_objects(dtype.inner)
    return dtype in (pl.Binary, pl.Object)


def writable(sheet: Sheet) -> tuple[Sheet, list[Change]]:
    """The sheet with labels, headings, notes and title without NUL and incomplete characters."""
    changes: list[Change] = []

    def fitted(text: str, column: str | None, what: str) -> str:
        fine = text.encode("utf-8", "replace").decode().replace("\0", "?")
        if fine != text:
            changes.append(Change(column, "text", f"characters that no file holds became ? in the {what}"))
        return fine

    columns = []
    for column in sheet.columns:
        heading = fitted(column.heading, column.name, "variable label")
        texts = {code: fitted(text, column.name, "labels") for code, text in (column.labels or {}).items()}
        labels = None if column.labels is None else texts
        columns.append(dataclasses.replace(column, heading=heading, labels=labels))
    notes = tuple(fitted(note, None, "notes") for note in sheet.notes)
    title = fitted(sheet.title, None, "title")
    return dataclasses.replace(sheet, columns=tuple(columns), notes=notes, title=title), changes
