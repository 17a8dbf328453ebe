"""The points of a learning curve: every run measured, their means over seeds with intervals, and the power laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t

from annotune.data.codebook import Variable
from annotune.evidence.curve_shares import AgainstShares, against_shares
from annotune.evidence.paired import Answers, Resampling, one_coder, resampling
from annotune.evidence.power_law import PowerLaw, bounds, fit_power_law
from annotune.evidence.runs import Run, Runs, row_of
from annotune.measures.evaluation import LEADING
from annotune.measures.limits import Score, limits
from annotune.measures.scores import measures
from annotune.measures.share_scores import SHARE_MEASURES
from annotune.tuning.task import Task

FEWEST_TO_FIT = 3
Limits = dict[str, float | None]


@dataclass(frozen=True)
class Points:
    """What a curve is made of: means over seeds in `table`, every run in `points`, a power law a model in `fits`."""

    table: pl.DataFrame
    points: pl.DataFrame
    fits: dict[str, PowerLaw]


@dataclass(frozen=True)
class _Measured:
    """Every run's measures on the same test texts, as the curve of n_labels texts needs them.

    `drawn` has each run's estimates on each resample of the test texts, the same for all runs; `scores` the measures
    that are shares or means of them, and `shares` those against the shares of coders, where the gold has them.
    """

    points: pl.DataFrame
    drawn: Mapping[Run, Mapping[str, np.ndarray]]
    scores: Mapping[Run, Mapping[str, Score]]
    shares: AgainstShares | None
    n_labels: int
    n_boot: int

    def limits_of_mean(self, runs: Sequence[Run], measure: str, moved: float) -> Limits | None:
        """The 95 % limits of the mean of these runs, which another draw of training texts moves by so much."""
        if measure not in SHARE_MEASURES:
            return _limits_of_mean([self.scores[run].get(measure) for run in runs], moved)
        return self.shares.limits_of_mean(runs, measure, moved) if self.shares and self.n_boot else None


def points_of(
    task: Task, test: np.ndarray, models: Mapping[str, Runs], measure: str, n_boot: int, seed: int, n_labels: int
) -> Points:
    """Measures of all runs, their means over seeds with intervals, and the power laws fitted to `measure`."""
    measured = _measured(task, test, models, measure, n_boot, seed, n_labels)
    rng, rows, fits = np.random.default_rng(seed), [], {}
    for model in models:
        for name in measured.points.filter(model=model)["measure"].unique(maintain_order=True):
            sizes, means, n_seeds = _replicates(measured.points, measured.drawn, model, name, rng, n_labels)
            about = {"model": model, "measure": name, "n_units": len(test)}
            for i, (n, limits_of_mean) in enumerate(_limits_by_size(measured, model, name, sizes, means)):
                row = {"n": n, **about, "n_seeds": n_seeds[i]}
                rows.append({**row, **limits_of_mean, "estimate": float(means[0, i])})
            if name == measure and len(sizes) >= FEWEST_TO_FIT:
                variance = means[1:].var(0) if n_boot else np.ones(len(sizes))
                fits[model] = fit_power_law(
                    sizes, means, 1 / np.maximum(variance, 1e-6), falling=name in SHARE_MEASURES
                )
    types = {"estimate": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}
    columns = ("n", "model", "measure", "estimate", "ci_low", "ci_high", "n_seeds", "n_units")
    table = pl.DataFrame(rows, schema_overrides=types).select(*columns)
    return Points(table.sort("n", maintain_order=True), measured.points, fits)


def _limits_by_size(
    measured: _Measured, model: str, name: str, sizes: np.ndarray, means: np.ndarray
) -> list[tuple[int, Limits]]:
    """Each size and the limits of its mean over seeds: those of its runs, or else the replicates' percentiles."""
    moved = _moved_by_training(measured.points, model, name, measured.n_labels)
    by_size = []
    for i, n in enumerate(sizes.tolist()):
        seeds = measured.points.filter(model=model, measure=name, n=n)["seed"]
        runs = [(n, number - 1, model) for number in seeds]
        by_size.append((n, measured.limits_of_mean(runs, name, moved.get(n, 0.0)) or bounds(means[:, i])))
    return by_size


def _measured(
    task: Task, test: np.ndarray, models: Mapping[str, Runs], measure: str, n_boot: int, seed: int, n_labels: int
) -> _Measured:
    entry, truth = task.coded.variable, task.examples.targets[test]
    everyone, weights = np.ones(len(test), dtype=bool), task.weights[test] / task.weights[test].mean()
    clusters = task.cases.groups[test] if task.cases.large else None
    runs = {
        (*run, model): of_model[run]
        for run in sorted(set().union(*models.values()))
        for model, of_model in models.items()
        if run in of_model
    }
    rated = {
        run: one_coder(truth, made["answers"], everyone, entry, weights)
        for run, made in runs.items()
        if "answers" in made
    }
    drawing = resampling(list(rated.values()), clusters, n_boot, seed)
    points, drawn = _points_of_runs(rated, drawing, entry, runs)
    scores = {run: drawing.scores(answers, entry) for run, answers in rated.items()}
    shares = None
    if task.examples.shares is not None:
        shares = against_shares(runs, task.examples.shares[test], entry, clusters, weights)
        points = pl.concat([points, pl.DataFrame(list(shares.points(runs)), schema=points.schema)])
        if measure in SHARE_MEASURES:
            drawn |= {run: {measure: shares.drawn(run, measure, n_boot, seed)} for run in shares.scores}
    return _Measured(points, drawn, scores, shares, n_labels, n_boot)


