"""The table to write, before any format: columns with their labels, in types that every format has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError, nearest
from annotune.tables.labelled import whole_code
from annotune.tables.reasons import REASONS, SUFFIX, letters
from annotune.tables.table import Code

WORDS = (pl.String, pl.Categorical, pl.Enum)
BATCH_BYTES, SLICE_BYTES = 32 * 2**20, 128 * 2**20
FEWEST_ROWS, MOST_ROWS = 10_000, 250_000  # of a slice
MOST_TOLD = 40  # characters of a reason's label in the report


@dataclass(frozen=True)
class Column:
    """A column, which is coded where it has `labels` (codes and names, in codebook order).

    `named`: the cells hold names, not codes. `status` is the column with the reasons for missing cells, and
    `reasons` are its words, each with the letter of the missing value and its label (either may be "").
    `format` is the display format in the file of Stata or SPSS that it comes from.
    """

    name: str
    labels: dict[Code, str] | None = None
    named: bool = False
    ordered: bool = False
    heading: str = ""
    status: str | None = None
    reasons: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    format: str = ""

    @property
    def code_type(self) -> Any:
        """The type of the codes: texts, real numbers or, as is usual, whole ones."""
        codes = list(self.labels or {})
        if any(isinstance(code, str) for code in codes):
            return pl.String()
        return pl.Float64() if any(isinstance(code, float) for code in codes) else pl.Int64()

    @property
    def names(self) -> list[str]:
        """The labels' names, in codebook order."""
        return list((self.labels or {}).values())

    def codes(self) -> pl.Expr:
        """The column's codes, null where missing."""
        if not self.named:
            return pl.col(self.name)
        by_name = {name: code for code, name in (self.labels or {}).items()}
        return _mapped(pl.col(self.name).cast(pl.String), by_name, self.code_type)

    def tags(self) -> pl.Expr:
        """The letter of the reason for which a cell is missing, null where there is none."""
        if self.status is None:
            return pl.lit(None, pl.String)
        by_word = {word: letter for word, (letter, _) in self.reasons.items() if letter}
        return _mapped(pl.col(self.status).cast(pl.String), by_word, pl.String)

    @property
    def lettered(self) -> dict[str, str]:
        """The letters of the reasons, and their labels."""
        return {letter: text for letter, text in self.reasons.values() if letter}

    def letters_in_words(self) -> str:
        """The letters and their labels in words."""
        named = ", ".join(f".{letter} {text[:MOST_TOLD]}".rstrip() for letter, text in self.lettered.items())
        rest = sum(letter == "" for letter, _ in self.reasons.values())
        return named + (f"; no letter is left for {rest:,} others" if rest else "")

    def positions(self) -> pl.Expr:
        """The positions of the cells in the list of labels, from 1, null where missing."""
        keys = pl.Series(self.names if self.named else list(self.labels or {}), dtype=self._type_in_cells, strict=False)
        source = pl.col(self.name).cast(self._type_in_cells)
        return _mapped(source, {key: place for place, key in enumerate(keys, start=1)}, pl.Int32)

    @property
    def _type_in_cells(self) -> Any:
        return pl.String() if self.named else self.code_type

    def with_numbers(self) -> Column:
        """The column with 1, 2, ... in place of texts as codes; without labels where its cells are such texts."""
        if self.labels is None or self.code_type != pl.String:
            return self
        return dataclasses.replace(self, labels=dict(enumerate(self.names, start=1)) if self.named else None)


