"""What a text's coders said as answers that are counted: one each where they agree, and else by their shares."""

from __future__ import annotations

import numpy as np


def answers_one_by_one(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which text, which label, and what share of the text's coders: a row for each answer that a text got, (m,) each.

    What is fitted to these answers, each counted by its share, is fitted to the cross-entropy of the shares, and where
    all coders agree a text is one case as ever.

    Parameters
    ----------
    targets
        Label numbers (n,), or shares of labels (n, labels) that add up to one.

    Examples
    --------
    >>> [part.tolist() for part in answers_one_by_one(np.array([[1.0, 0.0], [0.25, 0.75]]))]
    [[0, 1, 1], [0, 0, 1], [1.0, 0.25, 0.75]]
    """
    if targets.ndim == 1:
        return np.arange(len(targets)), targets, np.ones(len(targets))
    texts, labels = np.nonzero(targets)
    return texts, labels, targets[texts, labels]


def no_and_yes(column: np.ndarray) -> np.ndarray:
    """A set's label as a question: truth values (n,) as numbers, shares of yes as those of no and yes, (n, 2)."""
    return np.column_stack([1 - column, column]) if column.dtype.kind == "f" else column.astype(int)
