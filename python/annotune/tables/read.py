"""One reader for every format; identifiers and labels keep their characters in the file."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

import polars as pl

from annotune.errors import AnnotuneError, nearest_file
from annotune.tables import (
    annotation_tools,
    column_types,
    dataverse,
    delimited,
    excel,
    labelled,
    parquet,
    rds,
    reasons,
    store,
)
from annotune.tables.descriptions import Rows, without_descriptions
from annotune.tables.excel_words import notes_on_days, with_days
from annotune.tables.isolation import NoProcess, read_isolated
from annotune.tables.json_records import COPIES, records_of, text_of, whole_characters
from annotune.tables.memory import want_of_memory
from annotune.tables.table import Table

NAMELESS = ("column_", excel.NAMELESS)  # beginnings of the names given to columns without one, in csv and Excel
MOST_OBJECTS = 1_000  # whose keys are compared: a program that writes one twice does so throughout
logging.getLogger("fastexcel.types.dtype").setLevel(logging.ERROR)  # it reports every empty column


def read_table(path: str | Path, *, strings: tuple[str, ...] = (), encoding: str | None = None) -> Table:
    """Read a table of any supported format.

    Parameters
    ----------
    path
        csv, tsv, txt, tab (of a Dataverse), json, jsonl, parquet, xlsx, xls, ods, dta, sav, zsav, por, rds, or a
        study's store (.annotune); text formats also gzipped.
    strings
        Columns that stay text even where they look like numbers: identifiers, texts, labels.
    encoding
        The encoding of a text file; detected by default.

    Raises
    ------
    AnnotuneError
        If the file is missing, empty, of an unknown format, or broken; the row is named.
    """
    path = Path(path)
    if path.is_dir():
        advice = "Name one file; classify() codes folders of texts, prevalence() and drift() read folders of codes."
        raise AnnotuneError(f"{path} is a folder.", advice)
    if _suffix(path) not in FORMATS:
        raise AnnotuneError(
            f"{path}: no reader for {path.suffix or 'a file without suffix'!r}.", f"Use one of {', '.join(FORMATS)}."
        )
    if not path.is_file():
        raise AnnotuneError(f"{path} is not there.", nearest_file(path))
    if path.stat().st_size == 0:
        raise AnnotuneError(f"{path} is empty.", "It needs a header and rows.")
    if _suffix(path) not in FOREIGN:
        return read_here(path, strings, encoding)
    try:
        return read_isolated(path, strings, encoding)
    except NoProcess as reason:
        table = read_here(path, strings, encoding)
        note = f"{path.name} was read without the protection of a process of its own: {reason}."
        return replace(table, notes=(*table.notes, note))


def read_here(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    """The table in a file that is there, read by this process."""
    try:
        return _with_codings(path, FORMATS[_suffix(path)](path, strings, encoding))
    except MemoryError:
        raise want_of_memory(path) from None
    except PermissionError:
        raise AnnotuneError(f"{path} may not be read.", "Change its permissions.") from None
    except AnnotuneError:
        raise
    except (
        Exception,
        pl.exceptions.PanicException,
    ) as error:  # each library has its own errors for a broken file; the user needs one sentence
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise AnnotuneError(
            f"{path} cannot be read as {_suffix(path)[1:]}: {reason}.", "Check that the file is complete."
        ) from error


def _with_codings(path: Path, table: Table) -> Table:
    """The table with the codings in it, where an annotation tool exported it."""
    export = annotation_tools.from_frame(table.frame, path) if table.codings is None else None
    if export is None:
        return table
    return replace(table, frame=export.texts, codings=export.codings, notes=(*table.notes, *export.notes))


def _suffix(path: Path) -> str:
    """The suffix of the format; `.gz` is for text formats only, as the libraries for others do not unpack it."""
    suffix, inner = path.suffix.lower(), Path(path.stem).suffix.lower()
    return (
        inner if suffix == ".gz" and inner in (".csv", ".tsv", ".txt", ".tab", ".json", ".jsonl", ".ndjson") else suffix
    )


def _delimited_table(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return _table_of_rows(delimited.read_delimited(path, strings, encoding))


def _tab_table(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    return _table_of_rows(delimited.read_delimited(path, strings, encoding, "\t", dataverse.plain))


def _table_of_rows(rows: Rows) -> Table:
    return Table(_without_empty_ends(rows.frame), headings=rows.headings, notes=rows.notes, first=rows.first)


def _json_table(path: Path, strings: tuple[str, ...], encoding: str | None) -> Table:
    data, notes = whole_characters(path, text_of(path, COPIES))
    records = records_of(path, data)
    if records is None:
        return _jsonl_table(path, strings, encoding)
    export = annotation_tools.from_records(records, path)
    if export is not None:
        return Table(export.texts, notes=(*notes, *export.notes), codings=export.codings)
    return Table(pl.DataFrame(records, infer_schema_length=None), notes=notes)


def _parquet_table(path: Path, _strings: tuple[str, ...], _encoding: str | None) -> Table:
    return Table(*parquet.read_parquet(path))


def _jsonl_table(path: Path, _strings: tuple[str, ...], _encoding: str | None) -> Table:
    data, notes = whole_characters(path, text_of(path, delimited.COPIES))
    _require_single_keys(path, data)
    try:
        return Table(pl.read_ndjson(data, infer_schema_length=None), notes=notes)
    except pl.exceptions.PolarsError:
        for number, line in enumerate(data.splitlines(), start=1):
            if line.strip() and not _is_object(line):
                what = f"{path}, line {number}: this is not a JSON object."
                raise AnnotuneError(what, "Write one {...} per line, in UTF-8.") from None
        raise


def _require_single_keys(path: Path, data: bytes) -> None:
    """Refuse a key that is twice in an object, of which the library keeps the last without a word."""
    for number, line in enumerate(islice(io.BytesIO(data), MOST_OBJECTS), start=1):
        with suppress(ValueError):  # what is no JSON is told when it is read
            pairs = json.loads(line, object_pairs_hook=list)
            named = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
            labelled.require_different([key for key, _ in pairs] if named else [], f"{path}, line {number}")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line, parse_constant=_refuse), dict)
    except ValueError:
        return False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is Python's, not JSON's")


def _excel_table(path: Path, strings: tuple[str, ...], _encoding: str | None) -> Table:
    frame, notes = excel.read_excel(path)
    rows = without_descriptions(_without_empty_ends(frame), path.name)
    if rows.notes:  # numbers and days stand below words there, and came as words
        frame = rows.frame if strings == column_types.ALL_COLUMNS else with_days(rows.frame, strings)
        kept = strings if strings == column_types.ALL_COLUMNS else (*strings, *_not_words(frame))
        frame, doubts = column_types.inferred(frame.get_columns(), kept, path.name, rows.first)
    else:
        frame, doubts = column_types.with_numbers_beside_words(rows.frame, strings, path.name, rows.first)
    notes = (*notes, *notes_on_days(frame, path.name), *rows.notes, *doubts, *_notes_on_rounded_numbers(path, frame))
    return Table(frame, headings=rows.headings, notes=notes, first=rows.first)


def _not_words(frame: pl.DataFrame) -> list[str]:
    return [column.name for column in frame if column.dtype != pl.String]


def _notes_on_rounded_numbers(path: Path, frame: pl.DataFrame) -> Iterator[str]:
    """Notes on columns whose long numbers all end in zeros, as Excel keeps 15 digits of a typed number."""
    for column in frame:
        if column.dtype.is_integer() or column.dtype == pl.String:
            long = column.cast(pl.String).drop_nulls()
            long = long.filter(long.str.contains(r"^\d{16,}$"))
            if len(long) > 1 and long.str.slice(15).str.contains(r"^0+$").all():
                what = f"{path.name}: all long numbers in the column {column.name!r} end in 0, such as {long[0]}."
                yield f"{what} Excel keeps 15 digits; longer identifiers have to be entered as text."


def _without_empty_ends(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame without empty rows at the end and empty columns without a name, as spreadsheets have them."""
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    nameless = [column.name for column in frame if column.name.startswith(NAMELESS) and not column.count()]
    return frame.head(int(filled[-1]) + 1 if len(filled) else 0).drop(nameless)