@dataclass(frozen=True)
class Sheet:
    """Rows that are read in slices, with the descriptions of their columns, in order.

    `source` is a frame in memory or a scan of a parquet file: slices of both are cheap, and memory stays the same
    whatever their number. `casts` are applied to every slice.
    """

    source: pl.LazyFrame
    schema: pl.Schema
    rows: int
    columns: tuple[Column, ...]
    step: int
    title: str = ""
    notes: tuple[str, ...] = ()
    casts: tuple[pl.Expr, ...] = ()

    def frame(self) -> pl.LazyFrame:
        """All rows."""
        return self.source.with_columns(self.casts)

    def slice(self, first: int, count: int) -> pl.DataFrame:
        """`count` rows from the one numbered `first`."""
        return self.source.slice(first, count).with_columns(self.casts).collect()

    def batches(self, expressions: Sequence[pl.Expr], row_bytes: int = 1) -> Iterator[pl.DataFrame]:
        """The rows in order, in batches that fit into memory when a row takes `row_bytes` bytes."""
        most = max(BATCH_BYTES // row_bytes, 1_000)
        for first in range(0, self.rows, self.step):
            for part in self.slice(first, self.step).iter_slices(most):
                yield part.select(expressions)

    def column(self, expression: pl.Expr) -> Iterator[pl.Series]:
        """One column in batches."""
        return (batch.to_series() for batch in self.batches([expression]))


def describe(
    source: pl.LazyFrame,
    codebook: Codebook | None = None,
    labels: Mapping[str, Mapping[Any, str]] | None = None,
    headings: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    title: str | None = None,
    formats: Mapping[str, str] | None = None,
) -> Sheet:
    """A frame with the labels, headings and reasons of its columns."""
    schema = source.collect_schema()
    if not schema:
        raise AnnotuneError("The table has no columns.", "It needs at least one.")
    for name in (*(labels or {}), *(headings or {})):
        if name not in schema:
            raise AnnotuneError(f"There is no column {name!r} to label.", nearest(name, list(schema)))
    columns = tuple(_described_column(name, schema, codebook, labels or {}, headings or {}) for name in schema)
    heading = title if title is not None else (codebook.name if codebook else "")
    rows = int(source.select(pl.len()).collect().item())
    head = source.head(1_000).collect()
    step = int(SLICE_BYTES / max(head.estimated_size() / max(len(head), 1), 1))
    step = min(max(step, FEWEST_ROWS), MOST_ROWS)
    sheet = Sheet(source, schema, rows, columns, step, heading, tuple(notes))
    formatted = (dataclasses.replace(column, format=(formats or {}).get(column.name, "")) for column in columns)
    return dataclasses.replace(sheet, columns=tuple(_with_reasons(sheet, column) for column in formatted))


def _with_reasons(sheet: Sheet, column: Column) -> Column:
    """The column with the reasons for missing cells, from the column named after it, where there is one."""
    status = f"{column.name}{SUFFIX}"
    text = column.labels is None and sheet.schema[column.name] in WORDS  # has no coded missing values
    if text or sheet.schema[column.name].is_nested() or sheet.schema.get(status) not in WORDS:
        return column
    statuses = pl.col(status).cast(pl.String).filter(pl.col(column.name).is_null()).unique()
    words = {word.replace("\0", "") for part in sheet.column(statuses) for word in part if word}  # as the cells will be
    reasons = letters(words)
    return dataclasses.replace(column, status=status, reasons=reasons) if reasons else column


def _described_column(
    name: str,
    schema: pl.Schema,
    codebook: Codebook | None,
    labels: Mapping[str, Mapping[Any, str]],
    headings: Mapping[str, str],
) -> Column:
    dtype = schema[name]
    variable = _codebook_variable(name, dtype, codebook)
    heading = headings.get(name) or (variable.instruction if variable else "")
    coded = _labels_of_column(name, dtype, variable, labels)
    if coded is None:
        return Column(name, heading=heading)
    named = dtype in WORDS and not _are_codes(dtype, coded)
    if named and len(set(coded.values())) < len(coded):
        what = f"Column {name!r}: two codes have the same label, so its cells do not determine the code."
        raise AnnotuneError(what, "Use the codes of the column instead of names, or labels that differ.")
    has_status = schema.get(f"{name}_status") in WORDS
    return Column(
        name,
        coded,
        named=named,
        ordered=variable is not None and variable.kind == "ordinal",
        heading=heading,
        status=f"{name}_status" if has_status else None,
        reasons=REASONS if has_status else {},
    )


def _are_codes(dtype: pl.DataType, labels: Mapping[Code, str]) -> bool:
    """Whether the cells of a column of words are texts that serve as codes, and not their labels."""
    return dtype == pl.String and any(isinstance(code, str) for code in labels)


def _codebook_variable(name: str, dtype: pl.DataType, codebook: Codebook | None) -> Variable | None:
    """The variable of the codebook with this name, or with these categories as labels."""
    single = [variable for variable in codebook.variables if variable.kind != "multilabel"] if codebook else []
    for variable in single:
        alike = isinstance(dtype, pl.Enum) and dtype.categories.to_list() == variable.names
        if variable.name == name or alike:
            return variable
    return None


def _labels_of_column(
    name: str, dtype: pl.DataType, variable: Variable | None, labels: Mapping[str, Mapping[Any, str]]
) -> dict[Code, str] | None:
    if dtype not in WORDS and not dtype.is_integer() and not (dtype.is_float() and name in labels):
        return None
    if name in labels:
        return {whole_code(code): label for code, label in labels[name].items()}
    if variable is not None:
        return {label.code: label.name for label in variable.labels}
    return dict(enumerate(dtype.categories.to_list(), start=1)) if isinstance(dtype, pl.Enum) else None


def _mapped(source: pl.Expr, values: Mapping[Any, Any], dtype: Any) -> pl.Expr:
    return source.replace_strict(list(values), list(values.values()), return_dtype=dtype, default=None)
