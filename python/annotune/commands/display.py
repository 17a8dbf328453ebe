"""Results as a person reads them in a terminal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.console import Group
from rich.text import Text

from annotune.data.codings import ANSWERED
from annotune.errors import AnnotuneError
from annotune.extras import line_of
from annotune.measures.evaluation import Evaluation, leading
from annotune.measures.scores import IN_FULL, NAMES, in_full, named
from annotune.measures.share_scores import OVERALL
from annotune.numbers import p_value, with_interval
from annotune.text_table import Column, Say, TextTable

if TYPE_CHECKING:
    from annotune.correction.result import Correction
    from annotune.evidence.comparison import Comparison
    from annotune.evidence.curve import LearningCurve

ELSEWHERE = "A wider window shows more."
WRITTEN = "A wider window shows more, --write all."
ESTIMATES = ("estimate", "difference")
LIMITS = (("ci_low", "ci_high"), ("conf_low", "conf_high"))
HEADINGS = {
    "std_error": "std. error",
    "n": "texts",
    "n_units": "texts",
    "n_coded": "hand-coded",
    "n_seeds": "seeds",
    "unit_id": "text",
    "text": "begins",
    "macro_f1_answered": "macro-F1 if coded",
    "likely_error": "likely",
    "p_hand": "p of hand",
    "p_model": "p of model",
    **NAMES,
}
MEASURES = ".3f"  # they lie between 0 and 1
HELD_OUT = "held out: coded texts that the model had not seen; people: the same texts."
APART = "* more or less often than on held-out texts, by more than chance."
MOST_NAMED = 3  # shares that a note names
MACRO_F1 = "macro_f1_"  # the beginning of names of columns, by language
OF_BASES = (
    "M: million parameters; MB: of its folder; texts/s: headlines, by one core; by language: macro-F1 of a logistic "
    "regression on embeddings of 600 coded texts (docs/bases.md). Whatever else a base is, a folder or a name on a "
    "hub, was not tried."
)
BEGINNING = 60  # characters of a text that are shown


def comparison(evaluation: Evaluation, elsewhere: str = ELSEWHERE) -> Group:
    """The model beside its baselines, a row each: the leading measures with 95 % intervals, of all in a wide window.

    What does better than the model is said in words below.
    """
    names = leading(evaluation.measures)
    rows = evaluation.measures.filter(pl.col("measure").is_in(names))
    columns = [
        Column("model", lambda row: str(row["model"]), words=True),
        *(_measure(name, place) for place, name in enumerate(names)),
        Column("texts", lambda row: f"{row['n_units']:,}", last=len(names), above=True),
    ]
    table = TextTable(_by_model(rows, evaluation.models), tuple(columns), elsewhere)
    return Group(table, *map(Text, evaluation.in_words()[1:]))


def _by_model(rows: pl.DataFrame, models: Sequence[str]) -> pl.DataFrame:
    """A row per model, with estimate, ci_low and ci_high of each measure."""
    wide = rows.pivot("measure", index="model", values=["estimate", "ci_low", "ci_high"])
    wide = wide.join(rows.group_by("model").agg(pl.col("n_units").max()), on="model")
    # what has shares of coders alone, and no label, is said in words
    with_labels = [name for name in models if name != OVERALL]
    return pl.DataFrame({"model": with_labels}).join(wide, on="model", how="left", maintain_order="left")


def _measure(name: str, last: int) -> Column:
    """The first of the measures always has its interval."""

    def figures(row: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        return row[f"estimate_{name}"], row[f"ci_low_{name}"], row[f"ci_high_{name}"]

    brief = (lambda row: with_interval(figures(row)[0], None, None)) if last else None
    return Column(named(name), lambda row: with_interval(*figures(row)), last=last, brief=brief)


def labels(evaluation: Evaluation, elsewhere: str = ELSEWHERE) -> TextTable:
    """Every label's precision, recall and F1, of the first model."""
    columns = (
        Column("label", lambda row: str(row["label"]), words=True),
        Column("precision", lambda row: with_interval(row["precision"], None, None)),
        Column("recall", lambda row: with_interval(row["recall"], None, None)),
        Column("F1 (95 % interval)", lambda row: with_interval(row["f1"], row["f1_low"], row["f1_high"])),
        Column("true", lambda row: f"{row['n_true']:,}", last=1),
        Column("predicted", lambda row: f"{row['n_predicted']:,}", last=2),
    )
    return TextTable(evaluation.labels.filter(pl.col("model") == evaluation.models[0]), columns, elsewhere)


