"""Which passage of a text decided for its label, and how large its share in the decision is.

A text's logits are the means of its passages', so the margin by which a label was given is a mean, too: each passage
adds its part to it, for the label or against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from annotune.network.logits import decide

NUMBERS = 3  # of a deciding passage: its share, its first character, and the one after its last
Spans = Sequence[tuple[int, int]]


def contributions(passages: np.ndarray, texts: np.ndarray, of: np.ndarray, sets: bool, cutoffs: Any) -> np.ndarray:
    """What each passage adds for the label of its text, and less than 0 where it speaks against it.

    Of one label a text, (passages, 1): by how much the label's logit is above that of the runner-up in the whole text.
    Of sets, (passages, labels): by how much each label's logit is above its cut-off.

    Parameters
    ----------
    passages, texts
        Logits (passages, labels) and, their means, (texts, labels).
    of
        The text of each passage, (passages,).
    sets, cutoffs
        By which answers follow from logits (`annotune.network.logits.decide`).
    """
    rows, means = passages.astype(np.float64), texts.astype(np.float64)
    n_labels = means.shape[1]
    if cutoffs is not None and len(cutoffs) == n_labels:  # ordered labels have one fewer, of levels and not of logits
        rows, means = rows - np.asarray(cutoffs), means - np.asarray(cutoffs)
    if sets:
        return rows
    answers = decide(texts, sets, cutoffs)
    rivals = np.where(np.arange(n_labels) == answers[:, None], -np.inf, means).argmax(1)
    places = np.arange(len(rows))
    return np.asarray(rows[places, answers[of]] - rows[places, rivals[of]])[:, None]


def shares_of_passages(added: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The share of each passage in the decision on its text, as `added` to it; they sum to 1 over a text's passages.

    A share is the passage's part of all that speaks for the label. Where no passage speaks for it, as ordered labels
    may be given between two others that are likely, it is counted from the one that speaks most against it; where all
    say the same, their shares are equal.

    Parameters
    ----------
    added
        As `contributions` gives it, (passages, columns); not finite where a network gave no numbers.
    starts
        The first passage of each text, (texts,).

    Examples
    --------
    >>> shares_of_passages(np.array([[3.0], [-2.0], [1.0], [5.0]]), np.array([0, 3])).ravel().tolist()
    [0.75, 0.0, 0.25, 1.0]
    """
    of = _text_of(starts, len(added))
    finite = np.nan_to_num(added, nan=0.0, posinf=0.0, neginf=0.0)
    speaking = np.maximum(finite, 0)
    for instead in (finite - np.minimum.reduceat(finite, starts)[of], np.ones_like(finite)):
        silent = np.add.reduceat(speaking, starts) == 0
        speaking = np.where(silent[of], instead, speaking)
    largest = np.maximum.reduceat(speaking, starts)[of]  # of very small and very large numbers, sums lose digits
    scaled = speaking / largest
    return np.asarray(scaled / np.add.reduceat(scaled, starts)[of])


def deciding(
    passages: np.ndarray, texts: np.ndarray, spans: Sequence[Spans], sets: bool, cutoffs: Any = None
) -> np.ndarray:
    """The deciding passage of each text: share, start and end, (texts, 3); of sets for each label, (texts, 3 * labels).

    That is the one with the largest share, of several the first.

    Parameters
    ----------
    spans
        The first character of each passage of each text, and the one after its last.
    """
    if not len(texts):
        return np.zeros((0, NUMBERS * (texts.shape[1] if sets else 1)))
    starts = np.cumsum([0, *map(len, spans)])[:-1]
    of = _text_of(starts, len(passages))
    shares = shares_of_passages(contributions(passages, texts, of, sets, cutoffs), starts)
    places = np.where(shares == np.maximum.reduceat(shares, starts)[of], np.arange(len(shares))[:, None], len(shares))
    first = np.minimum.reduceat(places, starts)
    ends = np.array([span for of_text in spans for span in of_text], dtype=np.float64)
    numbers = np.dstack([np.take_along_axis(shares, first, 0), ends[first]])
    return np.asarray(numbers.reshape(len(texts), -1))


def _text_of(starts: np.ndarray, n: int) -> np.ndarray:
    """The text of each passage, (n,)."""
    return np.repeat(np.arange(len(starts)), np.diff(starts, append=n))
