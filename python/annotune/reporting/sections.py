"""The sections of a report: the inputs as sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl

from annotune.agreement import present
from annotune.agreement.plots import MOST_ROWS, plot_coders, plot_reliability
from annotune.correction.coefficients import MOST_TERMS, plot_correction, points_of
from annotune.correction.result import Correction
from annotune.data.codings import ANSWERED, bind, of_variable
from annotune.evidence.calibrated import GIVEN, Calibration, plot_calibration
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.evidence.curve_plot import plot_learning_curve
from annotune.evidence.verdicts import ALL
from annotune.export.estimates import methods
from annotune.measures.baselines import COUNTED_WORDS, NO_INFORMATION
from annotune.measures.scores import in_full
from annotune.measures.share_scores import LOG_SCORE
from annotune.models.share_check import in_words
from annotune.pictures import Point, forest
from annotune.reporting import tables
from annotune.reporting.charts import confusion_map
from annotune.reporting.drawing import svg_figure
from annotune.reporting.inputs import Inputs, Judged
from annotune.reporting.page import Figure, Section, Table, count, interval, number

Part = str | Table | Figure
MOST_CELLS = 21  # labels whose confusions fit on a page of paper as numbers
FEW_LABELS = 6  # up to which the confusions need no list of the most frequent ones
BASELINES = (*COUNTED_WORDS, NO_INFORMATION)


def agreement_section(inputs: Inputs, table: pl.DataFrame) -> Section:
    """Agreement of the coders: every coefficient with its interval, and its description by conventions."""
    table, one_coder = present.with_several_coders(table)
    if table.is_empty():
        return Section("Agreement of the coders", tuple(one_coder))
    parts: list[Part] = [*one_coder, *present.in_words(table), _agreement_table(table, "Agreement of the coders{}.")]
    if 0 < table["estimate"].drop_nulls().len() <= MOST_ROWS:
        alt = "Coefficients of agreement with their 95 % intervals, one row each; the table has the figures."
        caption = "Agreement of the coders, with 95 % intervals."
        parts.append(svg_figure("agreement", lambda: plot_reliability(table), alt, caption))
    return Section("Agreement of the coders", (*parts, *_pairs_of_coders(inputs)))


def _agreement_table(table: pl.DataFrame, caption: str) -> Table:
    """The table of agreement; a value that all its rows share is in the caption, or left out."""
    cells, header = present.cells(table)
    only = table["variable"].n_unique() == 1
    left_out = {"variable"} if only else set()
    left_out |= {"level"} if table["level"].unique().to_list() == ["nominal"] else set()
    places = [i for i, name in enumerate(header) if name not in left_out]
    names = tuple({"coder_a": "between", "coder_b": "and"}.get(header[i], header[i]) for i in places)
    rows = tuple((*row[: -present.NUMBERS], *map(_in_one, row[-present.NUMBERS :])) for row in cells)
    notes = tuple(note.removeprefix("Note: ") for note in present.notes(table))
    title = caption.format(f" on {table['variable'][0]}" if only else "")
    return Table(
        title, names, tuple(tuple(row[i] for i in places) for row in rows), len(places) - present.NUMBERS, notes
    )


def _in_one(figure: str) -> str:
    """An interval on one line."""
    return figure.replace(" to ", "\u00a0to\u00a0").replace("-", "−")


def _pairs_of_coders(inputs: Inputs) -> Iterator[Part]:
    """Agreement of pairs of coders, where there are more than two."""
    if inputs.codings is None or inputs.codings["coder"].n_unique() < 3:
        return
    from annotune.agreement.pairs import pairwise_reliability

    for i, variable in enumerate(inputs.codings["variable"].unique(maintain_order=True), start=1):
        rows = of_variable(inputs.codings, variable)
        table = pairwise_reliability(rows, variable, inputs.codebook, metrics=["alpha"], ci="analytic")
        if table["estimate"].drop_nulls().is_empty():
            continue
        alt = f"Krippendorff's alpha of each pair of coders of {variable}, as a grid of shaded cells."
        yield svg_figure(f"pairs-{i}", partial(plot_coders, table), alt, f"Agreement of pairs of coders on {variable}.")


def model_section(judged: Judged, inputs: Inputs) -> Section:
    """The model against its baselines, and against the coders."""
    lead = "micro_f1" if judged.sets else "macro_f1"
    rows = [judged.row(lead, name) for name in judged.evaluation.models]
    points = [_point(row["model"], row, row["model"] != judged.coder) for row in rows if row]
    name = in_full(lead)
    alt = f"{name} with 95 % intervals: " + "; ".join(f"{point.name} {number(point.estimate, 2)}" for point in points)
    caption = f"{name} of the model and, in grey, of its baselines, with 95 % intervals."
    picture = svg_figure(f"baselines-{judged.key}", lambda: forest(points, name, (0, 1)), alt, caption)
    return Section(
        titled("The model against its baselines", judged),
        (*judged.evaluation.in_words(), tables.against_baselines(judged), picture, *_beside_people(judged, inputs)),
    )


def _point(name: str, row: Mapping[str, Any], aside: bool) -> Point:
    """A point of a forest plot, in grey where it is `aside`."""
    return Point(name, row["estimate"], row["ci_low"], row["ci_high"], None if aside else "")


def _beside_people(judged: Judged, inputs: Inputs) -> Iterator[Part]:
    """Do people agree with the model as much as with each other?"""
    if inputs.codings is None or judged.held_out is None or judged.name not in set(inputs.codings["variable"]):
        return
    from annotune.agreement.pairs import compare_reliability

    people = of_variable(inputs.codings, judged.name)
    if people["coder"].n_unique() < 2 or judged.coder in set(people["coder"]):
        return
    codings = bind(people.select(judged.held_out.columns[:6]), judged.held_out.select(judged.held_out.columns[:6]))
    table = compare_reliability(
        codings, judged.coder, judged.name, inputs.codebook, n_boot=inputs.n_boot, seed=inputs.seed
    )
    if table["estimate"].drop_nulls().is_empty():
        return
    caption = "Agreement of people with each other and with the model{}, on texts that it was not tuned on."
    yield _agreement_table(table, caption)
    if n := _count_unsettled(people, _units_with_gold(judged, inputs)):
        yield (
            f"{count(n)} texts on which people differ were not settled and are not among these: "
            "the agreement of people is higher here than on all texts they coded."
        )


def _units_with_gold(judged: Judged, inputs: Inputs) -> pl.DataFrame | None:
    """The units with a gold answer, where all are known: after cross-validation, but not with a test part."""
    if inputs.gold is not None:
        return of_variable(inputs.gold, judged.name)
    return judged.held_out if judged.held_out is not None and "fold" in judged.held_out.columns else None


def _count_unsettled(people: pl.DataFrame, decided: pl.DataFrame | None) -> int:
    """The number of units with different labels by people and no gold answer, on which no model was evaluated."""
    if decided is None:
        return 0
    answers = people.filter(pl.col("status") == "ok").group_by("unit_id", "coder").agg(pl.col("label").sort())
    differ = answers.group_by("unit_id").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)
    settled = decided.filter(pl.col("status").is_in(ANSWERED))  # gold has a row for the others, too
    return len(differ.join(settled, on="unit_id", how="anti"))


def confusions_section(judged: Judged) -> Section:
    """Each label, and the confusions of labels."""
    parts: list[Part] = [tables.label_table(judged)]
    if judged.evaluation.confusion.is_empty():
        return Section(titled("Labels", judged), tuple(parts))
    names, counts = tables.confusion_counts(judged)
    if len(names) <= MOST_CELLS:
        parts.append(tables.confusion_table(names, counts))
    else:
        square = counts[:, :-1]
        shares = square / counts.sum(1, keepdims=True).clip(1)
        alt = f"Confusions of {len(names)} labels as a grid; the most frequent ones are in the table below."
        caption = "Confusions, labels by their numbers in the table above; the darker, the larger the share of a row."
        parts.append(svg_figure(f"confusion-{judged.key}", lambda: confusion_map(shares, square), alt, caption))
    most = tables.most_confused(names, counts) if len(names) > FEW_LABELS else None
    return Section(titled("Labels and their confusions", judged), (*parts, *([most] if most else [])))


def calibration_section(judged: Judged, result: Calibration) -> Section:
    """The calibration of the model's probabilities."""
    rows = tuple(
        (in_full(row["measure"]), row["version"], number(row["estimate"]),
         interval(row["ci_low"], row["ci_high"]), count(row["n_units"]))
        for row in result.scores.to_dicts()
    )  # fmt: skip
    table = Table("Calibration of the probabilities: lower is better.",
                  ("score", "probabilities", "estimate", "95 % interval", "texts"), rows, words=2)  # fmt: skip
    bins = result.bins.filter(pl.col("version") == GIVEN)
    points = "; ".join(f"stated {row['confidence']:.2f}, right {row['right']:.2f}" for row in bins.to_dicts())
    caption = "Stated probability and share that is right, with 95 % intervals; below, the numbers of answers."
    picture = svg_figure(
        f"calibration-{judged.key}", lambda: plot_calibration(result), f"Reliability diagram: {points}.", caption
    )
    whose = ("Right is what a coder would say: the share of the text's coders who gave the label.",)
    words = (result.in_words(), *(whose if judged.row(LOG_SCORE) else ()))
    return Section(titled("Calibration", judged), (*words, table, picture))


