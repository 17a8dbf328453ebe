"""compare(): any number of coders against one gold standard, on the same units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.reliability import reliability
from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import shares_of
from annotune.data.codings import check, of_variable
from annotune.data.encoded import clusters_of, encode, entry_for, with_texts, with_truth
from annotune.data.frames import as_frame, identified
from annotune.errors import AnnotuneError, nearest
from annotune.evidence.coders import about_units, answers_by_row, codebook_of, gathered, of_people, sources_in_folds
from annotune.evidence.paired import (
    Answers,
    Resampling,
    differences,
    holm,
    mcnemar,
    one_coder,
    resampling,
    wald,
)
from annotune.evidence.share_comparison import pairs_by_log_score, stated_by_coder
from annotune.evidence.verdicts import ALL, ANSWERED, best_in_words, ceiling_in_words, gaps_in_words
from annotune.measures.baselines import BASELINES, add_baselines
from annotune.measures.evaluation import LEADING, interval, leading, measure_rows, require_own_name, require_replicates
from annotune.measures.limits import Score, difference
from annotune.measures.scores import IN_FULL, in_full
from annotune.measures.share_scores import LOG_SCORE, share_rows
from annotune.readable import Part, Readable, brief_table

FEWEST_APART = 6  # units that only one coder got right; with fewer the exact test cannot reach .05


@dataclass(frozen=True, repr=False)
class Comparison(Readable):
    """Coders compared on the same units.

    Attributes
    ----------
    measures
        Columns model, units, measure, estimate, ci_low, ci_high (95 %), n_units, n_labels, note. With units `all`
        a text that a coder left out is wrong; a coder with gaps also has the rows `answered`, for the texts that
        it did code, which do not allow a comparison with others.
    pairs
        Columns a, b, measure, difference (a minus b), ci_low, ci_high, test, p, p_holm, only_a, only_b (units that
        only one of them got right; null for groups of people), n_units.
    agreement
        The table of `reliability` for each group of people, on the same units; with a column `group`.
    costs
        Columns model, cost, seconds: per thousand texts, as in the argument.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> gold = pl.DataFrame({"unit_id": list("abcdef"), "label": list("xxxyyy")})
    >>> coders = {"first": gold.with_columns(label=pl.Series(list("xxxyyx"))), "second": gold.head(4)}
    >>> comparison = at.compare(coders, gold, n_boot=0)
    >>> comparison.models
    ['first', 'second', 'most frequent label']
    >>> comparison.in_words()[0]
    'first has the highest macro-F1: 0.829 on 6 units.'
    """

    measures: pl.DataFrame
    pairs: pl.DataFrame
    agreement: pl.DataFrame
    costs: pl.DataFrame

    @property
    def models(self) -> list[str]:
        """The coders compared, the best by macro-F1 first, baselines last."""
        lead = self.measures.filter((pl.col("measure") == "macro_f1") & (pl.col("units") == ALL))
        order = lead.with_columns(pl.col("model").is_in(BASELINES).alias("last"), pl.col("estimate").fill_null(-1.0))
        return order.sort("last", "estimate", descending=[False, True], maintain_order=True)["model"].to_list()

    def table(self) -> pl.DataFrame:
        """One row per coder and one column per leading measure, for reading; the best first."""
        names = leading(self.measures)
        counted = self.measures.filter(pl.col("units") == ALL)
        wide = counted.filter(pl.col("measure").is_in([*names, "coverage"]))
        wide = wide.pivot("measure", index=["model", "n_units"], values="estimate")
        lead = pl.col("measure") == "macro_f1"
        on_answered = self.measures.filter((pl.col("units") == ANSWERED) & lead)
        table = pl.DataFrame({"model": self.models}).join(wide, on="model", how="left", maintain_order="left")
        table = table.join(on_answered.select("model", macro_f1_answered="estimate"), on="model", how="left")
        table = table.join(self.costs, on="model", how="left")
        columns = ["model", *names, "coverage", "macro_f1_answered", "n_units", "cost", "seconds"]
        full = [name for name in columns if name == "model" or table[name].null_count() < len(table)]
        return pl.DataFrame({"model": self.models}).join(table.select(full), on="model", how="left")

    def in_words(self, measure: str = "macro_f1") -> list[str]:
        """The tables in sentences: who is best, by how much, who left texts out, how far people agree."""
        leader = best_in_words(self.measures, self.pairs, measure)
        gaps = gaps_in_words(self.measures, self.models, measure)
        return [*leader, *gaps, *self._by_log_score(), *ceiling_in_words(self.agreement)]

    def _by_log_score(self) -> Iterator[str]:
        """Whose probabilities are nearest to the shares of coders, and by how much, in a sentence."""
        scores = dict(self.measures.filter(measure=LOG_SCORE).drop_nulls("estimate").select("model", "estimate").rows())
        if len(scores) < 2:
            return
        best, second = sorted(scores, key=lambda name: scores[name])[:2]
        of_both = pl.col("a").is_in([best, second]) & pl.col("b").is_in([best, second])
        pair = self.pairs.filter(of_both, pl.col("measure") == LOG_SCORE).to_dicts()
        spread = ""
        if pair and pair[0]["ci_low"] is not None:
            sign = 1 if pair[0]["a"] == best else -1
            low, high = sorted((sign * pair[0]["ci_low"], sign * pair[0]["ci_high"]))
            spread = f" (difference {sign * pair[0]['difference']:+.3f}; {low:+.3f} to {high:+.3f})"
        yield (
            f"Against the shares of coders {best} has the lowest log score, {scores[best]:.3f}, and {second} "
            f"{scores[second]:.3f}{spread}; lower is better."
        )

    def _parts(self) -> Iterator[Part]:
        """The coders beside each other, and who is best."""
        table = self.table()
        yield brief_table(table.rename({name: in_full(name) for name in table.columns[1:] if name in IN_FULL}))
        yield from self.in_words()


def compare(
    codings: Any,
    gold: Any,
    *,
    variable: str | None = None,
    codebook: Codebook | None = None,
    people: Mapping[str, Sequence[str]] | None = None,
    reference: str | None = None,
    corpus: Any = None,
    train: Any = None,
    costs: Any = None,
    cluster: str | None = None,
    n_boot: int = 1000,
    seed: int = 1,
) -> Comparison:
    """Compare coders of any kind with the same gold standard, on the same units.

    Tuned and hosted models, dictionaries, published predictions and people are all coders: rows of tables of
    codings. A text that a coder left out counts as wrong; its measures on the texts that it did code are reported
    as well. The most frequent label is always in the table. Where the gold has the shares of coders who gave each label
    (`resolve(rule="shares")`), probabilities (`p_<label>`) are scored against them as by `evaluate`, and pairs have the
    difference of log scores.

    Parameters
    ----------
    codings
        A table of codings by several coders; a list of tables; or a mapping of tables by coder. A
        `Classifier` stands for its held-out predictions.
    gold
        A table of codings with one answer per unit. All of its units are evaluated.
    variable, codebook
        The variable, and its labels; without a codebook, those that occur.
    people
        Groups of human coders by name, such as `{"student": ["s1", "s2"]}`. Each group gives two rows: its members
        one at a time, on the units that they coded, and their majority; its reliability is reported as a ceiling.
        Ties of the majority count as no answer.
    reference
        Test only the pairs with this coder.
    corpus, train
        Texts (unit_id, text) for the row of TF-IDF with logistic regression, and the codings it is trained on;
        without `train` it is cross-validated on the gold standard, in a row that says so.
    costs
        Columns (or keys) model, cost, seconds: per thousand texts; shown in the table.
    cluster
        A column of the corpus whose values are resampled instead of units.
    n_boot, seed
        The number of bootstrap replicates, which are the same for all coders, and their seed.

    Returns
    -------
    Comparison
        Differences of shares and of F1 have the intervals of a paired t test of each unit's part in them, with one
        unit more on which the two differ (as in Agresti and Min 2005); those of kappa and MCC are paired percentiles.
        p is by McNemar's exact test for shares of units that are right (accuracy, exact set; not with `cluster`,
        where units depend on each other, and not for people one at a time), and elsewhere by this t test or the
        bootstrap's standard error; p_holm is corrected for the number of pairs, by measure (Holm 1979).

    Raises
    ------
    AnnotuneError
        If a coder has several answers for a unit, or there is nothing to compare.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> gold = pl.DataFrame({"unit_id": list("abcdef"), "label": list("xxxyyy")})
    >>> dictionary = pl.DataFrame({"unit_id": list("abcdef"), "label": list("xyxyyy")})
    >>> hosted = pl.DataFrame({"unit_id": list("abde"), "label": list("xxyy")})
    >>> comparison = at.compare({"dictionary": dictionary, "hosted": hosted}, gold, n_boot=200)
    >>> comparison.table().select("model", pl.col("accuracy", "coverage", "macro_f1_answered").round(2)).rows()
    [('dictionary', 0.83, 1.0, None), ('hosted', 0.67, 0.67, 1.0), ('most frequent label', 0.5, 1.0, None)]
    """
    require_replicates(n_boot)
    answers_by_coder, truth = gathered(codings), check(as_frame(gold))
    corpus = None if corpus is None else identified(corpus)
    entry = entry_for(truth, answers_by_coder, variable, codebook)
    truth = with_texts(with_truth(of_variable(truth, entry.name), entry), corpus, sources_in_folds(codings))
    units = truth["unit_id"].unique(maintain_order=True)
    answers_by_coder = about_units(units, of_variable(answers_by_coder, entry.name))
    labels = encode(truth, units, entry)[0]
    rows = dict(answers_by_row(answers_by_coder, units, labels, entry, people or {}))
    for name in rows:
        require_own_name(name, BASELINES)
    clusters = clusters_of(units, corpus, cluster)
    baselines: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    add_baselines(baselines, units, labels, entry, corpus, train, seed, clusters)
    rows |= {name: one_coder(labels, *answer, entry) for name, answer in baselines.items()}
    if reference is not None and reference not in rows:
        raise AnnotuneError(f"There is no coder {reference!r} to compare with.", nearest(reference, rows))
    drawing = resampling(list(rows.values()), clusters, n_boot, seed)
    judged = {name: _judged(answers, drawing, entry) for name, answers in rows.items()}
    measured = [table for name in rows for table in _measures_of_coder(name, judged[name], drawing, entry)]
    shares, by_log_score = shares_of(truth, units, entry), list[dict[str, Any]]()
    if shares is not None:
        every = stated_by_coder(answers_by_coder, units, entry)
        stated = {name: each for name, each in every.items() if name in rows}
        scored = share_rows(stated, shares, entry, clusters, intervals=n_boot > 0)
        measured.append(scored.select("model", pl.lit(ALL).alias("units"), pl.exclude("model")))
        by_log_score += pairs_by_log_score(stated, shares, entry, reference, clusters)
    return Comparison(
        pl.concat(measured),
        _compare_pairs(judged, drawing, entry, reference, tested=cluster is None, more=by_log_score),
        _agreement_of_people(answers_by_coder, entry, people or {}),
        _costs_table(costs, list(rows)),
    )


@dataclass(frozen=True)
class _Judged:
    """A coder's answers, the scores that are means of shares, and every measure on the shared resamples."""

    answers: Answers
    scores: Mapping[str, Score]
    drawn: Mapping[str, np.ndarray]


