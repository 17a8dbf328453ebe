"""Each method's shares of labels in groups of texts, with their intervals; see `prevalence`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from annotune.correction.coding_columns import FEW_CLUSTERS, FEWEST, blanks_as_null
from annotune.correction.drawn_shares import Drawn
from annotune.correction.estimate import ROUNDING, Fit, Sample, dsl, hand_coded, naive, ppi
from annotune.correction.families import LINEAR
from annotune.correction.few_errors import FEWEST_ERRORS, more_errors, number_of_errors
from annotune.correction.labelled import Labelled
from annotune.correction.quantify import NEAR, Errors, adjusted_count, em, onto_simplex, resamples
from annotune.data.frames import require_columns
from annotune.errors import AnnotuneError
from annotune.measures.limits import wilson
from annotune.progress import bar

BELOW, ABOVE = "an estimate below 0", "an estimate above 1"
DESIGNED = ("hand", "dsl", "ppi")  # these rest on how texts were drawn for hand coding
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


@dataclass(frozen=True)
class Texts:
    """The N texts as numbers: labels by prediction and by hand (-1 for none), weights, probabilities, clusters."""

    codings: Labelled
    predicted: np.ndarray
    gold: np.ndarray
    probabilities: np.ndarray | None
    clusters: np.ndarray | None
    finite: bool

    @classmethod
    def of(cls, codings: Labelled, cluster: str | None, finite: bool) -> Texts:
        """From codings, the column of clusters, and whether shares are those of the corpus itself."""
        clusters = None
        if cluster is not None:
            require_columns(codings.frame, [cluster], "The table")
            named = blanks_as_null(codings.frame, [cluster])[cluster]
            if named.null_count():
                raise AnnotuneError(f"The column {cluster!r} has empty cells.", "Every text must be in a cluster.")
            clusters = named.rank("dense").to_numpy().astype(np.int64) - 1
        predicted, gold = (codings.places(column) for column in (codings.predicted, codings.gold))
        return cls(codings, predicted, gold, codings.probabilities, clusters, finite)

    @property
    def k(self) -> int:
        """How many labels there are."""
        return len(self.codings.labels)

    def clustered(self, rows: np.ndarray, method: str) -> bool:
        """Whether there are clusters to compare: the error cannot be estimated from a single one."""
        return self.n_clusters(rows, method) != 1

    def n_clusters(self, rows: np.ndarray, method: str) -> int | None:
        """How many clusters an estimate for these rows rests on; None where texts are on their own."""
        if self.clusters is None:
            return None
        return len(np.unique(self.clusters[rows[self.gold[rows] >= 0] if method in DESIGNED else rows]))

    def n(self, rows: np.ndarray) -> tuple[int, int]:
        """Texts, and hand-coded ones among them."""
        return len(rows), int((self.gold[rows] >= 0).sum())

    def drawn(self, sample: Sample, residuals: np.ndarray, wrong: np.ndarray, reach: np.ndarray) -> Drawn:
        """The hand-coded texts of a sample, by what each adds to the shares."""
        clusters = None if sample.clusters is None else sample.clusters[sample.at]
        return Drawn(residuals, wrong, reach, 1 / sample.ratio, self.finite, clusters, sample.chance)

    def sample(self, rows: np.ndarray, ratio: float | None = None) -> Sample:
        """The rows as a regression on a constant, one equation per label; `ratio` in place of 1 / pi."""
        identity, at = np.eye(self.k), np.flatnonzero(self.gold[rows] >= 0)
        answers, one = identity[self.predicted[rows]], np.ones((len(rows), 1))
        likely = answers if self.probabilities is None else self.probabilities[rows]
        weights = self.codings.weights[rows][at] if ratio is None else np.full(len(at), ratio)
        clusters = None if self.clusters is None else np.unique(self.clusters[rows], return_inverse=True)[1]
        weight = np.ones(len(rows))
        by_hand = identity[self.gold[rows][at]]
        chance = None if self.codings.chance is None else self.codings.chance[rows][at]
        return Sample(one, one[at], answers, likely, by_hand, at, weights, weight, clusters, chance=chance)


def estimates_by_group(
    method: str, texts: Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float
) -> list[Estimate]:
    """One method's estimates for each group, given by its rows."""
    return [
        estimate if texts.clustered(rows, method) else estimate.without_interval()
        for rows, estimate in zip(groups, _with_intervals(method, texts, groups, n_boot, seed, level), strict=True)
    ]


