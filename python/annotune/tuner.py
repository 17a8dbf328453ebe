"""tune(): from gold to a classifier, with three parts kept apart and figures from the one looked at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pydantic

from annotune.baselines import no_information, tf_idf
from annotune.classifier import Classifier, model_sha256
from annotune.codebook import Codebook, Variable
from annotune.codings import check, of_variable
from annotune.corpus import read_corpus
from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.evaluation import NO_INFORMATION, TF_IDF, Evaluation, encode, tabulate
from annotune.record import frame_sha256, versions
from annotune.runtime import hardware
from annotune.tuning.base import Base, find_base, load_tokenizer
from annotune.tuning.batches import tokenize
from annotune.tuning.encoder import decide, outputs
from annotune.tuning.fit import Examples, Fitted, fit, probe_logits, refit
from annotune.tuning.parts import folds, hold_out
from annotune.tuning.settings import Settings

FEW = 1000  # below, figures come from cross-validation, and the final model learns from all coded texts
FEWEST = 20
FOLDS = 5
PROBE = "probe (frozen base)"


@dataclass(frozen=True)
class Coded:
    """The n texts that have both a text and a gold label, and what is known about them."""

    frame: pl.DataFrame  # unit_id, text, covariates, in gold's order
    targets: np.ndarray  # label numbers (n,), or sets (n, labels)
    labels: tuple[str, ...]  # those that occur, in codebook order
    variable: Variable  # with only those labels

    @property
    def strata(self) -> np.ndarray:
        """A label number a text (n,): of a set, its rarest label."""
        if self.targets.ndim == 1:
            return self.targets
        frequency = self.targets.sum(0)
        return np.asarray(np.where(self.targets, frequency, frequency.max() + 1).argmin(1))


def tune(
    corpus: Any,
    gold: Any,
    codebook: Codebook,
    variable: str | None = None,
    *,
    test: float | Mapping[str, Sequence[Any]] | None = None,
    validation: float = 0.15,
    folds: int | None = None,
    group: str | None = None,
    n_boot: int = 1000,
    **settings: Any,
) -> Classifier:
    """Tune a model to code as the gold does, and measure it on texts it has not seen.

    A logistic regression on the base model's embeddings (the probe) comes first; the network is then
    fine-tuned from it, and handed out only if it is no worse on the validation part. Three parts are
    never mixed: train; validation, for stopping and every choice; test, looked at once, for the
    figures. Texts that are equal stay in one part.

    Parameters
    ----------
    corpus
        A frame with unit_id, text and covariates (as `read_corpus` returns it).
    gold
        A table of codings with one answer a unit (as `resolve` returns it).
    codebook, variable
        What was coded.
    test
        A share to hold out; or columns and their values, such as `{"manifesto": ["BNP 2010"]}`, for
        the texts to hold out; 0 for none. By default a fifth where there are at least 1,000 coded
        texts, else cross-validation.
    validation
        The share of the remaining texts that is used for stopping and every choice.
    folds
        Cross-validate in so many folds in place of a test part: each text is predicted by a model
        that has not seen it, the figures are over all of them, and the model handed out is tuned on
        all coded texts.
    group
        A column of the corpus: texts with the same value stay in one part.
    n_boot
        Bootstrap replicates for the intervals.
    **settings
        See `annotune.tuning.settings.Settings`: base, method, epochs, seed, device ...

    Returns
    -------
    Classifier
        With `.evaluation` (the model, the probe, TF-IDF and the most frequent label on the same
        held-out units) and `.held_out`, the predictions behind it.

    Raises
    ------
    AnnotuneError
        With too few coded texts, a single label, unresolved codings, or columns that are not there.
    """
    chosen = _settings(settings)
    coded = _coded(read_corpus(corpus), gold, codebook, variable)
    started = time.perf_counter()
    groups = _groups(coded.frame, group)
    base = find_base(chosen.base)
    tokenizer = load_tokenizer(base)
    tokens = tokenize(tokenizer, coded.frame["text"].to_list(), chosen.max_tokens)
    examples = Examples(tokens, coded.targets, len(coded.labels))
    work = _Work(coded, examples, groups, group is not None, base, chosen, validation)
    k = folds if folds is not None else (FOLDS if test is None and len(coded.frame) < FEW else None)
    if k:
        fitted, held = _cross_validate(work, k)
    else:
        fitted, held = _hold_out_once(work, _test_part(work, 0.2 if test is None else test))
    card = _card(work, fitted, held, k, time.perf_counter() - started)
    card["model_sha256"] = model_sha256(fitted.model)
    model = Classifier(fitted.model, tokenizer, codebook.variable(coded.variable.name), coded.labels, card)
    return replace(
        model, evaluation=_evaluate(model, held, coded, n_boot, chosen.seed), held_out=_held_out(model, held, coded)
    )


@dataclass(frozen=True)
class _Work:
    coded: Coded
    examples: Examples
    groups: np.ndarray  # a number a text (n,): of the group asked for, or of the text itself
    grouped: bool
    base: Base
    settings: Settings
    validation: float

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.settings.seed)

    def split(self, places: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """`places` in two, `share` of them in the second; groups, or else equal texts, stay together."""
        groups, strata = self.groups[places], self.coded.strata[places]
        if self.grouped:
            rest, out = hold_out(strata, share, self.rng(), groups)
            return places[rest], places[out]
        first = np.unique(groups, return_index=True)[1]
        _, chosen = hold_out(strata[first], share, self.rng())
        held = np.isin(groups, groups[first[chosen]])
        return places[~held], places[held]

    def folds(self, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """k pairs of places (rest, fold), kept together in the same way."""
        if self.grouped:
            return list(folds(self.coded.strata, k, self.rng(), self.groups))
        first = np.unique(self.groups, return_index=True)[1]
        parts = folds(self.coded.strata[first], k, self.rng())
        held = [np.isin(self.groups, self.groups[first[chosen]]) for _, chosen in parts]
        return [(np.flatnonzero(~out), np.flatnonzero(out)) for out in held]


@dataclass
class _Held:
    """Answers for held-out texts: their places, and each model's logits or answers."""

    places: np.ndarray
    logits: np.ndarray
    answers: dict[str, np.ndarray]


