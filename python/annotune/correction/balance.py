"""Were the hand-coded texts drawn as pi says? They are then like the others, but for chance, in all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import chi2, f, norm

from annotune.correction.families import Floats
from annotune.numbers import p_equals

ALARM = 0.01  # the share of samples drawn as pi says that are reported as if they were not
FEWEST_EACH = 20  # coded and uncoded texts
FARTHEST = 4.0  # standard deviations at which outlying values are cut, so that few texts do not decide the test
CERTAIN = 1e-9  # a probability of being drawn this near to 1 is 1
MOST_UNCODED = 100_000
MEND_PI = (
    "Find out how texts were drawn, and mend pi. If whole documents or authors were drawn, name them with cluster=."
)
SAME = 1e-9  # the share of a column's variance that those before it must leave unexplained


@dataclass(frozen=True)
class Balance:
    """Hand-coded texts beside all texts.

    Attributes
    ----------
    rows
        For each covariate and prediction: term, coded (its mean among the hand-coded texts, weighted by 1 / pi), all
        (its mean in all texts), difference (in standard deviations), p_value (of this difference alone).
    statistic, df, p_value
        The joint test. Without clusters the score test of a logit of being coded, with pi as the offset: chi-squared.
        With them Rao and Scott's second-order correction of it: F, with `df_error` degrees of freedom.
    df_error
        None for the chi-squared test.
    """

    rows: pl.DataFrame
    statistic: float
    df: float
    p_value: float
    df_error: float | None = None

    @property
    def drawn_otherwise(self) -> bool:
        """Whether the test finds that texts were not drawn as pi says."""
        return self.p_value < ALARM

    @property
    def verdict(self) -> str:
        """The result in words."""
        if not self.drawn_otherwise:
            return f"Hand-coded texts differ from the others no more than by chance ({self._test()})."
        first = self.rows.sort("p_value", pl.col("difference").abs(), descending=[False, True]).row(0, named=True)
        return (
            f"The hand-coded texts were not drawn as pi says ({self._test()}): the mean of {first['term']} is "
            f"{first['coded']:.3g} among them, weighted by 1 / pi, and {first['all']:.3g} in all texts. The correction "
            "does not hold with this pi."
        )

    def _test(self) -> str:
        if self.df_error is None:
            return f"chi-squared({self.df:g}) = {self.statistic:.1f}, {p_equals(self.p_value)}"
        return f"F({self.df:.1f}, {self.df_error:.0f}) = {self.statistic:.2f}, {p_equals(self.p_value)}"


def balance(
    columns: Floats, names: Sequence[str], coded: np.ndarray, pi: Floats, clusters: np.ndarray | None = None
) -> Balance | None:
    """Compare coded and uncoded texts; None where there are too few of them, or nothing to compare.

    Under the null each text was drawn with odds proportional to pi / (1 - pi). The level is estimated, so that samples
    of a fixed size count as drawn independently; strata of fixed sizes make the test conservative.

    Parameters
    ----------
    columns, names
        What is compared, shape (N, k), and its k names.
    coded, pi
        Whether each text was coded, and its probability of being drawn, in (0, 1], shape (N,).
    clusters
        Each text's cluster, 0 to G - 1, where texts may have been drawn by cluster.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x = rng.normal(size=(2000, 1))
    >>> balance(x, ["x"], rng.random(2000) < 0.2, np.full(2000, 0.2)).drawn_otherwise
    False
    >>> balance(x, ["x"], rng.random(2000) < 0.15 + 0.1 * (x[:, 0] > 0), np.full(2000, 0.2)).drawn_otherwise
    True
    """
    free = pi < 1 - CERTAIN
    if min((coded & free).sum(), (~coded & free).sum()) < FEWEST_EACH:
        return None
    means = _means(columns, coded, pi)
    free = _with_fewer_uncoded(free, coded)
    columns, coded, pi = columns[free], coded[free], pi[free]
    chance = _at_level(pi, int(coded.sum()))
    spread = chance * (1 - chance)
    standard = _standardised(columns, spread)
    scores, information = standard * (coded - chance)[:, None], (standard * spread[:, None]).T @ standard
    independent = _independent(information)
    if not independent:
        return None
    single = _single_tests(scores, np.diag(information), None if clusters is None else clusters[free])
    rows = pl.DataFrame({"term": list(names), **means, "p_value": single}, nan_to_null=True)
    scores, information = scores[:, independent], information[np.ix_(independent, independent)]
    return Balance(rows, *_joint_test(scores, information, None if clusters is None else clusters[free]))


def balance_of_waves(
    columns: Floats,
    names: Sequence[str],
    coded: np.ndarray,
    ratio: Floats,
    chance: Floats,
    clusters: np.ndarray | None = None,
) -> Balance | None:
    """Compare texts that were coded in several waves with all texts; None where they are few, or nothing to compare.

    The coded texts' weighted sums of what is known of all texts are those of all texts but for chance, whose variance
    is the sum of the waves'. It is estimated from the n coded texts: Hotelling's F, with n - k degrees of freedom.

    Parameters
    ----------
    columns, names, coded, clusters
        As for `balance`.
    ratio, chance
        How many texts each coded one stands for, and the part of its square that is by chance, both (n,).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> x, coded, ratio = rng.normal(size=(2000, 1)), rng.random(2000) < 0.2, np.full(2000, 5.0)
    >>> fair = balance_of_waves(x, ["x"], coded, ratio[coded], 1 - 1 / ratio[coded])
    >>> more = rng.random(2000) < 0.15 + 0.1 * (x[:, 0] > 0)
    >>> unfair = balance_of_waves(x, ["x"], more, ratio[more], 1 - 1 / ratio[more])
    >>> fair.drawn_otherwise, unfair.drawn_otherwise
    (False, True)
    """
    n = int(coded.sum())
    if min(n, len(coded) - n) < FEWEST_EACH:
        return None
    means = _means(columns, coded, _among(1 / ratio, coded))
    standard = _standardised(columns, np.ones(len(columns)))
    scores = standard * (_among(ratio, coded) * coded - 1)[:, None]
    drawn = standard[coded] * (ratio * np.sqrt(chance))[:, None]
    information = drawn.T @ drawn
    independent = _independent(information)
    if not independent or len(independent) >= n - FEWEST_EACH / 2:
        return None
    rows = pl.DataFrame(
        {"term": list(names), **means, "p_value": _single_tests(scores, np.diag(information), clusters)},
        nan_to_null=True,
    )
    scores, information = scores[:, independent], information[np.ix_(independent, independent)]
    statistic, df, p, df_error = _joint_test(scores, information, clusters)
    if clusters is not None:
        return Balance(rows, statistic, df, p, df_error)
    statistic *= (n - df) / (df * (n - 1))
    return Balance(rows, statistic, df, float(f.sf(statistic, df, n - df)), n - df)


def _among(values: Floats, coded: np.ndarray) -> Floats:
    """The coded texts' values among those of all, (N,); others are 1."""
    every = np.ones(len(coded))
    every[coded] = values
    return every