def _with_intervals(
    method: str, texts: Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float
) -> list[Estimate]:
    if method == "adjusted":
        errors = Errors.of(texts.gold, texts.predicted, texts.codings.weights, texts.k)
        return [_adjusted_estimate(texts, errors, rows, level) for rows in groups]
    if method == "em":
        return _em_estimates(texts, groups, n_boot, seed, level)
    return [_by_equations(method, texts, rows, level) for rows in groups]


def _by_equations(method: str, texts: Texts, rows: np.ndarray, level: float) -> Estimate:
    """The mean of each label's indicator, by a regression on a constant."""
    n, n_coded = texts.n(rows)
    if method == "count":
        return _counted(texts, rows, level)
    if n_coded < 2:
        return Estimate(None, note=f"{n_coded} hand-coded texts")
    if method == "hand":
        return _by_hand(texts, rows, level)
    if method == "dsl":
        sample = texts.sample(rows)
        return _corrected(texts, sample, dsl(LINEAR, sample), 1.0, level, texts.n_clusters(rows, method))
    weights = texts.codings.weights[rows]
    equal = np.ptp(weights[weights > 0]) <= 1e-9 * weights.max()
    sample = texts.sample(rows, n / n_coded if equal else None)
    fit = ppi(LINEAR, sample)
    share = float(np.max(fit.power or 0.0))
    if equal:
        share = share * n / (n - n_coded) if n > n_coded else 0.0
    return _corrected(texts, sample, fit, share, level, texts.n_clusters(rows, method))


def _counted(texts: Texts, rows: np.ndarray, level: float) -> Estimate:
    """Of the corpus every text is counted: nothing but the coder's errors, which are not in it, makes it uncertain."""
    if texts.finite:
        shares = np.bincount(texts.predicted[rows], minlength=texts.k) / len(rows)
        note = "every text is counted, and the model's errors are in no interval"
        return Estimate(shares, np.zeros(texts.k), shares, shares, "none", note)
    if len(rows) < 2:
        return Estimate(np.eye(texts.k)[texts.predicted[rows]].mean(0), note="one text has no interval")
    fit = naive(LINEAR, texts.sample(rows))
    return Estimate.normal(fit.beta, np.diag(fit.covariance), level, clusters=texts.n_clusters(rows, "count"))


def _by_hand(texts: Texts, rows: np.ndarray, level: float) -> Estimate:
    """The hand-coded texts alone, with Wilson's interval."""
    sample = texts.sample(rows)
    shares = hand_coded(LINEAR, sample).beta
    drawn = texts.drawn(sample, sample.gold - shares, np.ones_like(sample.gold), sample.ratio / sample.ratio.sum())
    few = Few(texts.n_clusters(rows, "hand"))
    variance = drawn.variance() * few.factor
    low, high = wilson(shares, drawn.size(shares, variance), np.array([few.quantile(level)]))
    with_label = (sample.gold > 0).sum(axis=0)
    of_each = drawn.notes(variance, [_of_few(int(count), len(sample.at), texts.clusters) for count in with_label])
    error = np.sqrt(drawn.with_more_errors(variance, level))
    notes = joined(_few_texts(len(sample.at), of_each), [None] * texts.k, few.note)
    return Estimate(shares, error, low, high, "Wilson", notes)


def _of_few(with_label: int, n_coded: int, clusters: np.ndarray | None) -> str:
    if with_label in (0, n_coded):
        return f"{'every' if with_label else 'no'} hand-coded text has this label: the interval is a bound"
    if with_label * (n_coded - with_label) / n_coded < FEWEST_ERRORS:
        return f"few hand-coded texts have {'this' if with_label * 2 < n_coded else 'another'} label"
    return "few texts have most of the weight" if clusters is None else "clusters differ little, perhaps by chance"


