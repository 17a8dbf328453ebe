"""learning_curve(): performance by the number of labels, and the expected gain from more of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError, nearest
from annotune.evidence.clock import Clock, as_seconds
from annotune.evidence.curve_points import FEWEST_TO_FIT, points_of
from annotune.evidence.power_law import PowerLaw, bounds
from annotune.evidence.runs import BACKWARD, TUNED, by_model, run_all, seconds_of_reading
from annotune.evidence.sets import nested, sizes_of
from annotune.measures.evaluation import LEADING, require_replicates
from annotune.measures.scores import in_full
from annotune.measures.share_scores import LOG_SCORE, OVERALL, SHARE_MEASURES
from annotune.network.base import find_base
from annotune.readable import Part, Readable, brief_table
from annotune.records.checkpoints import Checkpoints
from annotune.records.lock import locked
from annotune.tuning.held_out import part_to_test, require_share
from annotune.tuning.task import Task, basis, prepare, read_settings

ONCE = "Name each base once, or leave base out for the default."


@dataclass(frozen=True, repr=False)
class LearningCurve(Readable):
    """The performance of models by the number of labels they were tuned on, measured on the same texts.

    Attributes
    ----------
    table
        Columns n, model, measure, estimate (the mean over seeds), ci_low, ci_high (95 %), n_seeds, n_units. The
        interval is that of `evaluate` (percentiles for kappa and the like), and with several seeds covers another draw
        of training texts as well. Of several bases, models are called `tuned model, minilm` and so on. Where the gold
        has its coders' shares, also log_score, brier_score and share_distance, of which lower is better, and the model
        `overall shares`, which states of each text the shares among those learnt from.
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

    @property
    def _n_sizes(self) -> int:
        return self.table["n"].n_unique()

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
        rows = self.rows()
        yield f"{in_full(self.measure)} by the number of labels, on {rows['n_units'][0]:,} other texts"
        yield brief_table(rows.drop("measure", "n_seeds", "n_units"))
        yield self.in_words()

    def rows(self) -> pl.DataFrame:
        """Those of `table` that are about `measure`; beside them log_score, where the gold has its coders' shares."""
        rows = self.table.filter(pl.col("measure") == self.measure)
        scores = self.table.filter(pl.col("measure") == LOG_SCORE)
        if self.measure == LOG_SCORE or scores.is_empty():
            return rows
        scores = scores.select("n", "model", log_score="estimate")
        return rows.join(scores, on=["n", "model"], how="left", maintain_order="left")

    def in_words(self, more: int = 500, model: str | None = None) -> str:
        """The expected gain from `more` labels, in a sentence or two; for each base, where there are several.

        Or why there is none, with fewer than three sizes.
        """
        if more < 1:
            raise AnnotuneError(f"more={more} labels cannot be forecast.", "Give a number of 1 or more.")
        if model is not None:
            return self._gain(more, model)
        scores = list(self._against_shares())
        if not self.fits:
            return " ".join([f"No forecast: a curve needs three sizes, and {self._n_sizes} were measured.", *scores])
        gains = [self._gain(more, one) for one in self.tuned]
        if len(gains) > 1:
            gains = [f"{one[0].upper()}{one[1:]}: {gain}" for one, gain in zip(self.tuned, gains, strict=True)]
        return " ".join([*gains, *scores])

    def _against_shares(self) -> Iterator[str]:
        """How far probabilities are from the shares of coders, beside always stating the overall shares."""
        last = self.table.filter(pl.col("measure") == LOG_SCORE).sort("n").unique("model", keep="last")
        by_model = {row["model"]: row for row in last.to_dicts()}
        if not by_model:
            return
        own = [
            f"{_number_in_words(row['estimate'], 3)}{_interval_in_words(row, 3)} by the {row['model']} with "
            f"{row['n']:,} labels"
            for row in (by_model[model] for model in self.tuned)
        ]
        usual = _number_in_words(by_model[OVERALL]["estimate"], 3)
        yield (
            f"Against the shares of coders the log score is {'; '.join(own)}; always stating the overall shares has "
            f"{usual}, and lower is better."
        )

    def _gain(self, more: int, model: str) -> str:
        law, name = self._fit(model), in_full(self.measure)
        now, then = law.at(np.array([self.n_labels, self.n_labels + more])).T
        falls = self.measure in SHARE_MEASURES
        gain, limit, digits = bounds(now - then if falls else then - now), bounds(law.asymptote), 3 if falls else 2
        by, to, end = (_number_in_words(value, digits) for value in (gain["estimate"], then[0], limit["estimate"]))
        change = f"lower the {name} by {by}" if falls else f"add {by} {name}"
        sentences = (
            f"{more:,} more labels ({self.n_labels + more:,} instead of {self.n_labels:,} to learn from) are expected "
            f"to {change}{_interval_in_words(gain, digits)}, to about {to}. The asymptote of the curve is {end}"
            f"{_interval_in_words(limit, digits)}."
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
            what = f"A curve needs {FEWEST_TO_FIT} sizes, and {self._n_sizes} were measured."
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
        The measure of the fitted curve: macro_f1 by default, or another leading measure. Where the gold has the shares
        of its coders (`resolve(rule="shares")`) also log_score, brier_score or share_distance, as of `evaluate`.
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
        As `tune`; and for sizes that are too small, or larger than the number of texts, or the same base twice. Of
        several bases, one that is not there is said before any run.

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
        name = _checked_measure(measure, task)
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
            checkpoints = None if out is None else Checkpoints(Path(out), basis(task, held.tolist(), *_scored(task)))
            done[called] = run_all(task, held, orders, runs, clock, checkpoints)
    drawn = points_of(task, held, by_model(done), name, n_boot, seed, len(rest))
    return LearningCurve(drawn.table, drawn.points, name, drawn.fits, len(rest))


def _bases(base: Any) -> dict[Any, str]:
    """What the bases are called in tables, which is nothing where there is but one; None is the default.

    A base that is not there, or there twice, is said before the runs on another are made.
    """
    if not isinstance(base, (list, tuple)):
        return {base: ""}
    bases = [str(one) for one in base]
    if not bases:
        raise AnnotuneError("No base is named.", ONCE)
    folders: dict[Path, str] = {}
    for one in bases:
        if bases.count(one) > 1:
            raise AnnotuneError(f"The base {one!r} is named twice.", ONCE)
        same = folders.setdefault(find_base(one).folder.resolve(), one)
        if same != one:
            raise AnnotuneError(f"{same!r} and {one!r} are the same base.", ONCE)
    short = [Path(one).name for one in bases]
    names = short if len(set(short)) == len(bases) else bases
    return dict(zip(bases, names if len(bases) > 1 else [""], strict=True))


def _telling(say: Callable[[str], None] | None, base: str) -> Callable[[str], None]:
    """What the expected duration is told to, beginning with the base where there are several."""
    if say is None:
        return lambda _: None
    return lambda words: say(f"{base}: {words}" if base else words)


def _checked_measure(measure: str | None, task: Task) -> str:
    scored = _scored(task)
    if measure in SHARE_MEASURES and not scored:
        what = f"A curve of {measure!r} is for gold with its coders' shares, and this gold has none."
        raise AnnotuneError(what, "Resolve the codings by the rule 'shares'.")
    names = (*LEADING[task.coded.variable.kind], *scored)
    if measure is not None and measure not in names:
        raise AnnotuneError(f"There is no curve of {measure!r}.", nearest(measure, names))
    return measure or "macro_f1"


def _scored(task: Task) -> tuple[str, ...]:
    """The measures against the shares of coders, where the gold has these."""
    return () if task.examples.shares is None else SHARE_MEASURES


def _number_in_words(value: float | None, digits: int) -> str:
    """A number without its leading zero, as in papers."""
    return "" if value is None else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def _interval_in_words(limits: Mapping[str, Any], digits: int) -> str:
    low, high = (_number_in_words(limits[name], digits) for name in ("ci_low", "ci_high"))
    return f" ({low} to {high})" if low else ""
