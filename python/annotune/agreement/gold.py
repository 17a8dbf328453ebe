"""Gold: one answer for each text from several coders, by a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import SCHEMA, check, require_labels
from annotune.errors import AnnotuneError, nearest

Rule = Literal["majority", "unanimous", "coder", "adjudicated", "dawid_skene"]
RULES = ("majority", "unanimous", "coder", "adjudicated", "dawid_skene")
SAME = 1e-9  # posteriors that differ by less are as likely as each other


def resolve(
    codings: Any,
    rule: Rule = "majority",
    *,
    codebook: Codebook | None = None,
    ties: str = "drop",
    coder: str | None = None,
) -> pl.DataFrame:
    """One answer a unit from several coders: the gold that models are tuned on and measured against.

    Parameters
    ----------
    codings
        A table of codings.
    rule
        `majority`: the label that most coders gave. `unanimous`: only where all agree.
        `coder`: what the coder named by `coder` said. `adjudicated`: a later coder overrules; the
        unit's last answer in the table, or, with `coder`, what that coder said, and elsewhere the
        majority. `dawid_skene`: the most likely label, given each coder's estimated errors (Dawid and
        Skene 1979). For a multi-label variable, majority keeps every label that more than half of
        the unit's coders gave, and dawid_skene every label more likely than not.
    codebook
        Says which variables are multi-label; without one, none is.
    ties
        For majority over a single label: `drop` (the label is null, the status `missing`), `first`
        (in codebook order, or alphabetical without a codebook), or the name of the label that wins
        ties it is part of.
    coder
        For the rule `coder`: whose codings are taken; texts that they did not code are left out.
        For `adjudicated`: who has the last word.

    Returns
    -------
    polars.DataFrame
        A table of codings by the coder `gold`, a row per unit (per label where multi-label);
        `prob` is the share of codings that give the label (of coders, where multi-label), with
        dawid_skene its posterior probability, and `n_coders` how many people coded the unit.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "x": ["yes", "yes"], "y": ["yes", "no"]})
    >>> at.resolve(at.read_codings(wide, variable="agree"), ties="no")["label"].to_list()
    ['yes', 'no']
    """
    rows = check(codings)
    if rows.is_empty():
        raise AnnotuneError("The table of codings has no rows.", "Give what the coders said.")
    if rule not in RULES:
        raise AnnotuneError(f"There is no rule {rule!r}.", nearest(rule, RULES))
    if (rule == "coder" and coder is None) or (rule not in ("coder", "adjudicated") and coder is not None):
        raise AnnotuneError("The rule 'coder' and coder= go together.", "Give both, or neither.")
    known = rows["coder"].unique().sort().to_list()
    if coder is not None and coder not in known:
        raise AnnotuneError(f"There is no coder {coder!r}.", nearest(coder, known))
    if rule == "coder":
        rows = rows.filter(pl.col("coder") == coder)
    _require_tie_rule(ties, rows, codebook)
    parts = []
    for (variable,), part in rows.group_by("variable", maintain_order=True):
        entry = _entry(codebook, str(variable))
        if entry is not None:
            require_labels(part, entry, "codings")
        said = part.filter(pl.col("status").is_in(["ok", "none"]))
        sets = entry is not None and entry.kind == "multilabel"
        if rule == "adjudicated":
            said = _overruled(said, coder, sets)
        if rule == "dawid_skene":
            resolved = _most_likely(said, entry)
        elif sets and entry:
            resolved = _resolve_sets(said, rule, entry)
        else:
            resolved = _resolve_single(said, rule, ties, entry)
        parts.append(_as_gold(part, resolved, str(variable)))
    return pl.concat(parts)


def _entry(codebook: Codebook | None, variable: str) -> Variable | None:
    return codebook.variable(variable) if codebook else None


def _require_tie_rule(ties: str, rows: pl.DataFrame, codebook: Codebook | None) -> None:
    names = {label for v in codebook.variables for label in v.names} if codebook else set(rows["label"].drop_nulls())
    if ties not in ("drop", "first") and ties not in names:
        raise AnnotuneError(
            f"ties={ties!r} is neither drop, first nor a label.", nearest(ties, ["drop", "first", *sorted(names)])
        )


def _resolve_single(said: pl.DataFrame, rule: Rule, ties: str, entry: Variable | None) -> pl.DataFrame:
    """The label that most codings of a unit give; every coding counts, also a coder's second one."""
    shares = said.filter(pl.col("label").is_not_null()).group_by("unit_id", "label").len("n")
    shares = shares.with_columns((pl.col("n") / pl.col("n").sum().over("unit_id")).alias("prob"))
    if rule == "unanimous":
        return shares.filter(pl.col("prob") == 1)
    top = shares.filter(pl.col("n") == pl.col("n").max().over("unit_id"))
    if ties == "drop":
        return top.filter(pl.len().over("unit_id") == 1)
    if ties != "first":
        top = top.filter((pl.len().over("unit_id") == 1) | (pl.col("label") == ties))
    order = _rank(entry.names if entry else sorted(set(shares["label"])))
    return top.sort("unit_id", order).unique("unit_id", keep="first", maintain_order=True)


