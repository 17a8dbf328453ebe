"""The share of each label, by group and over time, with and without a correction for the coder's error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.stats import norm

from annotune.correction.coding_columns import FEWEST, blanks_as_null
from annotune.correction.drawn_shares import Drawn, wilson
from annotune.correction.estimate import Fit, Sample, dsl, hand_coded, naive, ppi
from annotune.correction.families import LINEAR
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.quantify import NEAR, Errors, adjusted_count, em, onto_simplex, resamples
from annotune.data.frames import require_columns, unique_names
from annotune.errors import AnnotuneError, nearest, warn
from annotune.progress import bar

METHODS = ("count", "hand", "adjusted", "em", "dsl", "ppi")
WHOSE = ("corpus", "population")
DESIGNED = ("hand", "dsl", "ppi")  # these rest on how texts were drawn for hand coding

COLUMNS = ("label", "method", "estimate", "std_error", "conf_low", "conf_high", "interval", "n", "n_coded", "note")
FIGURES = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high"), pl.Float64)


def prevalence(
    data: Any,
    variable: str | None = None,
    *,
    by: str | Sequence[str] | None = None,
    time: str | None = None,
    every: str | None = None,
    methods: str | Sequence[str] = METHODS,
    gold: str | None = None,
    predicted: str | None = None,
    pi: str | float | None = None,
    cluster: str | None = None,
    level: float = 0.95,
    n_boot: int = 200,
    seed: int = 1,
    of: Literal["corpus", "population"] = "corpus",
) -> pl.DataFrame:
    """Estimate the share of every label, in all texts or by group and time.

    ==========  ========================================================================================
    `count`     the share of predicted labels, uncorrected; its interval treats predictions as the truth
    `hand`      the hand-coded texts alone, weighted by 1 / pi
    `adjusted`  the count, corrected by the error rates (Forman 2008)
    `em`        the shares that are most likely given the probabilities (Saerens et al. 2002)
    `dsl`       predictions, corrected by hand codings drawn with known probability (Egami et al. 2023)
    `ppi`       the same for equal probabilities, with predictions weighted by their accuracy
                (Angelopoulos, Duchi and Zrnic 2023)
    ==========  ========================================================================================

    `adjusted` and `em` use the error rates of all hand-coded texts: they are valid where errors do not depend on group
    or time (see `error_model`). `dsl`, `ppi` and `hand` need hand codings in every group, and no such assumption.

    Parameters
    ----------
    data
        One row per text, as in `crossfit(...).data`: predictions, `<variable>_gold`, `pi`, and for `em` the columns
        `<variable>_p_<label>` or `p_<label>`, which `dsl` and `ppi` use as well where they exist.
    variable, gold, predicted, pi
        The coded variable, and the columns with hand codings, predictions and sampling probability, as for
        `error_model`. A multi-label variable has one 0/1 column per label: name one.
    by, time
        Columns; shares are estimated for each combination of their values.
    every
        For a column of dates: the length of a period, such as `1mo`, `1q` or `1y`.
    methods
        The methods to use.
    cluster
        A column whose values (documents, authors) depend on each other.
    level
        Of the intervals: of `hand` Wilson's, with the effective number of texts where they weigh differently; else
        normal ones, robust to heteroscedasticity or clusters, within 0 and 1 where the estimate is (that of `dsl` and
        `ppi` may lie outside); for `em` percentiles of a bootstrap. Where `dsl` and `ppi` rest on few errors, fewer
        than 9 texts' worth, standard errors and intervals are those with up to three more, as in the rule of three:
        bounds that hold about as often as they say, or more often.
    n_boot, seed
        Replicates of that bootstrap, which resamples texts or clusters, and its seed.
    of
        Whose shares: "corpus", those of these very texts, of which the hand-coded ones are known (a finite-population
        interval); or "population", those of a larger population of which all texts are a random sample, which have
        wider intervals. Those of `adjusted` and `em` are of the population in either case.

    Returns
    -------
    polars.DataFrame
        One row per group, period, label and method: `by` and `time`, label, method, estimate, std_error, conf_low,
        conf_high, interval (how it was computed), n (texts), n_coded (by hand), note. Where a method has no estimate,
        its figures are null and the note says why. Each method's shares of a group sum to 1.

    Raises
    ------
    AnnotuneError
        For `hand`, `dsl` and `ppi` without pi, and for missing columns.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> truth = ["war"] * 30 + ["trade"] * 70
    >>> predicted = ["trade" if i % 3 == 0 else label for i, label in enumerate(truth)]
    >>> coded = [label if i % 2 == 0 else None for i, label in enumerate(truth)]
    >>> frame = pl.DataFrame({"topic": predicted, "topic_gold": coded})
    >>> shares = at.prevalence(frame, pi=0.5, methods=["count", "dsl"]).filter(label="war")
    >>> dict(shares.select("method", pl.col("estimate").round(3)).iter_rows())
    {'count': 0.2, 'dsl': 0.3}
    """
    chosen = _checked_methods(methods)
    if of not in WHOSE:
        raise AnnotuneError(f"There are no shares of {of!r}.", nearest(of, WHOSE))
    if not 0 < level < 1:
        raise AnnotuneError(f"An interval cannot have the level {level!r}.", "Give a share such as 0.95.")
    if n_boot < 0:
        raise AnnotuneError(f"There cannot be {n_boot!r} replicates.", "Give 0 for no bootstrap, or such as 200.")
    codings, keys = _with_groups(labelled(data, variable, gold=gold, predicted=predicted, pi=pi), by, time, every)
    if codings.ratio is None and set(chosen) & set(DESIGNED):
        what = "It is not known with which probability texts were drawn for hand coding."
        advice = "Add it as a column pi, or give it with pi=; only count, adjusted and em do without it."
        raise AnnotuneError(what, advice)
    texts = _Texts.of(codings, cluster, finite=of == "corpus")
    groups = _rows_by_group(codings.frame, keys)
    tables = {
        method: _estimates_by_group(method, texts, [rows for _, rows in groups], n_boot, seed, level)
        for method in chosen
    }
    parts = [
        _estimate_rows(values, keys, codings.labels, method, tables[method][i], texts.n(rows))
        for i, (values, rows) in enumerate(groups)
        for method in chosen
    ]
    return _with_group_types(pl.concat(parts, how="vertical_relaxed"), codings.frame, keys)


@dataclass(frozen=True)
class _Estimate:
    """Shares (k,), their errors and limits; None, with a note, where there is no estimate."""

    shares: np.ndarray | None
    error: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    interval: str | None = None
    note: str | tuple[str | None, ...] | None = None  # one for each label, or for all of them

    @classmethod
    def normal(
        cls, shares: np.ndarray, variance: np.ndarray, level: float, note: str | tuple[str | None, ...] | None = None
    ) -> _Estimate:
        error = np.sqrt(np.maximum(variance, 0))
        margin = norm.ppf((1 + level) / 2) * error
        low, high = (np.clip(side, 0, 1) for side in (shares - margin, shares + margin))
        low, high = np.minimum(low, shares), np.maximum(high, shares)  # an estimate may lie beyond 0 or 1
        return cls(shares, error, low, high, "normal", note)

    def without_interval(self) -> _Estimate:
        return self if self.shares is None else _Estimate(self.shares, note="one cluster has no interval")


@dataclass(frozen=True)
class _Texts:
    """The N texts as numbers: labels by prediction and by hand (-1 for none), weights, probabilities, clusters."""

    codings: Labelled
    predicted: np.ndarray
    gold: np.ndarray
    probabilities: np.ndarray | None
    clusters: np.ndarray | None
    finite: bool

    @classmethod
    def of(cls, codings: Labelled, cluster: str | None, finite: bool) -> _Texts:
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
        return len(self.codings.labels)

    def clustered(self, rows: np.ndarray, method: str) -> bool:
        """Whether there are clusters to compare: the error cannot be estimated from a single one."""
        if self.clusters is None:
            return True
        mine = rows[self.gold[rows] >= 0] if method in DESIGNED else rows
        return len(np.unique(self.clusters[mine])) > 1

    def n(self, rows: np.ndarray) -> tuple[int, int]:
        """Texts, and hand-coded ones among them."""
        return len(rows), int((self.gold[rows] >= 0).sum())

    def drawn(self, sample: Sample, residuals: np.ndarray, wrong: np.ndarray, reach: np.ndarray) -> Drawn:
        """The hand-coded texts of a sample, by what each adds to the shares."""
        clusters = None if sample.clusters is None else sample.clusters[sample.at]
        return Drawn(residuals, wrong, reach, 1 / sample.ratio, self.finite, clusters)

    def sample(self, rows: np.ndarray, ratio: float | None = None) -> Sample:
        """The rows as a regression on a constant, one equation per label; `ratio` in place of 1 / pi."""
        identity, at = np.eye(self.k), np.flatnonzero(self.gold[rows] >= 0)
        answers, one = identity[self.predicted[rows]], np.ones((len(rows), 1))
        likely = answers if self.probabilities is None else self.probabilities[rows]
        weights = self.codings.weights[rows][at] if ratio is None else np.full(len(at), ratio)
        clusters = None if self.clusters is None else np.unique(self.clusters[rows], return_inverse=True)[1]
        weight = np.ones(len(rows))
        return Sample(one, one[at], answers, likely, identity[self.gold[rows][at]], at, weights, weight, clusters)


def _checked_methods(methods: str | Sequence[str]) -> list[str]:
    names = unique_names(methods)
    for name in names:
        if name not in METHODS:
            raise AnnotuneError(f"The method {name!r} is unknown.", nearest(name, METHODS))
    if not names:
        raise AnnotuneError("No method was named.", nearest("", METHODS))
    return names


def _with_groups(
    codings: Labelled, by: str | Sequence[str] | None, time: str | None, every: str | None
) -> tuple[Labelled, list[str]]:
    """The texts with a value in every grouping column, and those columns; dates as the start of their period."""
    keys = list(dict.fromkeys([*unique_names(by or ()), *([time] if time else [])]))
    require_columns(codings.frame, keys, "The table")
    if estimated := sorted(set(keys) & {codings.predicted.name, codings.gold.name}):
        raise AnnotuneError(f"Shares of {estimated[0]!r} cannot be grouped by it.", "Group by another column.")
    taken = [key for key in keys if key in COLUMNS]
    if taken:
        raise AnnotuneError(f"The result has a column {taken[0]!r} of its own.", "Rename the grouping column.")
    frame = blanks_as_null(codings.frame, keys)
    if every is not None:
        if time is None or not frame[time].dtype.is_temporal():
            raise AnnotuneError("every= divides a column of dates, and time= names none.", "Name one.")
        try:
            frame = frame.with_columns(pl.col(time).dt.truncate(every))
        except pl.exceptions.PolarsError:
            raise AnnotuneError(f"{every!r} is not a period.", "Such as 1mo, 1q or 1y.") from None
    if not keys:
        return codings, keys
    whole = frame.select(pl.all_horizontal(pl.col(key).is_not_null() for key in keys)).to_series()
    if not whole.any():
        raise AnnotuneError(f"No text has a value in {' and '.join(keys)}.", "Name other columns.")
    if not whole.all():
        warn(f"{(~whole).sum():,} of {len(frame):,} texts have no {' or '.join(keys)} and are left out.")
    ratio = None if codings.ratio is None else codings.ratio[whole.to_numpy()]
    sides = [series.filter(whole) for series in (codings.predicted, codings.gold)]
    return Labelled(codings.name, frame.filter(whole), sides[0], sides[1], codings.labels, ratio), keys


def _rows_by_group(frame: pl.DataFrame, keys: list[str]) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """The values and rows of every group, in the order of the columns."""
    if not keys:
        return [((), np.arange(len(frame)))]
    numbered = frame.select(*keys, _row=pl.int_range(pl.len()))
    parts = numbered.group_by(keys).agg("_row").sort(keys)
    return [(row[:-1], np.array(row[-1])) for row in parts.iter_rows()]


def _estimates_by_group(
    method: str, texts: _Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float
) -> list[_Estimate]:
    return [
        estimate if texts.clustered(rows, method) else estimate.without_interval()
        for rows, estimate in zip(groups, _with_intervals(method, texts, groups, n_boot, seed, level), strict=True)
    ]


def _with_intervals(
    method: str, texts: _Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float
) -> list[_Estimate]:
    if method == "adjusted":
        errors = Errors.of(texts.gold, texts.predicted, texts.codings.weights, texts.k)
        return [_adjusted_estimate(texts, errors, rows, level) for rows in groups]
    if method == "em":
        return _em_estimates(texts, groups, n_boot, seed, level)
    return [_by_equations(method, texts, rows, level) for rows in groups]


def _by_equations(method: str, texts: _Texts, rows: np.ndarray, level: float) -> _Estimate:
    """The mean of each label's indicator, by a regression on a constant."""
    n, n_coded = texts.n(rows)
    if method == "count":
        return _counted(texts, rows, level)
    if n_coded < 2:
        return _Estimate(None, note=f"{n_coded} hand-coded texts")
    if method == "hand":
        return _by_hand(texts, rows, level)
    if method == "dsl":
        sample = texts.sample(rows)
        return _corrected(texts, sample, dsl(LINEAR, sample), 1.0, level)
    weights = texts.codings.weights[rows]
    if np.ptp(weights[weights > 0]) > 1e-9 * weights.max():
        return _Estimate(None, note="hand-coded texts were drawn with unequal probabilities")
    sample = texts.sample(rows, n / n_coded)
    fit = ppi(LINEAR, sample)
    share = float(np.max(fit.power or 0.0)) * n / (n - n_coded) if n > n_coded else 0.0
    return _corrected(texts, sample, fit, share, level)


