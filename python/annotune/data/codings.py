"""The one table: everybody who labels, people and models alike, adds rows to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NewType

import polars as pl

from annotune.data import layouts
from annotune.data.checked import Door
from annotune.data.codebook import Codebook, Variable
from annotune.data.frames import as_frame, identifiers, require_columns, unique_names
from annotune.data.row_checks import require_whole_rows
from annotune.errors import AnnotuneError, counted, nearest, warn
from annotune.tables.labelled import as_whole
from annotune.tables.store import SUFFIX

SCHEMA: dict[str, Any] = {
    "unit_id": pl.String,
    "variable": pl.String,
    "coder": pl.String,
    "label": pl.String,
    "prob": pl.Float64,
    "status": pl.String,
}
STATUSES = ("ok", "none", "missing", "unparsed", "error")
# What a store's codings have besides: the draw, the arm, person or model, and how many proposals were in sight.
OF_STORE = ("wave", "arm", "kind", "shown")
ANSWERED = ("ok", "none")  # the coder answered: with a label, or that none applies
Codings = NewType("Codings", pl.DataFrame)  # what `check` gave: these columns in their types, and sound
CHECKED = Door()


def read_codings(
    paths: Any,
    codebook: Codebook | None = None,
    *,
    unit_id: str = "unit_id",
    coder: str | None = None,
    variable: str | None = None,
    columns: Mapping[str, str] | None = None,
    coders: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    unknown: Literal["error", "drop"] = "error",
    encoding: str | None = None,
) -> Codings:
    """Read what coders said, from one file or several, in whatever layout they have it.

    Three layouts are understood: *long* (a row per unit, coder and label, with a column `label`),
    *by variable* (a row per unit and coder, a column per variable), and *wide* (a row per unit, a
    column per coder, named `anna` or `topic_anna`). Labels may be given as names or as codes. The sets of a
    multi-label variable may also stand in 0/1 columns, one a label, named `marks_elite` or `elite`.

    Parameters
    ----------
    paths
        A file, a study's store among them, a data frame, or a list of them.
    codebook
        Says which labels there are; without one, labels are taken as they are.
    unit_id, coder
        The columns with the text's identifier and the coder's name. Without a coder column, the
        coder is named after the file (`coder_anna.xlsx` is anna's). Prodigy's `_annotator_id` and Mechanical
        Turk's `WorkerId` are coders' names, `Answer.topic` what was said of topic.
    variable
        What was coded, where the file does not say; the codebook's only variable by default.
    columns
        For the layout by variable: the column of each variable, where it is named differently.
    coders
        For the wide layout: the columns, one a coder.
    keep
        Further columns to keep, such as a round or a document.
    unknown
        What to do with labels that are not in the codebook: stop, or drop and count them; a cell with a set
        of labels is dropped as a whole.

    Returns
    -------
    polars.DataFrame
        unit_id, variable, coder, label, prob, status, and the kept columns; a row per label given. A table of
        predictions made in folds keeps its `fold`, which says that every coded text has a row; gold keeps its
        coders' shares (`share_<label>`, see `resolve`); a study's store
        (.annotune) gives `wave`, `arm`, `kind` ("person", "adjudicator", or "model" for proposals), and `shown`: how
        many proposals the person saw.
        A cell left empty (or NA, unless NA is a label) is a row with the status `missing`.

    Raises
    ------
    AnnotuneError
        Naming the file, row and column of the first cell that cannot be read; and for a coding sheet of `sample` whose
        rows were moved in part, as by sorting one column alone.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "anna": ["yes", "no"], "ben": ["yes", None]})
    >>> at.read_codings(wide, variable="agree")["status"].to_list()
    ['ok', 'ok', 'ok', 'missing']
    """
    sources = paths if isinstance(paths, (list, tuple)) else [paths]
    if not sources:
        raise AnnotuneError("No file with codings was given.", "Give at least one.")
    further = [name for name in unique_names(keep) if name not in SCHEMA]
    layout = layouts.Layout(codebook, unit_id, coder, variable, columns, unique_names(coders or ()), further)
    parts: list[pl.DataFrame] = []
    file_of_coder: dict[str, str] = {}
    for number, data in enumerate(sources, start=1):
        source = layouts.read_source(data, unit_id, encoding, str(number) if len(sources) > 1 else "")
        require_columns(source.frame, layout.named_columns, source.name)
        require_whole_rows(source.frame, source.name, source.first, unit_id)
        own = replace(layout, keep=unique_names([*further, *OF_STORE])) if is_store(data) else layout
        long = layouts.lengthen(source, own)
        parts.append(check(layouts.name_labels(long, codebook, source.name, unknown)))
        if parts[-1]["coder"].unique().to_list() == [source.stem]:
            _tell_namesakes(file_of_coder, source.stem, source.name)
    return sound_codings(_without_doubles(pl.concat(parts, how="diagonal_relaxed"), codebook))


def is_store(data: Any) -> bool:
    """Whether this is the path of a study's store."""
    return isinstance(data, (str, Path)) and Path(data).suffix == SUFFIX