def _labelled_table(path: Path, _strings: tuple[str, ...], encoding: str | None) -> Table:
    return _table_with_reasons(path, labelled.read_labelled(path, encoding))


def _store_table(path: Path, _strings: tuple[str, ...], _encoding: str | None) -> Table:
    return Table(store.read_store(path))


def _rds_table(path: Path, _strings: tuple[str, ...], _encoding: str | None) -> Table:
    return _table_with_reasons(path, rds.read_rds(path))


def _table_with_reasons(path: Path, table: labelled.Described) -> Table:
    frame, notes = reasons.with_reasons_beside(table.frame, table.reasons, path.name)
    return Table(frame, table.labels, table.headings, (*table.notes, *notes), formats=table.formats)


FORMATS: dict[str, Callable[[Path, tuple[str, ...], str | None], Table]] = {
    ".csv": _delimited_table,
    ".tsv": _delimited_table,
    ".txt": _delimited_table,
    ".tab": _tab_table,
    ".json": _json_table,
    ".jsonl": _jsonl_table,
    ".ndjson": _jsonl_table,
    ".parquet": _parquet_table,
    ".xlsx": _excel_table,
    ".xls": _excel_table,
    ".ods": _excel_table,
    ".dta": _labelled_table,
    ".sav": _labelled_table,
    ".zsav": _labelled_table,
    ".por": _labelled_table,
    ".rds": _rds_table,
    store.SUFFIX: _store_table,
}
FOREIGN = {
    ".parquet",
    ".xlsx",
    ".xls",
    ".ods",
    ".dta",
    ".sav",
    ".zsav",
    ".por",
    ".rds",
    store.SUFFIX,
}  # by another process