def _counted(texts: _Texts, rows: np.ndarray, level: float) -> _Estimate:
    """Of the corpus every text is counted: nothing but the coder's errors, which are not in it, makes it uncertain."""
    if texts.finite:
        shares = np.bincount(texts.predicted[rows], minlength=texts.k) / len(rows)
        note = "every text is counted, and the model's errors are in no interval"
        return _Estimate(shares, np.zeros(texts.k), shares, shares, "none", note)
    if len(rows) < 2:
        return _Estimate(np.eye(texts.k)[texts.predicted[rows]].mean(0), note="one text has no interval")
    fit = naive(LINEAR, texts.sample(rows))
    return _Estimate.normal(fit.beta, np.diag(fit.covariance), level)


def _by_hand(texts: _Texts, rows: np.ndarray, level: float) -> _Estimate:
    """The hand-coded texts alone, with Wilson's interval."""
    sample = texts.sample(rows)
    shares = hand_coded(LINEAR, sample).beta
    drawn = texts.drawn(sample, sample.gold - shares, np.ones_like(sample.gold), sample.ratio / sample.ratio.sum())
    variance = drawn.variance()
    low, high = wilson(shares, drawn.size(shares, variance), level)
    with_label = (sample.gold > 0).sum(axis=0)
    notes = drawn.notes(variance, [_of_few(int(count), len(sample.at)) for count in with_label])
    error = np.sqrt(drawn.with_more_errors(variance, level))
    return _Estimate(shares, error, low, high, "Wilson", _few_texts(len(sample.at), notes))