def counts(codings: pl.DataFrame) -> TextTable:
    """How many units got each label, or why they got none."""
    label_or_status = pl.coalesce("label", pl.format("({})", "status")).alias("label")
    units = codings.group_by("variable", maintain_order=True).agg(units=pl.col("unit_id").n_unique())
    units = units.with_row_index("place")
    table = (
        codings.group_by("variable", label_or_status, maintain_order=True).agg(n=pl.len()).join(units, on="variable")
    )
    columns = (
        Column("variable", lambda row: str(row["variable"]), words=True, above=True, group=True),
        Column("label", lambda row: str(row["label"]), words=True),
        Column("texts", lambda row: f"{row['n']:,}"),
        Column("share", lambda row: f"{row['n'] / row['units']:.1%}"),
    )
    return TextTable(table.sort("place", "n", descending=[False, True], maintain_order=True), columns)


def as_coded(codings: pl.DataFrame, shares: pl.DataFrame) -> Group | TextTable:
    """How many texts got each label, as a share beside those of held-out texts; or why they got none.

    `shares` are those of variables whose models were measured, as `annotune.models.shares.shares_of_all` gives them.
    """
    if shares.is_empty():
        return counts(codings)
    answer = pl.col("status").is_in(ANSWERED)
    name = pl.coalesce("label", pl.format("({})", "status")).alias("label")
    by_label = codings.group_by("variable", name, answer=answer, maintain_order=True).agg(n=pl.len())
    held_out = shares.select("variable", "label", "held_out", "people", "apart")
    rows = by_label.join(held_out, on=["variable", "label"], how="full", coalesce=True, maintain_order="left_right")
    answers = pl.col("unit_id").filter(answer).n_unique().alias("n_corpus")
    variables = codings.group_by("variable", maintain_order=True).agg(answers).with_row_index("place")
    rows = rows.join(variables, on="variable", maintain_order="left")
    rows = rows.with_columns(pl.col("n").fill_null(0), pl.col("answer").fill_null(True))  # of labels that no text got
    share = pl.when(pl.col("answer") & (pl.col("n_corpus") > 0)).then(pl.col("n") / pl.col("n_corpus"))
    table = rows.with_columns(corpus=share).sort("place", "n", descending=[False, True], maintain_order=True)
    return _beside_held_out(table)


def bases(table: pl.DataFrame) -> Group:
    """A row per base with a short name: what it is, and what was measured of it."""
    measured = [name for name in table.columns if name.startswith(MACRO_F1)]
    columns = (
        Column("base", lambda row: str(row["base"]), words=True),
        Column("languages", lambda row: str(row["languages"]), words=True),
        Column("M", lambda row: str(row["parameters"]), last=2),
        Column("MB", lambda row: str(row["megabytes"]), last=3),
        Column("licence", lambda row: str(row["licence"]), last=4),
        Column("texts/s", lambda row: str(row["texts_per_second"]), last=1),
        *(_figure(name) for name in measured),
    )
    return Group(TextTable(table, columns), *_installation(table), Text(OF_BASES, "dim"))


def _figure(name: str) -> Column:
    language = name.removeprefix(MACRO_F1).capitalize()
    return Column(language, lambda row: "-" if row[name] is None else f"{row[name]:.3f}")


def _installation(table: pl.DataFrame) -> list[Text]:
    """A line for each base that is not installed; in the table the command would take two lines, or others' columns."""
    missing = table.filter(~pl.col("installed")).select("base", "extra", "package").rows()
    how = {base: line_of(extra) if extra else f"it comes with {package}" for base, extra, package in missing}
    return [Text(f"{base} is not installed: {line}") for base, line in how.items()]


def shares_of_corpus(shares: pl.DataFrame, variable: str) -> Group:
    """The same for a table of one variable that `annotune.shares` gave."""
    n = (pl.col("corpus") * pl.col("n_corpus")).round().cast(pl.Int64)
    return _beside_held_out(shares.with_columns(variable=pl.lit(variable), n=n))


