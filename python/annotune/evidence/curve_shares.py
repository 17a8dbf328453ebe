"""Runs of a learning curve against the shares of coders who gave each label: text by text, on the same texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotune.data.codebook import Variable
from annotune.evidence.runs import Run, row_of
from annotune.measures.scores import CHUNK
from annotune.measures.share_scores import limits_of_mean, parts_of_mean, scores_of_texts


@dataclass(frozen=True)
class AgainstShares:
    """How far the probabilities of each run are from the shares of coders.

    Attributes
    ----------
    scores
        Of each run that states probabilities, by measure, shape (n,): a score a text.
    weights, clusters
        Shape (n,): how much each text counts, and what is sampled in place of texts.
    """

    scores: Mapping[Run, Mapping[str, np.ndarray]]
    weights: np.ndarray
    clusters: np.ndarray | None

    def points(self, runs: Mapping[Run, Mapping[str, np.ndarray]]) -> Iterator[dict[str, Any]]:
        """A row a run and measure."""
        for run, by_measure in self.scores.items():
            for name, values in by_measure.items():
                yield row_of(run, runs[run], name, self._mean(values))

    def limits_of_mean(self, runs: Sequence[Run], measure: str, moved: float) -> dict[str, float | None]:
        """The 95 % limits of the mean of runs, which another draw of training texts moves by so much in 95 of 100.

        The runs are of the same texts, and so each text's scores are averaged first.
        """
        values = np.mean([self.scores[run][measure] for run in runs], axis=0)
        mean, (low, high) = self._mean(values), limits_of_mean(values, self.clusters, self.weights)
        low, high = mean - np.hypot(mean - low, moved), mean + np.hypot(high - mean, moved)
        return {"ci_low": max(float(low), 0.0), "ci_high": float(high)}

    def drawn(self, run: Run, measure: str, n_boot: int, seed: int) -> np.ndarray:
        """The mean on so many resamples (n_boot,), by normal multipliers of texts' parts: the same for every run."""
        values = self.scores[run][measure]
        parts, rng = parts_of_mean(values, self.clusters, self.weights), np.random.default_rng(seed)
        at_once = max(1, CHUNK // len(parts))
        sizes = [min(at_once, n_boot - start) for start in range(0, n_boot, at_once)]
        return self._mean(values) + np.concatenate(
            [np.zeros(0), *(rng.normal(size=(size, len(parts))) @ parts for size in sizes)]
        )

    def _mean(self, values: np.ndarray) -> float:
        return float(np.average(values, weights=self.weights))


def against_shares(
    runs: Mapping[Run, Mapping[str, np.ndarray]],
    shares: np.ndarray,
    entry: Variable,
    clusters: np.ndarray | None,
    weights: np.ndarray,
) -> AgainstShares:
    """Each run's probabilities, where it states them, scored against the shares (n, labels) of the test texts."""
    # in one layout, whether they were just made or kept: sums of others differ in the last bit
    stated = {run: np.ascontiguousarray(made["stated"]) for run, made in runs.items() if "stated" in made}
    sets = entry.kind == "multilabel"
    return AgainstShares({run: scores_of_texts(each, shares, sets) for run, each in stated.items()}, weights, clusters)
