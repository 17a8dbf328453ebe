"""Truth against predicted: measures with intervals, always beside what would be had without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Label, Variable
from annotune.data.codings import check, of_variable
from annotune.data.corpus import as_frame, identified, require_columns
from annotune.errors import AnnotuneError, counted, warn
from annotune.measures.baselines import no_information, tf_idf, tf_idf_in_folds
from annotune.measures.scores import Sums, label_sums, measures, named, per_label, set_sums

NO_INFORMATION, TF_IDF = "most frequent label", "TF-IDF + logistic regression"
SAME_IDS = "Check that unit_id is the same in both."
COUNTING_HELPS = " Where a base model does not read the language of the texts well, tune another one (base=)."
LEADING = {  # what a person reads first, by kind of variable; accuracy last: a frequent label flatters it
    "nominal": ("macro_f1", "kappa", "mcc", "accuracy"),
    "ordinal": ("macro_f1", "kappa_quadratic", "kappa", "mcc", "accuracy"),
    "multilabel": ("micro_f1", "macro_f1", "exact_set", "any_right", "jaccard"),
}


@dataclass(frozen=True)
class Evaluation:
    """How well predictions agree with the truth.

    Attributes
    ----------
    measures
        Columns model, measure, estimate, ci_low, ci_high (95 %), n_units, n_labels (that the
        measure covers), note; the baselines are models of their own on the same units.
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
        return [*_told(first, others)] if first.get("model") == self.models[0] else []


def _told(first: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    spread = "" if first["ci_low"] is None else f" ({first['ci_low']:.3f} to {first['ci_high']:.3f})"
    reached = f"{named(first['measure'])} {first['estimate']:.3f}{spread}"
    yield f"{first['model']} reaches {reached} on {first['n_units']:,} texts."
    for row in others:
        if row["estimate"] > first["estimate"]:
            said = "Always giving the most frequent label" if row["model"] == NO_INFORMATION else row["model"]
            yield f"{said} reaches more: {row['estimate']:.3f}.{COUNTING_HELPS if row['model'] == TF_IDF else ''}"


def leading(table: pl.DataFrame) -> tuple[str, ...]:
    """The leading measures of the kind of variable that a table of measures is about."""
    there = set(table["measure"])
    return LEADING["multilabel" if "exact_set" in there else "ordinal" if "kappa_quadratic" in there else "nominal"]


def measured(
    truth: Any,
    predicted: Any,
    *,
    variable: str | None = None,
    codebook: Codebook | None = None,
    corpus: Any = None,
    train: Any = None,
    baselines: Mapping[str, Any] | None = None,
    name: str | None = None,
    cluster: str | None = None,
    n_boot: int = 1000,
    seed: int = 1,
) -> Evaluation:
    """What `annotune.evaluate` does with predictions that are there."""
    require_replicates(n_boot)
    truth, predicted = _two_tables(truth, predicted)
    entry = entry_for(truth, predicted, variable, codebook)
    truth = with_truth(of_variable(truth, entry.name), entry)
    units = truth["unit_id"].unique(maintain_order=True)
    corpus = None if corpus is None else identified(corpus)
    wanted, called = encode(truth, units, entry)[0], name or _coder(predicted)
    require_own_name(called, [NO_INFORMATION, TF_IDF, *(baselines or {})])
    given = {}
    for label, table in {called: predicted, **(baselines or {})}.items():
        said = of_variable(check(table), entry.name)
        if not units.is_in(said["unit_id"].implode()).any():
            raise AnnotuneError(f"No unit of the truth is among those of {label!r}.", SAME_IDS)
        given[label] = encode(said, units, entry)
    clusters = clusters_of(units, corpus, cluster)
    add_baselines(given, units, wanted, entry, corpus, train, seed, clusters)
    return tabulate(wanted, given, entry, clusters, n_boot, seed)


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
) -> Evaluation:
    """Measures of encoded answers: `given` maps each model to its answers and whether it answered, both by unit."""
    n_labels, sets = len(entry.labels), entry.kind == "multilabel"
    tables, labels = [], []
    confusion = pl.DataFrame(schema={"truth": pl.String, "predicted": pl.String, "n": pl.Int64})
    for model, (answers, answered) in given.items():
        sums = set_sums(truth, answers, answered, clusters) if sets else label_sums(truth, answers, n_labels, clusters)
        boot = sums.replicates(n_boot, np.random.default_rng(seed)) if n_boot else []
        tables.append(_measure_rows(model, sums, boot, entry, len(truth)))
        labels.append(_label_rows(model, sums, boot, entry))
        if not sets and confusion.is_empty():
            confusion = _confusion_rows(sums, entry)
    return Evaluation(pl.concat(tables), pl.concat(labels), confusion)


