"""The tables of a report, from the results of annotune's functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from annotune.correction.balance import Balance
from annotune.correction.result import Correction
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.evidence.verdicts import ALL, ANSWERED
from annotune.export.estimates import references_in_words
from annotune.export.journal import Layout, journal
from annotune.export.regression_table import EXPLAINED
from annotune.measures.evaluation import FEW, leading
from annotune.measures.scores import in_full
from annotune.measures.share_scores import SHARE_MEASURES
from annotune.measures.shares import CHANCE
from annotune.reporting.inputs import Judged
from annotune.reporting.page import Table, count, interval, number, p_value, with_interval

NONE = "(none)"
MOST_PAIRS = 10


def against_baselines(judged: Judged) -> Table:
    """The model and its baselines, one row each, on the same texts."""
    measures = judged.evaluation.measures
    names = leading(measures)
    rows = []
    for model in judged.evaluation.models:
        by_measure = {row["measure"]: row for row in measures.filter(pl.col("model") == model).to_dicts()}
        cells = (with_interval(by_measure[name]) if name in by_measure else "–" for name in names)
        rows.append((model, *cells, count(max(row["n_units"] for row in by_measure.values()))))
    caption = f"The model and its baselines{_unseen(judged)}; 95 % bootstrap intervals."
    return Table(caption, ("", *map(in_full, names), "texts"), tuple(rows))


def _unseen(judged: Judged) -> str:
    """The texts of an evaluation in words: those of a tuned model were held out."""
    return ", on texts that the model was not tuned on" if judged.model is not None else ""


def label_table(judged: Judged) -> Table:
    """Precision, recall and F1 of each label, numbered as in the confusions."""
    records = judged.evaluation.labels.filter(pl.col("model") == judged.coder).to_dicts()
    rows = [
        (
            str(i),
            row["label"],
            *(number(row[name] if row["n_true"] >= FEW else None) for name in ("precision", "recall", "f1")),
            interval(row["f1_low"], row["f1_high"], 2) if row["n_true"] >= FEW else "–",
            count(row["n_true"]),
            count(row["n_predicted"]),
        )
        for i, row in enumerate(records, start=1)
    ]
    note = (
        "Precision: of the texts to which the model assigned the label, the share to which people did. Recall: of "
        "those to which people assigned it, the share to which the model did. F1: their harmonic mean."
    )
    if any(row["n_true"] < FEW for row in records):
        note += f" Labels with fewer than {FEW} texts have no figures: these would be chance."
    header = ("no.", "label", "precision", "recall", "F1", "95 % interval", "by people", "by the model")
    return Table(f"Each label{_unseen(judged)}.", header, tuple(rows), words=2, notes=(note,))


def confusion_counts(judged: Judged) -> tuple[list[str], np.ndarray]:
    """The labels, and counts of true by predicted labels (labels, labels + 1); the last column is no answer."""
    names = judged.evaluation.labels.filter(pl.col("model") == judged.coder)["label"].to_list()
    place = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names) + 1), dtype=int)
    for truth, predicted, n in judged.evaluation.confusion.select("truth", "predicted", "n").iter_rows():
        table[place[truth], place.get(predicted, len(names))] = n
    return names, table


def confusion_table(names: Sequence[str], counts: np.ndarray) -> Table:
    """The labels by people in rows and by the model in columns; shaded by the share of the row."""
    answered = counts if counts[:, -1].any() else counts[:, :-1]
    shares = answered / np.maximum(answered.sum(1, keepdims=True), 1)
    columns = [str(i) for i in range(1, len(names) + 1)] + (["no answer"] if answered.shape[1] > len(names) else [])
    rows = [
        (str(i), name, *map(count, row)) for i, (name, row) in enumerate(zip(names, answered, strict=True), start=1)
    ]
    shades = tuple(tuple(float(share) for share in row) for row in shares)
    caption = "Labels by people (rows) and by the model (columns, by the numbers of the rows): numbers of texts."
    return Table(caption, ("no.", "label", *columns), tuple(rows), words=2, shades=shades)


def most_confused(names: Sequence[str], counts: np.ndarray, most: int = MOST_PAIRS) -> Table | None:
    """The most frequent confusions; None where there is no error."""
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    places = [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, off.shape), strict=True) if off[i, j]]
    rows = tuple(
        (names[i], names[j] if j < len(names) else NONE, count(off[i, j]), f"{off[i, j] / counts[i].sum():.0%}")
        for i, j in places
    )
    header = ("label by people", "label by the model", "texts", "share of the label by people")
    return Table("The most frequent confusions.", header, rows, words=2) if rows else None


def group_table(table: pl.DataFrame, gaps: pl.DataFrame) -> Table:
    """Agreement of the model within groups: the share that is right, F1, and the label whose share is furthest off."""
    furthest = gaps.sort(pl.col("estimate").abs(), descending=True, maintain_order=True)
    gap_of = {(row["covariate"], row["group"]): row for row in reversed(furthest.to_dicts())}
    rows: list[tuple[str, ...]] = []
    for (covariate, group), part in table.group_by("covariate", "group", maintain_order=True):
        figures = [with_interval(row, 2) for row in part.to_dicts()]
        p = part["p"][0] if not rows or rows[-1][0] != covariate else None
        gap = gap_of[covariate, group]
        figures.append(f"{gap['label']} {with_interval(gap, 2)}")
        rows.append((str(covariate), str(group), *figures, count(part["n_units"][0]), "" if p is None else p_value(p)))
    share, f1 = table["measure"].unique(maintain_order=True).to_list()
    names = ("share of right sets" if share == "exact_set" else "share right", in_full(f1), "label furthest off")
    header = ("covariate", "group", *(f"{name} (95 % interval)" for name in names), "texts", "p")
    notes = (
        "p: chi-squared test that the share of right answers is the same in all groups of the covariate; not corrected "
        "for the number of covariates.",
        "Label furthest off: the one with the largest difference between its share by the model and by people; the "
        "interval (Agresti and Min 2005) holds for all labels of the group together.",
    )
    caption = "Agreement of the model with people, by group, on texts that the model was not tuned on."
    return Table(caption, header, tuple(rows), words=2, notes=notes)


def shares_table(table: pl.DataFrame) -> Table:
    """How often each label is given: to the corpus, and to held-out texts by the model and by people."""
    rows = tuple(
        (
            row["label"],
            *(f"{row[name]:.1%}" for name in ("corpus", "held_out", "people")),
            "yes" if row["apart"] else "",
        )
        for row in table.to_dicts()
    )
    header = ("label", "corpus", "held out, by the model", "held out, by people", "apart")
    texts = f"{table['n_corpus'][0]:,} texts of the corpus, and about {table['n_held_out'][0]:,} held-out ones"
    notes = (
        "Apart: the model's shares of the corpus and of held-out texts differ by more than chance (a z-test with "
        f"Bonferroni's correction at {CHANCE}, which allows for the variation of models that are made anew).",
    )
    return Table(f"How often each label is given: shares of {texts}.", header, rows, notes=notes)


def curve_table(result: LearningCurve, measure: str) -> Table:
    """One measure of the curve, one row per number of labels."""
    about, digits = result.table.filter(pl.col("measure") == measure), 3 if measure in SHARE_MEASURES else 2
    models = about["model"].unique(maintain_order=True).to_list()
    rows: list[tuple[str, ...]] = []
    for (n,), part in about.group_by("n", maintain_order=True):
        by_model = {row["model"]: row for row in part.to_dicts()}
        cells = [with_interval(by_model[model], digits) if model in by_model else "–" for model in models]
        rows.append((f"{n:,}", *cells, count(part["n_seeds"].max())))  # type: ignore[arg-type]
    lower = " (lower is better)" if measure in SHARE_MEASURES else ""
    caption = f"{in_full(measure)}{lower} by the number of training texts, on {about['n_units'][0]:,} other"
    return Table(f"{caption} texts; means over random draws of training texts, with 95 % intervals.",
                 ("training texts", *models, "draws"), tuple(rows))  # fmt: skip


def comparison_table(result: Comparison) -> Table:
    """One row per coder: the leading measures with their intervals, and the costs."""
    wide, numbers = result.table(), {}
    for row in result.measures.filter(pl.col("units") == ALL).to_dicts():
        numbers[row["model"], row["measure"]] = with_interval(row)
    on_answered = {row["model"]: row for row in _rows_on_answered(result)}
    names = [name for name in (*leading(result.measures), "coverage") if name in wide.columns]
    more = [name for name in ("macro_f1_answered", "n_units", "cost", "seconds") if name in wide.columns]
    rows = []
    for row in wide.to_dicts():
        model = row["model"]
        cells = [number(row[name]) if name == "coverage" else numbers.get((model, name), "–") for name in names]
        cells_by_name = {**row, "macro_f1_answered": on_answered[model]["estimate"] if model in on_answered else None}
        rows.append((model, *cells, *(_cell_of_column(name, cells_by_name[name]) for name in more)))
    titles = {"macro_f1_answered": "macro-F1 where it answered", "n_units": "texts"}
    titles |= {"cost": "cost per 1,000", "seconds": "seconds per 1,000"}
    header = ("", *map(in_full, names), *(titles[name] for name in more))
    caption = "All coders against the same gold standard; omitted texts count as wrong. 95 % bootstrap intervals."
    return Table(caption, header, tuple(rows))


def _rows_on_answered(result: Comparison) -> list[dict[str, object]]:
    return result.measures.filter((pl.col("units") == ANSWERED) & (pl.col("measure") == "macro_f1")).to_dicts()


def _cell_of_column(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return count(int(value)) if name == "n_units" else f"{value:,.3g}" if name != "macro_f1_answered" else number(value)


def pairs_table(result: Comparison, measure: str) -> Table | None:
    """Every pair of coders: their difference in one measure, with interval and p-values."""
    rows = tuple(
        (
            row["a"],
            row["b"],
            number(row["difference"]),
            interval(row["ci_low"], row["ci_high"]),
            p_value(row["p"]),
            p_value(row["p_holm"]),
            "" if row["only_a"] is None else f"{row['only_a']:,} / {row['only_b']:,}",
            count(row["n_units"]),
        )
        for row in result.pairs.filter(pl.col("measure") == measure).to_dicts()
    )
    tests = result.pairs.filter(pl.col("measure") == measure)["test"].unique(maintain_order=True).to_list()
    note = f"p: {', '.join(tests)}; then after Holm's correction for the number of pairs. Only one right: texts that "
    note += "only the first, and only the second, has entirely right."
    header = ("first", "second", "difference", "95 % interval", "p", "p, Holm", "only one right", "texts")
    caption = f"Differences in {in_full(measure)}, first minus second, on the same texts."
    return Table(caption, header, rows, words=2, notes=(note,)) if rows else None


def balance_table(result: Balance) -> Table:
    """Hand-coded texts beside all texts."""
    rows = [
        (row["term"], number(row["coded"]), number(row["all"]), number(row["difference"], 2), p_value(row["p_value"]))
        for row in result.rows.to_dicts()
    ]
    header = ("mean of", "hand-coded texts, by 1 / pi", "all texts", "difference in sd", "p")
    return Table("Were the hand-coded texts drawn as pi says?", header, tuple(rows), words=1, notes=(result.verdict,))


def correction_table(result: Correction, layout: Layout = "journal") -> Table:
    """A column for each method, standard errors in brackets below the estimates; or a row for each method."""
    if layout == "stacked":
        return _stacked_table(result)
    cells = journal(result)
    notes = (*cells.notes, EXPLAINED, *references_in_words(result.references), *result.notes)
    return Table(cells.caption, cells.header, (*cells.coefficients, *cells.sizes), notes=notes)


def _stacked_table(result: Correction) -> Table:
    """Each coefficient by hand codings alone, naive, and corrected."""
    rows: list[tuple[str, ...]] = []
    previous = None
    for row in result.estimates.to_dicts():
        name = ": ".join(part for part in (row["equation"], row["term"]) if part is not None)
        figures = [number(row["estimate"]), number(row["std_error"]), interval(row["conf_low"], row["conf_high"])]
        first = "" if name == previous else name
        rows.append((first, row["method"], *figures, p_value(row["p_value"]), count(row["n"])))
        previous = name
    header = ("term", "estimated from", "estimate", "std. error", f"{result.level * 100:g} % interval", "p", "texts")
    notes = (
        EXPLAINED,
        *references_in_words(result.references),
        *result.notes,
    )
    return Table(result.formula, header, tuple(rows), words=2, notes=notes)
