"""One call, every format: the same table for Stata, R, SPSS, Python and spreadsheets, and what each had to change."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.frames import as_frame
from annotune.errors import AnnotuneError
from annotune.export import confirm, dta, others, rds
from annotune.export.estimate_files import SUFFIXES, write_estimates
from annotune.export.estimates import Estimates, about, title_of
from annotune.export.scripts import Regression, scripts
from annotune.export.sheet import Change, Facts, Sheet, describe, tame, writable
from annotune.records.files import replacing
from annotune.tables import parquet, read_table
from annotune.tables.labelled import as_whole

Writer = Callable[[Sheet, dict[str, Facts], Path], list[Change]]
WRITERS: dict[str, Writer] = {
    ".dta": dta.write,
    ".rds": rds.write,
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
    labels: Mapping[str, Mapping[int, str]] | None = None,
    headings: Mapping[str, str] | None = None,
    notes: Sequence[str] | None = None,
    title: str | None = None,
    labelled: bool = False,
    regressions: Sequence[Regression | str] | None = None,
) -> pl.DataFrame:
    """Write a table for Stata, R, SPSS, Python or a spreadsheet, and say what had to be changed.

    Every file appears whole or not at all, is compared with what was sent, and has the same bytes for the same
    input. A parquet file is written to .dta in batches, so that it may be larger than the memory.

    Parameters
    ----------
    data
        A polars or pandas frame, a polars LazyFrame, or the path of a table; or a `Correction`, as `correct` gives it.
    paths
        Where to: one path or several; .dta, .rds, .parquet, .csv, .sav or .xlsx. A correction also goes to .tex, .docx
        and .html as a table with three rows for each coefficient (these need the package maketables), to .do as
        matrices b and V that are posted in Stata, and to .rds as an R object with coefficients and vcov; elsewhere its
        estimates are the rows. Of the options below it takes title and notes.
    codebook
        Columns named after its variables, and Enum columns of their labels, get the codes and labels: value labels
        in Stata and SPSS, factor levels in codebook order in R. Where a column `topic_status` stands beside
        `topic`, Stata's missing values tell why: .a not coded, .b no label applies, .c answer not parsed,
        .d call failed.
    labels
        For other coded columns: column -> {code: name}. An Enum column without labels gets the codes 1, 2, ...
    headings
        Variable labels; a codebook's variable has its instruction, a column of `dsl_columns` that it is for linear
        models only.
    notes
        Where the data come from, a sentence each: notes in Stata, the attribute `notes` in R.
    title
        The data's label; the codebook's name when left out.
    labelled
        Coded columns as haven_labelled in .rds, instead of factors. R's lm takes a factor's levels, but a
        haven_labelled column as one number.
    regressions
        Formulas such as `topic == 'Health' ~ party + year`, or `export.scripts.Regression`s, which also name a
        corrected outcome. A do-file stands beside the .dta and an R script beside the .rds, ready to run them; with
        an empty list they load the data and show the labels.

    Returns
    -------
    polars.DataFrame
        file, column, change (renamed, truncated, type, label, missing), detail, cells; printed when not empty.

    Raises
    ------
    AnnotuneError
        For a suffix without a writer, a label without a code, a full disk, or a folder that may not be written.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile, pathlib
    >>> data = pl.DataFrame({"unit_id": ["a", "b"], "left/right": [0.25, None]})
    >>> report = at.write(data, pathlib.Path(tempfile.mkdtemp()) / "scores.dta")
    scores.dta, 'left/right': renamed: is called left_right
    """
    targets = [
        Path(path) for path in (paths if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths])
    ]
    if not targets:
        raise AnnotuneError("No file to write to was given.", "Give at least one path.")
    if isinstance(data, Estimates):
        if any(option is not None for option in (codebook, labels, headings, regressions)) or labelled:
            raise AnnotuneError("A correction takes no codebook, labels or regressions.", "Give title and notes only.")
        return _write_correction(data, targets, notes or (), title or "")
    for target in targets:
        require_writer(target)
    changes: list[tuple[str, Change]] = []
    coded = {*(labels or {}), *(variable.name for variable in (codebook.variables if codebook else ()))}
    with _source(data, targets[0].parent, coded) as (frame, known_labels, known_headings):
        all_labels = {**known_labels, **(labels or {})}
        all_headings = {**_warnings(frame.collect_schema().names()), **known_headings, **(headings or {})}
        raw, mended = writable(describe(frame, codebook, all_labels, all_headings, notes or (), title))
        tamed, facts, tamings = tame(raw)
        in_r = any(labelled or rds.is_ambiguous(c, facts[c.name]) for c in tamed.columns if c.labels is not None)
        ready = [] if regressions is None else list(scripts(tamed, targets, regressions, labelled=in_r))
        for target in targets:
            parquet = target.suffix.lower() == ".parquet"  # holds every type as it is
            made = _write(raw if parquet else tamed, facts, target, labelled)
            changes += [(target.name, change) for change in mended + ([] if parquet else tamings) + made]
        for path, script in ready:
            with replacing(path) as draft:
                draft.write_text(script, encoding="utf-8")
    return _report(changes)


def _write_correction(found: Estimates, targets: Sequence[Path], notes: Sequence[str], title: str) -> pl.DataFrame:
    """What only a correction can be written to, and its estimates as a table for all else."""
    for target in targets:
        require_writer(target, correction=True)
    own = [target for target in targets if target.suffix.lower() in SUFFIXES]
    tables: list[str | Path] = [target for target in targets if target not in own]
    write_estimates(found, own, title, notes)
    if not tables:
        return _report([])
    return write(found.estimates, tables, title=title or title_of(found), notes=[*about(found), *notes])


def require_writer(target: Path, correction: bool = False, more: Collection[str] = ()) -> None:
    """Stop where no format has the target's suffix; a correction, and what has `more`, has others than data have."""
    known = list(dict.fromkeys([*WRITERS, *(SUFFIXES if correction else ()), *more]))
    suffix = target.suffix.lower()
    if suffix not in known:
        advice = " That is for what correct() gives." if suffix in SUFFIXES else ""
        raise AnnotuneError(
            f"{target}: no writer for {target.suffix or 'a file without suffix'!r}.",
            f"Use one of {', '.join(known)}.{advice}",
        )