def _of_few(with_label: int, n_coded: int) -> str:
    if with_label == 0:
        return "no hand-coded text has this label: the interval is a bound"
    return f"few hand-coded texts have {'this' if with_label * 2 < n_coded else 'another'} label"


def _corrected(texts: _Texts, sample: Sample, fit: Fit, share: float, level: float) -> _Estimate:
    """Predictions, with `share` of their weight, plus the hand-coded texts' errors."""
    predicted = share * sample.predicted[sample.at]
    residuals, wrong = sample.gold - predicted, np.maximum(predicted, 1 - predicted)
    if fit.power is not None:
        residuals = residuals - residuals.mean(axis=0)
    drawn = texts.drawn(sample, residuals, wrong, sample.ratio / sample.n)
    variance = drawn.variance() if texts.finite else np.diag(fit.covariance)
    notes = drawn.notes(variance, ["few errors: the interval is a bound, as if there were up to three more"] * texts.k)
    return _Estimate.normal(fit.beta, drawn.with_more_errors(variance, level), level, _few_texts(len(sample.at), notes))


def _few_texts(n_coded: int, notes: tuple[str | None, ...]) -> str | tuple[str | None, ...]:
    few = f"{n_coded} hand-coded texts: the interval may be too short"
    return few if n_coded < FEWEST else notes


