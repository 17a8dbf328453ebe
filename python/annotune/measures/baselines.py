"""What a model has to beat: no information at all, and a bag of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.data.answers import answers_one_by_one, no_and_yes
from annotune.data.codebook import Variable
from annotune.data.coder_shares import shares_of
from annotune.data.codings import Codings, check, of_variable
from annotune.data.encoded import encode, texts_of, with_truth
from annotune.errors import AnnotuneError
from annotune.measures.share_scores import OVERALL

NO_INFORMATION, NO_LABEL, TF_IDF = "most frequent label", "no label", "TF-IDF + logistic regression"
TF_IDF_HERE = (
    "TF-IDF, cross-validated here"  # trained on other folds of the texts that are evaluated, not on the model's
)
COUNTED_WORDS = (TF_IDF, TF_IDF_HERE)
STRENGTH = 1.0  # of what shares are learnt with, inverse to the ridge penalty: probabilities want more modesty
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
    weights_of_words = _word_weights(seen_texts, texts)
    if weights_of_words is None:
        return no_information(seen, len(texts))
    known, new = weights_of_words
    if seen.ndim == 1:
        return _regression(known, seen, new)
    return np.column_stack([_regression(known, seen[:, label], new) for label in range(seen.shape[1])]).astype(bool)


def tf_idf_shares(seen_texts: Sequence[str], seen: np.ndarray, texts: Sequence[str], sets: bool) -> np.ndarray:
    """Probabilities (m, labels) by such a regression on the shares of coders `seen` (n, labels), labels as they are."""
    weights_of_words = _word_weights(seen_texts, texts)
    if weights_of_words is None:
        return np.tile(seen.mean(0), (len(texts), 1))
    known, new = weights_of_words
    if not sets:
        return _probabilities(known, seen, new)
    return np.column_stack([_probabilities(known, no_and_yes(column), new)[:, 1] for column in seen.T])


def _word_weights(seen_texts: Sequence[str], texts: Sequence[str]) -> tuple[Any, Any] | None:
    """TF-IDF weights of texts to learn from and of others; None without a word in any text to learn from."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    try:
        return vectorizer.fit_transform(seen_texts), vectorizer.transform(texts)
    except ValueError:
        return None


def _probabilities(known: Any, seen: np.ndarray, new: Any) -> np.ndarray:
    """Of the labels (m, labels), by a regression on shares (n, labels); a label that nobody gave has none."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    texts, labels, shares = answers_one_by_one(seen)
    given = np.unique(labels)
    stated = np.zeros((new.shape[0], seen.shape[1]))
    if len(given) == 1:
        stated[:, given] = 1.0
        return stated
    model = LogisticRegression(C=STRENGTH, max_iter=1000)
    with threadpool_limits(1, user_api="blas"):
        stated[:, given] = model.fit(known[texts], labels, sample_weight=shares).predict_proba(new)
    return stated


def tf_idf_in_folds(
    texts: Sequence[str], truth: np.ndarray, clusters: np.ndarray | None, seed: int, k: int = 5
) -> np.ndarray:
    """What `tf_idf` says of each of n texts, learnt from those of other folds.

    Texts of a cluster (n,) are in one fold, and without clusters equal ones; from copies of a text nothing is learnt
    about it. Where there is nothing to learn from, the most frequent label is said.
    """
    every, answers = np.array(texts, dtype=object), no_information(truth, len(texts))
    for rest, out in _folds(texts, clusters, seed, k):
        answers[out] = tf_idf(every[rest].tolist(), truth[rest], every[out].tolist())
    return answers


def tf_idf_shares_in_folds(
    texts: Sequence[str], shares: np.ndarray, sets: bool, clusters: np.ndarray | None, seed: int, k: int = 5
) -> np.ndarray:
    """The same of `tf_idf_shares`: probabilities (n, labels), in the same folds."""
    every, stated = np.array(texts, dtype=object), np.tile(shares.mean(0), (len(texts), 1))
    for rest, out in _folds(texts, clusters, seed, k):
        stated[out] = tf_idf_shares(every[rest].tolist(), shares[rest], every[out].tolist(), sets)
    return stated


def _folds(
    texts: Sequence[str], clusters: np.ndarray | None, seed: int, k: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Truth values (n,) of the texts to learn from and of those held out, a pair a fold."""
    same = _numbered(texts)
    together = same if clusters is None else _numbered(clusters.tolist())
    n = int(together.max()) + 1
    fold = (np.random.default_rng(seed).permutation(n) % min(k, n))[together]
    for i in np.unique(fold):
        out = fold == i
        rest = ~out & ~np.isin(same, same[out])
        if rest.any():
            yield rest, out


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
        known, seen_units = _others(train, units, entry)
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


def add_share_baselines(
    stated: dict[str, np.ndarray],
    units: pl.Series,
    shares: np.ndarray,
    entry: Variable,
    corpus: pl.DataFrame | None,
    train: Any,
    seed: int,
    clusters: np.ndarray | None = None,
) -> None:
    """The overall shares always, and the bag of words where there are texts: probabilities (n, labels) to be beaten."""
    sets, seen = entry.kind == "multilabel", None
    if train is not None:
        known, seen_units = _others(train, units, entry)
        seen = shares_of(known, seen_units, entry)
    if corpus is not None:
        texts = texts_of(corpus, units)
        if train is None:
            stated[TF_IDF_HERE] = tf_idf_shares_in_folds(texts, shares, sets, clusters, seed)
        elif seen is not None:
            stated[TF_IDF] = tf_idf_shares(texts_of(corpus, seen_units), seen, texts, sets)
    stated[OVERALL] = np.tile((shares if seen is None else seen).mean(0), (len(units), 1))


def _others(train: Any, units: pl.Series, entry: Variable) -> tuple[Codings, pl.Series]:
    """The codings to learn from that are not of the units that are measured on, and their units."""
    others = ~pl.col("unit_id").is_in(units.implode())
    known = Codings(with_truth(of_variable(check(train), entry.name), entry).filter(others))
    if known.is_empty():
        what = "train= has no unit beside those that are measured on."
        raise AnnotuneError(what, "Give other hand-coded units to learn from, or leave it out.")
    return known, known["unit_id"].unique(maintain_order=True)
