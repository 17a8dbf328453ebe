"""What people answered with proposals in sight and without, and what was proposed: from a store, or from any table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codings import ANSWERED, is_store, read_codings
from annotune.data.frames import as_frame, identifiers, require_columns
from annotune.errors import AnnotuneError, listing, nearest
from annotune.tables import read_table
from annotune.tables.store import decisions_in_store, read_store

BLIND, DECOY = "blind", "decoy"
WITH = ("open", "two")  # the arms in which coders see what models proposed
ARMS = (BLIND, *WITH, DECOY)
NONE = "(none)"  # that no label applies, as a label
ROLES = (
    "unit_id",
    "variable",
    "coder",
    "label",
    "accepted",
    "arm",
    "proposals",
    "proposer",
    "decoy",
    "seconds",
    "wave",
)
KEY = ["unit_id", "variable", "coder"]
VARIABLE = "label"  # what a table is about that does not say so
ANSWER = ["answer", *KEY, "arm", "wave", "seconds", "labels", "second"]
OFFER = ["unit_id", "variable", "proposer", "label"]
SHOWN = pl.List(pl.Struct({"coder": pl.String, "labels": pl.List(pl.String), "status": pl.String, "decoy": pl.Boolean}))


@dataclass(frozen=True)
class Answers:
    """Answers by people, and proposals.

    Attributes
    ----------
    answers
        One row per answer: its number, unit_id, variable, coder, arm, wave, seconds, labels (a list), and whether it is
        a second one, given without a proposal to a text that the coder had answered with one.
    shown
        One row per answer and label that it was shown: the columns of the answer, proposer, label, decoy, accepted.
    offered
        What models proposed, whether shown or not, one row per label: unit_id, variable, proposer, label.
    complete
        Whether `offered` has the proposals for texts that were coded blind as well.
    """

    answers: pl.DataFrame
    shown: pl.DataFrame
    offered: pl.DataFrame
    complete: bool

    @property
    def blind(self) -> pl.DataFrame:
        """The answers that were given without a proposal, and before any was seen."""
        first = self.answers.filter((pl.col("arm") == BLIND) & ~pl.col("second"))
        if not self.complete:
            return first
        return first.join(self.offered, on=["unit_id", "variable"], how="semi")  # of others nothing would be shown

    @property
    def sighted(self) -> pl.DataFrame:
        """The answers that were given with a model's proposal in sight."""
        proposed = self.shown.filter(~pl.col("decoy"))
        return self.answers.filter(pl.col("arm").is_in(WITH)).join(proposed, on="answer", how="semi")


def read_answers(source: Any, columns: Mapping[str, str] | None = None, proposals: Any = None) -> Answers:
    """The answers and proposals in a study's store, a table, or the file of one."""
    named = _offers(_read_proposals(proposals)) if proposals is not None else _no_offers()
    if not is_store(source):
        rows, models = _of_table(source, columns or {}, named["proposer"].unique().to_list()), named
    elif columns:
        raise AnnotuneError("A store has its own columns.", "Leave out columns=.")
    else:
        rows, own = _of_store(Path(source))
        models = pl.concat([own, named])
    if rows.is_empty():
        raise AnnotuneError("Nobody has answered yet.", "Let people code (and record their sheets) first.")
    answers = rows.with_row_index("answer")
    shown = _shown(answers)
    seen = shown.filter(~pl.col("decoy")).select(OFFER)
    return Answers(
        answers.select(ANSWER), shown, pl.concat([models, seen]).unique(maintain_order=True), len(models) > 0
    )


