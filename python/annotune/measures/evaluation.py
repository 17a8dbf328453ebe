"""Truth against predicted: measures with intervals, always beside what would be had without a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.hierarchy import common_steps, has_levels, paths
from annotune.errors import AnnotuneError
from annotune.measures.baselines import COUNTED_WORDS, NO_INFORMATION, NO_LABEL, TF_IDF, TF_IDF_HERE
from annotune.measures.limits import Score, limits, limits_of_each
from annotune.measures.scores import Sums, hierarchical_f1, label_sums, measures, named, per_label, set_sums
from annotune.measures.share_scores import DISTANCE, LOG_SCORE, OVERALL, share_rows
from annotune.measures.shares_of_sums import MEANS, columns
from annotune.measures.shares_of_sums import by_label as label_shares
from annotune.measures.shares_of_sums import scores as scores_of
from annotune.readable import Part, Readable, brief_table

Limits = tuple[float | None, float | None]

WITHOUT_LOOKING = {NO_INFORMATION: "Always giving the most frequent label", NO_LABEL: "Giving no label to any text"}
FEW, MOST_NAMED = 5, 3  # texts of a label below which a mean over labels has a note; labels that the note names
RESTS_ON = "rests on"
COUNTING_HELPS = " Where a base model does not read the language of the texts well, tune another base."
READS = "the model reads"
LONG_TEXTS_HELP = (
    "Counting words sees all of a text at once: have more of it read (long_texts, max_tokens: docs/long-texts.md), or "
    "code its parts."
)
LEADING = {  # what a person reads first, by kind of variable; accuracy last: a frequent label flatters it
    "nominal": ("macro_f1", "kappa", "mcc", "accuracy"),
    "ordinal": ("macro_f1", "kappa_quadratic", "kappa", "mcc", "accuracy"),
    "multilabel": ("micro_f1", "macro_f1", "exact_set", "any_right", "jaccard"),
}


@dataclass(frozen=True, repr=False)
class Evaluation(Readable):
    """How well predictions agree with the truth.

    Attributes
    ----------
    measures
        Columns model, measure, estimate, ci_low, ci_high (95 %), n_units, n_labels (that the
        measure covers), note; the baselines are models of their own on the same units. The limits of shares are
        Wilson's, those of F1 and of means over labels are made of them, and kappa, MCC and alpha have percentiles of
        the bootstrap. A mean over labels has a note where it rests on fewer than five texts of one.
    labels
        Columns model, label, precision, recall, f1, f1_low, f1_high, n_true, n_predicted.
    confusion
        Columns truth, predicted, n, of the first model; empty for label sets.
    models
        The first is the one evaluated.
    """

    measures: pl.DataFrame
    labels: pl.DataFrame
    confusion: pl.DataFrame

    @property
    def models(self) -> list[str]:
        """The models compared, the evaluated one first."""
        return self.measures["model"].unique(maintain_order=True).to_list()

    def get(self, measure: str, model: str | None = None) -> float | None:
        """One estimate; of the evaluated model where none is named."""
        if model == TF_IDF and TF_IDF not in self.models:
            model = TF_IDF_HERE
        wanted = (pl.col("measure") == measure) & (pl.col("model") == (model or self.models[0]))
        found = self.measures.filter(wanted)["estimate"]
        if found.is_empty():
            raise AnnotuneError(f"There is no measure {measure!r} of {model or self.models[0]!r}.", "See .measures.")
        return None if found[0] is None else float(found[0])

    def table(self) -> pl.DataFrame:
        """A row per model and a column per leading measure, for reading."""
        names = leading(self.measures)
        shown = self.measures.filter(pl.col("measure").is_in(names))
        return shown.pivot("measure", index="model", values="estimate").select("model", *names)

    def in_words(self) -> list[str]:
        """How good the model is by the first leading measure, and what does better, a sentence each."""
        rows = self.measures.filter(pl.col("measure") == leading(self.measures)[0], pl.col("estimate").is_not_null())
        first, *others = rows.to_dicts() or [{}]
        own = first.get("model") == self.models[0]
        return [*_told(first, others), *self._few(), *self._of_sets(), *self._of_shares()] if own else []

    def _of_shares(self) -> Iterator[str]:
        """How far probabilities are from the shares of coders, beside always stating the overall shares."""
        rows = self.measures.filter(pl.col("measure") == LOG_SCORE)
        by_model = {row["model"]: row for row in rows.to_dicts()}
        if self.models[0] in by_model and OVERALL in by_model:
            own, usual = by_model[self.models[0]], by_model[OVERALL]["estimate"]
            spread = "" if own["ci_low"] is None else f" ({own['ci_low']:.3f} to {own['ci_high']:.3f})"
            yield (
                f"Against the shares of coders its log score is {own['estimate']:.3f}{spread}; "
                f"always stating the overall shares has {usual:.3f}, and lower is better."
            )

    def _of_sets(self) -> Iterator[str]:
        """Where more texts have none of the labels than the model gives the right set, in a sentence."""
        rows = {row["model"]: row["estimate"] for row in self.measures.filter(measure="exact_set").to_dicts()}
        mine, none = rows.get(self.models[0]), rows.get(NO_LABEL)
        if mine is not None and none is not None and none > mine:
            of_texts = f"{mine:.3f} of the texts; giving no label at all is right for {none:.3f}"
            yield f"Its sets are exactly right for {of_texts}."

    def _few(self) -> Iterator[str]:
        """Whether the model's macro-F1 rests on labels with very few texts, in a sentence."""
        of = self.measures.filter((pl.col("model") == self.models[0]) & (pl.col("measure") == "macro_f1"))
        for note in of["note"].drop_nulls() if "note" in of.columns else ():
            if note.startswith(RESTS_ON):
                yield f"Its macro-F1 {note}."

    def _parts(self) -> Iterator[Part]:
        """The model beside its baselines, and what does better."""
        first, *others = self.in_words() or [f"{self.models[0]} beside its baselines:"]
        table = self.table()
        yield first
        yield brief_table(table.rename({name: named(name) for name in table.columns[1:]}))
        yield from others


