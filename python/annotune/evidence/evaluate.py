"""evaluate(): of existing predictions, or of cross-validated ones, each by a model that has not seen the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import shares_of
from annotune.data.codings import Codings, check, of_variable, sound_codings
from annotune.data.corpus import read_corpus, sound_corpus
from annotune.data.encoded import SAME_IDS, clusters_of, encode, entry_for, with_texts, with_truth
from annotune.data.frames import as_frame, identified
from annotune.errors import AnnotuneError, nearest, warn
from annotune.measures.baselines import COUNTED_WORDS, NO_INFORMATION, add_baselines, add_share_baselines
from annotune.measures.evaluation import (
    Evaluation,
    require_own_name,
    require_replicates,
    tabulate,
    with_share_scores,
)

if TYPE_CHECKING:
    from annotune.models.classifier import Classifier

BASE = "minilm"
SPLITS = ("test", "folds", "keep", "each_fold")  # of `tune`, where cv= says how texts are held out


@dataclass(frozen=True, repr=False)
class CrossValidation(Evaluation):
    """An evaluation by cross-validation, with its predictions.

    Attributes
    ----------
    data
        The coded texts, one row each, as in `crossfit`: covariates, `<variable>` and its probabilities,
        `<variable>_gold`, `coded`, `fold`. There is no `pi`, because all of these texts are coded: a
        correction also needs the others, which `crossfit` codes with the models kept in `out`.
    codings
        The same predictions as a table of codings, with the column `fold`.
    model
        The model tuned on all coded texts.

    Examples
    --------
    >>> import annotune as at
    >>> demo = at.demo(n=120, n_coded=60)
    >>> gold = at.read_codings(demo.coders["anna"], demo.codebook)
    >>> result = at.evaluate(gold, corpus=demo.corpus, codebook=demo.codebook, cv=2, method="probe", n_boot=0)
    >>> isinstance(result, CrossValidation), result.codings["unit_id"].n_unique(), "topic_gold" in result.data.columns
    (True, 60, True)
    """

    data: pl.DataFrame
    codings: pl.DataFrame = field(repr=False)
    model: Classifier = field(repr=False)


def evaluate(
    truth: Any,
    predicted: Any = None,
    *,
    variable: str | None = None,
    codebook: Codebook | None = None,
    corpus: Any = None,
    train: Any = None,
    baselines: Mapping[str, Any] | None = None,
    name: str | None = None,
    cluster: str | None = None,
    cv: int | None = None,
    group: str | None = None,
    base: str | None = None,
    out: str | Path | None = None,
    n_boot: int = 1000,
    seed: int = 1,
    **settings: Any,
) -> Evaluation:
    """Measure how well `predicted` agrees with `truth`, unit by unit; or with `cv`, how well a tuned model does.

    A unit of the truth without a prediction counts as wrong, and lowers the coverage;
    predictions for units without a truth are ignored. Units without a text, which nobody could code, are left out and
    counted in a warning: by the corpus, or where predictions were made in folds (`model.held_out`) and have no row.

    Where the truth has the shares of coders who gave each label (`resolve(rule="shares")`), probabilities
    (`p_<label>`) are measured against them, too: `log_score`, `brier_score` and `share_distance`, lower being better.

    With `cv` the predictions are made here: the coded texts are divided into folds, and each is predicted by a model
    that was tuned on the other folds; so are the predictions of the probe and the baselines.

    Parameters
    ----------
    truth, predicted
        Tables of codings with one answer per unit (several rows per unit for a multi-label variable),
        or two sequences of labels of equal length. With `cv` the truth alone, a table.
    variable, codebook
        The variable, and its labels; without a codebook, those that occur.
    corpus, train
        Texts (unit_id, text) for the bag-of-words baseline, and the codings it is trained on.
        Without `train` it is cross-validated on the truth, in a row that says so. With `cv`, the texts for tuning.
    baselines
        Further predictions on the same units, by name.
    name
        The name of the model; by default its coder.
    cluster
        A column of the corpus whose values count as units in the intervals.
    cv
        The number of folds; 5 and 10 are usual. Equal texts are in the same fold.
    group
        With `cv`, a column of the corpus: texts with the same value (a document, an author) are in one fold, and are
        resampled together in the bootstrap.
    base, **settings
        With `cv`, the base model (minilm by default) and other settings of `tune`: method, epochs, device, cutoffs,
        prevalence ... As in `crossfit`, a column `pi` of the corpus says how likely each text was to be drawn, and
        figures are then about the corpus.
    out
        With `cv`, a folder, for several variables a subfolder each, where every finished fold, its model and the model
        of all coded texts are kept: an interrupted run is resumed from there, and `crossfit` with the same folder,
        folds and settings uses these models. Each model is as large as its base.
    n_boot, seed
        Replicates of the percentile bootstrap for kappa, MCC and alpha (0 for no intervals at all), and its seed;
        with `cv`, of every draw.

    Returns
    -------
    Evaluation
        Macro means cover the labels that occur in truth or predictions; `macro_f1_all_labels`
        covers the whole codebook, with 0 where a label never occurs. MCC is Gorodkin's (2004),
        alpha Krippendorff's nominal one, kappa Cohen's. Shares have Wilson's limits, F1 those of the share that it is
        made of, and means over labels combine these (Zou and Donner 2008). With `cv` a `CrossValidation`, which also
        has the out-of-fold predictions: its figures are over all coded texts at once (pooled), not means over folds.

    Raises
    ------
    AnnotuneError
        For tables that do not match; with `cv` as `crossfit`.

    Examples
    --------
    >>> import annotune as at
    >>> result = at.evaluate(truth=["a", "a", "b"], predicted=["a", "b", "b"], n_boot=0)
    >>> round(result.get("accuracy"), 3), result.get("accuracy", "most frequent label")
    (0.667, 0.6666666666666666)

    >>> demo = at.demo(n=120, n_coded=60)
    >>> gold = at.read_codings(demo.coders["anna"], demo.codebook)
    >>> result = at.evaluate(gold, corpus=demo.corpus, codebook=demo.codebook, cv=2, method="probe", n_boot=0)
    >>> result.models[1:], len(result.data), sorted(result.data["fold"].unique())
    (['TF-IDF + logistic regression', 'most frequent label'], 60, [1, 2])
    """
    comparison: dict[str, Any] = {"train": train, "baselines": baselines, "name": name, "cluster": cluster}
    common: dict[str, Any] = {
        "variable": variable,
        "codebook": codebook,
        "corpus": corpus,
        "n_boot": n_boot,
        "seed": seed,
    }
    tuning: dict[str, Any] = {"group": group, "base": base, "out": out, **settings}
    if cv is None:
        _require_predictions(predicted, [key for key, value in tuning.items() if value is not None])
        return evaluate_predictions(truth, predicted, **comparison, **common)
    _require_none("predicted", predicted)
    for key, value in comparison.items():
        _require_none(key, value)
    return _cross_validated(truth, cv=cv, **common, **tuning)


def _require_predictions(predicted: Any, of_tuning: list[str]) -> None:
    if of_tuning:
        names = ("truth", "predicted", "variable", "codebook", "corpus", "train", "baselines", "name", "cluster", "cv")
        what = f"{of_tuning[0]}= is for models tuned in folds, which needs cv=."
        raise AnnotuneError(what, f"Add cv=5. {nearest(of_tuning[0], names)}")
    if predicted is None:
        raise AnnotuneError("There is nothing to compare the truth with.", "Give predicted=, or cross-validate: cv=5.")


def _require_none(name: str, value: Any) -> None:
    if value is not None:
        advice = "Name the column with group=." if name == "cluster" else f"Leave out {name}=, or cv=."
        raise AnnotuneError(f"With cv= the predictions are made here, and {name}= has no meaning.", advice)


def _cross_validated(
    truth: Any,
    *,
    cv: int,
    variable: str | None,
    codebook: Codebook | None,
    corpus: Any,
    base: str | None,
    out: str | Path | None,
    **options: Any,
) -> CrossValidation:
    """The evaluation of `crossfit` on the coded texts."""
    from annotune.tuning.crossfit import in_folds, require_columns_free

    strange = [name for name in SPLITS if name in options]
    if strange:
        raise AnnotuneError(f"{strange[0]}= and cv= exclude each other.", f"Leave out {strange[0]}=.")
    if corpus is None:
        raise AnnotuneError("Without texts nothing can be cross-validated.", "Give the corpus.")
    gold = check(as_frame(truth))
    labels = codebook or Codebook(variables=(entry_for(gold, gold, variable, None),))
    entry = labels.variable(variable)
    coded = pl.col("unit_id").is_in(of_variable(gold, entry.name)["unit_id"].implode())
    texts = sound_corpus(read_corpus(corpus).filter(coded))
    require_columns_free(texts, labels, entry.name)
    _warn_of_rare_labels(gold, entry.name, cv)
    settings = {"folds": cv, "base": base or BASE, **options}
    done = in_folds(texts, gold, labels, entry.name, settings, out, keep_models=True)
    pooled, data = done.evaluation, done.data.drop("pi", strict=False)
    codings = sound_codings(done.codings.drop("pi", strict=False))
    return CrossValidation(pooled.measures, pooled.labels, pooled.confusion, data, codings, done.model)


def _warn_of_rare_labels(gold: Codings, variable: str, cv: int) -> None:
    """Warn of labels with fewer texts than folds: some of their texts are predicted by models that hardly saw any."""
    counts = of_variable(gold, variable)["label"].drop_nulls().value_counts().filter(pl.col("count") < cv)
    if len(counts):
        label, count = counts.sort("count", "label").row(0)
        labels = "A label has" if len(counts) == 1 else f"{len(counts)} labels have"
        what = f"{labels} fewer texts than there are folds ({label!r}: {count} of {cv})"
        warn(f"{what}: models that have hardly seen a label say little about it.")


def evaluate_predictions(
    truth: Any,
    predicted: Any,
    *,
    variable: str | None = None,
    codebook: Codebook | None = None,
    corpus: Any = None,
    train: Any = None,
    baselines: Mapping[str, Any] | None = None,
    name: str | None = None,
    cluster: str | None = None,
    n_boot: int = 1000,
    seed: int = 1,
) -> Evaluation:
    """`evaluate` of existing predictions, without `cv`."""
    require_replicates(n_boot)
    truth, predicted = _two_tables(truth, predicted)
    entry = entry_for(truth, predicted, variable, codebook)
    corpus = None if corpus is None else identified(corpus)
    truth = with_texts(with_truth(of_variable(truth, entry.name), entry), corpus, [predicted])
    units = truth["unit_id"].unique(maintain_order=True)
    labels, model = encode(truth, units, entry)[0], name or _coder_name(predicted)
    require_own_name(model, [NO_INFORMATION, *COUNTED_WORDS, *(baselines or {})])
    answers = {}
    for label, table in {model: predicted, **(baselines or {})}.items():
        codings = of_variable(check(table), entry.name)
        if not units.is_in(codings["unit_id"].implode()).any():
            raise AnnotuneError(f"No unit of the truth is among those of {label!r}.", SAME_IDS)
        answers[label] = encode(codings, units, entry)
    clusters = clusters_of(units, corpus, cluster)
    add_baselines(answers, units, labels, entry, corpus, train, seed, clusters)
    found = tabulate(labels, answers, entry, clusters, n_boot, seed)
    shares = shares_of(truth, units, entry)
    if shares is None:
        return found
    stated = {
        label: probabilities
        for label, table in {model: predicted, **(baselines or {})}.items()
        if (probabilities := _stated(of_variable(check(table), entry.name), units, entry)) is not None
    }
    if stated:
        add_share_baselines(stated, units, shares, entry, corpus, train, seed, clusters)
    return with_share_scores(found, stated, shares, entry, clusters, intervals=n_boot > 0)


def _stated(codings: Codings, units: pl.Series, entry: Variable) -> np.ndarray | None:
    """The probabilities (n, labels) of all labels, where the codings have them; NaN for units that they lack."""
    from annotune.evidence.probabilities import how_sure

    if not any(f"p_{name}" in codings.columns for name in entry.names):
        return None
    return how_sure(codings, units, encode(codings, units, entry)[0], entry)[1]


def _two_tables(truth: Any, predicted: Any) -> tuple[Codings, Codings]:
    sequences = [isinstance(side, (pl.Series, np.ndarray, list, tuple)) for side in (truth, predicted)]
    if not any(sequences):
        frame = as_frame(predicted)
        named_so = frame if "coder" in frame.columns else frame.with_columns(pl.lit("predicted").alias("coder"))
        return check(as_frame(truth)), check(named_so)
    if not all(sequences) or len(truth) != len(predicted):
        raise AnnotuneError("truth and predicted do not match.", "Give two sequences of equal length, or two tables.")
    return _from_sequence(truth, "truth"), _from_sequence(predicted, "predicted")


def _from_sequence(labels: Any, coder: str) -> Codings:
    cells = pl.Series("label", labels, strict=False).cast(pl.String)
    units = pl.Series("unit_id", range(len(cells))).cast(pl.String)
    return check(pl.DataFrame([units, cells]).with_columns(pl.lit(coder).alias("coder")))


def _coder_name(predicted: pl.DataFrame) -> str:
    coders = predicted["coder"].unique().to_list()
    return str(coders[0]) if len(coders) == 1 else "predicted"