def _settings(settings: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**settings)
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        advice = nearest(name, Settings.model_fields) if fault["type"] == "extra_forbidden" else f"{fault['msg']}."
        raise AnnotuneError(f"The setting {name!r} cannot be {fault['input']!r}.", advice) from None


def _coded(corpus: pl.DataFrame, gold: Any, codebook: Codebook, variable: str | None) -> Coded:
    """Texts joined with their gold by unit_id; what has no text or no label is counted and left out."""
    entry = codebook.variable(variable)
    answered = ["ok", "none"] if entry.kind == "multilabel" else ["ok"]
    rows = of_variable(check(gold), entry.name).filter(pl.col("status").is_in(answered))
    units = rows.select("unit_id").unique(maintain_order=True)
    frame = units.join(corpus, on="unit_id", how="inner", maintain_order="left").filter(pl.col("text").is_not_null())
    if len(frame) < len(units):
        warn(f"{len(units) - len(frame):,} of {len(units):,} coded units have no text in the corpus and are left out.")
    if len(frame) < FEWEST:
        raise AnnotuneError(
            f"Only {len(frame)} texts have both a text and a label for {entry.name!r}.",
            f"Tuning needs at least {FEWEST}; some hundreds are good.",
        )
    targets, _ = encode(rows, frame["unit_id"], entry)
    seen = np.asarray(targets.any(0) if targets.ndim == 2 else np.bincount(targets, minlength=len(entry.labels)) > 0)
    return Coded(frame, *_without_unseen(targets, entry, seen))


def _without_unseen(
    targets: np.ndarray, entry: Variable, seen: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], Variable]:
    labels = tuple(name for name, there in zip(entry.names, seen, strict=True) if there)
    if len(labels) < 2 and entry.kind != "multilabel":
        raise AnnotuneError(
            f"All coded texts have the same label for {entry.name!r}.",
            "There is nothing to learn; code texts of other labels.",
        )
    if not labels:
        raise AnnotuneError(f"No coded text has a label for {entry.name!r}.", "There is nothing to learn.")
    if len(labels) < len(seen):
        never = [name for name in entry.names if name not in labels]
        warn(
            f"{len(never)} labels of {entry.name!r} were never coded; the model cannot give them: {listing(never, 5)}."
        )
    kept = entry.model_copy(update={"labels": tuple(label for label in entry.labels if label.name in labels)})
    if targets.ndim == 2:
        return targets[:, seen], labels, kept
    return (np.cumsum(seen) - 1)[targets], labels, kept


def _groups(frame: pl.DataFrame, group: str | None) -> np.ndarray:
    """A group number a text (n,): the column asked for, or else equal texts."""
    if group is None:
        return frame["text"].rank("dense").to_numpy()
    if group not in frame.columns:
        raise AnnotuneError(f"The corpus has no column {group!r} to group by.", nearest(group, frame.columns))
    if frame[group].null_count():
        raise AnnotuneError(
            f"The group column {group!r} is empty for {frame[group].null_count():,} coded texts.",
            "Fill it, or choose another.",
        )
    return frame[group].cast(pl.String).rank("dense").to_numpy()


def _test_part(work: _Work, test: float | Mapping[str, Sequence[Any]]) -> np.ndarray:
    everything = np.arange(len(work.examples.tokens))
    if isinstance(test, Mapping):
        return _named_part(work.coded.frame, test)
    if not 0 <= test <= 0.9:
        raise AnnotuneError(f"test={test} is no share.", "Give a number from 0 to 0.9, or columns with values.")
    return work.split(everything, test)[1] if test else everything[:0]


