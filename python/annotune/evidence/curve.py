"""learning_curve(): performance by the number of labels, and the expected gain from more of them."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t

from annotune.data.codebook import Codebook, Variable
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError, listing, nearest
from annotune.evidence.clock import Clock, as_seconds
from annotune.evidence.paired import Resampling, one_coder, resampling
from annotune.evidence.power_law import PowerLaw, bounds, fit_power_law
from annotune.evidence.runs import BACKWARD, TUNED, Runs, by_model, run_all, seconds_of_reading
from annotune.evidence.sets import nested, sizes_of
from annotune.measures.evaluation import LEADING, require_replicates
from annotune.measures.limits import Score, limits
from annotune.measures.scores import in_full, measures
from annotune.readable import Part, Readable, brief_table
from annotune.records.checkpoints import Checkpoints
from annotune.records.lock import locked
from annotune.tuning.held_out import part_to_test, require_share
from annotune.tuning.task import Task, basis, prepare, read_settings

FEWEST_TO_FIT = 3


@dataclass(frozen=True, repr=False)
class LearningCurve(Readable):
    """The performance of models by the number of labels they were tuned on, measured on the same texts.

    Attributes
    ----------
    table
        Columns n, model, measure, estimate (the mean over seeds), ci_low, ci_high (95 %), n_seeds, n_units. The
        interval is that of `evaluate` (percentiles for kappa and the like), and with several seeds covers another draw
        of training texts as well. Of several bases, models are called `tuned model, minilm` and so on.
    points
        Columns n, seed, model, measure, estimate, seconds: every run.
    measure
        The measure of the fit, the forecasts and the plot.
    fits
        A power law for each model with three sizes or more.
    n_labels
        The number of texts available for learning.
    """

    table: pl.DataFrame
    points: pl.DataFrame
    measure: str
    fits: Mapping[str, PowerLaw] = field(repr=False)
    n_labels: int

    @property
    def fit(self) -> PowerLaw:
        """The curve of the tuned model, of several bases that of the first."""
        return self._fit(self.tuned[0])

    @property
    def tuned(self) -> tuple[str, ...]:
        """What the tuned model is called in `table`; of several bases, that of each."""
        models = self.table["model"].unique(maintain_order=True)
        return tuple(model for model in models if model.split(", ")[0] == TUNED)

    def forecast(self, n: int | Sequence[int], model: str | None = None) -> pl.DataFrame:
        """The expected performance of models tuned on n labels: columns n, estimate, ci_low, ci_high (95 %).

        Those of the tuned model where no other is named; of several bases, of the first.
        """
        sizes = np.atleast_1d(n).tolist()
        if not sizes or min(sizes) < 1:
            raise AnnotuneError(f"There is nothing to forecast for {sizes} labels.", "Give numbers of 1 or more.")
        columns = self._fit(model or self.tuned[0]).at(np.array(sizes)).T
        return pl.DataFrame([{"n": size, **bounds(values)} for size, values in zip(sizes, columns, strict=True)])

    def _parts(self) -> Iterator[Part]:
        """The measure by the number of labels, and what more labels would give."""
        rows = self.table.filter(pl.col("measure") == self.measure)
        yield f"{in_full(self.measure)} by the number of labels, on {rows['n_units'][0]:,} other texts"
        yield brief_table(rows, ("n", "model", "estimate", "ci_low", "ci_high"))
        with contextlib.suppress(AnnotuneError):  # too few sizes for a forecast
            yield self.in_words()

    def in_words(self, more: int = 500, model: str | None = None) -> str:
        """The expected gain from `more` labels, in a sentence or two; for each base, where there are several."""
        if more < 1:
            raise AnnotuneError(f"more={more} labels cannot be forecast.", "Give a number of 1 or more.")
        if model is None and len(self.tuned) > 1:
            return " ".join(f"{one[0].upper()}{one[1:]}: {self._gain(more, one)}" for one in self.tuned)
        return self._gain(more, model or self.tuned[0])

    def _gain(self, more: int, model: str) -> str:
        law, name = self._fit(model), in_full(self.measure)
        now, then = law.at(np.array([self.n_labels, self.n_labels + more])).T
        gain, limit = bounds(then - now), bounds(law.asymptote)
        sentences = (
            f"{more:,} more labels ({self.n_labels + more:,} instead of {self.n_labels:,} to learn from) are expected "
            f"to add {_share_in_words(gain['estimate'])} {name}{_interval_in_words(gain)}, to about "
            f"{_share_in_words(float(then[0]))}. The asymptote of the curve is "
            f"{_share_in_words(limit['estimate'])}{_interval_in_words(limit)}."
        )
        largest = int(self.table["n"].max())  # type: ignore[arg-type]
        if self.n_labels + more > 4 * largest:
            sentences += f" That is far beyond the largest set of {largest:,} labels: do not rely on it."
        return sentences

    def _fit(self, model: str) -> PowerLaw:
        if model not in self.fits:
            models = self.table["model"].unique(maintain_order=True).to_list()
            if model not in models:
                raise AnnotuneError(f"There is no model {model!r}.", nearest(model, models))
            what = f"A curve needs {FEWEST_TO_FIT} sizes, and {self.table['n'].n_unique()} were measured."
            raise AnnotuneError(what, "Give more in sizes=, or a larger budget.")
        return self.fits[model]


def learning_curve(
    corpus: Any,
    gold: Any,
    codebook: Codebook,
    *,
    variable: str | None = None,
    sizes: Sequence[int] | None = None,
    seeds: int = 3,
    test: float | Mapping[str, Any] = 0.25,
    validation: float = 0.15,
    group: str | None = None,
    measure: str | None = None,
    budget: str | None = None,
    out: str | Path | None = None,
    say: Callable[[str], None] | None = None,
    pi: str | None = None,
    prevalence: Mapping[str, float] | None = None,
    n_boot: int = 1000,
    seed: int = 1,
    **settings: Any,
) -> LearningCurve:
    """Tune models on more and more of the coded texts, and measure them all on the same held-out ones.

    For each seed the smaller sets of texts are part of the larger ones, and have the label distribution of all texts.
    Each size is measured for the tuned model, the probe on the frozen base, TF-IDF with logistic regression, and
    the most frequent label. With several bases (`base=["minilm", "multilingual"]`) the same sets and the same held-out
    texts serve all of them.

    Parameters
    ----------
    corpus, gold, codebook, variable
        As for `tune`.
    sizes
        Numbers of labels; by default up to six, from all that are not held out down by halves to 25 or more. The
        validation texts of `tune` are among them.
    seeds
        The number of different sets of each size (and starting points of tuning). A single one does not show how much
        depends on the set.
    test
        A share to hold out; or columns and their values, such as `{"manifesto": ["BNP 2010"]}`.
    validation
        The share of each set that is used for early stopping and all choices.
    group
        A column of the corpus: texts with the same value are on the same side of every split, and the sets grow by
        whole groups.
    measure
        The measure of the fitted curve: macro_f1 by default, or another leading measure.
    budget
        Such as `30min` or `2h`: after the first, no run is started that is expected to exceed it, by the speed of those
        before. A warning counts the runs that were left out. Several bases have equal parts of it, and at least one run
        each.
    out
        A folder where every finished run is kept. An interrupted curve is resumed from there, and more sizes or seeds
        use the finished runs; runs on other texts, codings or settings are not used.
    say
        A function that is called with the expected duration, before the runs start.
    pi, prevalence
        How coded texts were drawn, as for `tune`: figures are then about the corpus.
    n_boot, seed
        Bootstrap replicates for the intervals, and the seed of every draw.
    **settings
        See `annotune.tuning.settings.Settings`: base, method, epochs, device ... Here `base` may also be several.

    Returns
    -------
    LearningCurve
        Its `.in_words(more=500)` states the expected gain from more labels: by an inverse power law with an asymptote,
        fitted to the means over seeds, with the uncertainty of a bootstrap of test texts and of the variation between
        runs.

    Raises
    ------
    AnnotuneError
        As `tune`; and for sizes that are too small, or larger than the number of texts, or the same base twice.

    Examples
    --------
    >>> import annotune as at
    >>> data = at.demo(n=200, n_coded=120)
    >>> gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook))
    >>> curve = at.learning_curve(data.corpus, gold, data.codebook, sizes=[25, 50, 90], seeds=1, method="probe")
    >>> curve.table.filter(n=90, measure="macro_f1")["model"].to_list()[:2]
    ['tuned model', 'probe (frozen base)']
    """
    started, seconds = time.perf_counter(), as_seconds(budget)
    if not 1 <= seeds <= 100:
        raise AnnotuneError(f"seeds={seeds} is not from 1 to 100.", "3 are usual.")
    require_share("validation", validation, lowest=0.01)
    require_replicates(n_boot)
    bases, texts, done = _bases(settings.pop("base", None)), read_corpus(corpus), {}
    for number, (base, called) in enumerate(bases.items(), start=1):
        named = {} if base is None else {"base": base}
        chosen = read_settings({**settings, **named, "seed": seed})
        task = prepare(texts, gold, codebook, variable, group, validation, chosen, pi, prevalence)
        name = _checked_measure(measure, task.coded.variable)
        held = part_to_test(task, test)
        if not len(held):
            raise AnnotuneError("Nothing is held out to measure on.", "Give a share in test=, such as 0.25.")
        rest = np.setdiff1d(task.everything, held)
        orders = [nested(task, rest, seed + i) for i in range(seeds)]
        runs = [(n, i) for i in range(seeds) for n in sizes_of(sizes, task, orders)]
        until = None if seconds is None else seconds * number / len(bases)
        tell = _telling(say, called)
        clock = Clock(started, until, BACKWARD * seconds_of_reading(task), tell)
        with nullcontext() if out is None else locked(Path(out)):
            checkpoints = None if out is None else Checkpoints(Path(out), basis(task, held.tolist()))
            done[called] = run_all(task, held, orders, runs, clock, checkpoints)
    return _curve_of_runs(task, held, by_model(done), name, n_boot, seed, len(rest))


def _bases(base: Any) -> dict[Any, str]:
    """What the bases are called in tables, which is nothing where there is but one; None is the default."""
    if not isinstance(base, (list, tuple)):
        return {base: ""}
    bases = [str(one) for one in base]
    if not bases or len(set(bases)) < len(bases):
        what = f"The bases {listing(bases)} are not different." if bases else "No base is named."
        raise AnnotuneError(what, "Name each base once, or leave base out for the default.")
    short = [Path(one).name for one in bases]
    names = short if len(set(short)) == len(bases) else bases
    return dict(zip(bases, names if len(bases) > 1 else [""], strict=True))


def _telling(say: Callable[[str], None] | None, base: str) -> Callable[[str], None]:
    """What the expected duration is told to, beginning with the base where there are several."""
    if say is None:
        return lambda _: None
    return lambda words: say(f"{base}: {words}" if base else words)


def _checked_measure(measure: str | None, entry: Variable) -> str:
    names = LEADING[entry.kind]
    if measure is not None and measure not in names:
        raise AnnotuneError(f"There is no curve of {measure!r}.", nearest(measure, names))
    return measure or "macro_f1"


def _curve_of_runs(
    task: Task,
    test: np.ndarray,
    models: Mapping[str, Runs],
    measure: str,
    n_boot: int,
    seed: int,
    n_labels: int,
) -> LearningCurve:
    """Measures of all runs, their means over seeds with intervals, and the fitted power laws."""
    entry, truth = task.coded.variable, task.examples.targets[test]
    everyone, weights = np.ones(len(test), dtype=bool), task.weights[test] / task.weights[test].mean()
    rated = {
        (*run, model): one_coder(truth, runs[run]["answers"], everyone, entry, weights)
        for run in sorted(set().union(*models.values()))
        for model, runs in models.items()
        if run in runs
    }
    clusters = task.cases.groups[test] if task.cases.large else None
    drawing = resampling(list(rated.values()), clusters, n_boot, seed)
    points, spread = _points_of_runs(rated, drawing, entry, models)
    scores = {run: drawing.scores(answers, entry) for run, answers in rated.items()}
    rng, rows, fits = np.random.default_rng(seed), [], {}
    for model in models:
        for name in points["measure"].unique(maintain_order=True):
            sizes, means, n_seeds = _replicates(points, spread, model, name, rng, n_labels)
            moved = _moved_by_training(points, model, name, n_labels)
            for i, n in enumerate(sizes.tolist()):
                of_runs = [each.get(name) for (size, _, which), each in scores.items() if (size, which) == (n, model)]
                limits_of_mean = _limits_of_mean(of_runs, moved.get(n, 0.0)) or bounds(means[:, i])
                row = {"n": n, "model": model, "measure": name, "n_units": len(test), "n_seeds": n_seeds[i]}
                rows.append({**row, **limits_of_mean, "estimate": float(means[0, i])})
            if name == measure and len(sizes) >= FEWEST_TO_FIT:
                variance = means[1:].var(0) if n_boot else np.ones(len(sizes))
                fits[model] = fit_power_law(sizes, means, 1 / np.maximum(variance, 1e-6))
    types = {"estimate": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}
    table = pl.DataFrame(rows, schema_overrides=types).select(
        "n", "model", "measure", "estimate", "ci_low", "ci_high", "n_seeds", "n_units"
    )
    return LearningCurve(table.sort("n", maintain_order=True), points, measure, fits, n_labels)


def _points_of_runs(
    rated: Mapping[tuple[int, int, str], Any],
    drawing: Resampling,
    entry: Variable,
    models: Mapping[str, Runs],
) -> tuple[pl.DataFrame, dict[tuple[int, int, str], dict[str, np.ndarray]]]:
    """The estimates of every run, and those on each resample of the test texts, which is the same for all runs."""
    rows, drawn = [], {}
    for (n, number, model), answers in rated.items():
        values = measures(answers.total, len(entry.labels), entry.kind == "multilabel", entry.kind == "ordinal")
        of_run = models[model][n, number]
        seconds = float(of_run["seconds"]) if "seconds" in of_run else None
        run = {"n": n, "seed": number + 1, "model": model}
        rows += [
            {**run, "measure": name, "estimate": _number_or_none(values[name]), "seconds": seconds}
            for name in LEADING[entry.kind]
        ]
        drawn[n, number, model] = drawing.drawn(answers, entry)
    return pl.DataFrame(rows, schema_overrides={"estimate": pl.Float64, "seconds": pl.Float64}), drawn


def _replicates(
    points: pl.DataFrame,
    drawn: Mapping[tuple[int, int, str], Mapping[str, np.ndarray]],
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
        runs = [drawn[n, number - 1, model].get(measure, np.zeros(0)) for number in some["seed"]]
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


def _limits_of_mean(scores: Sequence[Score | None], moved: float) -> dict[str, float] | None:
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


def _share_in_words(value: float | None) -> str:
    """A share without its leading zero, as in papers."""
    return "" if value is None else re.sub(r"^(-?)0\.", r"\1.", f"{value:.2f}")


def _interval_in_words(limits: Mapping[str, float | None]) -> str:
    return (
        ""
        if limits["ci_low"] is None
        else f" ({_share_in_words(limits['ci_low'])} to {_share_in_words(limits['ci_high'])})"
    )
