"""The tally of texts that are in memory as a frame with one row per text."""

from __future__ import annotations

import numpy as np

from annotune.correction.coding_columns import blanks_as_null
from annotune.correction.labelled import Labelled
from annotune.correction.tally import HandCoded, Tally, group_of
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError


def frame_tally(codings: Labelled, rows_by_group: list[np.ndarray], clusters: np.ndarray | None, finite: bool) -> Tally:
    """The tally of the N texts of `codings` in groups, each given by its rows; `clusters` are numbers (N,)."""
    predicted, gold = (codings.places(column) for column in (codings.predicted, codings.gold))
    k, likely = len(codings.labels), codings.probabilities
    coded = np.flatnonzero(gold >= 0)
    place = np.cumsum(gold >= 0) - 1  # of each coded text among the coded ones
    chance, own = (None if each is None else each[coded] for each in (codings.chance, clusters))
    answers = np.eye(k)[predicted[coded]] if likely is None else likely[coded]
    by_hand = HandCoded(gold[coded], predicted[coded], answers, codings.weights[coded], chance, own)
    groups = [
        group_of(
            predicted[rows],
            None if likely is None else likely[rows],
            k,
            place[rows[gold[rows] >= 0]],
            None if clusters is None else clusters[rows],
        )
        for rows in rows_by_group
    ]
    return Tally(codings.labels, by_hand, tuple(groups), finite)


def cluster_numbers(codings: Labelled, cluster: str | None) -> np.ndarray | None:
    """The number of each text's cluster, (N,), from a column; None where none is named."""
    if cluster is None:
        return None
    require_columns(codings.frame, [cluster], "The table")
    named = blanks_as_null(codings.frame, [cluster])[cluster]
    if named.null_count():
        raise AnnotuneError(f"The column {cluster!r} has empty cells.", "Every text must be in a cluster.")
    return np.asarray(named.rank("dense").to_numpy().astype(np.int64) - 1)