def of_people(codings: Codings) -> Codings:
    """The codings by people: without those that a store says are models' proposals."""
    if "kind" not in codings.columns:
        return codings
    return sound_codings(codings.filter(pl.col("kind").ne_missing("model")))


def _tell_namesakes(file_of_coder: dict[str, str], coder: str, file: str) -> None:
    """Say so where two files are one coder's for their names alone; `called` has each coder's file."""
    if coder in file_of_coder:
        what = f"{file_of_coder[coder]} and {file} are both taken for codings by {coder!r}."
        warn(f"{what} If two people made them, name the files after their coders, or add a column coder.")
    file_of_coder[coder] = file


def bind(*codings: pl.DataFrame) -> Codings:
    """Several tables of codings as one; columns that one of them lacks are null there.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> anna = pl.DataFrame({"unit_id": ["a"], "coder": ["anna"], "label": ["yes"]})
    >>> ben = pl.DataFrame({"unit_id": ["a"], "coder": ["ben"], "label": ["no"]})
    >>> at.bind(anna, ben).select("coder", "label", "status").rows()
    [('anna', 'yes', 'ok'), ('ben', 'no', 'ok')]
    """
    return sound_codings(pl.concat([check(table) for table in codings], how="diagonal_relaxed"))


def check(codings: Any) -> Codings:
    """A table of codings with all six columns in their types, or one sentence on why it is none.

    One that was checked already comes back as it is.
    """
    frame = as_frame(codings)
    return Codings(frame) if CHECKED.knows(frame) else sound_codings(_checked(frame))


