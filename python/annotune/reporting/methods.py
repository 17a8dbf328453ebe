"""What was done, in sentences for the methods part of a paper; every figure in them is in the report's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from annotune.agreement.present import named
from annotune.correction.result import Correction
from annotune.data.codings import ANSWERED
from annotune.evidence.calibrated import Calibration
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.measures.scores import in_full
from annotune.reporting import references as by
from annotune.reporting.given import Given, Judged
from annotune.reporting.page import count, listed, number

FULL_NAMES = {"minilm": "all-MiniLM-L6-v2"}
SOURCES = {"alpha": by.KRIPPENDORFF, "cohen_kappa": by.COHEN, "fleiss_kappa": by.FLEISS, "ac1": by.GWET, "ac2": by.GWET}
RULES = {
    "majority": "by majority",
    "unanimous": "where all coders agreed",
    "coder": "by one coder's answer",
    "adjudicated": "by adjudication",
    "dawid_skene": f"by the most likely answer under a model of the coders' errors ({by.DAWID_SKENE})",
}


def methods(given: Given, reliability: pl.DataFrame | None, calibrations: Mapping[str, Calibration]) -> str:
    """The paragraph; `calibrations` are those of the models, by their keys."""
    sentences = [*_coding(given), *_agreement(reliability), *_gold(given)]
    for judged in given.judged:
        sentences += [*_tuning(judged), *_learning(judged), *_testing(judged), *_results(judged)]
        if judged.key in calibrations:
            ece = calibrations[judged.key].get("ece")
            sentences.append(
                f"The expected calibration error of its probabilities is {number(ece)} ({by.TEMPERATURE})."
            )
    sentences += [*_comparing(given), *(sentence for found in given.correct for sentence in _correcting(found))]
    return " ".join([*sentences, *_software(given)])


def _about(variable: str) -> str:
    return f" for {variable}" if variable else ""


def _coding(given: Given) -> Iterator[str]:
    """How many texts were coded by how many coders."""
    if given.codings is None:
        return
    coded = given.codings.filter(pl.col("status").is_in(ANSWERED))
    for (variable,), rows in coded.group_by("variable", maintain_order=True):
        each = rows.group_by("unit_id").agg(pl.col("coder").n_unique())
        coders, twice = rows["coder"].n_unique(), int((each["coder"] > 1).sum())
        who = "1 coder" if coders == 1 else f"{coders:,} coders"
        double = f", {twice:,} of them by more than one" if twice else ""
        yield f"{count(len(each))} texts were coded by hand{_about(str(variable))} by {who}{double}."


def _agreement(reliability: pl.DataFrame | None) -> Iterator[str]:
    """Alpha, or the first coefficient there is, of each variable with its interval."""
    if reliability is None:
        return
    whole = reliability.filter(pl.col("estimate").is_not_null() & pl.col("category").is_null())
    if whole.columns[0] != "variable":  # divided by groups, which no single figure sums up
        return
    for (variable,), rows in whole.group_by("variable", maintain_order=True):
        of = rows.filter(metric="alpha") if "alpha" in set(rows["metric"]) else rows
        row = of.row(0, named=True)
        sources = [SOURCES[row["metric"]]] if row["metric"] in SOURCES else []
        sources += [by.BCA] if "BCa" in (row["method"] or "") else []
        span = [] if row["ci_low"] is None else [f"95 % interval {row['ci_low']:.2f} to {row['ci_high']:.2f}"]
        told = f" ({'; '.join([*span, *sources])})" if span or sources else ""
        level = "" if row["level"] == "nominal" else f", {row['level']},"
        yield (
            f"Agreement among the coders{_about(str(variable))}: {named(row['metric'])}{level} is {row['estimate']:.2f}"
            f"{told}, on {row['n_pairable']:,} texts that several of them coded."
        )


def _gold(given: Given) -> Iterator[str]:
    """How several answers became one, where the record says so."""
    study = (given.record or {}).get("study")
    gold = study.get("gold") if isinstance(study, Mapping) else None
    if isinstance(gold, Mapping) and gold.get("rule") in RULES:
        yield f"Differences between coders were settled {RULES[gold['rule']]}."


def _tuning(judged: Judged) -> Iterator[str]:
    """What was tuned from what, as it came out."""
    if judged.model is None:
        return
    card = judged.model.card
    settings, choices = card["settings"], card.get("choices", {})
    name = FULL_NAMES.get(card["base"]["name"], card["base"]["name"])
    source = f" ({by.MINILM}; {by.SBERT})" if "minilm" in name.lower() else ""
    what = f"{name}{source}"
    tuned = settings.get("method") != "probe" and choices.get("epochs", 1)
    if not tuned:
        yield (
            f"The classifier{_about(judged.name)} is a logistic regression on the text embeddings of {what}, "
            "which was itself left unchanged."
        )
        return
    how = {"lora": f"by low-rank adaptation ({by.LORA})", "full": "in all its weights"}[settings["method"]]
    if settings.get("objective") == "label":
        yield f"{what} was fine-tuned {how} to give the label of {judged.name} when shown the codebook and the text."
        return
    yield (
        f"{what} was fine-tuned{_about(judged.name)} {how}, starting from a logistic regression on the untouched "
        f"model's embeddings ({by.FROM_PROBE}), with random seed {settings['seed']}."
    )


def _learning(judged: Judged) -> Iterator[str]:
    """What it learnt from beside the texts, and how levels are told apart."""
    if judged.model is None:
        return
    choices = judged.model.card.get("choices", {})
    if choices.get("words"):
        yield "It learnt from the codebook's names and definitions of the labels, too."
    if judged.model.variable.kind == "ordinal" and choices.get("cutoffs"):
        yield (
            "Labels follow the mean level by the model's probabilities, cut so that each level is as frequent among "
            "texts that the model had not learnt from as coders made it."
        )


def _testing(judged: Judged) -> Iterator[str]:
    """Which texts the figures come from."""
    if judged.model is None:
        return
    parts = judged.model.card["parts"]
    if parts.get("folds"):
        yield (
            f"All figures on the model come from {parts['folds']}-fold cross-validation over the {parts['coded']:,} "
            "hand-coded texts: each was predicted by a model that had not learnt from it."
        )
        return
    yield (
        f"All figures on the model come from {parts['held_out']:,} of the {parts['coded']:,} hand-coded texts, which "
        f"were held out and looked at once; {parts['validation_share']:.0%} of the others, or more where labels are "
        "rare, served for stopping and every choice."
    )


def _results(judged: Judged) -> Iterator[str]:
    """The leading measures against the baselines."""
    lead, share = ("micro_f1", "exact_set") if judged.sets else ("macro_f1", "accuracy")
    row, right = judged.row(lead), judged.row(share)
    if row is None or right is None:
        return
    others = {f"{name[0].lower() if name == NO_INFORMATION else name[0]}{name[1:]}": judged.row(lead, name)
              for name in (TF_IDF, NO_INFORMATION)}  # fmt: skip
    beside = [f"{number(found['estimate'], 2)} for {_called(name)}" for name, found in others.items() if found]
    told = ""
    if row["ci_low"] is not None:
        told = f" (95 % bootstrap interval {row['ci_low']:.2f} to {row['ci_high']:.2f}; {by.BOOTSTRAP})"
    against = f", against {listed(beside)}" if beside else ""
    ordered = judged.row("kappa_quadratic")
    rest = f"; {in_full(share)} is {number(right['estimate'], 2)}"
    rest += f", {in_full('kappa_quadratic')} {number(ordered['estimate'], 2)}" if ordered else ""
    yield f"On {row['n_units']:,} texts, {in_full(lead)} is {number(row['estimate'], 2)}{told}{against}{rest}."


def _called(baseline: str) -> str:
    return "always giving the most frequent label" if baseline == NO_INFORMATION else "a logistic regression on TF-IDF"


def _comparing(given: Given) -> Iterator[str]:
    """Against whom, and by which tests."""
    if given.compare is None:
        return
    found = given.compare
    lead = found.measures.filter(pl.col("measure") == "macro_f1")
    exact = "McNemar, exact" in set(found.pairs["test"])
    told = f"differences in shares of right answers were tested by McNemar's exact test ({by.MCNEMAR}), others"
    tests = told if exact else "differences were tested"
    best = found.in_words()[:1]
    yield (
        f"{lead['model'].n_unique():,} sets of codes, baselines included, were compared on the same "
        f"{max(lead['n_units'].to_list()):,} texts; {tests} by the paired bootstrap ({by.BOOTSTRAP}), and p-values "
        f"corrected for the number of pairs ({by.HOLM})."
    )
    yield from best


def _correcting(found: Correction) -> Iterator[str]:
    """How the regressions carry the model's error."""
    how = {
        "dsl": f"corrected for the classifier's error by design-based supervised learning ({by.DSL})",
        "ppi": f"corrected for the classifier's error by prediction-powered inference ({by.PPI}; {by.PPI_PLUS})",
    }
    clustered = "robust" if found.n_clusters is None else f"clustered ({found.n_clusters:,} clusters)"
    yield (
        f"The {found.model.replace('_', ' ')} regression {found.formula} on {found.n:,} texts was "
        f"{how.get(found.method, 'not corrected')}, with {found.n_coded:,} texts coded by hand; "
        f"standard errors are {clustered}."
    )


def _software(given: Given) -> Iterator[str]:
    versions = {str(model.card["versions"].get("annotune")) for model in given.models}
    if not versions:
        from annotune.version import __version__

        versions = {__version__}
    yield f"The work was done with annotune {listed(sorted(versions))} (after {by.CARAMMIA})."
