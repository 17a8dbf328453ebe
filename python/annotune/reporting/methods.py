"""Sentences for the methods section of a paper; every figure in them is in the tables of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from annotune.agreement.present import named
from annotune.correction.choices import CHOICES
from annotune.correction.result import HAND, Correction
from annotune.data.codings import ANSWERED
from annotune.evidence.calibrated import Calibration
from annotune.export.estimates import clusters_in_words
from annotune.measures.baselines import COUNTED_WORDS, NO_INFORMATION
from annotune.measures.scores import in_full
from annotune.measures.share_scores import LOG_SCORE, OVERALL
from annotune.models.classifier import Classifier
from annotune.reporting import references as by
from annotune.reporting.inputs import Inputs, Judged
from annotune.reporting.page import count, listed, number

FULL_NAMES = {
    "minilm": f"all-MiniLM-L6-v2 ({by.MINILM}; {by.SBERT})",
    "multilingual": f"multilingual-e5-small ({by.E5}), its weights in 4 bits",
}
SOURCES = {"alpha": by.KRIPPENDORFF, "cohen_kappa": by.COHEN, "fleiss_kappa": by.FLEISS, "ac1": by.GWET, "ac2": by.GWET}
RULES = {
    "majority": "by majority",
    "unanimous": "where all coders agreed",
    "any": "by taking every label that any coder gave",
    "coder": "by one coder's answer",
    "adjudicated": "by adjudication",
    "dawid_skene": f"by the most likely answer under a model of the coders' errors ({by.DAWID_SKENE})",
    "shares": "by majority, and models learnt from the shares of coders who gave each label",
}


def methods(inputs: Inputs, reliability: pl.DataFrame | None, calibrations: Mapping[str, Calibration]) -> str:
    """The methods paragraph; `calibrations` are those of the models, by their keys."""
    sentences = [*_coding_sentences(inputs), *_agreement_sentences(reliability), *_gold_sentences(inputs)]
    for judged in inputs.judged:
        sentences += [
            *_tuning_sentences(judged),
            *_learning_sentences(judged),
            *_testing_sentences(judged),
            *_runtime_sentences(inputs, judged),
            *_results_sentences(judged),
        ]
        if judged.key in calibrations:
            ece = calibrations[judged.key].get("ece")
            sentences.append(
                f"The expected calibration error of its probabilities is {number(ece)} ({by.TEMPERATURE})."
            )
    sentences += [
        *_comparison_sentences(inputs),
        *(sentence for correction in inputs.correct for sentence in _correction_sentences(correction)),
        *_multiverse_sentences(inputs),
    ]
    return " ".join([*sentences, *_software_sentences(inputs)])


def _for_variable(variable: str) -> str:
    return f" for {variable}" if variable else ""


def _coding_sentences(inputs: Inputs) -> Iterator[str]:
    """The numbers of coded texts and of coders."""
    if inputs.codings is None:
        return
    coded = inputs.codings.filter(pl.col("status").is_in(ANSWERED))
    for (variable,), rows in coded.group_by("variable", maintain_order=True):
        each = rows.group_by("unit_id").agg(pl.col("coder").n_unique())
        coders, twice = rows["coder"].n_unique(), int((each["coder"] > 1).sum())
        who = "1 coder" if coders == 1 else f"{coders:,} coders"
        each_twice = "each" if twice == len(each) else f"{twice:,}"
        double = f", {each_twice} of them by more than one" if twice else ""
        yield f"{count(len(each))} texts were coded by hand{_for_variable(str(variable))} by {who}{double}."


def _agreement_sentences(reliability: pl.DataFrame | None) -> Iterator[str]:
    """Alpha, or else the first coefficient, of each variable with its interval."""
    if reliability is None:
        return
    whole = reliability.filter(pl.col("estimate").is_not_null() & pl.col("category").is_null())
    if whole.columns[0] != "variable":  # by groups, which no single figure summarises
        return
    for (variable,), rows in whole.group_by("variable", maintain_order=True):
        of = rows.filter(metric="alpha") if "alpha" in set(rows["metric"]) else rows
        row = of.row(0, named=True)
        sources = [SOURCES[row["metric"]]] if row["metric"] in SOURCES else []
        sources += [by.BCA] if "BCa" in (row["method"] or "") else []
        span = [] if row["ci_low"] is None else [f"95 % interval {row['ci_low']:.2f} to {row['ci_high']:.2f}"]
        details = f" ({'; '.join([*span, *sources])})" if span or sources else ""
        level = "" if row["level"] == "nominal" else f", {row['level']},"
        yield (
            f"Agreement among the coders{_for_variable(str(variable))}: {named(row['metric'])}{level} is "
            f"{row['estimate']:.2f}{details}, on {row['n_pairable']:,} texts that several of them coded."
        )


def _gold_sentences(inputs: Inputs) -> Iterator[str]:
    """How differences between coders were settled, where the record has it."""
    study = (inputs.record or {}).get("study")
    gold = study.get("gold") if isinstance(study, Mapping) else None
    rule = gold.get("rule") if isinstance(gold, Mapping) else None
    if isinstance(rule, str) and rule in RULES:
        yield f"Differences between coders were settled {RULES[rule]}."
    elif isinstance(rule, Mapping) and "at_least" in rule:
        yield f"A text has the labels that at least {rule['at_least']} of its coders gave."


def _tuning_sentences(judged: Judged) -> Iterator[str]:
    """The base model, and how it was tuned."""
    if judged.model is None:
        return
    card = judged.model.card
    settings = card["settings"]
    name = card["base"]["name"]
    what = FULL_NAMES.get(name, f"{name} ({by.MINILM}; {by.SBERT})" if "minilm" in name.lower() else name)
    tuned = settings["method"] != "probe" and card["choices"]["epochs"]
    if not tuned:
        yield (
            f"The classifier{_for_variable(judged.name)} is a logistic regression on the text embeddings of {what}, "
            "which itself was not changed."
        )
        return
    how = {"lora": f"by low-rank adaptation ({by.LORA})", "full": "in all its weights"}[settings["method"]]
    if settings["objective"] == "label":
        yield f"{what} was fine-tuned {how} to give the label of {judged.name} from the codebook and the text."
        return
    yield (
        f"{what} was fine-tuned{_for_variable(judged.name)} {how}, starting from a logistic regression on the "
        f"embeddings of the frozen model ({by.FROM_PROBE}), with random seed {settings['seed']}."
    )


def _learning_sentences(judged: Judged) -> Iterator[str]:
    """What the model was trained on beside the texts, how texts were weighted, and how labels were assigned."""
    if judged.model is None:
        return
    card = judged.model.card
    if card["choices"]["words"]:
        yield "It was also trained on the codebook's names and definitions of the labels."
    if card["drawn"]["pi"]:
        yield (
            "In all choices and figures, each coded text was weighted by the inverse of its probability of being drawn "
            f"({by.HORVITZ})."
        )
    if card["drawn"]["prevalence"]:
        shares = listed(f"{label} {share:.1%}" for label, share in card["drawn"]["prevalence"].items())
        yield f"In all choices and figures, coded texts were weighted to the shares of labels in the corpus ({shares})."
    if card["choices"]["rule"] is not None:
        yield f"Probabilities were scaled on coded texts outside the training data ({by.SCALING})."
    yield from _labelling_sentences(judged.model)


def _labelling_sentences(model: Classifier) -> Iterator[str]:
    """How labels follow from probabilities."""
    choices, sets = model.card["choices"], model.variable.kind == "multilabel"
    cutoffs, rule = choices["cutoffs"], choices["rule"]
    if not sets and cutoffs is not None and len(cutoffs) < len(model.labels):
        yield (
            "Levels were assigned by the mean level under the model's probabilities, with cut points such that each "
            "level is as frequent in texts outside the training data as in the hand codings."
        )
    elif rule == "share":
        yield (
            "Labels were assigned as often as their probabilities on these texts add up to, which is about as often as "
            "in the hand codings."
        )
    elif rule == "f1":
        yield "Labels were assigned with the cut-offs of the highest macro-F1 on these texts."
    elif rule == "likeliest" and sets:
        yield "A label was assigned where its probability is above one half."
    elif rule == "likeliest":
        yield "Each text was assigned its most likely label."


def _testing_sentences(judged: Judged) -> Iterator[str]:
    """The texts on which the model was evaluated."""
    if judged.model is None:
        return
    parts = judged.model.card["parts"]
    if parts["folds"]:
        yield (
            f"All figures on the model come from {parts['folds']}-fold cross-validation over the {parts['coded']:,} "
            "hand-coded texts: each was predicted by a model that was not trained on it."
        )
        return
    yield (
        f"All figures on the model come from {parts['held_out']:,} of the {parts['coded']:,} hand-coded texts, which "
        "were held out and evaluated once; all choices were made on other texts, which the models compared were not "
        "trained on either."
    )


def _runtime_sentences(inputs: Inputs, judged: Judged) -> Iterator[str]:
    """What computed the corpus's codes and why, where the record has that it was chosen by a trial."""
    runtimes = (inputs.record or {}).get("runtimes")
    choice = runtimes.get(judged.name) if isinstance(runtimes, Mapping) else None
    if isinstance(choice, Mapping) and choice.get("trials"):
        yield f"Codes{_for_variable(judged.name)} were c{str(choice['why'])[1:]}"