def _told(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    spread = "" if first["ci_low"] is None else f" ({first['ci_low']:.3f} to {first['ci_high']:.3f})"
    reached = f"{named(first['measure'])} {first['estimate']:.3f}{spread}"
    yield f"{first['model']} reaches {reached} on {first['n_units']:,} texts."
    for row in others:
        if row["estimate"] > first["estimate"]:
            said = WITHOUT_LOOKING.get(row["model"], row["model"])
            advice = _why_counting_helps(row) if row["model"] in COUNTED_WORDS else ""
            yield f"{said} reaches more: {row['estimate']:.3f}.{advice}"


def _why_counting_helps(row: Mapping[str, Any]) -> str:
    """What to do where counting words does better: of long texts in a language that the base reads that is another."""
    long = next((note for note in (row.get("note") or "").split("; ") if note.startswith(READS)), None)
    return COUNTING_HELPS if long is None else f" {long[0].upper()}{long[1:]}. {LONG_TEXTS_HELP}"


def with_note(evaluation: Evaluation, models: Collection[str], note: str) -> Evaluation:
    """The evaluation with a further note beside all measures of some models."""
    more = pl.concat_str(pl.col("note"), pl.lit(note), separator="; ", ignore_nulls=True)
    noted = pl.when(pl.col("model").is_in(list(models))).then(more).otherwise("note").alias("note")
    return replace(evaluation, measures=evaluation.measures.with_columns(noted))


def leading(table: pl.DataFrame) -> tuple[str, ...]:
    """The leading measures of the kind of variable that a table of measures is about."""
    there = set(table["measure"])
    kind = "multilabel" if "exact_set" in there else "ordinal" if "kappa_quadratic" in there else "nominal"
    return (*LEADING[kind], *(name for name in (LOG_SCORE, DISTANCE) if name in there))


def require_own_name(name: str, taken: Iterable[str]) -> None:
    """Stop where two rows of a table would have one name."""
    if name in set(taken):
        raise AnnotuneError(f"Two are called {name!r}.", "Give one another name.")


def require_replicates(n_boot: int) -> None:
    """Stop where so many bootstrap replicates cannot be drawn."""
    if n_boot < 0:
        raise AnnotuneError(f"n_boot={n_boot} replicates cannot be drawn.", "1,000 are usual; 0 for no intervals.")


def tabulate(
    truth: np.ndarray,
    given: Mapping[str, tuple[np.ndarray, np.ndarray]],
    entry: Variable,
    clusters: np.ndarray | None = None,
    n_boot: int = 1000,
    seed: int = 1,
    weights: np.ndarray | None = None,
) -> Evaluation:
    """Measures of encoded answers: `given` maps each model to its answers and whether it answered, both by unit.

    With `weights`, one on the average, each unit counts by its own. Without replicates (`n_boot=0`) there are no
    intervals at all.
    """
    n_labels, sets = len(entry.labels), entry.kind == "multilabel"
    tables, labels = [], []
    confusion = pl.DataFrame(schema={"truth": pl.String, "predicted": pl.String, "n": pl.Int64})
    for model, (answers, answered) in given.items():
        how = {"clusters": clusters, "weights": weights}
        sums = set_sums(truth, answers, answered, **how) if sets else label_sums(truth, answers, n_labels, **how)
        tables.append(_measure_rows(model, sums, entry, len(truth), n_boot, seed))
        labels.append(_label_rows(model, sums, entry, intervals=n_boot > 0))
        if not sets and confusion.is_empty():
            confusion = _confusion_rows(sums, entry)
    return Evaluation(pl.concat(tables), pl.concat(labels), confusion)


def with_share_scores(
    evaluation: Evaluation,
    stated: Mapping[str, np.ndarray],
    shares: np.ndarray,
    entry: Variable,
    clusters: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    intervals: bool = True,
) -> Evaluation:
    """The evaluation with each model's probabilities (units, labels) scored against its coders' shares."""
    rows = share_rows(stated, shares, entry, clusters, weights, intervals)
    models = [*evaluation.models, *(name for name in stated if name not in evaluation.models)]
    both = pl.concat([evaluation.measures, rows])
    parts = [both.filter(pl.col("model") == name) for name in models]
    return replace(evaluation, measures=pl.concat(parts))


def _measure_rows(model: str, sums: Sums, entry: Variable, n_units: int, n_boot: int, seed: int) -> pl.DataFrame:
    arguments = (sums.n_labels, sums.sets, entry.kind == "ordinal")
    boot = sums.replicates(n_boot, np.random.default_rng(seed)) if n_boot else []
    drawn = [measures(chunk, *arguments, sums.total) | _near(chunk, entry) for chunk in boot]
    scores = scores_of(sums.features, sums.counts, sums.n_labels, sums.sets, sums.clustered) if n_boot else {}
    return measure_rows(model, sums.total, entry, drawn, n_units, scores)


def measure_rows(
    model: str,
    total: np.ndarray,
    entry: Variable,
    drawn: Sequence[Mapping[str, np.ndarray]],
    n_units: int,
    scores: Mapping[str, Score],
) -> pl.DataFrame:
    """A row per measure of the sums `total`, with the limits of `scores`, or else those of the replicates `drawn`."""
    n_labels, sets = len(entry.labels), entry.kind == "multilabel"
    by_label = per_label(total, n_labels, sets)
    occurring = int((~np.isnan(by_label["f1"])).sum())
    few = few_texts(dict(zip(entry.names, by_label["n_true"], strict=True)))
    rows = []
    values = measures(total, n_labels, sets, entry.kind == "ordinal") | _near(total, entry)
    for name, value in values.items():
        low, high = limits(scores[name]) if name in scores else interval([chunk[name] for chunk in drawn])
        notes = [*_notes(name, value, few)]
        if name not in scores and low is not None and low == high:
            low, high = None, None
            notes.append("no interval: every resample of these texts gives the same")
        covers = n_labels if name == "macro_f1_all_labels" else occurring
        rows.append((model, name, _number(value), low, high, n_units, covers, "; ".join(notes) or None))
    columns = ("model", "measure", "estimate", "ci_low", "ci_high", "n_units", "n_labels", "note")
    types = (pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int64, pl.Int64, pl.String)
    return pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")


def _near(sums: np.ndarray, entry: Variable) -> dict[str, np.ndarray]:
    """Where labels have parents: hierarchical F1, in which a miss within a parent is less wrong."""
    if not has_levels(entry) or entry.kind == "multilabel":
        return {}
    return {"hierarchical_f1": hierarchical_f1(sums, common_steps(list(paths(entry).values())))}


def few_texts(n_true: Mapping[str, float]) -> str | None:
    """Which labels have fewer than five true texts, in words; None where none has.

    >>> few_texts({"a": 60, "b": 3, "c": 0})
    'rests on fewer than 5 texts of b (3)'
    """
    few = [f"{label} ({n:.0f})" for label, n in n_true.items() if 0 < n < FEW]
    more = f" and {len(few) - MOST_NAMED} further labels" if len(few) > MOST_NAMED else ""
    return f"{RESTS_ON} fewer than {FEW} texts of {', '.join(few[:MOST_NAMED])}{more}" if few else None


def _notes(name: str, value: Any, few: str | None) -> Iterator[str]:
    if np.isnan(value):
        yield f"{name} is not defined here: only one label occurs"
    elif few and name in MEANS:
        yield few


def interval(draws: Sequence[np.ndarray]) -> Limits:
    """The 2.5 and 97.5 percentiles; none where a replicate is not defined."""
    values = np.concatenate(draws) if draws else np.array([])
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _label_rows(model: str, sums: Sums, entry: Variable, intervals: bool) -> pl.DataFrame:
    point = per_label(sums.total, sums.n_labels, sums.sets)
    bounds: list[Limits] = [(None, None)] * sums.n_labels
    if intervals:
        by_label = label_shares(columns(sums.features, sums.n_labels, sums.sets), sums.counts, sums.clustered)
        bounds = limits_of_each(by_label["f1"], f1=True)
    return pl.DataFrame(
        {
            "model": [model] * sums.n_labels,
            "label": entry.names,
            **{name: [_number(value) for value in point[name]] for name in ("precision", "recall", "f1")},
            "f1_low": [low for low, _ in bounds],
            "f1_high": [high for _, high in bounds],
            "n_true": point["n_true"].round().astype(int),
            "n_predicted": point["n_predicted"].round().astype(int),
        },
        schema_overrides=dict.fromkeys(("precision", "recall", "f1", "f1_low", "f1_high"), pl.Float64),
    )


def _confusion_rows(sums: Sums, entry: Variable) -> pl.DataFrame:
    table = sums.total.reshape(sums.n_labels, sums.n_labels + 1).round().astype(int)
    columns = [*entry.names, None]
    cells = [(entry.names[i], columns[j], int(table[i, j])) for i, j in np.argwhere(table > 0)]
    return pl.DataFrame(cells, schema={"truth": pl.String, "predicted": pl.String, "n": pl.Int64}, orient="row")