def _beside_held_out(table: pl.DataFrame) -> Group:
    """A row per label: variable, label, n, corpus, held_out, people, apart."""
    columns = (
        Column("variable", lambda row: str(row["variable"]), words=True, above=True, group=True),
        Column("label", lambda row: str(row["label"]), words=True),
        Column("texts", lambda row: f"{row['n']:,}"),
        Column("corpus", lambda row: _percent(row["corpus"])),
        Column("", lambda row: "*" if row["apart"] else ""),
        Column("held out", lambda row: _percent(row["held_out"])),
        Column("people", lambda row: _percent(row["people"])),
    )
    notes = [Text(HELD_OUT, "dim"), *([Text(APART, "dim")] if table["apart"].any() else [])]
    return Group(TextTable(table, columns), *notes)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def shares(estimates: pl.DataFrame, keys: Sequence[str]) -> Group:
    """Estimates of prevalence: of each share by one method below the other; each note with the shares it is about."""
    about = [*keys, "label"]
    together = pl.concat(part for _, part in estimates.group_by(about, maintain_order=True))
    table = rows(
        together.drop("interval", "note"),
        last=["n_coded", "std_error", "n"],
        group=about,
        above=["n", "n_coded"],
    )
    return Group(table, *map(Text, _notes_of_shares(estimates, about)))


def _notes_of_shares(estimates: pl.DataFrame, about: Sequence[str]) -> Iterator[str]:
    """Each note of a method once, and which shares it is about where it is not about all of them."""
    shares_of_note: dict[tuple[str, str], list[str]] = {}
    for row in estimates.filter(pl.col("note").is_not_null()).to_dicts():
        for note in re.sub(r"^\d+ hand-coded texts:", "few hand-coded texts:", row["note"]).split("; "):
            share = ", ".join(str(row[name]) for name in about)
            shares_of_note.setdefault((row["method"], note), []).append(share)
    sizes = dict(estimates["method"].value_counts().iter_rows())
    for (method, note), those in shares_of_note.items():
        n = sizes[method]
        which = "; ".join(those) if len(those) <= MOST_NAMED else f"{len(those):,} of {n:,} shares"
        yield f"{method}: {note}." if len(those) == n else f"{method} ({which}): {note}."


def joint_tests(table: pl.DataFrame) -> TextTable:
    """Whether coefficients are all 0, by method."""
    columns = (
        Column("all 0", lambda row: str(row["terms"]), words=True, above=True),
        Column("", lambda row: str(row["method"]), words=True),
        Column("statistic", lambda row: "-" if row["statistic"] is None else _statistic(row)),
        Column("p", lambda row: "-" if row["p_value"] is None else p_value(row["p_value"])),
    )
    return TextTable(table, columns)


def _statistic(row: Mapping[str, Any]) -> str:
    if row["df_error"] is None:
        return f"chi-squared({row['df']:.0f}) = {row['statistic']:.2f}"
    return f"F({row['df']:.0f}, {row['df_error']:.1f}) = {row['statistic']:.2f}"


def contrasts(table: pl.DataFrame) -> TextTable:
    """A sum or difference of coefficients, by method."""
    shown = table if table["equation"].null_count() == 0 else table.drop("equation")
    return rows(shown, last=["statistic"], above=["contrast"])


def margins(correction: Correction) -> TextTable:
    """Average marginal effects of a logit, by method."""
    if correction.margins is None:
        what = f"{correction.formula!r} has no marginal effects by terms."
        raise AnnotuneError(what, "These are a logit's, of covariates that are known and in one term each.")
    title = "Average marginal effects, in points of probability"
    return rows(correction.margins, title, last=["n", "statistic"], group=["term"])


def effects(estimates: pl.DataFrame) -> TextTable:
    """What covariates do to errors."""
    return rows(estimates, last=["detectable", "std_error"], group=["covariate"])


def plan(estimates: pl.DataFrame) -> Group:
    """Standard errors and numbers of hand codings."""
    headings = {"std_error_hand": "hand only", "std_error_least": "at least", "n_needed": "codings"}
    legend = "codings: how many by hand; hand only: without predictions; at least: with all texts coded by hand."
    table = rows(estimates, headings=headings | {"n_needed_hand": "hand only"}, group=["estimate"])
    return Group(table, Text(legend))


def designs(by_design: pl.DataFrame) -> TextTable:
    """What designs other than a simple draw give."""
    return rows(by_design, headings={"n_needed": "codings"}, group=["estimate"])