def _of_store(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The answers that stand, the last one of each coder, text and arm; and what models proposed."""
    rows = decisions_in_store(path)
    earlier = pl.col("arm").forward_fill().over(KEY)  # an answer is withdrawn in its arm
    rows = rows.with_columns(arm=pl.when(pl.col("status") == "withdrawn").then(earlier).otherwise("arm"))
    last = rows.filter(pl.col("id") == pl.col("id").max().over([*KEY, "arm"]))
    standing = last.filter(pl.col("status").is_in(ANSWERED) & pl.col("arm").is_not_null())
    before = rows.filter(pl.col("arm") != BLIND).group_by(KEY).agg(first=pl.col("id").min())
    second = (pl.col("arm") == BLIND) & (pl.col("first") < pl.col("id")).fill_null(False)
    labels = pl.col("labels").str.json_decode(pl.List(pl.String))
    return (
        standing.join(before, on=KEY, how="left", maintain_order="left").with_columns(
            labels=_or_none(labels), proposals=pl.col("proposals").str.json_decode(SHOWN), second=second
        ),
        _offers(read_store(path).filter(pl.col("kind") == "model")),
    )


def _read_proposals(source: Any) -> pl.DataFrame:
    """Codings by models; where they do not say of which variable, of that of a plain table of answers."""
    frame = read_table(Path(source)).frame if isinstance(source, (str, Path)) and not is_store(source) else source
    if isinstance(frame, pl.DataFrame) and "label" in frame.columns and "variable" not in frame.columns:
        return read_codings(source, variable=VARIABLE)
    return read_codings(source)


def _no_offers() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(OFFER, pl.String))


def _offers(codings: pl.DataFrame) -> pl.DataFrame:
    """What models proposed, a row per label."""
    answered = codings.filter(pl.col("status").is_in(ANSWERED))
    return answered.select("unit_id", "variable", pl.col("coder").alias("proposer"), pl.col("label").fill_null(NONE))


def _or_none(labels: pl.Expr) -> pl.Expr:
    """A list of labels; that there is none as a label of its own."""
    filled = labels.fill_null([]).list.drop_nulls().list.unique(maintain_order=True)
    return pl.when(filled.list.len() == 0).then(pl.lit([NONE])).otherwise(filled)


def _of_table(source: Any, columns: Mapping[str, str], proposers: Sequence[str]) -> pl.DataFrame:
    """The answers of a plain table, one row each; see `anchoring`. A single proposer need not be named again."""
    path = isinstance(source, (str, Path))
    name = str(source) if path else "The table"
    frame = read_table(Path(source), strings=("unit_id",)).frame if path else as_frame(source)
    frame = frame.with_columns(pl.col(pl.String).replace("NA", None))  # as R writes what is missing
    frame = _renamed(frame, columns, name)
    require_columns(frame, ["unit_id", "coder", "proposals"], name)
    if not {"label", "accepted"} & set(frame.columns):
        raise AnnotuneError(f"{name} has neither answers nor verdicts.", "Give a column label, or accepted.")
    proposer = proposers[0] if len(proposers) == 1 else "the model"
    defaults = {"variable": VARIABLE, "proposer": proposer, "decoy": False, "seconds": None, "wave": None}
    absent = [pl.lit(value).alias(role) for role, value in defaults.items() if role not in frame.columns]
    frame = frame.with_columns(*absent, identifiers(frame["unit_id"], name).alias("unit_id"))
    frame = frame.with_columns(_whole(frame, "seconds", pl.Float64, name), _whole(frame, "wave", pl.Int64, name))
    frame = frame.with_columns(pl.col("variable", "coder", "proposer").cast(pl.String), _decoys(frame, name))
    nameless = frame["coder"].is_null().arg_max() if frame["coder"].null_count() else None
    if nameless is not None:
        raise AnnotuneError(f"{name}, row {nameless + 1}, column 'coder': the name is missing.", "Fill it in.")
    frame = frame.with_columns(_proposals(frame, name))
    frame = frame.with_columns(labels=_labels(frame, name)).drop_nulls("labels")
    frame = frame.with_columns(arm=_arms(frame, name), labels=_or_none(pl.col("labels")))
    order = pl.int_range(pl.len())
    first = order.filter(pl.col("arm") != BLIND).min().over(KEY)
    second = (pl.col("arm") == BLIND) & (first < order).fill_null(False)
    return frame.with_columns(second=second)


def _renamed(frame: pl.DataFrame, columns: Mapping[str, str], name: str) -> pl.DataFrame:
    for role in columns:
        if role not in ROLES:
            raise AnnotuneError(f"columns= names {role!r}, which has no meaning here.", nearest(role, ROLES))
    require_columns(frame, list(columns.values()), name)
    others = [role for role, column in columns.items() if role != column and role in frame.columns]
    return frame.drop(others).rename({column: role for role, column in columns.items()})


def _whole(frame: pl.DataFrame, column: str, dtype: Any, name: str) -> pl.Series:
    try:
        return frame[column].cast(dtype).alias(column)
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"{name} has words in its column {column!r}.", "Give numbers.") from None


def _decoys(frame: pl.DataFrame, name: str) -> pl.Series:
    """Whether each proposal was false on purpose."""
    cells = frame["decoy"]
    try:
        return cells.cast(pl.Int8 if cells.dtype == pl.String else pl.Boolean).cast(pl.Boolean)
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"{name} has words in its column 'decoy'.", "Give true and false, or 1 and 0.") from None


def _split(cells: pl.Series) -> pl.Series:
    """Labels joined by semicolons as lists; null stays null."""
    if cells.dtype.is_nested():
        return cells.cast(pl.List(pl.String))
    words = cells.cast(pl.String).str.strip_chars()
    return pl.Series(words.str.split(";").list.eval(_label(pl.element()).drop_nulls()))


def _label(cell: pl.Expr) -> pl.Expr:
    """A label; null for the words that say that none applies."""
    word = cell.str.strip_chars()
    return pl.when(~word.is_in(["", "none", NONE])).then(word)


def _proposals(frame: pl.DataFrame, name: str) -> pl.Series:
    """What each answer was shown: as JSON, as a store has it, or labels joined by semicolons by one proposer."""
    cells = frame["proposals"]
    words = cells.cast(pl.String, strict=False) if not cells.dtype.is_nested() else None
    if words is not None and words.drop_nulls().str.starts_with("[").any():
        try:
            return words.fill_null("[]").str.json_decode(SHOWN).alias("proposals")
        except pl.exceptions.PolarsError:
            row = next(row for row, cell in enumerate(words, start=1) if not _is_listed(cell))
            what = f"{name}, row {row}, column 'proposals': the cell is no JSON list of proposals, as others are."
            raise AnnotuneError(what, "Give labels (joined by ;), or a list as a store has it.") from None
    one = pl.struct(
        coder=pl.when(~pl.col("decoy").fill_null(False)).then("proposer"),
        labels=pl.col("labels"),
        status=pl.lit("ok"),
        decoy=pl.col("decoy").fill_null(False),
    )
    table = pl.DataFrame({"labels": _split(cells), "proposer": frame["proposer"], "decoy": frame["decoy"]})
    empty = pl.col("labels").list.len().fill_null(0) == 0
    listed = table.select(pl.when(~empty).then(pl.concat_list(one)).otherwise(pl.lit([], SHOWN)))
    return listed.to_series().cast(SHOWN).alias("proposals")


def _is_listed(cell: str | None) -> bool:
    """Whether a cell is a JSON list of proposals, or empty."""
    try:
        pl.Series([cell or "[]"]).str.json_decode(SHOWN)
    except pl.exceptions.PolarsError:
        return False
    return True


def _labels(frame: pl.DataFrame, name: str) -> pl.Series:
    """The labels of each answer; of a verdict those that were shown, or none."""
    if "label" in frame.columns:
        return _split(frame["label"])
    verdicts = frame["accepted"].cast(pl.Int8, strict=False).drop_nulls()
    if frame["accepted"].dtype == pl.String or not verdicts.is_in([0, 1]).all():
        raise AnnotuneError(f"{name} has words in its column 'accepted'.", "Give true and false, or 1 and 0.")
    shown = pl.col("proposals").list.eval(pl.element().struct.field("labels")).list.eval(pl.element().explode())
    verdict = pl.col("accepted").cast(pl.Boolean)
    none = pl.lit([], pl.List(pl.String))
    return frame.select(pl.when(verdict).then(shown).when(verdict.is_not_null()).then(none)).to_series()


def _arms(frame: pl.DataFrame, name: str) -> pl.Series:
    """The arm of each answer; where it is not said, by what was shown."""
    shown = pl.col("proposals").list.len() > 0
    decoys = pl.col("proposals").list.eval(pl.element().struct.field("decoy").fill_null(False)).list.any()
    derived = pl.when(~shown).then(pl.lit(BLIND)).when(decoys).then(pl.lit(DECOY)).otherwise(pl.lit(WITH[0]))
    named = pl.col("arm").cast(pl.String) if "arm" in frame.columns else pl.lit(None, pl.String)
    arms = frame.select(pl.coalesce(named, derived)).to_series()
    strange = arms.filter(~arms.is_in(ARMS)).unique(maintain_order=True)
    if len(strange):
        what = f"{name} has {listing(strange.to_list())} in its column 'arm'."
        raise AnnotuneError(
            what, f"Use {', '.join(ARMS)}, or leave the column out: an answer without proposals is blind."
        )
    return arms


def _shown(answers: pl.DataFrame) -> pl.DataFrame:
    """One row per answer and label that was shown with it."""
    each = answers.explode("proposals").drop_nulls("proposals").unnest("proposals", separator="_")
    none = pl.col("proposals_labels").list.len().fill_null(0) == 0
    labels = pl.when(none).then(pl.lit([NONE])).otherwise(pl.col("proposals_labels"))
    rows = each.with_columns(labels_shown=labels).explode("labels_shown")
    return rows.select(
        *ANSWER,
        proposer=pl.col("proposals_coder").fill_null("(decoy)"),
        label="labels_shown",
        decoy=pl.col("proposals_decoy").fill_null(False) | (pl.col("arm") == DECOY),
        accepted=pl.col("labels").list.contains(pl.col("labels_shown")),
    )