def _corrected(texts: Texts, sample: Sample, fit: Fit, share: float, level: float, clusters: int | None) -> Estimate:
    """Predictions, with `share` of their weight, plus the hand-coded texts' errors."""
    predicted = share * sample.predicted[sample.at]
    residuals, wrong = sample.gold - predicted, np.maximum(predicted, 1 - predicted)
    if fit.power is not None:  # an error that is the same for all texts costs nothing
        residuals = residuals - sample.ratio @ residuals / sample.ratio.sum()
    drawn = texts.drawn(sample, residuals, wrong, sample.ratio / sample.n)
    variance = drawn.variance() if texts.finite else np.diag(fit.covariance)
    notes = _few_texts(len(sample.at), drawn.notes(variance, [OF_FEW_ERRORS] * texts.k))
    shares = np.where(abs(fit.beta) < ROUNDING, 0.0, fit.beta)
    return Estimate.normal(shares, drawn.with_more_errors(variance, level), level, notes, clusters)


def _few_texts(n_coded: int, notes: tuple[str | None, ...]) -> str | tuple[str | None, ...]:
    few = f"{n_coded} hand-coded texts: the interval may be too short"
    return few if n_coded < FEWEST else notes


def _adjusted_estimate(texts: Texts, errors: Errors, rows: np.ndarray, level: float) -> Estimate:
    if not errors.tell_apart:
        unknown = [
            label for label, rate in zip(texts.codings.labels, errors.rates.T, strict=True) if np.isnan(rate).any()
        ]
        why = f"nobody coded {unknown[0]!r}" if unknown else "errors are so many that labels cannot be distinguished"
        return Estimate(None, note=why)
    shares, covariance = adjusted_count(errors, texts.predicted, rows, texts.clusters)
    seen, typical = errors.behind(shares)
    few = number_of_errors(seen, typical) < FEWEST_ERRORS
    variance = np.diag(covariance) + more_errors(number_of_errors(seen, typical), level) * typical
    moved = None if bool((shares >= -1e-9).all()) else "a share below 0 was moved to 0"
    notes = joined(moved, [OF_FEW_ERRORS if one else None for one in few])
    return Estimate.normal(onto_simplex(shares), variance, level, notes, texts.n_clusters(rows, "adjusted"))


def _em_estimates(texts: Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float) -> list[Estimate]:
    probabilities, coded = texts.probabilities, texts.gold >= 0
    if probabilities is None:
        return [Estimate(None, note="there are no columns with the labels' probabilities") for _ in groups]
    prior = probabilities[coded].mean(0, keepdims=True)
    if not (prior > 0).all():
        return [Estimate(None, note="a label has the probability 0 in all hand-coded texts") for _ in groups]
    shares = [em(probabilities[rows], prior)[0] for rows in groups]
    drawn: list[list[np.ndarray]] = [[] for _ in groups]
    with bar("Bootstrap of em", n_boot) as advance:
        for counts in resamples(len(coded), texts.clusters, n_boot, seed):
            sizes = counts[:, coded].sum(1)
            priors = (counts[:, coded] @ probabilities[coded]) / np.maximum(sizes, 1)[:, None]
            for i, rows in enumerate(groups):
                mine = counts[:, rows]
                usable = (sizes > 0) & (mine.sum(1) > 0) & (priors > 0).all(1)
                drawn[i].append(em(probabilities[rows], priors[usable], mine[usable], shares[i], NEAR))
            advance(len(counts))
    how = f"bootstrap, {n_boot:,} replicates, seed {seed}"
    none = np.zeros((0, texts.k))
    return [
        _percentile_interval(share, np.concatenate([none, *draws]), level, how, Few(texts.n_clusters(rows, "em")).note)
        for rows, share, draws in zip(groups, shares, drawn, strict=True)
    ]


def _percentile_interval(shares: np.ndarray, draws: np.ndarray, level: float, how: str, note: str | None) -> Estimate:
    if len(draws) < 2:
        return Estimate(shares, note="no interval: too few replicates of the bootstrap")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Estimate(shares, draws.std(0, ddof=1), low, high, how, note)