def _adjusted_estimate(texts: _Texts, errors: Errors, rows: np.ndarray, level: float) -> _Estimate:
    if not errors.tell_apart:
        unknown = [
            label for label, rate in zip(texts.codings.labels, errors.rates.T, strict=True) if np.isnan(rate).any()
        ]
        why = f"nobody coded {unknown[0]!r}" if unknown else "errors are so many that labels cannot be distinguished"
        return _Estimate(None, note=why)
    shares, covariance = adjusted_count(errors, texts.predicted, rows, texts.clusters)
    inside = bool((shares >= -1e-9).all())
    note = None if inside else "a share below 0 was moved to 0"
    return _Estimate.normal(onto_simplex(shares), np.diag(covariance), level, note)


def _em_estimates(texts: _Texts, groups: list[np.ndarray], n_boot: int, seed: int, level: float) -> list[_Estimate]:
    probabilities, coded = texts.probabilities, texts.gold >= 0
    if probabilities is None:
        return [_Estimate(None, note="there are no columns with the labels' probabilities") for _ in groups]
    prior = probabilities[coded].mean(0, keepdims=True)
    if not (prior > 0).all():
        return [_Estimate(None, note="a label has the probability 0 in all hand-coded texts") for _ in groups]
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
        _percentile_interval(share, np.concatenate([none, *draws]), level, how)
        for share, draws in zip(shares, drawn, strict=True)
    ]


