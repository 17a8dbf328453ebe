"""What a model has to beat: no information at all, and a bag of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import Codings, check, of_variable
from annotune.data.encoded import encode, texts_of, with_truth
from annotune.errors import AnnotuneError

NO_INFORMATION, NO_LABEL, TF_IDF = "most frequent label", "no label", "TF-IDF + logistic regression"
TF_IDF_HERE = (
    "TF-IDF, cross-validated here"  # trained on other folds of the texts that are evaluated, not on the model's
)
COUNTED_WORDS = (TF_IDF, TF_IDF_HERE)
BASELINES = (*COUNTED_WORDS, NO_INFORMATION, NO_LABEL)


def no_information(seen: np.ndarray, n: int, weights: np.ndarray | None = None) -> np.ndarray:
    """The most frequent label (for sets: the single most frequent label) of `seen`, weighted, `n` times over."""
    weights = np.ones(len(seen)) if weights is None else weights
    if seen.ndim == 1:
        return np.full(n, np.bincount(seen, weights=weights).argmax())
    answer = np.zeros((n, seen.shape[1]), dtype=bool)
    answer[:, (weights @ seen).argmax()] = True
    return answer


def tf_idf(seen_texts: Sequence[str], seen: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Predictions of a logistic regression on TF-IDF weights of words and word pairs.

    Labels are weighed by the inverse of their frequency, which is what raises its macro-F1.

    Parameters
    ----------
    seen_texts, seen
        Texts to learn from, and their label numbers (n,) or sets (n, labels).
    texts
        m texts to predict.

    Returns
    -------
    numpy.ndarray
        Label numbers (m,) or truth values (m, labels).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    try:
        known = vectorizer.fit_transform(seen_texts)
    except ValueError:  # no word in any text
        return no_information(seen, len(texts))
    new = vectorizer.transform(texts)
    if seen.ndim == 1:
        return _regression(known, seen, new)
    return np.column_stack([_regression(known, seen[:, label], new) for label in range(seen.shape[1])]).astype(bool)


def tf_idf_in_folds(
    texts: Sequence[str], truth: np.ndarray, clusters: np.ndarray | None, seed: int, k: int = 5
) -> np.ndarray:
    """What `tf_idf` says of each of n texts, learnt from those of other folds.

    Texts of a cluster (n,) are in one fold, and without clusters equal ones; from copies of a text nothing is learnt
    about it. Where there is nothing to learn from, the most frequent label is said.
    """
    same = _numbered(texts)
    together = same if clusters is None else _numbered(clusters.tolist())
    n = int(together.max()) + 1
    fold = (np.random.default_rng(seed).permutation(n) % min(k, n))[together]
    every, answers = np.array(texts, dtype=object), no_information(truth, len(texts))
    for i in np.unique(fold):
        out = fold == i
        rest = ~out & ~np.isin(same, same[out])
        if rest.any():
            answers[out] = tf_idf(every[rest].tolist(), truth[rest], every[out].tolist())
    return answers


def _numbered(values: Sequence[Any]) -> np.ndarray:
    """Each value's number, in the order in which they first occur."""
    number = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([number[value] for value in values])


def _regression(known: Any, seen: np.ndarray, new: Any) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if seen.min() == seen.max():
        return np.full(new.shape[0], seen[0])
    model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced")
    with threadpool_limits(1, user_api="blas"):  # on sparse weights there is nothing for a second thread to do
        return np.asarray(model.fit(known, seen).predict(new))


def add_baselines(
    given: dict[str, tuple[np.ndarray, np.ndarray]],
    units: pl.Series,
    truth: np.ndarray,
    entry: Variable,
    corpus: pl.DataFrame | None,
    train: Any,
    seed: int,
    clusters: np.ndarray | None = None,
) -> None:
    """The most frequent label always; the bag of words where there are texts.

    Without `train` the latter is cross-validated, equal texts and units of a cluster in one fold, and named so.
    """
    everyone = np.ones(len(units), dtype=bool)
    seen_units = seen = None
    if train is not None:
        others = ~pl.col("unit_id").is_in(units.implode())
        known = Codings(with_truth(of_variable(check(train), entry.name), entry).filter(others))
        if known.is_empty():
            what = "train= has no unit beside those that are measured on."
            raise AnnotuneError(what, "Give other hand-coded units to learn from, or leave it out.")
        seen_units = known["unit_id"].unique(maintain_order=True)
        seen = encode(known, seen_units, entry)[0]
    if corpus is not None and TF_IDF not in given:
        texts = texts_of(corpus, units)
        if seen is not None and seen_units is not None:
            given[TF_IDF] = (tf_idf(texts_of(corpus, seen_units), seen, texts), everyone)
        else:
            given[TF_IDF_HERE] = (tf_idf_in_folds(texts, truth, clusters, seed), everyone)
    if NO_INFORMATION not in given:
        given[NO_INFORMATION] = (no_information(truth if seen is None else seen, len(units)), everyone)
    if truth.ndim == 2 and NO_LABEL not in given:
        given[NO_LABEL] = (np.zeros(truth.shape, dtype=bool), everyone)
