"""One call for every format: the same table for Stata, R, SPSS, Python and spreadsheets, with a report of changes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.frames import as_frame
from annotune.errors import AnnotuneError, warn
from annotune.export import confirm, dta, others, rds
from annotune.export.estimate_files import SUFFIXES, write_estimates
from annotune.export.estimates import Estimates, about, title_of
from annotune.export.journal import Layout
from annotune.export.scripts import Regression, scripts
from annotune.export.sheet import Sheet, describe
from annotune.export.storable import Change, Facts, with_common_types, writable
from annotune.records.files import replacing, require_writable, scratch_folder
from annotune.tables import Table, parquet, read_table
from annotune.tables.labelled import as_whole

Changes = list[tuple[str, Change]]  # the file of each
Writer = Callable[[Sheet, dict[str, Facts], Path], list[Change]]
WRITERS: dict[str, Writer] = {
    ".dta": dta.write_dta,
    ".rds": rds.write_rds,
    ".parquet": others.write_parquet,
    ".csv": others.write_csv,
    ".sav": others.write_sav,
    ".xlsx": others.write_xlsx,
}
REPORT = {"file": pl.String, "column": pl.String, "change": pl.String, "detail": pl.String, "cells": pl.Int64}
MOST_SHOWN = 20


def write(
    data: Any,
    paths: str | Path | Sequence[str | Path],
    *,
    codebook: Codebook | None = None,
    labels: Mapping[str, Mapping[Any, str]] | None = None,
    headings: Mapping[str, str] | None = None,
    notes: Sequence[str] | None = None,
    title: str | None = None,
    labelled: bool = False,
    regressions: Sequence[Regression | str] | None = None,
    layout: Layout = "journal",
    guard_formulas: bool = False,
    say: Callable[[str], None] | None = None,
) -> pl.DataFrame:
    """Write a table for Stata, R, SPSS, Python or a spreadsheet, and report what had to be changed.

    Every file appears whole or not at all, is compared with the table, and has the same bytes for the same
    input. A parquet file is written to .dta in batches, so that it may be larger than the memory.

    Parameters
    ----------
    data
        A polars or pandas frame, a polars LazyFrame, or the path of a table; or a `Correction`, the result of
        `correct`.
    paths
        One path or several; .dta, .rds, .parquet, .csv, .sav or .xlsx. A correction can also go to .tex, .docx
        and .html as a table for a paper (these need the package maketables), to .do as
        matrices b and V that are posted in Stata, and to .rds as an R object with coefficients and vcov; elsewhere its
        estimates are the rows. Of the options below only title, notes and layout apply to it.
    codebook
        Columns named after its variables, and Enum columns of their labels, get the codes and labels: value labels
        in Stata and SPSS, factor levels in codebook order in R. Where a column `topic_status` stands beside
        `topic`, Stata's missing values give the reason: .a not coded, .b no label applies, .c answer not parsed,
        .d call failed.
    labels
        For other coded columns: column -> {code: name}. Codes are whole numbers, fractions or texts. An Enum column
        without labels gets the codes 1, 2, ...
    headings
        Variable labels; by default the instruction of a codebook's variable, and for a column of `dsl_columns` a
        warning that it is for linear models only.
    notes
        Sentences about the origin of the data: notes in Stata, the attribute `notes` in R.
    title
        The label of the data; by default the name of the codebook.
    labelled
        Coded columns as haven_labelled in .rds, instead of factors. R's lm treats a factor as categories, but a
        haven_labelled column as a number.
    regressions
        Formulas such as `topic == 'Health' ~ party + year`, or `export.scripts.Regression`s, which also name a
        corrected outcome. A do-file is written beside the .dta and an R script beside the .rds, which run them; with
        an empty list they load the data and show the labels.
    layout
        Of a correction's table for a paper: "journal", a column per method with standard errors in brackets, or
        "stacked", a row per method with intervals and p-values.
    guard_formulas
        For files that people open in a spreadsheet: texts that begin with =, +, -, @, a tab or a line break (with
        blanks before it or not) get an apostrophe before them in .csv, which stays when the file is read back, and the
        mark of text in .xlsx, where no cell is a formula in any case and the texts stay as they are.
    say
        A function that is called with a line for each change, such as `print`.

    Returns
    -------
    polars.DataFrame
        One row per change: file, column, change (renamed, truncated, type, label, missing, guarded), detail,
        cells.

    Raises
    ------
    AnnotuneError
        For a suffix without a writer, a label without a code, a full disk, or a folder that may not be written.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile, pathlib
    >>> data = pl.DataFrame({"unit_id": ["a", "b"], "left/right": [0.25, None]})
    >>> report = at.write(data, pathlib.Path(tempfile.mkdtemp()) / "scores.dta", say=print)
    scores.dta, 'left/right': renamed: is called left_right
    """
    targets = [
        Path(path) for path in (paths if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths])
    ]
    if not targets:
        raise AnnotuneError("No file to write to was given.", "Give at least one path.")
    if isinstance(data, Estimates):
        if any(option is not None for option in (codebook, labels, headings, regressions)) or labelled:
            raise AnnotuneError("A correction takes no codebook, labels or regressions.", "Pass title and notes only.")
        changes = _write_correction(data, targets, notes or (), title or "", layout, guard_formulas)
    else:
        texts: dict[str, Any] = {"labels": labels, "headings": headings, "notes": notes or (), "title": title}
        options: dict[str, Any] = {"labelled": labelled, "guard_formulas": guard_formulas}
        changes = _write_table(data, targets, codebook, regressions=regressions, **texts, **options)
    report = _report(changes)
    if say is not None:
        for line in report_lines(report):
            say(line)
    return report


def _write_correction(
    correction: Estimates, targets: Sequence[Path], notes: Sequence[str], title: str, layout: Layout, guard: bool
) -> Changes:
    """Write a correction in its own formats, and its estimates as a table in all others."""
    for target in targets:
        require_writer(target, correction=True)
    own = [target for target in targets if target.suffix.lower() in SUFFIXES]
    tables = [target for target in targets if target not in own]
    write_estimates(correction, own, title, notes, layout)
    if not tables:
        return []
    notes = [*about(correction), *notes]
    title = title or title_of(correction)
    return _write_table(correction.estimates, tables, notes=notes, title=title, guard_formulas=guard)


def _write_table(
    data: Any,
    targets: Sequence[Path],
    codebook: Codebook | None = None,
    labels: Mapping[str, Mapping[Any, str]] | None = None,
    headings: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    title: str | None = None,
    labelled: bool = False,
    regressions: Sequence[Regression | str] | None = None,
    guard_formulas: bool = False,
) -> Changes:
    """Write a table to every target, with what its own file and the arguments say about its columns."""
    for target in targets:
        require_writer(target)
    coded = {*(labels or {}), *(variable.name for variable in (codebook.variables if codebook else ()))}
    require_writable(targets, [Path(data)] if isinstance(data, (str, Path)) else [])
    with _source(data, targets[0].parent, coded) as (frame, about):
        names = frame.collect_schema().names()
        all_headings = {**_headings_of_corrected(names), **about.headings, **(headings or {})}
        all_labels = {**about.labels, **(labels or {})}
        sheet = describe(frame, codebook, all_labels, all_headings, notes, title, about.formats)
        return _write_sheet(sheet, targets, labelled, regressions, guard_formulas)


def _write_sheet(
    sheet: Sheet,
    targets: Sequence[Path],
    labelled: bool,
    regressions: Sequence[Regression | str] | None,
    guard_formulas: bool,
) -> Changes:
    """Write a sheet to every target, and its scripts once all files are written."""
    full, replacements = writable(sheet)
    common, facts, casts = with_common_types(full)
    in_r = any(labelled or rds.is_ambiguous(c, facts[c.name]) for c in common.columns if c.labels is not None)
    numbered = dataclasses.replace(common, columns=tuple(column.with_numbers() for column in common.columns))
    files = [] if regressions is None else list(scripts(numbered, targets, regressions, labelled=in_r))
    changes: Changes = []
    for target in targets:
        parquet = target.suffix.lower() == ".parquet"  # has every type
        of_format = _write_file(full if parquet else common, facts, target, labelled, guard_formulas)
        changes += [(target.name, change) for change in replacements + ([] if parquet else casts) + of_format]
    for path, script in files:
        with replacing(path) as draft:
            draft.write_text(script, encoding="utf-8")
    return changes


def require_writer(target: Path, correction: bool = False, more: Collection[str] = ()) -> None:
    """Refuse a target without a writer for its suffix; a correction, or `more`, allows further suffixes."""
    suffixes = list(dict.fromkeys([*WRITERS, *(SUFFIXES if correction else ()), *more]))
    suffix = target.suffix.lower()
    if suffix not in suffixes:
        advice = " That suffix is for the result of correct()." if suffix in SUFFIXES else ""
        raise AnnotuneError(
            f"{target}: no writer for {target.suffix or 'a file without suffix'!r}.",
            f"Use one of {', '.join(suffixes)}.{advice}",
        )


@contextmanager
def _source(data: Any, folder: Path, coded: Collection[str]) -> Iterator[tuple[pl.LazyFrame, Table]]:
    """The data as a lazy frame that gives the same rows in every pass, and a table with what its file says of it."""
    blank = Table(pl.DataFrame())
    if isinstance(data, (str, Path)) and Path(data).suffix.lower() == ".parquet" and Path(data).is_file():
        try:
            labels, headings = parquet.labels_and_headings(Path(data))
        except pl.exceptions.PolarsError:
            raise AnnotuneError(f"{data} is damaged, or not a .parquet file.", "Write it again.") from None
        yield pl.scan_parquet(data), Table(blank.frame, labels, headings)
    elif isinstance(data, (str, Path)):
        table = read_table(data, strings=("unit_id",))
        for note in table.notes:
            warn(note)
        yield table.frame.lazy(), table
    elif isinstance(data, pl.LazyFrame):  # computed once: a second run may order its rows differently
        with scratch_folder(folder) as scratch:
            try:
                data.sink_parquet(scratch / "data.parquet")
            except pl.exceptions.PolarsError as error:
                what = f"The lazy frame cannot be computed: {str(error).splitlines()[0]}."
                raise AnnotuneError(what, "Check its expressions.") from error
            yield pl.scan_parquet(scratch / "data.parquet"), blank
    else:
        frame = as_frame(data)  # from pandas, where codes with gaps are floating-point
        yield frame.with_columns(as_whole(frame[name]) for name in coded if name in frame.columns).lazy(), blank


def _headings_of_corrected(names: Sequence[str]) -> dict[str, str]:
    """Labels of the columns of `dsl_columns`: a logit would accept them silently, and misinterpret them."""
    if not {"coded", "pi"} <= set(names):
        return {}
    of = {name: name.removeprefix("dsl_") for name in names if name.startswith("dsl_")}
    return {name: f"linear models only: {outcome}, corrected for the model's error" for name, outcome in of.items()}


def _write_file(
    sheet: Sheet, facts: dict[str, Facts], target: Path, labelled: bool, guard_formulas: bool
) -> list[Change]:
    suffix = target.suffix.lower()
    guard = {"guard_formulas": guard_formulas}
    options = {".rds": {"labelled": labelled}, ".csv": guard, ".xlsx": guard}.get(suffix, {})
    writer = functools.partial(WRITERS[suffix], **options)
    with replacing(target) as draft:
        changes = writer(sheet, facts, draft)
        confirm.confirm(sheet, draft, target)
    return changes


def _report(changes: Changes) -> pl.DataFrame:
    rows = [(file, change.column, change.change, change.detail, change.cells) for file, change in changes]
    return pl.DataFrame(rows, schema=REPORT, orient="row")


def report_lines(report: pl.DataFrame) -> Iterator[str]:
    """The report of `write` in words: one line per change, and the number of those beyond 20."""
    for file, column, change, detail, cells in report.head(MOST_SHOWN).iter_rows():
        where = file if column is None else f"{file}, {column!r}"
        yield f"{where}: {change}: {detail}" + (f" ({cells:,} cells)" if cells is not None else "")
    if len(report) > MOST_SHOWN:
        yield f"... and {len(report) - MOST_SHOWN:,} more changes in the report."
