"""The sections of a report: what is given becomes sentences, tables and figures; what is not is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import polars as pl

from annotune.agreement import present
from annotune.agreement.plots import MOST_ROWS, plot_coders, plot_reliability
from annotune.correction.result import METHODS, Correction
from annotune.data.codings import bind, of_variable
from annotune.errors import AnnotuneError
from annotune.evidence.calibrated import GIVEN, Calibration, plot_calibration
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.evidence.curve_plot import plot_learning_curve
from annotune.evidence.verdicts import ALL
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.measures.scores import in_full
from annotune.reporting import tables
from annotune.reporting.charts import Point, confusion_map, forest
from annotune.reporting.drawing import drawn
from annotune.reporting.given import Given, Judged
from annotune.reporting.page import Figure, Section, Table, count, interval, number

Part = str | Table | Figure
MOST_CELLS = 21  # labels whose confusions fit on a page of paper as numbers
FEW_LABELS = 6  # whose confusions are seen at a glance
MOST_TERMS = 40
BASELINES = (TF_IDF, NO_INFORMATION)


def agreement(given: Given, found: pl.DataFrame) -> Section:
    """Of the coders: every coefficient with its interval, and what the conventions say."""
    parts: list[Part] = [*present.in_words(found), _agreement_table(found, "Agreement of the coders{}.")]
    if 0 < found["estimate"].drop_nulls().len() <= MOST_ROWS:
        alt = "Coefficients of agreement with their 95 % intervals, a row each; the table has the figures."
        caption = "Agreement of the coders, with 95 % intervals."
        parts.append(drawn("agreement", lambda: plot_reliability(found), alt, caption))
    return Section("Agreement of the coders", (*parts, *_pairs(given)))


def _agreement_table(found: pl.DataFrame, caption: str) -> Table:
    """The table of agreement; what all its rows have in common is said in the caption, or goes without saying."""
    cells, header = present.cells(found)
    only = found["variable"].n_unique() == 1
    left_out = {"variable"} if only else set()
    left_out |= {"level"} if found["level"].unique().to_list() == ["nominal"] else set()
    kept = [i for i, name in enumerate(header) if name not in left_out]
    names = tuple({"coder_a": "between", "coder_b": "and"}.get(header[i], header[i]) for i in kept)
    rows = tuple((*row[: -present.NUMBERS], *map(_in_one, row[-present.NUMBERS :])) for row in cells)
    notes = tuple(note.removeprefix("Note: ") for note in present.notes(found))
    told = caption.format(f" on {found['variable'][0]}" if only else "")
    return Table(told, names, tuple(tuple(row[i] for i in kept) for row in rows), len(kept) - present.NUMBERS, notes)


def _in_one(figure: str) -> str:
    """An interval on one line."""
    return figure.replace(" to ", "\u00a0to\u00a0").replace("-", "−")


def _pairs(given: Given) -> Iterator[Part]:
    """Who agrees with whom, where there are more than two."""
    if given.codings is None or given.codings["coder"].n_unique() < 3:
        return
    from annotune.agreement.pairs import pairwise_reliability

    for i, variable in enumerate(given.codings["variable"].unique(maintain_order=True), start=1):
        rows = of_variable(given.codings, variable)
        found = pairwise_reliability(rows, variable, given.codebook, metrics=["alpha"], ci="analytic")
        if found["estimate"].drop_nulls().is_empty():
            continue
        alt = f"Krippendorff's alpha of each two coders of {variable}, as a grid of shaded cells."
        yield drawn(f"pairs-{i}", partial(plot_coders, found), alt, f"Who agrees with whom on {variable}.")


def model(judged: Judged, given: Given) -> Section:
    """Against its baselines, and against the people who coded."""
    lead = "micro_f1" if judged.sets else "macro_f1"
    rows = [judged.row(lead, name) for name in judged.evaluation.models]
    points = [
        Point(
            row["model"], row["estimate"], row["ci_low"], row["ci_high"], "" if row["model"] == judged.coder else None
        )
        for row in rows
        if row
    ]
    name = in_full(lead)
    alt = f"{name} with 95 % intervals: " + "; ".join(f"{point.name} {number(point.estimate, 2)}" for point in points)
    caption = f"{name} of the model and, in grey, of what it has to beat, with 95 % intervals."
    picture = drawn(f"baselines-{judged.key}", lambda: forest(points, name, (0, 1)), alt, caption)
    return Section(
        _titled("The model against its baselines", judged),
        (*judged.evaluation.in_words(), tables.against_baselines(judged), picture, *_beside_people(judged, given)),
    )


def _point(name: str, row: Mapping[str, Any], aside: bool) -> Point:
    return Point(name, row["estimate"], row["ci_low"], row["ci_high"], None if aside else "")


def _beside_people(judged: Judged, given: Given) -> Iterator[Part]:
    """Do people agree with the model as they agree with each other?"""
    if given.codings is None or judged.held_out is None or judged.name not in set(given.codings["variable"]):
        return
    from annotune.agreement.pairs import compare_reliability

    people = of_variable(given.codings, judged.name)
    if people["coder"].n_unique() < 2 or judged.coder in set(people["coder"]):
        return
    said = bind(people.select(judged.held_out.columns[:6]), judged.held_out.select(judged.held_out.columns[:6]))
    found = compare_reliability(said, judged.coder, judged.name, given.codebook, n_boot=given.n_boot, seed=given.seed)
    if found["estimate"].drop_nulls().is_empty():
        return
    caption = "Do people agree with the model as with each other{}? On texts that it was not tuned on."
    yield _agreement_table(found, caption)
    if n := _unsettled(people, _decided(judged, given)):
        yield (
            f"{count(n)} texts on which people differ were not settled and are not among these: "
            "people agree with each other more here than on all texts they coded."
        )


def _decided(judged: Judged, given: Given) -> pl.DataFrame | None:
    """The units with a gold answer, where all are known: cross-validation predicts every one, a test part only some."""
    if given.gold is not None:
        return of_variable(given.gold, judged.name)
    return judged.held_out if judged.held_out is not None and "fold" in judged.held_out.columns else None


def _unsettled(people: pl.DataFrame, decided: pl.DataFrame | None) -> int:
    """How many units people gave different labels to, and nobody decided, so that no model was held against them."""
    if decided is None:
        return 0
    said = people.filter(pl.col("status") == "ok").group_by("unit_id", "coder").agg(pl.col("label").sort())
    differ = said.group_by("unit_id").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)
    return len(differ.join(decided, on="unit_id", how="anti"))


def confusions(judged: Judged) -> Section:
    """Each label, and which of them are taken for which."""
    parts: list[Part] = [tables.labels(judged)]
    if judged.evaluation.confusion.is_empty():
        return Section(_titled("Labels", judged), tuple(parts))
    names, counts = tables.confusion_counts(judged)
    if len(names) <= MOST_CELLS:
        parts.append(tables.confusion(names, counts))
    else:
        square = counts[:, :-1]
        shares = square / counts.sum(1, keepdims=True).clip(1)
        alt = f"Confusions of {len(names)} labels as a grid; the most frequent ones are in the table below."
        caption = "Confusions, labels by their numbers in the table above; the darker, the larger the share of a row."
        parts.append(drawn(f"confusion-{judged.key}", lambda: confusion_map(shares, square), alt, caption))
    most = tables.most_confused(names, counts) if len(names) > FEW_LABELS else None
    return Section(_titled("Labels and their confusions", judged), (*parts, *([most] if most else [])))


def calibration(judged: Judged, found: Calibration) -> Section:
    """Whether probabilities come true."""
    rows = tuple(
        (in_full(row["measure"]), row["version"], number(row["estimate"]),
         interval(row["ci_low"], row["ci_high"]), count(row["n_units"]))
        for row in found.scores.to_dicts()
    )  # fmt: skip
    table = Table("What the probabilities are worth: lower is better.",
                  ("score", "probabilities", "estimate", "95 % interval", "texts"), rows, words=2)  # fmt: skip
    bins = found.bins.filter(pl.col("version") == GIVEN)
    said = "; ".join(f"said {row['confidence']:.2f}, right {row['right']:.2f}" for row in bins.to_dicts())
    caption = "Stated probability and share that is right, with 95 % intervals; below, how many answers are where."
    picture = drawn(
        f"calibration-{judged.key}", lambda: plot_calibration(found), f"Reliability diagram: {said}.", caption
    )
    return Section(_titled("Calibration", judged), (found.in_words(), table, picture))


def subgroups(judged: Judged, found: pl.DataFrame) -> Section:
    """Agreement with people by group."""
    share = found["measure"][0]
    whole = judged.row(share)
    points = [
        Point(row["group"], row["estimate"], row["ci_low"], row["ci_high"], "", row["covariate"])
        for row in found.filter(pl.col("measure") == share).to_dicts()
    ]
    said = [f"{point.group} {point.name} {number(point.estimate, 2)}" for point in points]
    caption = "Share of texts that the model codes as people do, with 95 % intervals; dashed: all texts."
    at = whole["estimate"] if whole else None
    picture = drawn(f"groups-{judged.key}", lambda: forest(points, "share right", at=at), "; ".join(said), caption)
    told = "An error that differs between groups can bias a regression on the codes in any direction."
    return Section(_titled("Error by subgroup", judged), (told, picture, tables.by_group(found)))


def curve(found: LearningCurve) -> Section:
    """What more labels would add."""
    try:
        words = [found.in_words()]
    except AnnotuneError:  # of too few sizes for a fit
        words = []
    name = in_full(found.measure)
    alt = f"{name} over the number of hand-coded texts, a line for each model; the table has the figures."
    caption = (
        f"{name} over the number of hand-coded texts learnt from, with 95 % intervals; dashed: fitted and forecast."
    )
    picture = drawn("curve", lambda: plot_learning_curve(found), alt, caption)
    return Section("Learning curve", (*words, picture, tables.curve(found)))


def comparison(found: Comparison) -> Section:
    """Any number of coders against one gold."""
    sets = "exact_set" in set(found.measures["measure"])
    measures = ("macro_f1", "exact_set" if sets else "accuracy")
    best = {row["model"]: row for row in found.measures.filter(measure="macro_f1", units=ALL).to_dicts()}
    points = [
        Point(
            name, best[name]["estimate"], best[name]["ci_low"], best[name]["ci_high"], None if name in BASELINES else ""
        )
        for name in found.models
    ]
    alt = "macro-F1 with 95 % intervals: " + "; ".join(f"{point.name} {number(point.estimate, 2)}" for point in points)
    picture = drawn(
        "comparison", lambda: forest(points, "macro-F1", (0, 1)), alt, "macro-F1 of each coder, with 95 % intervals."
    )
    pairs = [table for measure in measures if (table := tables.pairs(found, measure))]
    return Section("Comparison of coders", (tables.comparison(found), picture, *found.in_words(), *pairs))


def regressions(given: Given) -> Section:
    """Every coefficient three times, and whether errors are related to covariates."""
    parts: list[Part] = []
    for i, found in enumerate(given.correct, start=1):
        parts += [tables.correction(found), *_coefficients(f"regression-{i}", found)]
    return Section("Regressions, corrected for the model's error", tuple(parts))


def _coefficients(key: str, found: Correction) -> tuple[Figure, ...]:
    rows = found.estimates.filter((pl.col("term") != "Intercept") & pl.col("estimate").is_not_null()).to_dicts()
    names = {(row["equation"], row["term"]) for row in rows}
    if not rows or len(names) > MOST_TERMS:
        return ()
    points = [
        Point(row["term"], row["estimate"], row["conf_low"], row["conf_high"], method, row["equation"])
        for method in METHODS
        for row in rows
        if row["method"] == method
    ]
    alt = "; ".join(f"{point.name}, {point.series}: {number(point.estimate)}" for point in points)
    caption = f"{found.formula}: coefficients with {found.level * 100:g} % intervals."
    return (drawn(key, lambda: forest(points, "coefficient", at=0), f"Coefficients: {alt}.", caption),)


def errors(given: Given) -> Section:
    """Whether the model's errors are related to covariates, in words."""
    return Section("Are errors related to covariates?", tuple(found.verdict for found in given.errors))


def _titled(title: str, judged: Judged) -> str:
    return f"{title}: {judged.title}" if judged.title else title