def _judged(answers: Answers, drawing: Resampling, entry: Variable) -> _Judged:
    return _Judged(answers, drawing.scores(answers, entry), drawing.drawn(answers, entry))


def _measures_of_coder(name: str, coder: _Judged, drawing: Resampling, entry: Variable) -> Iterator[pl.DataFrame]:
    """The measures over all units; and where some were left out, also over the others."""
    counts, answers = {ALL: coder}, coder.answers
    if answers.answered.any() and (answers.eligible & ~answers.answered).any():
        counts[ANSWERED] = _judged(answers.only(answers.answered), drawing, entry)
    for which, some in counts.items():
        drawn, n_units = [some.drawn] if some.drawn else [], int(some.answers.eligible.sum())
        rows = measure_rows(name, some.answers.total, entry, drawn, n_units, some.scores)
        yield rows.select("model", pl.lit(which).alias("units"), pl.exclude("model"))


def _compare_pairs(
    coders: Mapping[str, _Judged],
    drawing: Resampling,
    entry: Variable,
    reference: str | None,
    tested: bool,
    more: Sequence[Mapping[str, Any]],
) -> pl.DataFrame:
    """Every pair of coders, on the units that both were to code, and `more` rows; without pairs of baselines."""
    records: list[dict[str, Any]] = []
    for a, b in combinations(coders, 2):
        if {a, b} <= set(BASELINES) or reference not in (None, a, b):
            continue
        first, second = (b, a) if b == reference else (a, b)
        records += _compare_pair(first, second, coders, drawing, entry, tested)
    types = dict.fromkeys(("a", "b", "measure", "test"), pl.String) | {"only_a": pl.Int64, "only_b": pl.Int64}
    numbers = dict.fromkeys(("difference", "ci_low", "ci_high", "p"), pl.Float64)
    order = ["a", "b", "measure", "difference", "ci_low", "ci_high", "test", "p", "p_holm", "only_a", "only_b"]
    frame = pl.DataFrame([*records, *more], schema=types | numbers | {"n_units": pl.Int64})
    p_holm = pl.Series("p_holm", [None] * len(frame), dtype=pl.Float64)
    for measure in frame["measure"].unique(maintain_order=True):
        at_measure = (frame["measure"] == measure).arg_true()
        p_holm[at_measure] = pl.Series(holm(frame["p"].gather(at_measure).to_list()), dtype=pl.Float64)
    return frame.with_columns(p_holm).select(*order, "n_units")