def subgroups_section(judged: Judged, table: pl.DataFrame, gaps: pl.DataFrame) -> Section:
    """Agreement of the model with people by group."""
    share = table["measure"][0]
    whole = judged.row(share)
    points = [
        Point(row["group"], row["estimate"], row["ci_low"], row["ci_high"], "", row["covariate"])
        for row in table.filter(pl.col("measure") == share).to_dicts()
    ]
    shares = [f"{point.group} {point.name} {number(point.estimate, 2)}" for point in points]
    caption = "Share of texts that the model codes as people do, with 95 % intervals; dashed: all texts."
    at = whole["estimate"] if whole else None
    picture = svg_figure(
        f"groups-{judged.key}", lambda: forest(points, "share right", at=at), "; ".join(shares), caption
    )
    sentence = "An error that differs between groups can bias a regression on the codes in any direction."
    return Section(titled("Error by subgroup", judged), (sentence, picture, tables.group_table(table, gaps)))


def shares_section(judged: Judged, table: pl.DataFrame) -> Section:
    """How often the model gave each label to the corpus, beside held-out texts."""
    alike = "The model gives no label to the corpus more or less often than to held-out texts by more than chance."
    return Section(titled("The corpus as coded", judged), (in_words(table) or alike, tables.shares_table(table)))


