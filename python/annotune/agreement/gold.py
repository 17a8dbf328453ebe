"""The gold standard: one answer for each text from several coders, by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl

from annotune.agreement.arms import notes_of_sight
from annotune.agreement.gold_shares import with_shares
from annotune.agreement.ratings import require_codings
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, SCHEMA, Codings, of_people, require_labels, sound_codings
from annotune.errors import AnnotuneError, counted, listing, nearest, warn

Rule = Literal["majority", "unanimous", "any", "coder", "adjudicated", "dawid_skene", "shares"]
RULES = ("majority", "unanimous", "any", "coder", "adjudicated", "dawid_skene", "shares")
AT_LEAST, SHARES = "at_least", "shares"
FEWEST_DROPPED, SHARE_DROPPED = 5, 0.05  # texts without an answer, of those coded, from which on it matters
SAME = 1e-9  # posteriors that differ by less are as likely as each other


def resolve(
    codings: Any,
    rule: Rule | Mapping[str, int] = "majority",
    *,
    codebook: Codebook | None = None,
    ties: str = "drop",
    coder: str | None = None,
    coders: Sequence[str] | None = None,
) -> Codings:
    """One answer per unit from several coders: the gold standard that models are tuned on and measured against.

    Parameters
    ----------
    codings
        A table of codings.
    rule
        `majority`: the label that most coders gave. `unanimous`: only where all agree. `any`: a label that any
        coder gave; `{"at_least": 2}`: one that two coders gave, on units that two or more coded.
        `coder`: the answers of the coder named by `coder`. `adjudicated`: a later coder overrules; the
        unit's last answer in the table, or, with `coder`, that coder's answer, and elsewhere the
        majority. `dawid_skene`: the most likely label, given each coder's estimated errors (Dawid and
        Skene 1979). For a multi-label variable, majority keeps every label that more than half of
        the unit's coders gave, any and at_least every label that as many gave, and dawid_skene every label more
        likely than not. `shares`: the majority, and beside it the share of the unit's codings that gave each label;
        models learn these shares, and no unit is lost to a tie.
    codebook
        Says which variables are multi-label; without one, none is.
    ties
        For majority, any and at_least over a single label, where several labels qualify: `drop` (the label is
        null, the status `missing`; with `shares` the label that coders gave more often in all), `first` (in codebook
        order, or alphabetical without a codebook), or the name of the label that wins ties it is part of: with `any`
        and `ties="yes"` a text is a yes if anyone says so.
    coder
        For the rule `coder`: whose codings are taken; texts that they did not code are left out.
        For `adjudicated`: who has the last word.
    coders
        Whose codings count; everybody's when left out, but for the proposals by models in a study's store.

    Returns
    -------
    polars.DataFrame
        A table of codings by the coder `gold`, one row per unit (per label where multi-label);
        `prob` is the share of codings that give the label (of coders, where multi-label), with
        dawid_skene its posterior probability, and `n_coders` how many people coded the unit. With `shares` also
        `share_<label>` for every label: the share of the unit's codings (of coders, where multi-label) that gave it.

    Raises
    ------
    AnnotuneError
        For an unknown rule, coder or label of `ties`, and for labels that are not in the codebook.

    Warns
    -----
    AnnotuneWarning
        Where 5 % of the coded texts or more, and at least 5, get no answer because coders disagree on them; where
        proposals by models are left out; and where answers were given with a proposal in sight: how these agree with
        others.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "x": ["yes", "yes"], "y": ["yes", "no"]})
    >>> at.resolve(at.read_codings(wide, variable="agree"), ties="no")["label"].to_list()
    ['yes', 'no']
    >>> at.resolve(at.read_codings(wide, variable="agree"), {"at_least": 2})["label"].to_list()
    ['yes', None]
    """
    least = _fewest_coders(rule)
    name: str = AT_LEAST if isinstance(rule, Mapping) else rule
    rows = _codings_for(name, coder, codings_of(coders or ([coder] if name == "coder" and coder else None), codings))
    _require_tie_rule(ties, rows, codebook)
    parts = []
    for (variable,), part in rows.group_by("variable", maintain_order=True):
        resolved = _resolve_variable(part, name, least, ties, coder, _entry(codebook, str(variable)))
        parts.append(_as_gold(part, resolved, str(variable)))
        if name == SHARES:
            parts[-1] = _with_shares(parts[-1], part, _entry(codebook, str(variable)))
    gold = sound_codings(pl.concat(parts, how="diagonal"))
    for note in [*notes_of_dropped(rows, gold), *notes_of_sight(rows)]:
        warn(note)
    return gold


def codings_of(coders: Sequence[str] | None, codings: Any) -> Codings:
    """The codings by these coders; by all people where none are named, and a note on proposals that are left out."""
    rows = require_codings(codings)
    if coders is not None:
        names = rows["coder"].unique().sort().to_list()
        for name in coders:
            if name not in names:
                raise AnnotuneError(f"There is no coder {name!r}.", nearest(name, names))
        return sound_codings(rows.filter(pl.col("coder").is_in(list(coders))))
    people = of_people(rows)
    if len(people) == len(rows):
        return rows
    models = rows.filter(pl.col("kind") == "model")["coder"].unique(maintain_order=True).to_list()
    if people.is_empty():
        what = f"All codings are proposals by models: {listing(models)}."
        raise AnnotuneError(what, "Let people code, or name whose codings count with coders=.")
    proposals = f"{len(rows) - len(people):,} proposals by {listing(models)}"
    warn(f"{proposals} are no gold and are left out; coders= names whose codings count.")
    return people


def majority_of(answers: pl.DataFrame, variable: Variable) -> Codings:
    """What most of these coders gave each text, for a comparison with them: no gold is made of it."""
    resolved = _resolve_variable(answers, "majority", None, "drop", None, variable)
    return sound_codings(_as_gold(answers, resolved, variable.name))


def require_answers(gold: pl.DataFrame, rule: str | Mapping[str, int]) -> None:
    """Stop where no text has an answer, before such gold is written or learnt from."""
    if gold["status"].is_in(ANSWERED).any():
        return
    if gold["n_coders"].sum() == 0:
        what = (
            f"Nothing was coded: {counted(gold['unit_id'].n_unique(), 'text has', 'texts have')} no label by anybody."
        )
        raise AnnotuneError(what, "Check that the files are filled in, and which columns hold the labels.")
    what = f"The rule {AT_LEAST if isinstance(rule, Mapping) else rule} leaves every coded text without an answer."
    advice = "Let somebody decide (rule adjudicated), name the label that wins (ties), or take another rule."
    raise AnnotuneError(what, advice)


def _fewest_coders(rule: str | Mapping[str, int]) -> int | None:
    """How many coders have to give a label, where the rule says so."""
    if rule == AT_LEAST:
        raise AnnotuneError("The rule at_least lacks its number of coders.", "Write at_least=2, for example.")
    if not isinstance(rule, Mapping):
        return 1 if rule == "any" else None
    if set(rule) != {AT_LEAST}:
        raise AnnotuneError(f"There is no rule {dict(rule)}.", "Write at_least and a number of coders, such as 2.")
    least = rule[AT_LEAST]
    if isinstance(least, bool) or not isinstance(least, int) or least < 1:
        raise AnnotuneError(f"at_least is {least!r}, which is no number of coders.", "Write 2, for example.")
    return least


def notes_of_dropped(codings: pl.DataFrame, gold: pl.DataFrame) -> list[str]:
    """A sentence for each variable where many texts drop out because coders disagree: what is left is easier."""
    answers = codings.filter(pl.col("status").is_in(ANSWERED))
    sets = answers.group_by("variable", "unit_id", "coder").agg(pl.col("label").fill_null("").sort().str.join("\n"))
    disputed = sets.group_by("variable", "unit_id").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)
    without = gold.filter(pl.col("status") == "missing").select("variable", "unit_id").unique()
    dropped = dict(disputed.join(without, on=["variable", "unit_id"]).group_by("variable").len().iter_rows())
    coded = answers.group_by("variable", maintain_order=True).agg(pl.col("unit_id").n_unique())
    return [
        f"{dropped[variable]:,} of {n:,} coded texts have no answer for {variable!r}, because their coders disagree. "
        "These are the harder texts: shares, agreement with the model and corrected regressions from the rest are "
        "biased towards easy ones. Let somebody decide (rule adjudicated), name the label that wins (ties), or weigh "
        "coders by how often they are right (rule dawid_skene)."
        for variable, n in coded.iter_rows()
        if dropped.get(variable, 0) >= max(FEWEST_DROPPED, SHARE_DROPPED * n)
    ]


def _codings_for(rule: str, coder: str | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The codings that the rule takes into account, once rule and coder are known to go together."""
    if rule not in (*RULES, AT_LEAST):
        raise AnnotuneError(f"There is no rule {rule!r}.", nearest(rule, [*RULES, AT_LEAST]))
    if (rule == "coder" and coder is None) or (rule not in ("coder", "adjudicated") and coder is not None):
        raise AnnotuneError("The rule 'coder' and coder= go together.", "Give both, or neither.")
    coders = rows["coder"].unique().sort().to_list()
    if coder is not None and coder not in coders:
        raise AnnotuneError(f"There is no coder {coder!r}.", nearest(coder, coders))
    return rows.filter(pl.col("coder") == coder) if rule == "coder" else rows