def _percentile_interval(shares: np.ndarray, draws: np.ndarray, level: float, how: str) -> _Estimate:
    if len(draws) < 2:
        return _Estimate(shares, note="no interval: too few replicates of the bootstrap")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return _Estimate(shares, draws.std(0, ddof=1), low, high, how)


def _estimate_rows(
    values: tuple[Any, ...],
    keys: list[str],
    labels: Sequence[str],
    method: str,
    estimate: _Estimate,
    n: tuple[int, int],
) -> pl.DataFrame:
    """The rows of one group and method, one per label."""
    figures = (estimate.shares, estimate.error, estimate.low, estimate.high)
    unknown = np.full(len(labels), np.nan)
    columns = {name: unknown if column is None else column for name, column in zip(FIGURES, figures, strict=True)}
    notes = list(estimate.note) if isinstance(estimate.note, tuple) else [estimate.note] * len(labels)
    schema = {"label": pl.String, **FIGURES, "note": pl.String}
    table = pl.DataFrame({"label": list(labels), **columns, "note": notes}, schema=schema, nan_to_null=True)
    return table.select(
        *(pl.lit(value).alias(key) for key, value in zip(keys, values, strict=True)),
        "label",
        pl.lit(method).alias("method"),
        *FIGURES,
        pl.lit(estimate.interval, pl.String).alias("interval"),
        pl.lit(n[0], pl.Int64).alias("n"),
        pl.lit(n[1], pl.Int64).alias("n_coded"),
        "note",
    )


def _with_group_types(table: pl.DataFrame, frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """The table with grouping columns in their original types."""
    return table.with_columns(pl.col(key).cast(frame[key].dtype) for key in keys)
