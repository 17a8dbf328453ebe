"""Errors by subgroup: agreement of the model with people within each group of a covariate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import check, of_variable
from annotune.data.encoded import SAME_IDS, encode, entry_for, with_truth
from annotune.data.frames import as_frame, identified
from annotune.errors import AnnotuneError, nearest
from annotune.measures.evaluation import tabulate

FEWEST = 10  # texts of a group that is reported
MOST_GROUPS = 12  # of a covariate that is chosen by default
MOST_SHOWN = 40
MOST_COVARIATES = 6
QUARTERS = 4
LANGUAGE = "language"  # the covariate with the texts' languages: it is never guessed from the texts
GAPS: dict[str, type[pl.DataType]] = {
    "covariate": pl.String,
    "group": pl.String,
    "label": pl.String,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
}
SCHEMA = {
    "covariate": pl.String,
    "group": pl.String,
    "measure": pl.String,
    "estimate": pl.Float64,
    "ci_low": pl.Float64,
    "ci_high": pl.Float64,
    "n_units": pl.Int64,
    "p": pl.Float64,
}


def by_group(
    predicted: pl.DataFrame,
    gold: Any,
    corpus: Any,
    by: Sequence[str] | None = None,
    variable: str | None = None,
    codebook: Codebook | None = None,
    *,
    n_boot: int = 1000,
    seed: int = 1,
) -> pl.DataFrame:
    """Agreement of predictions with the gold standard within each group of covariates.

    Parameters
    ----------
    predicted, gold
        Tables of codings; the predictions are for texts that the model was not tuned on.
    corpus
        unit_id and the covariates.
    by
        Columns of the corpus; numbers with more than 12 values are cut into quarters. By default up to six columns
        with 2 to 12 values, without `pi`.

    Returns
    -------
    polars.DataFrame
        covariate, group, measure (accuracy and macro_f1; exact_set and micro_f1 for sets), estimate, ci_low, ci_high
        (95 %: Wilson's of shares, the bootstrap's of F1), n_units, and p of the chi-squared test that the share of
        right answers is the same in all groups (null where fewer than five right or wrong ones are expected in one).
        Groups of fewer than 10 texts are left out.
    """
    entry, units, labels, answers, answered = _held_out(predicted, gold, corpus, variable, codebook)
    right = (answers == labels).all(1) & answered if labels.ndim == 2 else (answers == labels) & answered
    rows: list[dict[str, Any]] = []
    for name in _covariates(units, by):
        place, names = _groups_of_covariate(units[name])
        p = _chi_squared(right, place, len(names))
        for i, group in enumerate(names):
            mine = place == i
            predictions = {"": (answers[mine], answered[mine])}
            f1 = "micro_f1" if labels.ndim == 2 else "macro_f1"
            rows_of_f1 = tabulate(labels[mine], predictions, entry, None, n_boot, seed).measures.filter(
                pl.col("measure") == f1
            )
            about = {"covariate": name, "group": group, "n_units": int(mine.sum()), "p": p}
            share = "exact_set" if labels.ndim == 2 else "accuracy"
            rows += [
                {**about, "measure": share, **_share_with_interval(right[mine])},
                {**about, **_estimate_columns(rows_of_f1)},
            ]
    return pl.DataFrame(rows, schema=SCHEMA)


def gaps_by_group(
    predicted: pl.DataFrame,
    gold: Any,
    corpus: Any,
    by: Sequence[str] | None = None,
    variable: str | None = None,
    codebook: Codebook | None = None,
) -> pl.DataFrame:
    """By how much the model gives each label more often than people do, within each group of covariates.

    The arguments are those of `by_group`, and so are the groups.

    Returns
    -------
    polars.DataFrame
        covariate, group, label, estimate (the model's share of the texts less people's, on the same texts), ci_low and
        ci_high: 95 % intervals of a difference of paired shares (Agresti and Min 2005), which hold for all labels of a
        group together (Bonferroni's correction).
    """
    entry, units, labels, answers, answered = _held_out(predicted, gold, corpus, variable, codebook)
    k = len(entry.names)
    by_people = labels if labels.ndim == 2 else labels[:, None] == np.arange(k)
    by_model = (answers if labels.ndim == 2 else answers[:, None] == np.arange(k)) & answered[:, None]
    rows: list[tuple[Any, ...]] = []
    for name in _covariates(units, by):
        place, names = _groups_of_covariate(units[name])
        for i, group in enumerate(names):
            figures = _paired_gaps(by_model[place == i], by_people[place == i])
            rows += [(name, group, label, *figures[j]) for j, label in enumerate(entry.names)]
    return pl.DataFrame(rows, schema=GAPS, orient="row")


def _paired_gaps(by_model: np.ndarray, by_people: np.ndarray) -> np.ndarray:
    """The difference of the shares of each label and its limits, (labels, 3), from truth values (texts, labels)."""
    from scipy.stats import norm

    n, k = by_model.shape
    more, fewer = (by_model & ~by_people).sum(0), (by_people & ~by_model).sum(0)
    middle = (more - fewer) / (n + 2)
    half = norm.ppf(1 - 0.025 / k) * np.sqrt((more + fewer + 1) - (more - fewer) ** 2 / (n + 2)) / (n + 2)
    low, high = np.clip(middle - half, -1, 1), np.clip(middle + half, -1, 1)
    return np.column_stack([(more - fewer) / n, low, high])


def _held_out(
    predicted: pl.DataFrame, gold: Any, corpus: Any, variable: str | None, codebook: Codebook | None
) -> tuple[Variable, pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """The variable, the n held-out texts with their covariates, gold, answers, and whether there is an answer."""
    truth, codings = check(as_frame(gold)), check(predicted)
    entry = entry_for(truth, codings, variable, codebook)
    truth = with_truth(of_variable(truth, entry.name), entry)
    codings = of_variable(codings, entry.name)
    units = (
        codings["unit_id"].unique(maintain_order=True).to_frame().join(truth.select("unit_id").unique(), on="unit_id")
    )
    units = units.sort("unit_id").join(identified(corpus), on="unit_id", how="inner", maintain_order="left")
    if units.is_empty():
        raise AnnotuneError("The corpus has none of the held-out texts.", SAME_IDS)
    labels, _ = encode(truth, units["unit_id"], entry)
    return entry, units, labels, *encode(codings, units["unit_id"], entry)


def _estimate_columns(rows: pl.DataFrame) -> dict[str, Any]:
    return rows.select("measure", "estimate", "ci_low", "ci_high").row(0, named=True)


def _share_with_interval(right: np.ndarray) -> dict[str, float]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right.sum(), len(right), method="wilson")
    return {"estimate": float(right.mean()), "ci_low": float(low), "ci_high": float(high)}


def _chi_squared(right: np.ndarray, place: np.ndarray, n_groups: int) -> float | None:
    """The p-value of equal shares of right answers in all groups; None where the approximation is poor."""
    from scipy.stats import chi2_contingency

    grouped = place >= 0
    table = np.array([np.bincount(place[grouped & (right == side)], minlength=n_groups) for side in (False, True)])
    if n_groups < 2 or not table.sum(1).all():
        return None
    test = chi2_contingency(table, correction=False)
    return float(test.pvalue) if test.expected_freq.min() >= 5 else None


def _covariates(frame: pl.DataFrame, by: Sequence[str] | None) -> list[str]:
    columns = [name for name in frame.columns if name not in ("unit_id", "text")]
    for name in by or ():
        if name not in columns:
            raise AnnotuneError(f"The corpus has no column {name!r} to show errors by.", nearest(name, columns))
    if by is not None:
        return list(dict.fromkeys(by))
    few = [name for name in columns if name != "pi" and 2 <= frame[name].drop_nulls().n_unique() <= MOST_GROUPS]
    few = sorted(few, key=lambda name: name.lower() != LANGUAGE)  # models differ most between languages
    return [name for name in few if len(_groups_of_covariate(frame[name])[1]) > 1][:MOST_COVARIATES]


def _groups_of_covariate(column: pl.Series) -> tuple[np.ndarray, list[str]]:
    """The group of each unit (n,), -1 for none, and the names of groups with enough units."""
    if column.dtype.is_numeric() and column.drop_nulls().n_unique() > MOST_GROUPS:
        column = _quartered(column)
    words = column.cast(pl.String)
    sizes = pl.DataFrame({"group": words, "order": column}).drop_nulls().group_by("group").agg(
        pl.len(), pl.col("order").first()
    )  # fmt: skip
    largest = sizes.filter(pl.col("len") >= FEWEST).sort("len", "group", descending=[True, False]).head(MOST_SHOWN)
    names = largest.sort("order")["group"].to_list()
    place = words.replace_strict({name: i for i, name in enumerate(names)}, default=-1, return_dtype=pl.Int64)
    return place.to_numpy(), names


def _quartered(column: pl.Series) -> pl.Series:
    """Numbers as quarters, named by their smallest and largest value."""
    values = column.cast(pl.Float64).fill_nan(None)
    edges = np.unique(np.quantile(values.drop_nulls().to_numpy(), np.arange(1, QUARTERS) / QUARTERS))
    quarter = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), side="left")
    named = []
    for i in range(len(edges) + 1):
        inside = values.filter(pl.Series(quarter == i)).drop_nulls()
        named.append(" to ".join(f"{float(end):.10g}" for end in (inside.min(), inside.max())) if len(inside) else "-")  # type: ignore[arg-type]
    words = pl.Series(column.name, [named[i] for i in quarter], dtype=pl.Enum(list(dict.fromkeys(named))))
    return pl.select(pl.when(values.is_not_null()).then(words)).to_series()