def encode(codings: pl.DataFrame, units: pl.Series, entry: Variable) -> tuple[np.ndarray, np.ndarray]:
    """Answers in the order of `units`, and whether each was given, shape (n,).

    Answers are label numbers (n,), -1 for none, or truth values (n, labels) for a multi-label variable.
    """
    place = {name: i for i, name in enumerate(entry.names)}
    strange = codings.filter(pl.col("label").is_not_null() & ~pl.col("label").is_in(entry.names))
    if len(strange):
        raise AnnotuneError(
            f"The label {strange['label'][0]!r} is not in the variable {entry.name!r}.", "Check the codebook."
        )
    rows = codings.filter(pl.col("status").is_in(["ok", "none"])).join(
        pl.DataFrame({"unit_id": units, "_row": np.arange(len(units))}), on="unit_id"
    )
    row = rows["_row"].to_numpy()
    label = rows["label"].replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    answered = np.zeros(len(units), dtype=bool)
    answered[row] = True
    if entry.kind == "multilabel":
        sets = np.zeros((len(units), len(place)), dtype=bool)
        sets[row[label >= 0], label[label >= 0]] = True
        return sets, answered
    if rows["unit_id"].is_duplicated().any():
        unit = rows.filter(rows["unit_id"].is_duplicated())["unit_id"][0]
        raise AnnotuneError(
            f"The unit {unit!r} has several answers for {entry.name!r}.", "Make them one with resolve()."
        )
    answers = np.full(len(units), -1)
    answers[row] = label
    return answers, answered & (answers >= 0)


