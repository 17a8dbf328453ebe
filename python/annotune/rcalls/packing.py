"""What crosses between R and Python: frames as columns, and our own objects as their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pydantic

from annotune.errors import AnnotuneError
from annotune.tables.labelled import as_whole, name_values
from annotune.tables.labelled import codes as labels_by_code
from annotune.tables.table import Code
from annotune.tables.temporal import clock_or_duration

Packed = dict[str, Any]
R_INTEGERS = range(-(2**31) + 1, 2**31)  # the smallest 32-bit number is R's NA
KEPT = ("Classifier", "Correction", "LearningCurve")
EXACT = 2**53  # beyond, R's doubles skip whole numbers
_PLAIN: dict[str, Any] = {
    "string": pl.String,
    "integer": pl.Int64,
    "double": pl.Float64,
    "logical": pl.Boolean,
    "blank": pl.Null,
}


def series(column: Mapping[str, Any], rows: int) -> pl.Series:
    """A column that R sent, with this many rows, in the type that it has there."""
    kind, name = column["type"], column["name"]
    values = [None] * rows if kind == "blank" else column["values"]
    values = values if isinstance(values, list) else [values]
    if kind == "factor":
        levels = several(column["levels"])
        places = pl.Series([None if code is None else code - 1 for code in values], dtype=pl.Int64)
        return pl.Series(name, levels, dtype=pl.Enum(levels)).gather(places)
    if kind == "labelled":
        labels = codes(column)
        text = any(isinstance(code, str) for code in labels)
        return name_values(as_whole(pl.Series(name, values, dtype=pl.String if text else pl.Float64)), labels)
    if kind in ("duration", "clock"):
        return clock_or_duration(pl.Series(name, values, dtype=pl.Float64), clock=kind == "clock")
    if kind == "datetime":
        return (pl.Series(name, values, dtype=pl.Float64) * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    if kind == "date":
        return pl.Series(name, values, dtype=pl.Int32).cast(pl.Date)
    if kind == "list":
        return pl.Series(name, [None if cell is None else several(cell) for cell in values], dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=_PLAIN[kind])


def codes(column: Mapping[str, Any]) -> dict[Code, str]:
    """The value labels of a labelled column, in the order of their codes; of texts in their own order."""
    pairs = dict(zip(several(column["codes"]), several(column["names"]), strict=True))
    return labels_by_code(pairs, text=any(isinstance(code, str) for code in pairs))


def several(cell: Any) -> list[Any]:
    """R sends a vector of length one as its element."""
    return list(cell) if isinstance(cell, (list, tuple)) else [cell]


def pack(value: Any) -> Any:
    """A result as R can hold it: frames as columns, our own objects as their parts."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (str, bool, float)) or value is None:
        return value
    if isinstance(value, int):
        return value if value in R_INTEGERS else float(value)
    if isinstance(value, pl.DataFrame):
        return {".py": "frame", "rows": value.height, "columns": [_packed(column) for column in value]}
    if isinstance(value, pl.Series):
        return {".py": "column", **_packed(value)}
    if isinstance(value, np.ndarray):
        return {".py": "array", "dim": list(value.shape), "values": value.astype(float).ravel("F").tolist()}
    if isinstance(value, pydantic.BaseModel):
        return {".py": type(value).__name__, **{name: pack(part) for name, part in value}}
    if is_dataclass(value):
        return _parts(value)
    if isinstance(value, Mapping):
        return {str(key): pack(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(part) for part in value]
    return str(value) if isinstance(value, Path) else repr(value)


def _parts(value: Any) -> Packed:
    """The fields, the result in words where it has some, and the object itself where R may ask it for more."""
    kind = type(value).__name__
    if kind == "Classifier":  # R keeps the network, beside what can be told of it
        names = ["name", "variable", "labels", "card", "evaluation", "held_out", "coder_scores"]
    else:
        names = [field.name for field in fields(value)]
    parts = {name: pack(getattr(value, name)) for name in names}
    if kind in KEPT:
        parts["object"] = Kept(value)
    return {".py": kind, **parts, **_words(value)}


def _words(value: Any) -> dict[str, str]:
    for name in ("in_words", "summary"):
        if callable(getattr(value, name, None)):
            try:
                return {"words": getattr(value, name)()}
            except AnnotuneError as error:  # what cannot be put in words is printed all the same
                return {"words": str(error)}
    return {}


class Kept:
    """Something that stays in Python; a class of its own, so that nothing on the way converts it."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _packed(column: pl.Series) -> Packed:
    """A column as a flat list without gaps, and where its gaps are."""
    kind, values, more = _flat(column)
    return {
        "name": column.name,
        "type": kind,
        "values": values,
        "missing": column.is_null().arg_true().to_list(),
        **more,
    }


def _flat(column: pl.Series) -> tuple[str, list[Any], Packed]:
    dtype = column.dtype
    if isinstance(dtype, pl.Categorical):
        words = column.cast(pl.String)
        return _flat(words.cast(pl.Enum(words.drop_nulls().unique(maintain_order=True))))
    if isinstance(dtype, pl.Enum):
        places = column.to_physical().cast(pl.Int64).fill_null(-1).to_list()
        return "factor", places, {"levels": dtype.categories.to_list()}
    if dtype == pl.Boolean:
        return "logical", column.fill_null(False).to_list(), {}
    if dtype.is_integer():
        return _whole(column.fill_null(0)) if len(column) else ("integer", [], {})
    if dtype.is_float() or dtype.is_decimal():
        return "double", column.cast(pl.Float64).fill_null(float("nan")).to_list(), {}
    if dtype.is_temporal():
        return _flat_times(column)
    if dtype.is_nested():
        return "list", [[] if cell is None else [str(part) for part in cell] for cell in column.to_list()], {}
    if dtype == pl.Null:
        return "logical", [False] * len(column), {}
    return "string", column.cast(pl.String).fill_null("").to_list(), {}


def _flat_times(column: pl.Series) -> tuple[str, list[Any], Packed]:
    """Days since 1970, or seconds since then, since midnight, or of a duration."""
    dtype, gap = column.dtype, float("nan")
    if dtype == pl.Date:
        return "date", column.to_physical().fill_null(0).to_list(), {}
    if isinstance(dtype, pl.Datetime):
        seconds = column.cast(pl.Datetime("us", dtype.time_zone)).to_physical() / 1e6
        return "datetime", seconds.fill_null(gap).to_list(), {"zone": dtype.time_zone or "UTC"}
    if isinstance(dtype, pl.Duration):
        return "duration", (column.dt.total_microseconds() / 1e6).fill_null(gap).to_list(), {}
    # polars divides by multiplying, which does not always give the nearest number
    return "clock", [nanoseconds / 1e9 for nanoseconds in column.to_physical().fill_null(0).to_list()], {}


def _whole(column: pl.Series) -> tuple[str, list[Any], Packed]:
    """Whole numbers as R's integers, else as doubles, else, where doubles would lose digits, as words."""
    extremes = [
        int(value) for value in column.to_frame().select(pl.all().min(), pl.all().max().name.suffix(" ")).row(0)
    ]
    if all(value in R_INTEGERS for value in extremes):
        return "integer", column.to_list(), {}
    if all(abs(value) <= EXACT for value in extremes):
        return "double", column.cast(pl.Float64).to_list(), {}
    return "string", column.cast(pl.String).to_list(), {}