@contextmanager
def _source(
    data: Any, folder: Path, coded: Collection[str]
) -> Iterator[tuple[pl.LazyFrame, Mapping[str, Mapping[int, str]], Mapping[str, str]]]:
    """The data as a lazy frame that gives the same rows every time it is asked, with what its file knows."""
    if isinstance(data, (str, Path)) and Path(data).suffix.lower() == ".parquet" and Path(data).is_file():
        try:
            known = parquet.about(Path(data))
        except pl.exceptions.PolarsError:
            raise AnnotuneError(f"{data} is damaged, or no .parquet file.", "Write it again.") from None
        yield pl.scan_parquet(data), *known
    elif isinstance(data, (str, Path)):
        table = read_table(data, strings=("unit_id",))
        yield table.frame.lazy(), table.labels, table.headings
    elif isinstance(data, pl.LazyFrame):  # computed once: a second run may order its rows differently
        with tempfile.TemporaryDirectory(dir=folder, prefix=".annotune-") as scratch:
            try:
                data.sink_parquet(Path(scratch) / "data.parquet")
            except pl.exceptions.PolarsError as error:
                what = f"The lazy frame cannot be computed: {str(error).splitlines()[0]}."
                raise AnnotuneError(what, "Check its expressions.") from error
            yield pl.scan_parquet(Path(scratch) / "data.parquet"), {}, {}
    else:
        frame = as_frame(data)  # from pandas, where codes with gaps are floating-point
        yield frame.with_columns(as_whole(frame[name]) for name in coded if name in frame.columns).lazy(), {}, {}


def _warnings(names: Sequence[str]) -> dict[str, str]:
    """Labels of the columns that `dsl_columns` made: a logit would take them without a word, and misread them."""
    if not {"coded", "pi"} <= set(names):
        return {}
    of = {name: name.removeprefix("dsl_") for name in names if name.startswith("dsl_")}
    return {name: f"linear models only: {outcome}, corrected for the model's error" for name, outcome in of.items()}


def _write(sheet: Sheet, facts: dict[str, Facts], target: Path, labelled: bool) -> list[Change]:
    suffix = target.suffix.lower()
    writer = functools.partial(rds.write, labelled=labelled) if suffix == ".rds" else WRITERS[suffix]
    with replacing(target) as draft:
        changes = writer(sheet, facts, draft)
        confirm.confirm(sheet, draft, target)
    return changes


def _report(changes: Sequence[tuple[str, Change]]) -> pl.DataFrame:
    rows = [(file, change.column, change.change, change.detail, change.cells) for file, change in changes]
    for file, column, change, detail, cells in rows[:MOST_SHOWN]:
        where = file if column is None else f"{file}, {column!r}"
        print(f"{where}: {change}: {detail}" + (f" ({cells:,} cells)" if cells is not None else ""))
    if len(rows) > MOST_SHOWN:
        print(f"... and {len(rows) - MOST_SHOWN:,} more changes in the report.")
    return pl.DataFrame(rows, schema=REPORT, orient="row")
