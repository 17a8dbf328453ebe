"""Bare labels, and probabilities that are off, turned into the best guess of what people would have coded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import as_words, categories, probability_columns
from annotune.correction.families import Floats, Model
from annotune.correction.formulas import Reference

FOLDS = 5
MOST_LABELS = 50  # of the predicted variable, each of which is a feature
MOST_CROSSED = 20  # covariates up to which predictions may be worth more for some of their values than for others
PENALTY = 1.0  # a standard normal prior on the effects of standardised features
SEED = 1


def recalibrated(
    features: Floats, gold: Floats, at: np.ndarray, weight: Floats, model: Model, clusters: np.ndarray | None = None
) -> Floats | None:
    """What people would have coded, given the features, by models of other folds' coded texts.

    Each text, coded or not, is in one of five folds and predicted by the model that was fitted without the fold's coded
    texts. So the predictions of coded texts err as those of the others do, which a correction rests on.

    Parameters
    ----------
    features
        Shape (N, m): predictions, covariates, and products of both.
    gold, at, weight
        Hand codings, shape (n, q), of the texts so numbered, and how much each counts, shape (n,).
    model
        Its outcome decides what is fitted: a (multinomial) logit of labels, a Poisson regression of counts, or a
        linear one, with a ridge penalty each.
    clusters
        Shape (N,); a cluster is in one fold.

    Returns
    -------
    numpy.ndarray or None
        Shape (N, q); None where all coded texts outside a fold have one value.
    """
    fold = _folds(len(features), at, clusters)
    features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    guesses = np.zeros((len(features), gold.shape[1]))
    for number in range(FOLDS):
        others, mine = fold[at] != number, fold == number
        if not mine.any():
            continue
        if (gold[others] == gold[others][:1]).all():
            return None
        guesses[mine] = _fitted(features[at[others]], gold[others], weight[others], model, features[mine])
    return guesses


def _folds(n: int, at: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    """Each text's fold, at random; coded texts are spread evenly, and clusters are whole."""
    rng = np.random.default_rng(SEED)
    if clusters is not None:
        return np.asarray(rng.permutation(int(clusters.max()) + 1)[clusters] % FOLDS)
    fold = rng.integers(0, FOLDS, n)
    fold[at] = rng.permutation(len(at)) % FOLDS
    return fold


def _fitted(features: Floats, gold: Floats, weight: Floats, model: Model, wanted: Floats) -> Floats:
    """The predictions, shape (wanted, q), of a penalised regression of gold on the features."""
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

    weight = weight / weight.mean()
    if np.isin(gold, (0, 1)).all() and (gold.sum(axis=1) <= 1).all():
        place = np.where(gold.any(axis=1), gold.argmax(axis=1) + 1, 0)
        logit = LogisticRegression(C=1 / PENALTY, max_iter=1000).fit(features, place, weight)
        chances = np.zeros((len(wanted), gold.shape[1] + 1))
        chances[:, logit.classes_] = logit.predict_proba(wanted)
        return chances[:, 1:]
    counts = model.lowest == 0
    regression: Any = PoissonRegressor(alpha=PENALTY / len(gold), max_iter=1000) if counts else Ridge(alpha=PENALTY)
    target = gold[:, 0] if gold.shape[1] == 1 else gold  # shares of coders, of several labels
    return np.asarray(regression.fit(features, target, weight).predict(wanted)).reshape(len(wanted), -1)


def features_of(predicted: Floats, design: Floats, labels: Floats | None) -> Floats:
    """Predictions, covariates, their products, and which label was given, shape (N, m)."""
    design = design[:, design.std(axis=0) > 0]
    products = [predicted[:, [j]] * design for j in range(predicted.shape[1]) if design.shape[1] <= MOST_CROSSED]
    return np.hstack([predicted, design, *products, *([labels] if labels is not None else [])])


def given_labels(cells: pl.Series) -> Floats | None:
    """Which label each text was given, of all that the variable has, shape (N, labels); None for numbers."""
    if not categories(cells.dtype):
        return None
    words = as_words(cells)
    labels = words.drop_nulls().unique().sort()
    if len(labels) > MOST_LABELS:
        return None
    return np.column_stack([(words == label).fill_null(False).cast(pl.Float64).to_numpy() for label in labels])


def proxy_features(frame: pl.DataFrame, columns: Sequence[str], explained: Reference) -> tuple[Floats, Floats]:
    """What several coders said of each text: the outcome in their eyes, and all else.

    The first, shape (N, proxies), is whether each gave the label, or its number; 0 and the mean where there is no
    answer. The second has the label's probability where a proxy has one (`gpt_p_Health`), every label, and whether
    there was no answer.
    """
    outcomes, others = [], []
    for name in columns:
        cells, label = frame[name], explained.label
        labels = given_labels(cells)
        outcomes.append(_outcome(cells, label, labels))
        others += [cells.is_null().cast(pl.Float64).to_numpy()[:, None], *([labels] if labels is not None else [])]
        likely = None if label is None else probability_columns(name, [str(label)], frame.columns)
        others += [_without_gaps(frame[column])[:, None] for column in (likely or {}).values()]
    return np.hstack(outcomes), np.hstack(others)


def _outcome(cells: pl.Series, label: str | float | None, labels: Floats | None) -> Floats:
    """What a coder said of the outcome: whether it is the label, or its number, (N, 1); or every label, (N, labels)."""
    if label is not None:
        return (as_words(cells) == str(label)).fill_null(False).cast(pl.Float64).to_numpy()[:, None]
    return _without_gaps(cells)[:, None] if labels is None else labels


def _without_gaps(cells: pl.Series) -> Floats:
    """Numbers with their mean in place of those that are not there."""
    numbers = cells.cast(pl.Float64).fill_nan(None)
    return numbers.fill_null(numbers.mean() if numbers.count() else 0.0).to_numpy()