def sound_codings(frame: pl.DataFrame) -> Codings:
    """A table that is sound by its making, such as some rows of a checked one: no door checks it again."""
    return Codings(CHECKED.admit(frame))


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    """The table in its columns and types, or one sentence on why it is none."""
    name = "The table of codings"
    require_columns(frame, ["unit_id", "label"], name)
    if frame["label"].dtype.is_nested():
        raise AnnotuneError(f"{name} has lists in its column 'label'.", "Give a row per label, or use read_codings.")
    defaults = {"variable": "label", "coder": "gold", "prob": None, "status": None}
    frame = frame.with_columns(
        pl.lit(value).alias(name) for name, value in defaults.items() if name not in frame.columns
    )
    label = frame["label"].fill_nan(None) if frame["label"].dtype.is_float() else frame["label"]
    frame = frame.with_columns(identifiers(frame["unit_id"], name), as_whole(label))
    try:
        frame = frame.with_columns(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"{name} has words in its column 'prob'.", "Give numbers from 0 to 1.") from None
    bare = pl.col("label").str.strip_chars()  # as codebooks are read; a cell of blanks is an empty one
    frame = frame.with_columns(pl.when(bare != "").then(bare).alias("label"))
    by_label = pl.when(pl.col("label").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok"))
    frame = frame.with_columns(pl.col("status").fill_null(by_label))
    _require_sound_status(frame)
    return frame.select(*SCHEMA, *(name for name in frame.columns if name not in SCHEMA))


def _require_sound_status(frame: pl.DataFrame) -> None:
    strange = frame.filter(~pl.col("status").is_in(STATUSES))
    if len(strange):
        raise AnnotuneError(f"The status {strange['status'][0]!r} is unknown.", f"Use one of {', '.join(STATUSES)}.")
    unfit = frame.filter((pl.col("status") == "ok") != pl.col("label").is_not_null())
    if len(unfit):
        unit, label, status = unfit.select("unit_id", "label", "status").row(0)
        what = f"The text {unit!r} has the status {status!r} {'without a' if label is None else 'beside the'} label"
        what += f"{'' if label is None else f' {label!r}'} ({len(unfit):,} such rows)."
        raise AnnotuneError(what, "Codings with a label, and only they, have the status ok.")


def of_variable(codings: Codings, variable: str) -> Codings:
    """The rows about one variable, or a sentence on what was coded instead."""
    rows = codings.filter(pl.col("variable") == variable)
    if rows.is_empty():
        names = codings["variable"].unique().sort().to_list()
        raise AnnotuneError(f"Nobody coded the variable {variable!r}.", nearest(variable, names))
    return sound_codings(rows)


def answered(rows: Codings, entry: Variable) -> Codings:
    """The rows with an answer to this variable: that no label applies is one where there may be several labels."""
    return Codings(rows.filter(pl.col("status").is_in(ANSWERED if entry.kind == "multilabel" else ["ok"])))


def widen(codings: pl.DataFrame, variable: str) -> pl.DataFrame:
    """One row per unit and one column per coder; several labels of one coder are joined by ';'.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> long = pl.DataFrame({"unit_id": ["a", "a", "b"], "coder": ["x", "y", "x"], "label": ["yes", "no", "yes"]})
    >>> at.widen(at.read_codings(long, variable="vote"), "vote").rows()
    [('a', 'yes', 'no'), ('b', 'yes', None)]
    """
    rows = of_variable(check(codings), variable)
    answer = pl.coalesce("label", pl.when(pl.col("status") == "none").then(pl.lit("none")))
    cells = rows.group_by("unit_id", "coder", maintain_order=True).agg(
        answer.drop_nulls().unique(maintain_order=True).str.join(";").replace("", None).alias("label")
    )
    return cells.pivot("coder", index="unit_id", values="label")


def require_labels(rows: pl.DataFrame, entry: Variable, what_they_are: str) -> None:
    """Stop where these rows about a variable have a label that it does not."""
    labels = rows["label"].drop_nulls().unique(maintain_order=True).to_list()
    strange = [label for label in labels if label not in entry.names]
    if strange:
        more = f" (and {len(strange) - 1:,} others)" if len(strange) > 1 else ""
        what = f"The {what_they_are} for {entry.name!r} hold the label {strange[0]!r}{more}"
        raise AnnotuneError(f"{what}, which the codebook does not have.", nearest(strange[0], entry.names))


def _without_doubles(codings: pl.DataFrame, codebook: Codebook | None) -> pl.DataFrame:
    """Identical rows count once; a coder's differing answers stay, and are counted for the user."""
    single = codings.unique(maintain_order=True)
    if len(single) < len(codings):
        doubles = counted(len(codings) - len(single), "coding is", "codings are")
        warn(f"{doubles} in the files twice and counted once.")
    sets = [entry.name for entry in codebook.variables if entry.kind == "multilabel"] if codebook else []
    single_answers = single.filter(~pl.col("variable").is_in(sets) & pl.col("label").is_not_null())
    key = [name for name in single.columns if name not in ("label", "prob", "status")]
    again = single_answers.filter(single_answers.select(key).is_duplicated())
    of_store = again.filter(pl.col("kind").is_not_null()) if "kind" in again.columns else again.clear()
    if len(of_store):  # which has one answer of everybody to everything
        which = f"such as that of {of_store['coder'][0]!r} to the text {of_store['unit_id'][0]!r}"
        warn(f"Answers in the store are sets of labels, {which}; give the codebook (codebook=), which says so.")
    elif len(again):
        warn(
            f"{len(again):,} codings are by a coder who coded the same text more than once, such as "
            f"{again['coder'][0]!r} the text {again['unit_id'][0]!r}; "
            "a majority counts each of them, agreement the first."
        )
    return single
