"""What a report is made from: what was given, read and put beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.error_model import ErrorModel
from annotune.correction.result import Correction
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import Codings, check, of_variable
from annotune.data.frames import as_frame, identified
from annotune.errors import AnnotuneError
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.measures.evaluation import Evaluation
from annotune.models.classifier import Classifier, load
from annotune.records.record import without_folders

HELD_OUT = "held-out texts"


@dataclass(frozen=True)
class Judged:
    """A model for one variable, its evaluation, its predictions for held-out texts, and what people said about them.

    `title` tells it from the other models of the report, `key` its figures from theirs.
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
        """The variable, where the model knows it."""
        return self.model.variable if self.model is not None else None

    @property
    def coder(self) -> str:
        """What the model is called in tables."""
        return self.evaluation.models[0]

    @property
    def sets(self) -> bool:
        """Whether a text can have several labels."""
        return "exact_set" in set(self.evaluation.measures["measure"])

    def row(self, measure: str, model: str | None = None) -> dict[str, Any] | None:
        """A measure with its interval; of the model where no other is named."""
        wanted = (pl.col("measure") == measure) & (pl.col("model") == (model or self.coder))
        found = self.evaluation.measures.filter(wanted)
        return found.row(0, named=True) if len(found) and found["estimate"][0] is not None else None


@dataclass(frozen=True)
class Given:
    """All that a report is made from; whatever is None or empty was not given."""

    judged: tuple[Judged, ...] = ()
    untested: tuple[Classifier, ...] = ()
    codings: Codings | None = None
    reliability: pl.DataFrame | None = None
    codebook: Codebook | None = None
    gold: Codings | None = None
    corpus: pl.DataFrame | None = None
    by: tuple[str, ...] | None = None
    compare: Comparison | None = None
    curve: LearningCurve | None = None
    correct: tuple[Correction, ...] = ()
    errors: tuple[ErrorModel, ...] = ()
    record: Mapping[str, Any] | None = None
    n_boot: int = 1000
    seed: int = 1

    @property
    def models(self) -> list[Classifier]:
        """All tuned models, those without held-out texts too."""
        return [*(one.model for one in self.judged if one.model is not None), *self.untested]


def gather(
    model: Any,
    codings: Any,
    reliability: pl.DataFrame | None,
    codebook: Codebook | None,
    gold: Any,
    corpus: Any,
    by: str | Sequence[str] | None,
    compare: Comparison | None,
    curve: LearningCurve | None,
    correct: Any,
    errors: Any,
    record: Any,
    n_boot: int,
    seed: int,
) -> Given:
    """What was given, read from its files and checked; at least one thing must be there that can be shown."""
    if all(thing is None for thing in (model, codings, reliability, compare, curve)) and not _several(correct):
        what = "There is nothing to report."
        raise AnnotuneError(what, "Give a model, codings, a comparison, a learning curve, or a correction.")
    if n_boot < 100:
        raise AnnotuneError(f"n_boot={n_boot} replicates are too few.", "Use 100 or more; 1,000 is usual.")
    if by is not None and corpus is None:
        raise AnnotuneError("Errors are to be shown by columns of a corpus, and none is given.", "Give corpus=.")
    truth = None if gold is None else check(as_frame(gold))
    models = [_read_model(one) for one in _several(model)]
    tested = [one for one in models if isinstance(one, Evaluation) or one.evaluation is not None]
    return Given(
        tuple(_judged(one, truth, i, tested) for i, one in enumerate(tested, start=1)),
        tuple(one for one in models if isinstance(one, Classifier) and one.evaluation is None),
        None if codings is None else check(as_frame(codings)),
        reliability,
        codebook,
        truth,
        None if corpus is None else identified(corpus),
        (by,) if isinstance(by, str) else None if by is None else tuple(by),
        compare,
        curve,
        tuple(_several(correct)),
        tuple(one for one in _several(errors) if one is not None),
        _read_record(record),
        n_boot,
        seed,
    )


def _several(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _read_model(given: Any) -> Classifier | Evaluation:
    if isinstance(given, (Classifier, Evaluation)):
        return given
    if isinstance(given, (str, Path)):
        return load(given, "cpu")
    what = f"model= is a {type(given).__name__}."
    raise AnnotuneError(what, "Give a tuned model, the folder of one, or what evaluate returned.")


def _judged(
    given: Classifier | Evaluation, gold: Codings | None, number: int, others: Sequence[Classifier | Evaluation]
) -> Judged:
    """The model with the gold for its own variable, where there is some."""
    key, names = f"model-{number}", [_variable(one) for one in others]
    name = _variable(given)
    evaluation = given if isinstance(given, Evaluation) else given.evaluation
    assert evaluation is not None
    told = ", ".join(part for part in (name, evaluation.models[0] if names.count(name) > 1 else "") if part)
    if isinstance(given, Evaluation):
        return Judged(name, evaluation, told, key)
    if gold is None:
        return Judged(name, evaluation, told, key, given, given.gold)
    mine = of_variable(gold, name) if name in set(gold["variable"]) else None
    return Judged(name, evaluation, told, key, given, mine)


def _variable(given: Classifier | Evaluation) -> str:
    return given.variable.name if isinstance(given, Classifier) else ""


def _read_record(record: Any) -> Mapping[str, Any] | None:
    """A record, or the file of one; without this machine's folders."""
    if isinstance(record, (str, Path)):
        try:
            record = json.loads(Path(record).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise AnnotuneError(f"{record} is no record.", "Give a .record.json that annotune wrote.") from None
    if record is not None and not isinstance(record, Mapping):
        raise AnnotuneError("record= is no record.", "Give a .record.json that annotune wrote.")
    return None if record is None else dict(without_folders(dict(record)))
