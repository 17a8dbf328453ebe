"""The inputs of a report, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.error_model import ErrorModel
from annotune.correction.multiverse import Multiverse
from annotune.correction.result import Correction
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import Codings, check, of_variable
from annotune.data.frames import as_frame, identified
from annotune.errors import AnnotuneError
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.export.journal import Layout, require_layout
from annotune.hybrid.anchoring import Anchoring
from annotune.hybrid.rounds import Rounds
from annotune.measures.evaluation import Evaluation
from annotune.models.classifier import Classifier, load
from annotune.records.record import without_folders

HELD_OUT = "held-out texts"


@dataclass(frozen=True)
class Judged:
    """A model for one variable with its evaluation, its predictions for held-out texts, and their hand codings.

    `title` distinguishes it from other models of the report, `key` its figures from theirs.
    """

    name: str
    evaluation: Evaluation
    title: str
    key: str
    model: Classifier | None = None
    gold: pl.DataFrame | None = None

    @property
    def held_out(self) -> pl.DataFrame | None:
        """Predictions for texts that the model was not tuned on."""
        return self.model.held_out if self.model is not None else None

    @property
    def entry(self) -> Variable | None:
        """The variable, where the model is there."""
        return self.model.variable if self.model is not None else None

    @property
    def coder(self) -> str:
        """The name of the model in tables."""
        return self.evaluation.models[0]

    @property
    def sets(self) -> bool:
        """Whether a text can have several labels."""
        return "exact_set" in set(self.evaluation.measures["measure"])

    def row(self, measure: str, model: str | None = None) -> dict[str, Any] | None:
        """A measure with its interval; by default that of the model."""
        matching = (pl.col("measure") == measure) & (pl.col("model") == (model or self.coder))
        rows = self.evaluation.measures.filter(matching)
        return rows.row(0, named=True) if len(rows) and rows["estimate"][0] is not None else None


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All inputs of a report; those that are None or empty are missing."""

    judged: tuple[Judged, ...] = ()
    untested: tuple[Classifier, ...] = ()
    codings: Codings | None = None
    reliability: pl.DataFrame | None = None
    codebook: Codebook | None = None
    gold: Codings | None = None
    coded: pl.DataFrame | None = None
    corpus: pl.DataFrame | None = None
    by: tuple[str, ...] | None = None
    compare: Comparison | None = None
    curve: LearningCurve | None = None
    rounds: Rounds | None = None
    anchoring: Anchoring | None = None
    multiverse: Multiverse | None = None
    correct: tuple[Correction, ...] = ()
    errors: tuple[ErrorModel, ...] = ()
    record: Mapping[str, Any] | None = None
    layout: Layout = "journal"
    n_boot: int = 1000
    seed: int = 1

    @property
    def models(self) -> list[Classifier]:
        """All tuned models, including those without held-out texts."""
        return [*(one.model for one in self.judged if one.model is not None), *self.untested]


def gather_inputs(
    *,
    model: Any,
    codings: Any,
    reliability: pl.DataFrame | None,
    codebook: Codebook | None,
    gold: Any,
    coded: Any,
    corpus: Any,
    by: str | Sequence[str] | None,
    compare: Comparison | None,
    curve: LearningCurve | None,
    rounds: Rounds | None,
    anchoring: Anchoring | None,
    multiverse: Multiverse | None,
    correct: Any,
    errors: Any,
    record: Any,
    layout: Layout,
    n_boot: int,
    seed: int,
) -> Inputs:
    """The inputs, read from their files and checked; at least one of them must allow a section."""
    require_layout(layout)
    sections = (model, codings, reliability, compare, curve, rounds, anchoring, multiverse)
    if all(thing is None for thing in sections) and not _as_list(correct):
        what = "There is nothing to report."
        raise AnnotuneError(what, "Pass a model, codings, a comparison, a learning curve, or a correction.")
    if n_boot < 100:
        raise AnnotuneError(f"n_boot={n_boot} replicates are too few.", "Use 100 or more; 1,000 is usual.")
    if by is not None and corpus is None:
        raise AnnotuneError("by= names columns of a corpus, and there is no corpus.", "Pass corpus= as well.")
    truth = None if gold is None else check(as_frame(gold))
    models = [_read_model(one) for one in _as_list(model)]
    tested = [one for one in models if isinstance(one, Evaluation) or one.evaluation is not None]
    return Inputs(
        judged=tuple(_judged_model(one, truth, i, tested) for i, one in enumerate(tested, start=1)),
        untested=tuple(one for one in models if isinstance(one, Classifier) and one.evaluation is None),
        codings=None if codings is None else check(as_frame(codings)),
        reliability=reliability,
        codebook=codebook,
        gold=truth,
        coded=None if coded is None else _coded_texts(as_frame(coded)),
        corpus=None if corpus is None else identified(corpus),
        by=(by,) if isinstance(by, str) else None if by is None else tuple(by),
        compare=compare,
        curve=curve,
        rounds=rounds if rounds is not None and rounds.n else None,
        anchoring=anchoring,
        multiverse=multiverse,
        correct=tuple(_as_list(correct)),
        errors=tuple(one for one in _as_list(errors) if one is not None),
        record=_read_record(record),
        layout=layout,
        n_boot=n_boot,
        seed=seed,
    )


def _coded_texts(coded: pl.DataFrame) -> pl.DataFrame:
    """The models' codings of a corpus: checked, or as they are where the table has a column for each variable."""
    return check(coded) if "label" in coded.columns else coded


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _read_model(model: Any) -> Classifier | Evaluation:
    if isinstance(model, (Classifier, Evaluation)):
        return model
    if isinstance(model, (str, Path)):
        return load(model, "cpu")
    what = f"model= is a {type(model).__name__}."
    raise AnnotuneError(what, "Pass a tuned model, its folder, or the result of evaluate.")


def _judged_model(
    model: Classifier | Evaluation, gold: Codings | None, number: int, others: Sequence[Classifier | Evaluation]
) -> Judged:
    """The model with the hand codings of its variable, where there are any."""
    key, names = f"model-{number}", [_variable_name(one) for one in others]
    name = _variable_name(model)
    evaluation = model if isinstance(model, Evaluation) else model.evaluation
    assert evaluation is not None
    title = ", ".join(part for part in (name, evaluation.models[0] if names.count(name) > 1 else "") if part)
    if isinstance(model, Evaluation):
        return Judged(name, evaluation, title, key)
    if gold is None:
        return Judged(name, evaluation, title, key, model, model.gold)
    mine = of_variable(gold, name) if name in set(gold["variable"]) else None
    return Judged(name, evaluation, title, key, model, mine)


def _variable_name(model: Classifier | Evaluation) -> str:
    return model.variable.name if isinstance(model, Classifier) else ""


def _read_record(record: Any) -> Mapping[str, Any] | None:
    """A record, or the file of one; without this machine's folders."""
    if isinstance(record, (str, Path)):
        try:
            record = json.loads(Path(record).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise AnnotuneError(f"{record} is not a record.", "Pass a .record.json that annotune wrote.") from None
    if record is not None and not isinstance(record, Mapping):
        raise AnnotuneError("record= is not a record.", "Pass a .record.json that annotune wrote.")
    return None if record is None else dict(without_folders(dict(record)))
