"""Which label is right, and which errors each coder makes: the model of Dawid and Skene (1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.patterns import Floats, Ints
from annotune.errors import AnnotuneError, nearest, warn


@dataclass(frozen=True)
class DawidSkene:
    """`prior` (q,), `confusion` (coders x true x coded), `posterior` of each unit (N x q), and the rounds of EM."""

    prior: Floats
    confusion: Floats
    posterior: Floats
    rounds: int
    converged: bool


def dawid_skene(
    unit: Ints, coder: Ints, value: Ints, shape: tuple[int, int, int], tolerance: float = 1e-6, most: int = 10_000
) -> DawidSkene:
    """Maximum likelihood by EM, started from the share of codings for each label.

    Parameters
    ----------
    unit, coder, value
        Of each of L codings, from 0; a coder may code a unit more than once, or not at all.
    shape
        The numbers of units, coders and categories.
    tolerance, most
        EM ends when no posterior moves by more than `tolerance`, or after `most` rounds.

    Returns
    -------
    DawidSkene
        A coder who never met a unit of some true label has an even row there.

    References
    ----------
    Dawid, A. P. and Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the
    EM algorithm. Applied Statistics 28, 20-28.

    Examples
    --------
    >>> unit, coder = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    >>> fit = dawid_skene(unit, coder, np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0]), (4, 3, 2))
    >>> fit.posterior.argmax(1).tolist(), fit.confusion[2].round(2).tolist()
    ([0, 1, 0, 1], [[0.5, 0.5], [0.5, 0.5]])
    """
    from scipy import sparse

    units, coders, q = shape
    cells = (np.ones(len(unit)), (unit, coder * q + value))
    indicator = sparse.csr_array(cells, shape=(units, coders * q))
    start = np.bincount(unit * q + value, minlength=units * q).reshape(units, q)
    posterior = start / np.maximum(start.sum(1, keepdims=True), 1)
    moved, rounds = 1.0, 0
    if not units:
        even = 1 / max(q, 1)
        return DawidSkene(np.full(q, even), np.full((coders, q, q), even), np.empty((0, q)), 0, True)
    while moved > tolerance and rounds < most:
        prior, confusion = _maximised(indicator, posterior, coders)
        expected = _expected(indicator, prior, confusion)
        moved, posterior, rounds = np.abs(expected - posterior).max(initial=0.0), expected, rounds + 1
    return DawidSkene(prior, confusion, posterior, rounds, bool(moved <= tolerance))


def posteriors(codings: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The posterior probability of each of `names` in each unit of a table of answers.

    Parameters
    ----------
    codings
        unit_id, coder, label; one row per coding, its label one of `names`.

    Returns
    -------
    polars.DataFrame
        unit_id, label, prob: units in the order of `codings`, labels in that of `names`.

    Raises
    ------
    AnnotuneError
        For a label that is none of `names`.
    """
    strange = codings.filter(~pl.col("label").is_in(list(names)))
    if len(strange):
        raise AnnotuneError(
            f"The label {strange['label'][0]!r} is not in the codebook.", nearest(strange["label"][0], names)
        )
    units, coders = (codings[column].unique(maintain_order=True).to_list() for column in ("unit_id", "coder"))
    unit, coder, value = (
        codings[column].cast(pl.Enum(levels)).to_physical().cast(pl.Int64).to_numpy()
        for column, levels in (("unit_id", units), ("coder", coders), ("label", list(names)))
    )
    fit = dawid_skene(unit, coder, value, (len(units), len(coders), len(names)))
    if not fit.converged:
        warn(
            f"The model of Dawid and Skene has not converged after {fit.rounds:,} rounds; its labels may still change."
        )
    cells = {"unit_id": units, "prob": fit.posterior.tolist(), "label": [list(names)] * len(units)}
    schema: dict[str, Any] = {"unit_id": pl.String, "prob": pl.List(pl.Float64), "label": pl.List(pl.String)}
    return pl.DataFrame(cells, schema=schema).explode("prob", "label").select("unit_id", "label", "prob")


def _maximised(indicator: Any, posterior: Floats, coders: int) -> tuple[Floats, Floats]:
    """The M step: shares of true labels, and each coder's answers by true label."""
    q = posterior.shape[1]
    answers = (indicator.T @ posterior).reshape(coders, q, q).transpose(0, 2, 1)
    met = answers.sum(2, keepdims=True)
    return posterior.mean(0), np.where(met > 0, answers / np.where(met > 0, met, 1), 1 / q)


def _expected(indicator: Any, prior: Floats, confusion: Floats) -> Floats:
    """The E step: the posterior of each unit's true label, from logarithms so that many coders do not underflow."""
    tiny = np.finfo(float).tiny
    coders, q, _ = confusion.shape
    answers = np.log(np.maximum(confusion, tiny)).transpose(0, 2, 1).reshape(coders * q, q)
    log = indicator @ answers + np.log(np.maximum(prior, tiny))
    weight = np.exp(log - log.max(1, keepdims=True))
    return np.asarray(weight / weight.sum(1, keepdims=True))