def _compare_pair(
    a: str, b: str, coders: Mapping[str, _Judged], drawing: Resampling, entry: Variable, tested: bool
) -> Iterator[dict[str, Any]]:
    both = coders[a].answers.eligible & coders[b].answers.eligible
    if not both.any():
        return
    first, second = coders[a], coders[b]
    if not both.all():
        first, second = (_judged(one.answers.only(both), drawing, entry) for one in (first, second))
    share = "exact_set" if entry.kind == "multilabel" else "accuracy"
    by_measure = differences(first.answers, second.answers, first.drawn, second.drawn, entry)
    only = _only_one_right(first.answers, second.answers, both)
    enough = only is None or sum(only) == 0 or sum(only) >= FEWEST_APART
    same = (abs(first.answers.features - second.answers.features)).sum() == 0
    for name in LEADING[entry.kind]:
        apart, values = by_measure[name]
        (low, high), p, test = interval([values]), wald(apart, values), "paired bootstrap"
        if not same and name in first.scores and name in second.scores:
            paired = difference(first.scores[name], second.scores[name])
            (low, high), p, test = paired.limits, paired.p, "paired t"
        exact = tested and name == share and only is not None
        yield {
            "a": a,
            "b": b,
            "measure": name,
            "difference": apart if np.isfinite(apart) else None,
            "ci_low": low,
            "ci_high": high,
            "test": "McNemar, exact" if exact else test,
            "p": mcnemar(*only) if exact and only is not None else p if enough else None,
            "only_a": None if only is None else only[0],
            "only_b": None if only is None else only[1],
            "n_units": int(both.sum()),
        }