def _resolve_variable(
    part: pl.DataFrame, rule: str, least: int | None, ties: str, coder: str | None, entry: Variable | None
) -> pl.DataFrame:
    """The labels that the rule gives the units of one variable; units without a decision are absent."""
    if entry is not None:
        require_labels(part, entry, "codings")
    answers = part.filter(pl.col("status").is_in(ANSWERED))
    sets = entry is not None and entry.kind == "multilabel"
    if rule == "adjudicated":
        answers = _overruled(answers, coder, sets)
    if rule == "dawid_skene":
        return _most_likely(answers, entry)
    if sets and entry:
        return _resolve_sets(answers, rule, least, entry)
    return _resolve_single(answers, rule, least, ties, entry)


def _entry(codebook: Codebook | None, variable: str) -> Variable | None:
    return codebook.variable(variable) if codebook else None


def _require_tie_rule(ties: str, rows: pl.DataFrame, codebook: Codebook | None) -> None:
    names = {label for v in codebook.variables for label in v.names} if codebook else set(rows["label"].drop_nulls())
    if ties not in ("drop", "first") and ties not in names:
        raise AnnotuneError(
            f"ties={ties!r} is neither drop, first nor a label.", nearest(ties, ["drop", "first", *sorted(names)])
        )


def _resolve_single(
    answers: pl.DataFrame, rule: str, least: int | None, ties: str, entry: Variable | None
) -> pl.DataFrame:
    """The label that most codings of a unit give, every coding counted; with `least` one that as many coders gave."""
    if least is not None:
        answers = answers.filter(pl.col("label").is_not_null()).unique(["unit_id", "coder", "label"])
    shares = answers.filter(pl.col("label").is_not_null()).group_by("unit_id", "label").len("n")
    shares = shares.with_columns((pl.col("n") / pl.col("n").sum().over("unit_id")).alias("prob"))
    if rule == "unanimous":
        return shares.filter(pl.col("prob") == 1)
    enough = pl.col("n") == pl.col("n").max().over("unit_id") if least is None else pl.col("n") >= least
    top = shares.filter(enough)
    if ties == "drop" and rule != SHARES:
        return top.filter(pl.len().over("unit_id") == 1)
    if ties not in ("drop", "first"):
        top = top.filter((pl.len().over("unit_id") == 1) | (pl.col("label") == ties))
    names = entry.names if entry else sorted(set(shares["label"]))
    if ties == "drop":  # no unit is lost where shares are kept
        names = _frequent_first(shares, names)
    order = _rank(names)
    return top.sort("unit_id", order).unique("unit_id", keep="first", maintain_order=True)


