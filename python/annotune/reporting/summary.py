"""The top of a report: what came out, in five lines at most."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from annotune.agreement.gold import notes_of_dropped
from annotune.correction.result import CORRECTED, HAND, NAIVE, Correction
from annotune.measures.baselines import NO_INFORMATION, NO_LABEL, TF_IDF
from annotune.measures.evaluation import leading
from annotune.measures.scores import in_full
from annotune.reporting.findings import Findings
from annotune.reporting.inputs import Inputs, Judged
from annotune.reporting.page import Section, interval, listed, number
from annotune.reporting.subgroups import LANGUAGE

CHANCE = 0.05  # under which languages are said to differ
MOST_TERMS = 2  # coefficients of a regression that are named
MOST_LABELS = 6  # labels whose shares are named
WIDER = "Corrected intervals are"  # how a correction's note begins where they are wider than the hand-coded ones


def summary_section(inputs: Inputs, results: Findings) -> Section | None:
    """Agreement, the model, shares of labels, regressions, and what asks for care: a sentence each."""
    lines = (
        _agreement(results),
        _models(inputs),
        _shares(inputs, results),
        _regressions(inputs),
        _care(inputs, results),
    )
    sentences = tuple(line for line in lines if line)
    return Section("Summary", sentences) if sentences else None


def _agreement(results: Findings) -> str:
    table = results.reliability
    rows = [] if table is None else table.filter(metric="alpha").filter(pl.col("estimate").is_not_null()).to_dicts()
    parts = [f"{number(row['estimate'], 2)}{_span(row)} on {row['variable']}{_distance(row)}" for row in rows]
    return f"Agreement of the coders, Krippendorff's alpha: {listed(parts)}." if parts else ""


def _distance(row: dict[str, object]) -> str:
    """By which distance labels are compared, where they are not merely the same or not."""
    return "" if row["level"] == "nominal" else f" ({row['level']})"


def _models(inputs: Inputs) -> str:
    parts = [part for judged in inputs.judged if (part := _model(judged))]
    return f"On texts that it was not tuned on, the model reaches {'; '.join(parts)}." if parts else ""


def _model(judged: Judged) -> str:
    name = leading(judged.evaluation.measures)[0]
    row = judged.row(name)
    if row is None:
        return ""
    others = [(model, judged.row(name, model)) for model in (TF_IDF, NO_INFORMATION, NO_LABEL)]
    beside = [f"{model} {number(other['estimate'], 2)}" for model, other in others if other is not None]
    against = f" (against {listed(beside)})" if beside else ""
    of = f" on {judged.title}" if judged.title else ""
    return f"{in_full(name)} {number(row['estimate'], 2)}{_span(row)}{of}{against}"


def _shares(inputs: Inputs, results: Findings) -> str:
    parts = [_of_labels(judged, results.shares[judged.key]) for judged in inputs.judged if judged.key in results.shares]
    return " ".join(parts)


def _of_labels(judged: Judged, table: pl.DataFrame) -> str:
    rows = table.sort("corpus", descending=True, maintain_order=True).head(MOST_LABELS).to_dicts()
    more = len(table) - len(rows)
    names = listed([f"{row['corpus']:.1%} {row['label']}" for row in rows])
    rest = f", and {more:,} rarer labels" if more > 0 else ""
    about = f" ({judged.title})" if judged.title else ""
    return f"Of {table['n_corpus'][0]:,} texts as the model codes them{about}: {names}{rest}."


def _regressions(inputs: Inputs) -> str:
    parts = [part for correction in inputs.correct if (part := _coefficients(correction))]
    more = f" {len(parts) - 1:,} more regressions are below." if len(parts) > 2 else ""
    return (" ".join(parts[:2]) + more) if parts else ""


def _coefficients(correction: Correction) -> str:
    """The first coefficients by each method; of several equations the first."""
    rows = correction.estimates.filter((pl.col("term") != "Intercept") & pl.col("estimate").is_not_null()).to_dicts()
    names = list(dict.fromkeys((row["equation"], row["term"]) for row in rows))[:MOST_TERMS]
    parts = []
    for name in names:
        by_method = {row["method"]: row for row in rows if (row["equation"], row["term"]) == name}
        figures = [
            f"{method} {number(row['estimate'])}{_span(row, 3)}"
            for method in (NAIVE, HAND, CORRECTED)
            if (row := by_method.get(method)) is not None
        ]
        parts.append(f"{': '.join(part for part in name if part is not None)}: {', '.join(figures)}")
    return f"{correction.formula}: {'; '.join(parts)}." if parts else ""


def _care(inputs: Inputs, results: Findings) -> str:
    """What a reader has to know before quoting a figure: gold of easy texts, wider intervals, errors by covariates."""
    whole = inputs.codings is not None and inputs.gold is not None
    easy = notes_of_dropped(inputs.codings, inputs.gold) if whole else []  # type: ignore[arg-type]
    wider = [note for correction in inputs.correct for note in correction.notes if note.startswith(WIDER)]
    related = [one.note for one in inputs.errors if one.outcome == "evidence"]
    apart = [judged.title or "the variable" for judged in inputs.judged if _is_apart(judged, results)]
    shares = [f"Labels of {listed(apart)} are given to the corpus more or less often than to held-out texts."]
    languages = [sentence for one in inputs.judged for sentence in _languages(one, results)]
    sentences = list(dict.fromkeys([*easy, *wider[:1], *related[:1], *languages, *(shares if apart else [])]))
    return f"To be careful about: {' '.join(sentences)}" if sentences else ""


def _languages(judged: Judged, results: Findings) -> Iterator[str]:
    """In which language the model is right least and most often, where that is more than chance."""
    table = results.groups.get(judged.key)
    if table is None:
        return
    rows = table.filter(pl.col("covariate").str.to_lowercase() == LANGUAGE, pl.col("p") < CHANCE)
    rows = rows.filter(pl.col("measure") == table["measure"][0]).sort("estimate")
    if len(rows) > 1:
        worst, best = rows.row(0, named=True), rows.row(-1, named=True)
        about = f" for {judged.title}" if judged.title else ""
        yield (
            f"The model{about} is right for {number(worst['estimate'], 2)} of the texts in {worst['group']}, and for "
            f"{number(best['estimate'], 2)} in {best['group']}."
        )


def _is_apart(judged: Judged, results: Findings) -> bool:
    return judged.key in results.shares and bool(results.shares[judged.key]["apart"].any())


def _span(row: dict[str, object], digits: int = 2) -> str:
    """The interval of an estimate in brackets."""
    low, high = (row.get(one, row.get(other)) for one, other in (("ci_low", "conf_low"), ("ci_high", "conf_high")))
    span = interval(low, high, digits)  # type: ignore[arg-type]
    return f" ({span})" if span else ""