def _with_fewer_uncoded(free: np.ndarray, coded: np.ndarray) -> np.ndarray:
    """Which texts are compared: of very many uncoded ones a random part, which moves the level of pi alone."""
    share = MOST_UNCODED / max(int((~coded & free).sum()), 1)
    if share >= 1:
        return free
    return np.asarray(free & (coded | (np.random.default_rng(1).random(len(free)) < share)))


def _means(columns: Floats, coded: np.ndarray, pi: Floats) -> dict[str, Floats]:
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    by_hand = (columns[coded] / pi[coded, None]).sum(axis=0) / (1 / pi[coded]).sum()
    difference = np.divide(by_hand - mean, spread, out=np.zeros_like(mean), where=spread > 0)
    return {"coded": by_hand, "all": mean, "difference": difference}


def _at_level(pi: Floats, n_coded: int) -> Floats:
    """The probabilities whose odds are proportional to those of pi, and whose sum is the number of coded texts."""
    offset = logit(np.maximum(pi, CERTAIN))
    level = brentq(lambda shift: expit(offset + shift).sum() - n_coded, -40, 40)
    return np.asarray(expit(offset + level))


def _standardised(columns: Floats, weight: Floats) -> Floats:
    """Columns of mean 0 and deviation 1, outlying values cut; columns that do not vary are 0."""
    for _ in range(2):
        columns = columns - weight @ columns / weight.sum()
        spread = np.sqrt(weight @ columns**2 / weight.sum())
        columns = np.divide(columns, spread, out=np.zeros_like(columns), where=spread > SAME)
        columns = np.clip(columns, -FARTHEST, FARTHEST)
    return np.asarray(columns - weight @ columns / weight.sum())


def _independent(information: Floats) -> list[int]:
    """The columns that those before them do not determine."""
    chosen: list[int] = []
    for j, own in enumerate(np.diag(information)):
        shared = information[np.ix_(chosen, [j])]
        rest = own - float((shared * np.linalg.solve(information[np.ix_(chosen, chosen)], shared)).sum())
        if own > 0 and rest > SAME * own:
            chosen.append(j)
    return chosen


def _by_cluster(scores: Floats, clusters: np.ndarray) -> Floats:
    numbers = np.unique(clusters, return_inverse=True)[1]
    return np.stack([np.bincount(numbers, column) for column in scores.T], axis=1)


def _single_tests(scores: Floats, variance: Floats, clusters: np.ndarray | None) -> Floats:
    if clusters is not None:
        variance = np.maximum(variance, (_by_cluster(scores, clusters) ** 2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * norm.sf(abs(scores.sum(axis=0)) / np.sqrt(variance)))


def _joint_test(
    scores: Floats, information: Floats, clusters: np.ndarray | None
) -> tuple[float, float, float, float | None]:
    """The statistic, its degrees of freedom, p, and with clusters the denominator's degrees of freedom."""
    total, k = scores.sum(axis=0), len(information)
    statistic = float(total @ np.linalg.solve(information, total))
    if clusters is None:
        return statistic, k, float(chi2.sf(statistic, k)), None
    sums = _by_cluster(scores, clusters)
    effects = np.maximum(np.linalg.eigvals(np.linalg.solve(information, sums.T @ sums)).real, 1.0)
    mean, spread = effects.mean(), effects.var() / effects.mean() ** 2
    df, df_error = k / (1 + spread), k / (1 + spread) * (len(sums) - 1)
    statistic = statistic / (mean * (1 + spread)) / df
    return statistic, df, float(f.sf(statistic, df, df_error)), df_error