def _frequent_first(shares: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The labels by how often they were given in all; equally frequent ones as they stand."""
    total = dict(shares.group_by("label").agg(pl.col("prob").sum()).iter_rows())
    return sorted(names, key=lambda name: -round(total.get(name, 0.0), 9))


def _with_shares(gold: pl.DataFrame, part: pl.DataFrame, entry: Variable | None) -> pl.DataFrame:
    """The gold of one variable with its coders' shares."""
    answers = part.filter(pl.col("status").is_in(ANSWERED))
    names = entry.names if entry else sorted(answers["label"].drop_nulls().unique())
    return with_shares(gold, answers, names, sets=entry is not None and entry.kind == "multilabel")


def _overruled(answers: pl.DataFrame, coder: str | None, sets: bool) -> pl.DataFrame:
    """The valid codings of each unit: those of `coder` or of its last coder; for single labels the last one."""
    last = pl.lit(coder) if coder is not None else pl.col("coder").last().over("unit_id")
    word = answers.filter(pl.col("coder") == last)
    if not sets:
        word = word.unique("unit_id", keep="last", maintain_order=True)
    return pl.concat([word, answers.join(word, on="unit_id", how="anti")])


def _most_likely(answers: pl.DataFrame, entry: Variable | None) -> pl.DataFrame:
    """The labels with the highest posterior; for a multi-label variable, all that are more likely than not."""
    from annotune.agreement.dawid_skene import posteriors

    if entry is None or entry.kind != "multilabel":
        answers = answers.filter(pl.col("label").is_not_null())
        likely = posteriors(answers, entry.names if entry else sorted(set(answers["label"])))
        top = likely.filter(pl.col("prob") > pl.col("prob").max().over("unit_id") - SAME)
        return top.filter(pl.len().over("unit_id") == 1)
    coders = answers.select("unit_id", "coder").unique(maintain_order=True)
    parts = []
    for name in entry.names:
        positive = (
            answers.filter(pl.col("label") == name).select("unit_id", "coder", pl.lit("yes").alias("label")).unique()
        )
        binary = coders.join(positive, on=["unit_id", "coder"], how="left").with_columns(
            pl.col("label").fill_null("no")
        )
        yes = posteriors(binary, ["no", "yes"]).filter((pl.col("label") == "yes") & (pl.col("prob") > 0.5 + SAME))
        parts.append(yes.with_columns(pl.lit(name).alias("label")))
    gold = pl.concat(parts).sort("unit_id", _rank(entry.names))
    return pl.concat([gold, _without_label(answers.join(gold, on="unit_id", how="anti"))])


def _without_label(answers: pl.DataFrame) -> pl.DataFrame:
    """The units of `answers` as decided, but without a label."""
    empty = [pl.lit(None, pl.String).alias("label"), pl.lit(None, pl.Float64).alias("prob")]
    return answers.select("unit_id").unique(maintain_order=True).with_columns(empty)


def _rank(names: Sequence[str]) -> pl.Expr:
    return pl.col("label").replace_strict(
        {name: i for i, name in enumerate(names)}, default=len(names), return_dtype=pl.Int64
    )


def _resolve_sets(answers: pl.DataFrame, rule: str, least: int | None, entry: Variable) -> pl.DataFrame:
    """The labels that more than half (all, where unanimous; `least`) of a unit's coders gave; null for no label."""
    coders = answers.group_by("unit_id").agg(pl.col("coder").n_unique().alias("coders"))
    coders = coders.filter(pl.col("coders") >= (least or 1))
    n_by_label = answers.group_by("unit_id", "label").agg(pl.col("coder").n_unique().alias("n"))
    shares = n_by_label.join(coders, on="unit_id").with_columns((pl.col("n") / pl.col("coders")).alias("prob"))
    if rule == "unanimous":
        return shares.filter(pl.col("prob").min().over("unit_id") == 1).sort("unit_id", _rank(entry.names))
    enough = pl.col("prob") > 0.5 if least is None else pl.col("n") >= least
    gold = shares.filter(enough & pl.col("label").is_not_null()).sort("unit_id", _rank(entry.names))
    rest = _without_label(shares.join(gold, on="unit_id", how="anti"))
    return pl.concat([gold.select(rest.columns), rest])


def _as_gold(part: pl.DataFrame, resolved: pl.DataFrame, variable: str) -> pl.DataFrame:
    """Every unit of `part` in its order, with its resolved labels; the status says why a label is null."""
    answered = pl.col("status").is_in(ANSWERED)
    units = part.group_by("unit_id", maintain_order=True).agg(
        pl.col("coder").filter(answered).n_unique().alias("n_coders")
    )
    decisions = resolved.select("unit_id", "label", "prob", pl.lit(True).alias("decided"))
    joined = units.join(decisions, on="unit_id", how="left", maintain_order="left_right")
    ok, decided = pl.col("label").is_not_null(), pl.col("decided").is_not_null()
    status = pl.when(ok).then(pl.lit("ok")).when(decided).then(pl.lit("none")).otherwise(pl.lit("missing"))
    return joined.with_columns(
        pl.lit(variable).alias("variable"), pl.lit("gold").alias("coder"), status.alias("status")
    ).select(*SCHEMA, "n_coders")
