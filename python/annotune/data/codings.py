"""The one table: everybody who labels, people and models alike, adds rows to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import polars as pl

from annotune.data import layouts
from annotune.data.codebook import Codebook, Variable
from annotune.data.corpus import as_frame, identifiers, require_columns, unique_names
from annotune.errors import AnnotuneError, counted, nearest, warn
from annotune.tables.labelled import as_whole

Rule = Literal["majority", "unanimous", "coder", "adjudicated", "dawid_skene"]
RULES = ("majority", "unanimous", "coder", "adjudicated", "dawid_skene")

SCHEMA: dict[str, Any] = {
    "unit_id": pl.String,
    "variable": pl.String,
    "coder": pl.String,
    "label": pl.String,
    "prob": pl.Float64,
    "status": pl.String,
}
SAME = 1e-9  # posteriors that differ by less are as likely as each other
STATUSES = ("ok", "none", "missing", "unparsed", "error")


def read_codings(
    paths: Any,
    codebook: Codebook | None = None,
    *,
    unit_id: str = "unit_id",
    coder: str | None = None,
    variable: str | None = None,
    columns: Mapping[str, str] | None = None,
    coders: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    unknown: Literal["error", "drop"] = "error",
    encoding: str | None = None,
) -> pl.DataFrame:
    """Read what coders said, from one file or several, in whatever layout they have it.

    Three layouts are understood: *long* (a row per unit, coder and label, with a column `label`),
    *by variable* (a row per unit and coder, a column per variable), and *wide* (a row per unit, a
    column per coder, named `anna` or `topic_anna`). Labels may be given as names or as codes.

    Parameters
    ----------
    paths
        A file, a data frame, or a list of them.
    codebook
        Says which labels there are; without one, labels are taken as they are.
    unit_id, coder
        The columns with the text's identifier and the coder's name. Without a coder column, the
        coder is named after the file (`coder_anna.xlsx` is anna's).
    variable
        What was coded, where the file does not say; the codebook's only variable by default.
    columns
        For the layout by variable: the column of each variable, where it is named differently.
    coders
        For the wide layout: the columns, one a coder.
    keep
        Further columns to keep, such as a round or a document.
    unknown
        What to do with labels that are not in the codebook: stop, or drop and count them.

    Returns
    -------
    polars.DataFrame
        unit_id, variable, coder, label, prob, status, and the kept columns; a row per label given.
        A cell left empty (or NA, unless NA is a label) is a row with the status `missing`.

    Raises
    ------
    AnnotuneError
        Naming the file, row and column of the first cell that cannot be read.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "anna": ["yes", "no"], "ben": ["yes", None]})
    >>> at.read_codings(wide, variable="agree")["status"].to_list()
    ['ok', 'ok', 'ok', 'missing']
    """
    sources = paths if isinstance(paths, (list, tuple)) else [paths]
    if not sources:
        raise AnnotuneError("No file with codings was given.", "Give at least one.")
    coders, keep = unique_names(coders or ()), [name for name in unique_names(keep) if name not in SCHEMA]
    parts: list[pl.DataFrame] = []
    called: dict[str, str] = {}
    for number, data in enumerate(sources, start=1):
        given = layouts.source(data, unit_id, encoding, str(number) if len(sources) > 1 else "")
        wanted = [*([coder] if coder else []), *coders, *keep, *(columns or {}).values()]
        require_columns(given.frame, wanted, given.name)
        long = layouts.lengthen(given, codebook, unit_id, coder, variable, columns, coders, keep)
        parts.append(check(layouts.named(long, codebook, given.name, unknown)))
        if parts[-1]["coder"].unique().to_list() == [given.stem]:
            _tell_namesakes(called, given.stem, given.name)
    return _without_doubles(pl.concat(parts, how="diagonal_relaxed"), codebook)


def _tell_namesakes(called: dict[str, str], coder: str, file: str) -> None:
    """Say so where two files are one coder's for their names alone; `called` has each coder's file."""
    if coder in called:
        what = f"{called[coder]} and {file} are both taken for codings by {coder!r}."
        warn(f"{what} If two people made them, name the files after their coders, or add a column coder.")
    called[coder] = file


def bind(*codings: pl.DataFrame) -> pl.DataFrame:
    """Several tables of codings as one; columns that one of them lacks are null there."""
    return pl.concat([check(table) for table in codings], how="diagonal_relaxed")


def check(codings: Any) -> pl.DataFrame:
    """A table of codings with all six columns in their types, or one sentence on why it is none."""
    frame = as_frame(codings)
    called = "The table of codings"
    require_columns(frame, ["unit_id", "label"], called)
    if frame["label"].dtype.is_nested():
        raise AnnotuneError(f"{called} has lists in its column 'label'.", "Give a row per label, or use read_codings.")
    defaults = {"variable": "label", "coder": "gold", "prob": None, "status": None}
    frame = frame.with_columns(
        pl.lit(value).alias(name) for name, value in defaults.items() if name not in frame.columns
    )
    label = frame["label"].fill_nan(None) if frame["label"].dtype.is_float() else frame["label"]
    frame = frame.with_columns(identifiers(frame["unit_id"], called), as_whole(label))
    try:
        frame = frame.with_columns(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    except pl.exceptions.InvalidOperationError:
        raise AnnotuneError(f"{called} has words in its column 'prob'.", "Give numbers from 0 to 1.") from None
    bare = pl.col("label").str.strip_chars()  # as codebooks are read; a cell of blanks is an empty one
    frame = frame.with_columns(pl.when(bare != "").then(bare).alias("label"))
    said = pl.when(pl.col("label").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok"))
    frame = frame.with_columns(pl.col("status").fill_null(said))
    _require_sound_status(frame)
    return frame.select(*SCHEMA, *(name for name in frame.columns if name not in SCHEMA))


def _require_sound_status(frame: pl.DataFrame) -> None:
    strange = frame.filter(~pl.col("status").is_in(STATUSES))
    if len(strange):
        raise AnnotuneError(f"The status {strange['status'][0]!r} is unknown.", f"Use one of {', '.join(STATUSES)}.")
    unfit = frame.filter((pl.col("status") == "ok") != pl.col("label").is_not_null())
    if len(unfit):
        unit, label, status = unfit.select("unit_id", "label", "status").row(0)
        what = f"The text {unit!r} has the status {status!r} {'without a' if label is None else 'beside the'} label"
        what += f"{'' if label is None else f' {label!r}'} ({len(unfit):,} such rows)."
        raise AnnotuneError(what, "Codings with a label, and only they, have the status ok.")


def of_variable(codings: pl.DataFrame, variable: str) -> pl.DataFrame:
    """The rows about one variable, or a sentence on what was coded instead."""
    found = codings.filter(pl.col("variable") == variable)
    if found.is_empty():
        known = codings["variable"].unique().sort().to_list()
        raise AnnotuneError(f"Nobody coded the variable {variable!r}.", nearest(variable, known))
    return found


def widen(codings: pl.DataFrame, variable: str) -> pl.DataFrame:
    """A row per unit and a column per coder; several labels of one coder are joined by ';'."""
    rows = of_variable(check(codings), variable)
    said = pl.coalesce("label", pl.when(pl.col("status") == "none").then(pl.lit("none")))
    cells = rows.group_by("unit_id", "coder", maintain_order=True).agg(
        said.drop_nulls().unique(maintain_order=True).str.join(";").replace("", None).alias("label")
    )
    return cells.pivot("coder", index="unit_id", values="label")


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


def require_labels(rows: pl.DataFrame, entry: Variable, called: str) -> None:
    """Stop where these rows about a variable have a label that it does not."""
    said = rows["label"].drop_nulls().unique(maintain_order=True).to_list()
    strange = [label for label in said if label not in entry.names]
    if strange:
        more = f" (and {len(strange) - 1:,} others)" if len(strange) > 1 else ""
        raise AnnotuneError(
            f"The {called} for {entry.name!r} hold the label {strange[0]!r}{more}, which the codebook does not have.",
            nearest(strange[0], entry.names),
        )


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


def _without_doubles(codings: pl.DataFrame, codebook: Codebook | None) -> pl.DataFrame:
    """Identical rows count once; a coder's differing answers stay, and are counted for the user."""
    single = codings.unique(maintain_order=True)
    if len(single) < len(codings):
        told = counted(len(codings) - len(single), "coding is", "codings are")
        warn(f"{told} in the files twice and counted once.")
    sets = [entry.name for entry in codebook.variables if entry.kind == "multilabel"] if codebook else []
    answered = single.filter(~pl.col("variable").is_in(sets) & pl.col("label").is_not_null())
    key = [name for name in single.columns if name not in ("label", "prob", "status")]
    again = answered.filter(answered.select(key).is_duplicated())
    if len(again):
        warn(
            f"{len(again):,} codings are by a coder who coded the same text more than once, such as "
            f"{again['coder'][0]!r} the text {again['unit_id'][0]!r}; "
            "a majority counts each of them, agreement the first."
        )
    return single
