"""The gate: an exported model is run on texts, and refused when it does not say what the original says.

Log-odds are compared, because a probability near 0 or 1 hides that a network computes something else. A small change of
log-odds moves a probability p by at most p(1 - p) times as much. So log-odds within four times the tolerance keep every
probability within it: at one half both tests are the same, and nearer to 0 and 1 that of log-odds is the stricter one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError
from annotune.models.coder import Coder
from annotune.network.logits import from_logits

Answers = Callable[[np.ndarray], np.ndarray]
STEEPEST = 0.25  # how much of a small difference of log-odds becomes one of probabilities, at most: at one half
CHANGED = 0.01  # the share of texts that may have another label; a single near tie is let pass in any case


@dataclass(frozen=True)
class Parity:
    """An exported model beside its original, on the same texts.

    Attributes
    ----------
    runtime
        What the exported model was run by.
    texts
        How many texts both coded.
    changed
        Texts that have another label, or another set of labels.
    largest, mean
        Difference of a text's probability of a label: the largest one, and the mean.
    log_odds
        Largest difference of a text's log-odds: between two of its labels, of sets those of a label.
    tolerance
        The largest difference of probabilities that was accepted, and a quarter of that of log-odds.
    """

    runtime: str
    texts: int
    changed: int
    largest: float
    mean: float
    log_odds: float
    tolerance: float

    @property
    def same(self) -> bool:
        """Whether the export may be handed out."""
        near = self.largest <= self.tolerance and self.log_odds * STEEPEST <= self.tolerance
        return near and self.changed <= max(1, CHANGED * self.texts)


def compare(
    expected: np.ndarray, actual: np.ndarray, sets: bool, answers: Answers, tolerance: float, runtime: str
) -> Parity:
    """Two arrays of logits (texts, labels) of the same texts; a text without numbers is as far off as can be.

    `answers` tells what is given by logits: (texts, 1) label numbers, or truth values (texts, labels).

    >>> expected = np.array([[9.0, 0.0], [0.0, 0.4]])
    >>> answers = lambda logits: logits.argmax(1)[:, None]
    >>> parity = compare(expected, expected + [[-0.5, 0.0], [0.0, 0.0]], False, answers, 0.001, "another program")
    >>> parity.changed, round(parity.largest, 4), parity.log_odds, parity.same
    (0, 0.0001, 0.5, False)
    """
    broken = ~np.isfinite(actual).all(1)
    actual = np.where(broken[:, None], expected, actual)
    shares = np.abs(from_logits(expected, sets) - from_logits(actual, sets))
    shares[broken] = 1.0
    odds = _moved(actual.astype(np.float64) - expected, sets)
    odds[broken] = np.inf
    changed = broken | (answers(expected) != answers(actual)).any(1)
    differences = (float(shares.max()), float(shares.mean()), float(odds.max()))
    return Parity(runtime, len(expected), int(changed.sum()), *differences, tolerance)


def _moved(differences: np.ndarray, sets: bool) -> np.ndarray:
    """By how much the log-odds of each text (texts,) differ at most; single labels have them against each other."""
    return np.asarray(np.abs(differences).max(1) if sets else np.ptp(differences, axis=1))


def require_same(parity: Parity, kind: str) -> None:
    """Stop where the exported model says something else.

    Raises
    ------
    AnnotuneError
        When a probability differs by more than the tolerance, log-odds by more than four times as much, or more than
        one text in a hundred has another label.
    """
    if not parity.same:
        raise AnnotuneError(
            f"The {kind} export, run by {parity.runtime}, is another model: a probability differs by "
            f"{parity.largest:.3g} (accepted: {parity.tolerance:g}), log-odds by {parity.log_odds:.3g} (accepted: "
            f"{parity.tolerance / STEEPEST:g}), and {parity.changed:,} of {parity.texts:,} texts have another label.",
            "Nothing was kept; choose another format or a finer quantization, or accept more with tolerance=.",
        )


def gate_texts(coder: Coder, given: Any, stored: Sequence[str]) -> list[str]:
    """The texts to compare on: those given (sentences, or a corpus), or the stored ones and the codebook's own words.

    Raises
    ------
    AnnotuneError
        When there is no text among those given.
    """
    if given is None:
        found = [*stored, *_words_of_the_codebook(coder)]
    elif isinstance(given, Sequence) and not isinstance(given, str) and all(isinstance(text, str) for text in given):
        found = list(given)
    else:
        found = read_corpus(given)["text"].drop_nulls().to_list()
    texts = [text for text in dict.fromkeys(found) if text.strip()]
    if not texts:
        raise AnnotuneError("There is no text to compare the export on.", "Give texts=, such as the held-out ones.")
    return texts


def _words_of_the_codebook(coder: Coder) -> list[str]:
    labels = [label for label in coder.variable.labels if label.name in coder.labels]
    return [text for label in labels for text in (label.name, label.definition, *label.examples) if text]