def _only_one_right(a: Answers, b: Answers, both: np.ndarray) -> tuple[int, int] | None:
    """The number of units that only the first, and only the second, got right."""
    if a.right is None or b.right is None:
        return None
    return int((a.right & ~b.right & both).sum()), int((b.right & ~a.right & both).sum())


def _agreement_of_people(codings: pl.DataFrame, entry: Variable, people: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The reliability of each group, which limits how closely any model can be measured."""
    parts = []
    for name, members in people.items():
        answers = of_people(codings, name, members)
        table = reliability(answers, entry.name, codebook_of(entry), metrics=["percent", "alpha"], ci="analytic")
        parts.append(table.select(pl.lit(name).alias("group"), pl.all()))
    empty = pl.DataFrame(schema={"group": pl.String, "metric": pl.String, "estimate": pl.Float64})
    return pl.concat(parts, how="diagonal_relaxed") if parts else empty


def _costs_table(costs: Any, models: Sequence[str]) -> pl.DataFrame:
    schema = {"model": pl.String, "cost": pl.Float64, "seconds": pl.Float64}
    if costs is None:
        return pl.DataFrame(schema=schema)
    if isinstance(costs, Mapping) and all(isinstance(value, Mapping) for value in costs.values()):
        costs = pl.DataFrame([{"model": name, **values} for name, values in costs.items()])
    frame = as_frame(costs)
    strange = [name for name in frame.columns if name not in schema]
    if "model" not in frame.columns or strange:
        what = "costs= needs the column model, and cost, seconds or both."
        raise AnnotuneError(what, f"There is {strange[0]!r}." if strange else "")
    unknown = [name for name in frame["model"].to_list() if name not in models]
    if unknown:
        raise AnnotuneError(f"costs= names {unknown[0]!r}, which is not compared.", nearest(str(unknown[0]), models))
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    try:
        return frame.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError("costs= has words instead of numbers.", "Write them as 4.10.") from None