def _points_of_runs(
    rated: Mapping[Run, Answers],
    drawing: Resampling,
    entry: Variable,
    runs: Mapping[Run, Mapping[str, np.ndarray]],
) -> tuple[pl.DataFrame, dict[Run, dict[str, np.ndarray]]]:
    """The estimates of every run, and those on each resample of the test texts, which is the same for all runs."""
    rows, drawn = [], {}
    for run, answers in rated.items():
        values = measures(answers.total, len(entry.labels), entry.kind == "multilabel", entry.kind == "ordinal")
        rows += [row_of(run, runs[run], name, _number_or_none(values[name])) for name in LEADING[entry.kind]]
        drawn[run] = drawing.drawn(answers, entry)
    types = {"n": pl.Int64, "seed": pl.Int64, "model": pl.String, "measure": pl.String}
    return pl.DataFrame(rows, schema=types | {"estimate": pl.Float64, "seconds": pl.Float64}), drawn


def _replicates(
    points: pl.DataFrame,
    drawn: Mapping[Run, Mapping[str, np.ndarray]],
    model: str,
    measure: str,
    rng: np.random.Generator,
    n_labels: int,
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Sizes (k,), means over seeds (1 + replicates, k), the estimates first, and how many seeds each size has.

    A replicate is the mean on a resample of test texts, plus the variation by another draw of training texts:
    the spread of the runs, pooled over sizes, with the uncertainty of its degrees of freedom. Sets that are a share f
    of the same `n_labels` texts vary by 1 - f of the variance of new sets, as in sampling without replacement (Cochran
    1977, equation 2.12), and their common part is not averaged out by more seeds. A measure that is not defined for a
    run counts as 0 there: a model that always predicts the same label explains nothing.
    """
    of = points.filter((pl.col("model") == model) & (pl.col("measure") == measure))
    sizes = of["n"].unique().sort().to_list()
    columns, counts, squares, freedom = [], [], 0.0, 0
    for n in sizes:
        some = of.filter(pl.col("n") == n)
        values = some["estimate"].fill_null(0.0).to_numpy()
        runs = [drawn.get((n, number - 1, model), {}).get(measure, np.zeros(0)) for number in some["seed"]]
        columns.append(np.concatenate([[values.mean()], np.nan_to_num(np.mean(runs, axis=0))]))
        counts.append(len(values))
        if n < n_labels:  # sets of all texts are the same set
            squares += float(((values - values.mean()) ** 2).sum()) / (1 - n / n_labels)
            freedom += len(values) - 1
    means, common = np.column_stack(columns), np.array(sizes) / n_labels
    if freedom and len(means) > 1:
        scale = np.sqrt(squares / rng.chisquare(freedom, len(means) - 1))
        share = (1 - common) / np.array(counts) + common
        means[1:] += scale[:, None] * rng.normal(size=(len(means) - 1, len(sizes))) * np.sqrt(share)
    return np.array(sizes), means, counts


def _limits_of_mean(scores: Sequence[Score | None], moved: float) -> Limits | None:
    """The 95 % limits of the mean of runs on the same test texts; None where the measure is no mean of shares.

    The runs' own limits, as `evaluate` gives them, are averaged, as errors on the same texts go together; what another
    draw of training texts `moved` comes to their distances as a standard error would (Zou and Donner 2008).
    """
    known = [score for score in scores if score is not None]
    if not known or len(known) < len(scores):
        return None
    low, high = np.mean([limits(score) for score in known], axis=0)
    mean = np.mean([score.estimate for score in known])
    return {
        "ci_low": max(float(mean - np.hypot(mean - low, moved)), 0.0),
        "ci_high": min(float(mean + np.hypot(high - mean, moved)), 1.0),
    }


def _moved_by_training(points: pl.DataFrame, model: str, measure: str, n_labels: int) -> dict[int, float]:
    """How far another draw of training texts moves the mean of each size, in 95 of 100 draws; as in `_replicates`."""
    of = points.filter((pl.col("model") == model) & (pl.col("measure") == measure)).fill_null(0.0)
    by_size = {int(n): values["estimate"].to_numpy() for (n,), values in of.group_by("n")}
    drawn = {n: values for n, values in by_size.items() if n < n_labels}
    freedom = sum(len(values) - 1 for values in drawn.values())
    if not freedom:
        return {}
    squares = sum(float(((values - values.mean()) ** 2).sum()) / (1 - n / n_labels) for n, values in drawn.items())
    reach = float(t.ppf(0.975, freedom)) * np.sqrt(squares / freedom)
    common = {n: n / n_labels for n in by_size}
    return {n: reach * np.sqrt((1 - common[n]) / len(values) + common[n]) for n, values in by_size.items()}


def _number_or_none(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
