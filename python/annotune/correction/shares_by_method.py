"""Each method's shares of labels in groups of texts, with their intervals; see `prevalence`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm, t

from annotune.correction.coding_columns import FEW_CLUSTERS, FEWEST
from annotune.correction.estimate import ROUNDING
from annotune.correction.few_errors import FEWEST_ERRORS, more_errors, number_of_errors
from annotune.correction.mean_shares import Mean, corrected_mean, counted_mean, equal, powered_mean
from annotune.correction.quantify import Errors, adjusted_count, onto_simplex
from annotune.correction.tally import DESIGNED, Group, HandCoded, Tally
from annotune.errors import AnnotuneError
from annotune.measures.limits import wilson

BELOW, ABOVE = "an estimate below 0", "an estimate above 1"
OF_FEW_ERRORS = "few errors: the interval is a bound, as if there were up to three more"


@dataclass(frozen=True)
class Estimate:
    """Shares (k,), their errors and limits; None, with a note, where there is no estimate."""

    shares: np.ndarray | None
    error: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    interval: str | None = None
    note: str | tuple[str | None, ...] | None = None  # one for each label, or for all of them

    @classmethod
    def normal(
        cls,
        shares: np.ndarray,
        variance: np.ndarray,
        level: float,
        note: str | tuple[str | None, ...] | None = None,
        clusters: int | None = None,
    ) -> Estimate:
        """With normal intervals from variances (k,), of few `clusters` those of t; about 0 or 1 if beyond them."""
        few = Few(clusters)
        error = np.sqrt(np.maximum(variance, 0) * few.factor)
        margin, centre = few.quantile(level) * error, np.clip(shares, 0, 1)
        low, high = np.clip(centre - margin, 0, 1), np.clip(centre + margin, 0, 1)
        low, high = np.minimum(low, shares), np.maximum(high, shares)  # an estimate may lie beyond 0 or 1
        beyond = [BELOW if share < 0 else ABOVE if share > 1 else None for share in shares]
        return cls(shares, error, low, high, few.interval, joined(note, beyond, few.note))

    def without_interval(self) -> Estimate:
        """The shares alone, where a single cluster says nothing of what others would."""
        return self if self.shares is None else Estimate(self.shares, note="one cluster has no interval")


@dataclass(frozen=True)
class Few:
    """What few clusters ask for: variances as of so many draws, and Student's t; nothing where they are many."""

    clusters: int | None

    @property
    def few(self) -> bool:
        """Whether there are clusters, and fewer than a normal interval needs."""
        return self.clusters is not None and 1 < self.clusters < FEW_CLUSTERS

    @property
    def factor(self) -> float:
        """By which a variance grows: G / (G - 1)."""
        return self.clusters / (self.clusters - 1) if self.few and self.clusters else 1.0

    def quantile(self, level: float) -> float:
        """How many standard errors an interval reaches."""
        side = (1 + level) / 2
        return float(t.ppf(side, self.clusters - 1) if self.few and self.clusters else norm.ppf(side))

    @property
    def interval(self) -> str:
        """How the interval was computed."""
        return f"t, {self.clusters - 1} degrees of freedom" if self.few and self.clusters else "normal"

    @property
    def note(self) -> str | None:
        """What to tell."""
        return f"{self.clusters} clusters: rough" if self.few else None


def joined(
    first: str | tuple[str | None, ...] | None, each: Sequence[str | None], last: str | None = None
) -> tuple[str | None, ...]:
    """One note for each label, from one for all or for each, one for each, and one for all.

    >>> joined(None, ["few errors", None], "12 clusters")
    ('few errors; 12 clusters', '12 clusters')
    """
    firsts = first if isinstance(first, tuple) else (first,) * len(each)
    return tuple(
        "; ".join(note for note in (before, own, last) if note) or None
        for before, own in zip(firsts, each, strict=True)
    )


def estimates_by_group(method: str, tally: Tally, level: float) -> list[Estimate]:
    """One method's estimates for each group; those of `em` are in `shares_by_em`."""
    if method == "adjusted":
        coded = tally.by_hand
        errors = Errors.of(coded.gold, coded.predicted, coded.weights, tally.k)
        estimates = [_adjusted_estimate(tally, errors, group, level) for group in tally.groups]
    else:
        estimates = [_mean_estimate(method, tally, group, level) for group in tally.groups]
    return with_clusters_known(method, tally, estimates)


def with_clusters_known(method: str, tally: Tally, estimates: Sequence[Estimate]) -> list[Estimate]:
    """The estimates, without an interval where there is a single cluster, and none to compare it with."""
    return [
        estimate.without_interval() if tally.n_clusters(group, method) == 1 else estimate
        for group, estimate in zip(tally.groups, estimates, strict=True)
    ]