def curve(learning_curve: LearningCurve) -> TextTable:
    """How good with how many labels, by the measure that the curve is about."""
    table = learning_curve.rows()
    title = f"{in_full(learning_curve.measure)} on {table['n_units'][0]:,} other texts"
    headings = {"n": "labels"}
    columns = table.drop("measure", "n_units")
    return rows(columns, title, MEASURES, last=["n_seeds"], group=["n"], above=["n_seeds"], headings=headings)


def compared(comparison_of_coders: Comparison) -> TextTable:
    """Coders beside each other, the best first."""
    last = ("n_units", "mcc", "accuracy", "seconds", "cost", "coverage", "macro_f1_answered")
    title = "Every text counts; what was left out is wrong"
    return rows(comparison_of_coders.table(), title, MEASURES, last=last, above=["n_units", "coverage"])


def scores(table: pl.DataFrame) -> TextTable:
    """What stated probabilities are worth."""
    renamed = table.with_columns(pl.col("measure").replace(IN_FULL).str.replace("_", " "))
    above = ["version", "n_units"]
    return rows(renamed, "Scores: lower is better", MEASURES, group=["version"], above=above)


def second_look(ranking: pl.DataFrame) -> TextTable:
    """Hand codings that may be mistakes, with the beginnings of their texts."""
    in_words = ranking.drop("why").with_columns(
        likely_error=pl.col("likely_error").replace_strict({True: "yes", False: "no"})
    )
    title = "Hand codings that the model disagrees with"
    return rows(in_words, title, MEASURES, last=["rank", "p_hand", "p_model"], group=["unit_id", "text"])


def rows(
    frame: pl.DataFrame,
    title: str | None = None,
    floats: str = ".4g",
    last: Sequence[str] = (),
    group: Collection[str] = (),
    above: Collection[str] = (),
    headings: Mapping[str, str] | None = None,
    elsewhere: str = WRITTEN,
) -> TextTable:
    """A table as it is, its intervals beside their estimates: numbers rounded, what is missing as a dash.

    Parameters
    ----------
    floats
        How numbers are rounded.
    last
        Columns that are left out where lines are too long, the first of them first; then any other number but the
        first, from the right.
    group, above
        Columns whose repeated values are said once; whose only value is said above the table.
    headings
        Of columns that have another name for a reader here than elsewhere.
    """
    all_headings = {**HEADINGS, **(headings or {})}
    columns = _columns(frame, floats, list(last), group, above, all_headings)
    return TextTable(frame, tuple(columns), elsewhere, title)


def _columns(
    frame: pl.DataFrame,
    floats: str,
    last: list[str],
    group: Collection[str],
    above: Collection[str],
    headings: Mapping[str, str],
) -> Iterator[Column]:
    limits = next((pair for pair in LIMITS if set(pair) <= set(frame.columns)), ())
    names = [name for name in frame.columns if name not in limits]
    numbers = [name for name in names if frame[name].dtype.is_numeric()]
    for name in names:
        heading = headings.get(name, name.replace("_", " ") if name in numbers else name)
        how: dict[str, Any] = {"group": name in group, "above": name in above}
        if name in last:
            how["last"] = len(numbers) + len(last) - last.index(name)
        elif name in numbers:
            how["last"] = numbers.index(name)
        if limits and name in ESTIMATES:
            yield Column(f"{heading} (95 % interval)", _joined(name, *limits, floats))
        elif name == "text":
            yield Column(heading, _beginning, words=True, **how)
        else:
            yield Column(heading, _cell(name, floats), words=name not in numbers, **how)


def _joined(name: str, low: str, high: str, floats: str) -> Say:
    return lambda row: with_interval(row[name], row[low], row[high], floats)


def _beginning(row: Mapping[str, Any]) -> str:
    text = " ".join((row["text"] or "").split())
    return text if len(text) <= BEGINNING else text[:BEGINNING].rsplit(" ", 1)[0] + " [...]"


def _cell(name: str, floats: str) -> Say:
    def say(row: Mapping[str, Any]) -> str:
        value = row[name]
        if value is None:
            return "-"
        if isinstance(value, float):
            return format(value, floats)
        count = name == "n" or name.startswith("n_")  # a year has no comma
        return f"{value:,}" if count and isinstance(value, int) else str(value)

    return say