def _two_tables(truth: Any, predicted: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    sequences = [isinstance(side, (pl.Series, np.ndarray, list, tuple)) for side in (truth, predicted)]
    if not any(sequences):
        said = as_frame(predicted)
        named_so = said if "coder" in said.columns else said.with_columns(pl.lit("predicted").alias("coder"))
        return check(as_frame(truth)), check(named_so)
    if not all(sequences) or len(truth) != len(predicted):
        raise AnnotuneError("truth and predicted do not match.", "Give two sequences of equal length, or two tables.")
    return _from_sequence(truth, "truth"), _from_sequence(predicted, "predicted")


def _from_sequence(labels: Any, coder: str) -> pl.DataFrame:
    cells = pl.Series("label", labels, strict=False).cast(pl.String)
    units = pl.Series("unit_id", range(len(cells))).cast(pl.String)
    return check(pl.DataFrame([units, cells]).with_columns(pl.lit(coder).alias("coder")))


def entry_for(
    truth: pl.DataFrame, predicted: pl.DataFrame, variable: str | None, codebook: Codebook | None
) -> Variable:
    """What is measured: from the codebook, or a nominal variable with the labels that occur in the two tables."""
    there = truth["variable"].unique(maintain_order=True).to_list()
    if codebook is not None:
        return codebook.variable(variable if variable is not None or len(codebook.variables) == 1 else _one(there))
    name = variable if variable is not None else _one(there)
    labels = (
        pl.concat([truth, predicted], how="diagonal_relaxed").filter(pl.col("variable") == name)["label"].drop_nulls()
    )
    # no validation: a single label is a poor truth but no mistake in a codebook
    return variable_of(name, sorted(labels.unique().to_list()))


def variable_of(name: str, labels: Sequence[str]) -> Variable:
    """A nominal variable with these labels, numbered from 0."""
    return Variable(name=name, labels=tuple(Label(code=code, name=label) for code, label in enumerate(labels)))


def _one(variables: list[str]) -> str:
    if not variables:
        raise AnnotuneError("The truth is empty.", "Give at least one coded unit.")
    if len(variables) > 1:
        raise AnnotuneError(f"The truth holds several variables: {variables}.", "Choose with variable=.")
    return variables[0]


def with_truth(truth: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    """The rows of the truth that say something about their unit; units without are counted in a warning."""
    known = truth.filter(pl.col("status").is_in(["ok", "none"] if entry.kind == "multilabel" else ["ok"]))
    left_out = truth["unit_id"].n_unique() - known["unit_id"].n_unique()
    if known.is_empty():
        raise AnnotuneError(f"No unit has a true label for {entry.name!r}.", "Check the gold.")
    if left_out:
        told = counted(left_out, "unit has", "units have")
        warn(f"{told} no true label for {entry.name!r}: left out.")
    return known


def _coder(predicted: pl.DataFrame) -> str:
    coders = predicted["coder"].unique().to_list()
    return str(coders[0]) if len(coders) == 1 else "predicted"


def clusters_of(units: pl.Series, corpus: pl.DataFrame | None, cluster: str | None) -> np.ndarray | None:
    """What is resampled in place of units: a value of the corpus column `cluster` a unit, (n,)."""
    if cluster is None:
        return None
    if corpus is None or cluster not in corpus.columns:
        raise AnnotuneError(f"There is no column {cluster!r} to resample by.", "Give the corpus that has it.")
    joined = pl.DataFrame({"unit_id": units}).join(
        corpus.select("unit_id", cluster), on="unit_id", how="left", maintain_order="left"
    )
    found = joined[cluster].cast(pl.String)
    if found.null_count():
        told = counted(found.null_count(), "unit has", "units have")
        raise AnnotuneError(f"{told} no {cluster!r} in the corpus to resample by.", "Fill it, or take another.")
    return found.to_numpy()


def add_baselines(
    given: dict[str, tuple[np.ndarray, np.ndarray]],
    units: pl.Series,
    truth: np.ndarray,
    entry: Variable,
    corpus: pl.DataFrame | None,
    train: Any,
    seed: int,
    clusters: np.ndarray | None = None,
) -> None:
    """The most frequent label always; the bag of words where there are texts.

    Without `train` the latter is cross-validated, equal texts and units of a cluster in one fold.
    """
    everyone = np.ones(len(units), dtype=bool)
    seen_units = seen = None
    if train is not None:
        known = with_truth(of_variable(check(train), entry.name), entry).filter(
            ~pl.col("unit_id").is_in(units.implode())
        )
        if known.is_empty():
            what = "train= has no unit beside those that are measured on."
            raise AnnotuneError(what, "Give other hand-coded units to learn from, or leave it out.")
        seen_units = known["unit_id"].unique(maintain_order=True)
        seen = encode(known, seen_units, entry)[0]
    if corpus is not None and TF_IDF not in given:
        texts = texts_of(corpus, units)
        if seen is not None and seen_units is not None:
            answers = tf_idf(texts_of(corpus, seen_units), seen, texts)
        else:
            answers = tf_idf_in_folds(texts, truth, clusters, seed)
        given[TF_IDF] = (answers, everyone)
    if NO_INFORMATION not in given:
        given[NO_INFORMATION] = (no_information(truth if seen is None else seen, len(units)), everyone)


def texts_of(corpus: pl.DataFrame, units: pl.Series) -> list[str]:
    """The texts of `units`, in their order; empty where the corpus has none."""
    require_columns(corpus, ["text"], "The corpus")
    joined = pl.DataFrame({"unit_id": units}).join(
        corpus.select("unit_id", "text", _there=pl.lit(True)), on="unit_id", how="left", maintain_order="left"
    )
    if absent := joined["_there"].null_count():
        warn(f"The corpus has no text for {absent:,} of {len(units):,} units; they are taken as empty.")
    return joined["text"].fill_null("").to_list()


def _measure_rows(model: str, sums: Sums, boot: list[np.ndarray], entry: Variable, n_units: int) -> pl.DataFrame:
    arguments = (sums.n_labels, sums.sets, entry.kind == "ordinal")
    drawn = [measures(chunk, *arguments) for chunk in boot]
    return measure_rows(model, sums.total, entry, drawn, n_units)


def measure_rows(
    model: str, total: np.ndarray, entry: Variable, drawn: Sequence[Mapping[str, np.ndarray]], n_units: int
) -> pl.DataFrame:
    """A row per measure of the sums `total`, with the intervals of the replicates `drawn`."""
    n_labels, sets = len(entry.labels), entry.kind == "multilabel"
    occurring = int((~np.isnan(per_label(total, n_labels, sets)["f1"])).sum())
    rows = []
    for name, value in measures(total, n_labels, sets, entry.kind == "ordinal").items():
        low, high = interval([chunk[name] for chunk in drawn])
        covers = n_labels if name == "macro_f1_all_labels" else occurring
        rows.append((model, name, _number(value), low, high, n_units, covers, _note(name, value)))
    columns = ("model", "measure", "estimate", "ci_low", "ci_high", "n_units", "n_labels", "note")
    types = (pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64, pl.Int64, pl.Int64, pl.String)
    return pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")


def _note(name: str, value: Any) -> str | None:
    return f"{name} is not defined here: only one label occurs" if np.isnan(value) else None


def interval(draws: Sequence[np.ndarray]) -> tuple[float | None, float | None]:
    """The 2.5 and 97.5 percentiles; none where a replicate is not defined."""
    values = np.concatenate(draws) if draws else np.array([])
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _label_rows(model: str, sums: Sums, boot: list[np.ndarray], entry: Variable) -> pl.DataFrame:
    point = per_label(sums.total, sums.n_labels, sums.sets)
    drawn = [per_label(chunk, sums.n_labels, sums.sets)["f1"] for chunk in boot]
    bounds = [interval([chunk[:, i] for chunk in drawn]) for i in range(sums.n_labels)]
    return pl.DataFrame(
        {
            "model": [model] * sums.n_labels,
            "label": entry.names,
            **{name: [_number(value) for value in point[name]] for name in ("precision", "recall", "f1")},
            "f1_low": [low for low, _ in bounds],
            "f1_high": [high for _, high in bounds],
            "n_true": point["n_true"].astype(int),
            "n_predicted": point["n_predicted"].astype(int),
        },
        schema_overrides=dict.fromkeys(("precision", "recall", "f1", "f1_low", "f1_high"), pl.Float64),
    )


def _confusion_rows(sums: Sums, entry: Variable) -> pl.DataFrame:
    table = sums.total.reshape(sums.n_labels, sums.n_labels + 1).astype(int)
    columns = [*entry.names, None]
    cells = [(entry.names[i], columns[j], int(table[i, j])) for i, j in np.argwhere(table > 0)]
    return pl.DataFrame(cells, schema={"truth": pl.String, "predicted": pl.String, "n": pl.Int64}, orient="row")