def _mean_estimate(method: str, tally: Tally, group: Group, level: float) -> Estimate:
    """The mean of each label's indicator."""
    n, n_coded = tally.n(group)
    if method == "count":
        return _counted(tally, group, level)
    if n_coded < 2:
        return Estimate(None, note=f"{n_coded} hand-coded texts")
    coded, clusters = tally.coded(group), tally.n_clusters(group, method)
    if method == "hand":
        return _by_hand(tally, coded, clusters, level)
    if method == "dsl":
        return _corrected(tally, group, coded, corrected_mean(group, coded, 1.0), level, clusters)
    if equal(coded.weights):
        coded = replace(coded, weights=np.full(n_coded, n / n_coded))
    return _corrected(tally, group, coded, powered_mean(group, coded), level, clusters, centred=True)


def _counted(tally: Tally, group: Group, level: float) -> Estimate:
    """Of the corpus every text is counted: nothing but the coder's errors, which are not in it, makes it uncertain."""
    mean = counted_mean(group)
    if tally.finite:
        note = "every text is counted, and the model's errors are in no interval"
        return Estimate(mean.shares, np.zeros(tally.k), mean.shares, mean.shares, "none", note)
    if group.n < 2:
        return Estimate(mean.shares, note="one text has no interval")
    return Estimate.normal(mean.shares, mean.variance, level, clusters=tally.n_clusters(group, "count"))


def _by_hand(tally: Tally, coded: HandCoded, clusters: int | None, level: float) -> Estimate:
    """The hand-coded texts alone, with Wilson's interval."""
    truth, ratio = coded.truth, coded.weights
    shares = ratio @ truth / ratio.sum()
    drawn = tally.drawn(coded, truth - shares, np.ones_like(truth), ratio / ratio.sum())
    few = Few(clusters)
    variance = drawn.variance() * few.factor
    low, high = wilson(shares, drawn.size(shares, variance), np.array([few.quantile(level)]))
    with_label = (truth > 0).sum(axis=0)
    of_each = drawn.notes(variance, [_of_few(int(count), len(truth), coded.clusters) for count in with_label])
    error = np.sqrt(drawn.with_more_errors(variance, level))
    notes = joined(_few_texts(len(truth), of_each), [None] * tally.k, few.note)
    return Estimate(shares, error, low, high, "Wilson", notes)


def _of_few(with_label: int, n_coded: int, clusters: np.ndarray | None) -> str:
    if with_label in (0, n_coded):
        return f"{'every' if with_label else 'no'} hand-coded text has this label: the interval is a bound"
    if with_label * (n_coded - with_label) / n_coded < FEWEST_ERRORS:
        return f"few hand-coded texts have {'this' if with_label * 2 < n_coded else 'another'} label"
    return "few texts have most of the weight" if clusters is None else "clusters differ little, perhaps by chance"


def _corrected(
    tally: Tally,
    group: Group,
    coded: HandCoded,
    mean: Mean,
    level: float,
    clusters: int | None,
    centred: bool = False,
) -> Estimate:
    """Predictions, with a share of their weight, plus the hand-coded texts' errors."""
    predicted, ratio = mean.share * coded.likely, coded.weights
    residuals, wrong = coded.truth - predicted, np.maximum(predicted, 1 - predicted)
    if centred:  # an error that is the same for all texts costs nothing
        residuals = residuals - ratio @ residuals / ratio.sum()
    drawn = tally.drawn(coded, residuals, wrong, ratio / group.n)
    variance = drawn.variance() if tally.finite else mean.variance
    notes = _few_texts(len(ratio), drawn.notes(variance, [OF_FEW_ERRORS] * tally.k))
    shares = np.where(abs(mean.shares) < ROUNDING, 0.0, mean.shares)
    return Estimate.normal(shares, drawn.with_more_errors(variance, level), level, notes, clusters)


def _few_texts(n_coded: int, notes: tuple[str | None, ...]) -> str | tuple[str | None, ...]:
    few = f"{n_coded} hand-coded texts: the interval may be too short"
    return few if n_coded < FEWEST else notes


def _adjusted_estimate(tally: Tally, errors: Errors, group: Group, level: float) -> Estimate:
    if not errors.tell_apart:
        unknown = [label for label, rate in zip(tally.labels, errors.rates.T, strict=True) if np.isnan(rate).any()]
        why = f"nobody coded {unknown[0]!r}" if unknown else "errors are so many that labels cannot be distinguished"
        return Estimate(None, note=why)
    shares, covariance = adjusted_count(errors, group, tally.by_hand)
    seen, typical = errors.behind(shares)
    few = number_of_errors(seen, typical) < FEWEST_ERRORS
    variance = np.diag(covariance) + more_errors(number_of_errors(seen, typical), level) * typical
    moved = None if bool((shares >= -1e-9).all()) else "a share below 0 was moved to 0"
    notes = joined(moved, [OF_FEW_ERRORS if one else None for one in few])
    return Estimate.normal(onto_simplex(shares), variance, level, notes, tally.n_clusters(group, "adjusted"))


def require_design(methods: Sequence[str]) -> None:
    """Refuse methods that rest on how texts were drawn, where that is not known.

    Raises
    ------
    AnnotuneError
        For `hand`, `dsl` and `ppi`.
    """
    if set(methods) & set(DESIGNED):
        what = "It is not known with which probability texts were drawn for hand coding."
        advice = "Add it as a column pi, or give it with pi=; only count, adjusted and em do without it."
        raise AnnotuneError(what, advice)