def _overruled(said: pl.DataFrame, coder: str | None, sets: bool) -> pl.DataFrame:
    """Of each unit the codings that stand: those of `coder` or of its last coder; for single labels the last one."""
    last = pl.lit(coder) if coder is not None else pl.col("coder").last().over("unit_id")
    word = said.filter(pl.col("coder") == last)
    if not sets:
        word = word.unique("unit_id", keep="last", maintain_order=True)
    return pl.concat([word, said.join(word, on="unit_id", how="anti")])


def _most_likely(said: pl.DataFrame, entry: Variable | None) -> pl.DataFrame:
    """The labels with the highest posterior, for a multi-label variable each that is more likely than not."""
    from annotune.agreement.dawid_skene import posteriors

    if entry is None or entry.kind != "multilabel":
        said = said.filter(pl.col("label").is_not_null())
        likely = posteriors(said, entry.names if entry else sorted(set(said["label"])))
        top = likely.filter(pl.col("prob") > pl.col("prob").max().over("unit_id") - SAME)
        return top.filter(pl.len().over("unit_id") == 1)
    answers = said.select("unit_id", "coder").unique(maintain_order=True)
    parts = []
    for name in entry.names:
        given = said.filter(pl.col("label") == name).select("unit_id", "coder", pl.lit("yes").alias("label")).unique()
        asked = answers.join(given, on=["unit_id", "coder"], how="left").with_columns(pl.col("label").fill_null("no"))
        yes = posteriors(asked, ["no", "yes"]).filter((pl.col("label") == "yes") & (pl.col("prob") > 0.5 + SAME))
        parts.append(yes.with_columns(pl.lit(name).alias("label")))
    kept = pl.concat(parts).sort("unit_id", _rank(entry.names))
    return pl.concat([kept, _without_label(said.join(kept, on="unit_id", how="anti"))])


def _without_label(said: pl.DataFrame) -> pl.DataFrame:
    """The units of `said` as decided, with no label."""
    empty = [pl.lit(None, pl.String).alias("label"), pl.lit(None, pl.Float64).alias("prob")]
    return said.select("unit_id").unique(maintain_order=True).with_columns(empty)


def _rank(names: Sequence[str]) -> pl.Expr:
    return pl.col("label").replace_strict(
        {name: i for i, name in enumerate(names)}, default=len(names), return_dtype=pl.Int64
    )


def _resolve_sets(said: pl.DataFrame, rule: Rule, entry: Variable) -> pl.DataFrame:
    """The labels that more than half (all, where unanimous) of a unit's coders gave; null for no label."""
    coders = said.group_by("unit_id").agg(pl.col("coder").n_unique().alias("coders"))
    given = said.group_by("unit_id", "label").agg(pl.col("coder").n_unique().alias("n"))
    shares = given.join(coders, on="unit_id").with_columns((pl.col("n") / pl.col("coders")).alias("prob"))
    if rule == "unanimous":
        return shares.filter(pl.col("prob").min().over("unit_id") == 1).sort("unit_id", _rank(entry.names))
    kept = shares.filter((pl.col("prob") > 0.5) & pl.col("label").is_not_null()).sort("unit_id", _rank(entry.names))
    rest = _without_label(shares.join(kept, on="unit_id", how="anti"))
    return pl.concat([kept.select(rest.columns), rest])


def _as_gold(part: pl.DataFrame, resolved: pl.DataFrame, variable: str) -> pl.DataFrame:
    """Every unit of `part` in its order, with what was resolved; the status says why a label is null."""
    answered = pl.col("status").is_in(["ok", "none"])
    units = part.group_by("unit_id", maintain_order=True).agg(
        pl.col("coder").filter(answered).n_unique().alias("n_coders")
    )
    found = resolved.select("unit_id", "label", "prob", pl.lit(True).alias("decided"))
    joined = units.join(found, on="unit_id", how="left", maintain_order="left_right")
    ok, decided = pl.col("label").is_not_null(), pl.col("decided").is_not_null()
    status = pl.when(ok).then(pl.lit("ok")).when(decided).then(pl.lit("none")).otherwise(pl.lit("missing"))
    return joined.with_columns(
        pl.lit(variable).alias("variable"), pl.lit("gold").alias("coder"), status.alias("status")
    ).select(*SCHEMA, "n_coders")
