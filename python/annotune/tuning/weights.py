"""How many texts of the corpus each coded text speaks for, where texts were not drawn with equal chances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annotune.data.codebook import Variable
from annotune.data.waves import counts
from annotune.errors import AnnotuneError, listing, nearest
from annotune.tuning.coded_texts import Coded

ROUNDS = 200  # of raking; a few are enough unless shares contradict each other


def text_weights(
    coded: Coded, pi: str | None, prevalence: Mapping[str, float] | None, wave: str | None = None
) -> np.ndarray:
    """A weight for each coded text (n,), one on the average.

    Parameters
    ----------
    coded
        The n coded texts.
    pi
        A column of the corpus: the probability with which each text was drawn; it then speaks for 1 / pi texts
        (Horvitz and Thompson 1952).
    prevalence
        How frequent labels are in the corpus, as shares by label, where texts were picked by their label and that is
        known. Of single labels, those not named share the rest as they do among the coded texts; of label sets, the
        weights are raked to the shares named (Deming and Stephan 1940).
    wave
        A column of the corpus: which of several waves drew each text. It then speaks for as many texts as in a
        correction (see `data.waves.counts`), as pi is of texts that no wave before drew.

    Raises
    ------
    AnnotuneError
        With both, with probabilities outside 0 to 1, with unknown labels, and with shares that cannot be.
    """
    if pi is not None and prevalence is not None:
        raise AnnotuneError("Both pi= and prevalence= are given.", "One of them says what coded texts stand for.")
    if pi is not None:
        weights = counts(_probabilities(coded, pi), None if wave is None else coded.frame[wave].to_numpy()).ratio
    elif prevalence is not None:
        weights = _to_shares(coded, _by_number(prevalence, coded.variable))
    else:
        weights = np.ones(len(coded.frame))
    return np.asarray(weights / weights.mean())


def _probabilities(coded: Coded, column: str) -> np.ndarray:
    if column not in coded.frame.columns:
        raise AnnotuneError(f"The corpus has no column {column!r}.", nearest(column, coded.frame.columns[2:]))
    values = coded.frame[column]
    sound = values.dtype.is_numeric() and values.is_between(0, 1, closed="right").fill_null(False)
    if sound is False or not sound.all():
        where = "" if sound is False else f" of unit {coded.frame['unit_id'].filter(~sound)[0]!r}"
        what = f"The column {column!r}{where} is no probability above 0 and up to 1."
        raise AnnotuneError(what, "Give each coded text's probability of being drawn.")
    return values.to_numpy().astype(float)


def _by_number(prevalence: Mapping[str, float], variable: Variable) -> dict[int, float]:
    """Shares by label number, checked."""
    for label, share in prevalence.items():
        if label not in variable.names:
            what = f"prevalence= names {label!r}, which no coded text of {variable.name!r} has."
            raise AnnotuneError(what, nearest(label, variable.names))
        if not 0 < share < 1:
            raise AnnotuneError(f"The prevalence of {label!r} is {share}.", "Give a share between 0 and 1.")
    shares = {variable.names.index(label): float(share) for label, share in prevalence.items()}
    total, whole = sum(shares.values()), len(shares) == len(variable.names)
    if variable.kind != "multilabel" and (total > 1 + 1e-6 or (whole and abs(total - 1) > 1e-6)):
        named = listing([f"{label} {share:g}" for label, share in prevalence.items()])
        raise AnnotuneError(f"The shares of labels add up to {total:g}: {named}.", "They should add up to 1.")
    return shares


def _to_shares(coded: Coded, shares: Mapping[int, float]) -> np.ndarray:
    targets = coded.targets
    if targets.ndim == 2:
        return _raked(targets.astype(bool), shares)
    counts = np.bincount(targets, minlength=len(coded.variable.names)) / len(targets)
    others = [number for number in range(len(counts)) if number not in shares]
    wanted = np.array([shares.get(number, 0.0) for number in range(len(counts))])
    if others:
        wanted[others] = (1 - wanted.sum()) * counts[others] / counts[others].sum()
    return np.asarray((wanted / counts)[targets])


def _raked(targets: np.ndarray, shares: Mapping[int, float]) -> np.ndarray:
    weights = np.ones(len(targets))
    for _ in range(ROUNDS):
        for number, share in shares.items():
            yes = targets[:, number]
            now = weights[yes].sum() / weights.sum()
            weights *= np.where(yes, share / now, (1 - share) / (1 - now))
    return weights