def _results_sentences(judged: Judged) -> Iterator[str]:
    """The leading measures against the baselines."""
    lead, share = ("micro_f1", "exact_set") if judged.sets else ("macro_f1", "accuracy")
    row, right = judged.row(lead), judged.row(share)
    if row is None or right is None:
        return
    others = {f"{name[0].lower() if name == NO_INFORMATION else name[0]}{name[1:]}": judged.row(lead, name)
              for name in (*COUNTED_WORDS, NO_INFORMATION)}  # fmt: skip
    beside = [
        f"{number(estimate['estimate'], 2)} for {_baseline_in_words(name)}"
        for name, estimate in others.items()
        if estimate
    ]
    details = ""
    if row["ci_low"] is not None:
        made_of = f"{by.WILSON}; {by.MEAN_OF_LIMITS}"
        details = f" (95 % interval {row['ci_low']:.2f} to {row['ci_high']:.2f}; {made_of})"
    against = f", against {listed(beside)}" if beside else ""
    ordered = judged.row("kappa_quadratic")
    rest = f"; {in_full(share)} is {number(right['estimate'], 2)}"
    rest += f", {in_full('kappa_quadratic')} {number(ordered['estimate'], 2)}" if ordered else ""
    yield f"On {row['n_units']:,} texts, {in_full(lead)} is {number(row['estimate'], 2)}{details}{against}{rest}."
    score, usual = judged.row(LOG_SCORE), judged.row(LOG_SCORE, OVERALL)
    if score and usual:
        yield (
            f"The log score of its probabilities against the coders' shares is {number(score['estimate'])}, against "
            f"{number(usual['estimate'])} for always stating the overall shares (lower is better)."
        )