def curve_section(result: LearningCurve) -> Section:
    """The learning curve, and the expected gain from more labels."""
    name = in_full(result.measure)
    alt = f"{name} over the number of hand-coded texts, one line per model; the table has the figures."
    caption = f"{name} over the number of hand-coded training texts, with 95 % intervals; dashed: fitted and forecast."
    picture = svg_figure("curve", lambda: plot_learning_curve(result), alt, caption)
    scored = LOG_SCORE in set(result.table["measure"]) and result.measure != LOG_SCORE
    measures = [result.measure, LOG_SCORE] if scored else [result.measure]
    return Section(
        "Learning curve", (result.in_words(), picture, *(tables.curve_table(result, one) for one in measures))
    )


def comparison_section(result: Comparison) -> Section:
    """Coders compared with one gold standard."""
    sets = "exact_set" in set(result.measures["measure"])
    measures = ("macro_f1", "exact_set" if sets else "accuracy")
    best = {row["model"]: row for row in result.measures.filter(measure="macro_f1", units=ALL).to_dicts()}
    points = [_point(name, best[name], name in BASELINES) for name in result.models]
    alt = "macro-F1 with 95 % intervals: " + "; ".join(f"{point.name} {number(point.estimate, 2)}" for point in points)
    picture = svg_figure(
        "comparison", lambda: forest(points, "macro-F1", (0, 1)), alt, "macro-F1 of each coder, with 95 % intervals."
    )
    pairs = [table for measure in (*measures, LOG_SCORE) if (table := tables.pairs_table(result, measure))]
    return Section("Comparison of coders", (tables.comparison_table(result), picture, *result.in_words(), *pairs))


def regressions_section(inputs: Inputs) -> Section:
    """Every coefficient by hand codings, naive, and corrected."""
    parts: list[Part] = []
    for i, correction in enumerate(inputs.correct, start=1):
        parts += [
            tables.correction_table(correction, inputs.layout),
            *_figure_of_coefficients(f"regression-{i}", correction),
        ]
        parts += _on_the_design(correction)
    return Section("Regressions, corrected for the model's error", tuple(parts))


def _on_the_design(correction: Correction) -> list[Part]:
    """Whether texts were drawn as pi says, and what would follow if not."""
    sensitivity = correction.sensitivity_in_words()
    table = [tables.balance_table(correction.balance)] if correction.balance is not None else []
    return [*table, *([sensitivity] if sensitivity else [])]


def _figure_of_coefficients(key: str, correction: Correction) -> tuple[Figure, ...]:
    points = points_of(correction, methods(correction))
    if not points or len({(point.group, point.name) for point in points}) > MOST_TERMS:
        return ()
    alt = "; ".join(f"{point.name}, {point.series}: {number(point.estimate)}" for point in points)
    caption = f"{correction.formula}: coefficients with {correction.level * 100:g} % intervals."
    return (svg_figure(key, partial(plot_correction, correction), f"Coefficients: {alt}.", caption),)


def errors_section(inputs: Inputs) -> Section:
    """Whether the model's errors are related to covariates, in words."""
    return Section("Are errors related to covariates?", tuple(error_model.verdict for error_model in inputs.errors))


def titled(title: str, judged: Judged) -> str:
    """The title of a section, with the model's where a report has several."""
    return f"{title}: {judged.title}" if judged.title else title
