"""A tuned classifier as a proposer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.data.codebook import Variable
from annotune.data.corpus import sound_corpus
from annotune.hybrid.propose.provider import EVIDENCE, Answer, Question, Watch, from_codings
from annotune.models.classifier import Classifier


@dataclass(frozen=True)
class Tuned:
    """A classifier in this process: it knows its own codebook, and nothing leaves the machine.

    With `evidence` each label comes with the passage that decided for it.
    """

    classifier: Classifier
    evidence: bool = False
    kind: str = "tuned"

    @property
    def model(self) -> str:
        """Its name in tables of codings."""
        return self.classifier.name

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The one that it was tuned for."""
        return (self.classifier.variable,)

    @property
    def prompt(self) -> str:
        """It is told nothing."""
        return ""

    @property
    def settings(self) -> dict[str, Any]:
        """Which classifier it is, and whether passages are asked for."""
        asked = {EVIDENCE: True} if self.evidence else {}
        return {"model_sha256": self.classifier.card["model_sha256"], **asked}

    def answers(self, questions: Sequence[Question], _: Watch) -> Iterator[Answer]:
        """The classifier's codes for these texts."""
        return from_codings(self.classifier.classify(texts_of(questions), evidence=self.evidence), questions)


def texts_of(questions: Sequence[Question]) -> pl.DataFrame:
    """The texts of questions, as a corpus."""
    rows = {"unit_id": [one.unit_id for one in questions], "text": [one.text for one in questions]}
    return sound_corpus(pl.DataFrame(rows, schema={"unit_id": pl.String, "text": pl.String}))