def _baseline_in_words(baseline: str) -> str:
    words = {NO_INFORMATION: "always predicting the most frequent label"}
    return words.get(baseline, "a logistic regression on TF-IDF")


def _comparison_sentences(inputs: Inputs) -> Iterator[str]:
    """The comparison with other coders, and its tests."""
    if inputs.compare is None:
        return
    comparison = inputs.compare
    lead = comparison.measures.filter(pl.col("measure") == "macro_f1")
    exact, drawn = (name in set(comparison.pairs["test"]) for name in ("McNemar, exact", "paired bootstrap"))
    mcnemar = f"differences in shares of right answers were tested by McNemar's exact test ({by.MCNEMAR}), others"
    tests = mcnemar if exact else "differences were tested"
    tests += " by paired t tests of each text's part in them"
    tests += f", those in kappa and MCC by the paired bootstrap ({by.BOOTSTRAP})" if drawn else ""
    best = comparison.in_words()[:1]
    yield (
        f"{lead['model'].n_unique():,} sets of codes, baselines included, were compared on the same "
        f"{max(lead['n_units'].to_list()):,} texts; {tests}, and p-values "
        f"corrected for the number of pairs ({by.HOLM})."
    )
    yield from best


def _correction_sentences(correction: Correction) -> Iterator[str]:
    """How the regressions account for the model's error."""
    how = {
        "dsl": f"corrected for the classifier's error by design-based supervised learning ({by.DSL})",
        "ppi": f"corrected for the classifier's error by prediction-powered inference ({by.PPI}; {by.PPI_PLUS})",
        "auto": (
            f"corrected for the classifier's error by design-based supervised learning ({by.DSL}), weighed against the "
            f"hand-coded estimate for each coefficient ({by.CHEN}; {by.MIAO})"
        ),
    }
    sizes = (clusters_in_words(correction.n_clusters, correction.clusters), correction.coders_in_words())
    clusters = listed(filter(None, sizes))
    clustered = f"clustered ({clusters})" if clusters else "robust"
    yield (
        f"The {correction.model.replace('_', ' ')} regression {correction.formula} on {correction.n:,} texts was "
        f"{how.get(correction.method, 'not corrected')}, with {correction.n_coded:,} texts coded by hand; "
        f"standard errors are {clustered}."
    )


def _multiverse_sentences(inputs: Inputs) -> Iterator[str]:
    """Under how many other choices the coefficient was estimated."""
    if inputs.multiverse is None:
        return
    n = inputs.multiverse.table.filter(pl.col("estimator") != HAND).height
    choices = [CHOICES[name].removeprefix("the ") for name in inputs.multiverse.choices["choice"].unique().sort()]
    varied = f", which differ in {listed(choices)}" if choices else ""
    yield (
        f"The coefficient of {inputs.multiverse.term} was estimated under {count(n)} specifications{varied} "
        f"({by.SIMONSOHN}; see {by.BAUMANN})."
    )


def _software_sentences(inputs: Inputs) -> Iterator[str]:
    versions = {str(model.card["versions"].get("annotune")) for model in inputs.models}
    if not versions:
        from annotune.version import __version__

        versions = {__version__}
    yield f"The work was done with annotune {listed(sorted(versions))} (after {by.CARAMMIA})."