def _named_part(frame: pl.DataFrame, wanted: Mapping[str, Sequence[Any]]) -> np.ndarray:
    part = np.ones(len(frame), dtype=bool)
    for column, values in wanted.items():
        if column not in frame.columns:
            raise AnnotuneError(
                f"The corpus has no column {column!r} to take the test part by.", nearest(column, frame.columns)
            )
        listed = [values] if isinstance(values, (str, int, float, bool)) else list(values)
        words = frame[column].cast(pl.String).str.to_lowercase()
        missing = [value for value in listed if str(value).lower() not in words]
        if missing:
            raise AnnotuneError(
                f"No coded text has the {column} {missing[0]!r}.",
                nearest(str(missing[0]), frame[column].cast(pl.String).drop_nulls().unique()),
            )
        part &= words.is_in([str(value).lower() for value in listed]).to_numpy()
    if part.all():
        raise AnnotuneError("The test part holds all coded texts.", "Leave some to learn from.")
    return np.flatnonzero(part)


def _hold_out_once(work: _Work, test: np.ndarray) -> tuple[Fitted, _Held]:
    """Tune on what is not the test part; where that is little, once more with the validation texts."""
    rest = np.setdiff1d(np.arange(len(work.examples.tokens)), test)
    fitted = _fit(work, rest)
    if len(rest) < FEW:
        fitted = refit(work.examples.take(rest), fitted.choices, work.base, work.settings)
    return fitted, _look(work, fitted, rest, test)


def _cross_validate(work: _Work, k: int) -> tuple[Fitted, _Held]:
    """Every text predicted by a model that has not seen it; then one model from all texts."""
    everything = np.arange(len(work.examples.tokens))
    looked = [_look(work, _fit(work, rest), rest, out) for rest, out in work.folds(k)]
    order = np.argsort(np.concatenate([held.places for held in looked]))
    held = _Held(
        everything,
        np.concatenate([held.logits for held in looked])[order],
        {name: np.concatenate([held.answers[name] for held in looked])[order] for name in looked[0].answers},
    )
    choices = _fit(work, everything).choices
    return refit(work.examples, choices, work.base, work.settings), held


def _fit(work: _Work, places: np.ndarray) -> Fitted:
    train, validate = work.split(places, work.validation)
    if len(validate) == 0 or len(train) == 0:
        raise AnnotuneError(
            "There are too few texts for a validation part.", "Code more texts, or choose another share."
        )
    return fit(work.examples, train, validate, work.base, work.settings)


def _look(work: _Work, fitted: Fitted, rest: np.ndarray, test: np.ndarray) -> _Held:
    """The answers of the model and of what it has to beat, for the held-out texts."""
    if len(test) == 0:
        return _Held(test, np.zeros((0, work.examples.n_labels), dtype=np.float32), {})
    device = next(fitted.model.parameters()).device
    seen, texts = work.examples.take(rest), work.coded.frame["text"].to_list()
    logits = outputs(fitted.model, work.examples.tokens.take(test), device, what="Testing")
    sets = seen.targets.ndim == 2
    answers = {
        PROBE: decide(probe_logits(fitted.probe, work.examples.tokens.take(test), work.base, device), sets),
        TF_IDF: tf_idf([texts[i] for i in rest], seen.targets, [texts[i] for i in test]),
        NO_INFORMATION: no_information(seen.targets, len(test)),
    }
    return _Held(test, logits, answers)


def _evaluate(model: Classifier, held: _Held, coded: Coded, n_boot: int, seed: int) -> Evaluation | None:
    if len(held.places) == 0:
        return None
    everyone = np.ones(len(held.places), dtype=bool)
    answers = {model.name: decide(held.logits, coded.targets.ndim == 2), **held.answers}
    given = {name: (answer, everyone) for name, answer in answers.items()}
    return tabulate(coded.targets[held.places], given, coded.variable, None, n_boot, seed)


def _held_out(model: Classifier, held: _Held, coded: Coded) -> pl.DataFrame:
    units = coded.frame["unit_id"].gather(held.places)
    return model._as_codings(units, held.logits, np.arange(len(units)))


def _card(work: _Work, fitted: Fitted, held: _Held, k: int | None, seconds: float) -> dict[str, Any]:
    """What the model was made of; times are a part of their own, so that equal runs give equal cards."""
    frame = work.coded.frame
    return {
        "base": {"name": work.base.name, "revision": work.base.revision},
        "settings": work.settings.model_dump(),
        "choices": asdict(fitted.choices),
        "parts": {"coded": len(frame), "held_out": len(held.places), "folds": k, "validation_share": work.validation},
        "cut_texts": work.examples.tokens.cut,
        "coded_sha256": frame_sha256(frame.select("unit_id", "text")),
        "targets_sha256": hashlib.sha256(work.coded.targets.tobytes()).hexdigest(),
        "versions": versions(),
        "hardware": hardware(),
        "time": {"seconds": round(seconds, 1), "texts_per_second": round(fitted.texts_per_second, 1)},
    }
