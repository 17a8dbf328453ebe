"""The gate: an exported model is run on texts, and refused when it does not say what the original says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError
from annotune.models.coder import Coder

Answers = Callable[[np.ndarray], np.ndarray]
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
    tolerance
        The largest difference that was accepted.
    """

    runtime: str
    texts: int
    changed: int
    largest: float
    mean: float
    tolerance: float

    @property
    def same(self) -> bool:
        """Whether the export may be handed out."""
        return self.largest <= self.tolerance and self.changed <= max(1, CHANGED * self.texts)


def compare(expected: np.ndarray, found: np.ndarray, answers: Answers, tolerance: float, runtime: str) -> Parity:
    """Two arrays of probabilities (texts, labels) of the same texts; what is no number counts as a difference of 1.

    `answers` tells what is given by probabilities: (texts, 1) label numbers, or truth values (texts, labels).

    >>> expected = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> parity = compare(expected, expected[::-1], lambda shares: shares.argmax(1)[:, None], 0.001, "another program")
    >>> parity.changed, round(parity.largest, 3), parity.same
    (2, 0.5, False)
    """
    differences = np.nan_to_num(np.abs(expected - found), nan=1.0)
    known = np.nan_to_num(found, nan=-1.0)
    changed = (answers(expected) != answers(known)).any(1)
    largest, mean = float(differences.max()), float(differences.mean())
    return Parity(runtime, len(expected), int(changed.sum()), largest, mean, tolerance)


def require_same(parity: Parity, kind: str) -> None:
    """Stop where the exported model says something else.

    Raises
    ------
    AnnotuneError
        When a probability differs by more than the tolerance, or more than one text in a hundred has another label.
    """
    if not parity.same:
        raise AnnotuneError(
            f"The {kind} export, run by {parity.runtime}, is another model: a probability differs by "
            f"{parity.largest:.3g} (accepted: {parity.tolerance:g}), and {parity.changed:,} of {parity.texts:,} texts "
            "have another label.",
            "Nothing was kept; choose another format or a finer quantization, or accept more with tolerance=.",
        )


def probabilities(coder: Coder, texts: Sequence[str]) -> np.ndarray:
    """What the model itself says: (texts, labels)."""
    units = [str(i) for i in range(len(texts))]
    codings = coder.classify(pl.DataFrame({"unit_id": units, "text": list(texts)}))
    rows = codings.unique("unit_id", keep="first", maintain_order=True)
    return rows.select(f"p_{label}" for label in coder.labels).to_numpy()


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
