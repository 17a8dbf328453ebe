"""The one table: everybody who labels, people and models alike, adds rows to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.codebook import Codebook, Variable
from annotune.corpus import as_frame, identifiers, require_columns
from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.tables import ALL_COLUMNS, read_table

Rule = Literal["majority", "unanimous", "coder"]

SCHEMA: dict[str, Any] = {
    "unit_id": pl.String,
    "variable": pl.String,
    "coder": pl.String,
    "label": pl.String,
    "prob": pl.Float64,
    "status": pl.String,
}
STATUSES = ("ok", "none", "missing", "unparsed", "error")
NONE_WORDS = ("none", "[]")  # how a coder writes that no label of a multi-label variable applies


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
    parts = []
    for source in sources:
        frame, name, stem = _source(source, unit_id, encoding)
        require_columns(frame, [unit_id, *([coder] if coder else []), *keep, *(columns or {}).values()], name)
        frame = frame.with_columns(identifiers(frame[unit_id], name).alias(unit_id)).with_row_index("_row", offset=2)
        long = _lengthen(frame, name, stem, codebook, unit_id, coder, variable, columns, coders, keep)
        parts.append(_named(long, codebook, name, unknown))
    return _without_doubles(pl.concat(parts, how="diagonal_relaxed"), codebook)


def bind(*codings: pl.DataFrame) -> pl.DataFrame:
    """Several tables of codings as one; columns that one of them lacks are null there."""
    return pl.concat([check(table) for table in codings], how="diagonal_relaxed")


def check(codings: Any) -> pl.DataFrame:
    """A table of codings with all six columns in their types, or one sentence on why it is none."""
    frame = as_frame(codings)
    require_columns(frame, ["unit_id", "label"], "The table of codings")
    defaults = {"variable": "label", "coder": "gold", "prob": None, "status": None}
    frame = frame.with_columns(
        pl.lit(value).alias(name) for name, value in defaults.items() if name not in frame.columns
    )
    frame = frame.with_columns(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    said = pl.when(pl.col("label").is_null()).then(pl.lit("missing")).otherwise(pl.lit("ok"))
    frame = frame.with_columns(pl.col("status").fill_null(said))
    strange = frame.filter(~pl.col("status").is_in(STATUSES))
    if len(strange):
        raise AnnotuneError(f"The status {strange['status'][0]!r} is unknown.", f"Use one of {STATUSES}.")
    return frame.select(*SCHEMA, *(name for name in frame.columns if name not in SCHEMA))


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
    cells = rows.group_by("unit_id", "coder", maintain_order=True).agg(
        pl.col("label").drop_nulls().str.join(";").replace("", None)
    )
    return cells.pivot("coder", index="unit_id", values="label", aggregate_function="first")


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
        `coder`: what the coder named by `coder` said. For a multi-label variable, majority keeps
        every label that more than half of the unit's coders gave.
    codebook
        Says which variables are multi-label; without one, none is.
    ties
        For majority: `drop` (the label is null, the status `missing`), `first` (in codebook order,
        or alphabetical without a codebook), or the name of the label that wins ties it is part of.

    Returns
    -------
    polars.DataFrame
        A table of codings by the coder `gold`, a row per unit (per label where multi-label);
        `prob` is the share of coders who gave the label, `n_coders` their number.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "x": ["yes", "yes"], "y": ["yes", "no"]})
    >>> at.resolve(at.read_codings(wide, variable="agree"), ties="no")["label"].to_list()
    ['yes', 'no']
    """
    rows = check(codings)
    if rule == "coder":
        known = rows["coder"].unique().sort().to_list()
        if coder not in known:
            raise AnnotuneError(f"There is no coder {coder!r}.", nearest(str(coder), known))
        rows = rows.filter(pl.col("coder") == coder)
    elif rule not in ("majority", "unanimous"):
        raise AnnotuneError(f"There is no rule {rule!r}.", nearest(rule, ["majority", "unanimous", "coder"]))
    _require_tie_rule(ties, rows, codebook)
    parts = []
    for (variable,), part in rows.group_by("variable", maintain_order=True):
        entry = _entry(codebook, str(variable))
        said = part.filter(pl.col("status").is_in(["ok", "none"]))
        sets = entry is not None and entry.kind == "multilabel"
        resolved = _resolve_sets(said, rule) if sets else _resolve_single(said, rule, ties, entry)
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
    order = {name: i for i, name in enumerate(entry.names if entry else sorted(set(shares["label"])))}
    if ties != "first":
        top = top.filter((pl.len().over("unit_id") == 1) | (pl.col("label") == ties))
    rank = pl.col("label").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return top.sort("unit_id", rank).unique("unit_id", keep="first", maintain_order=True)


def _resolve_sets(said: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The labels that more than half (all, where unanimous) of a unit's coders gave; null for no label."""
    coders = said.group_by("unit_id").agg(pl.col("coder").n_unique().alias("coders"))
    given = said.group_by("unit_id", "label").agg(pl.col("coder").n_unique().alias("n"))
    shares = given.join(coders, on="unit_id").with_columns((pl.col("n") / pl.col("coders")).alias("prob"))
    if rule == "unanimous":
        return shares.filter(pl.col("prob").min().over("unit_id") == 1)
    kept = shares.filter((pl.col("prob") > 0.5) & pl.col("label").is_not_null())
    rest = shares.unique("unit_id", maintain_order=True).join(kept, on="unit_id", how="anti")
    return pl.concat(
        [kept, rest.with_columns(pl.lit(None, pl.String).alias("label"), pl.lit(None, pl.Float64).alias("prob"))]
    )


def _as_gold(part: pl.DataFrame, resolved: pl.DataFrame, variable: str) -> pl.DataFrame:
    """Every unit of `part` in its order, with what was resolved; the status says why a label is null."""
    answered = pl.col("status").is_in(["ok", "none"])
    units = part.group_by("unit_id", maintain_order=True).agg(
        pl.col("coder").filter(answered).n_unique().alias("n_coders")
    )
    found = resolved.select("unit_id", "label", "prob", pl.lit(True).alias("decided"))
    joined = units.join(found, on="unit_id", how="left", maintain_order="left")
    ok, decided = pl.col("label").is_not_null(), pl.col("decided").is_not_null()
    status = pl.when(ok).then(pl.lit("ok")).when(decided).then(pl.lit("none")).otherwise(pl.lit("missing"))
    return joined.with_columns(
        pl.lit(variable).alias("variable"), pl.lit("gold").alias("coder"), status.alias("status")
    ).select(*SCHEMA, "n_coders")


def _source(source: Any, unit_id: str, encoding: str | None) -> tuple[pl.DataFrame, str, str]:
    """The frame, what to call it in messages, and the coder that its file's name suggests."""
    if not isinstance(source, (str, Path)):
        return as_frame(source), "The table of codings", "coder"
    path = Path(source)
    # labels and identifiers are words in every column, so nothing is inferred for a text file
    table = read_table(path, strings=ALL_COLUMNS, encoding=encoding)
    for note in table.notes:
        warn(note)
    return table.frame, str(path), path.name.split(".")[0].removeprefix("coder_").removeprefix("codings_")


def _lengthen(
    frame: pl.DataFrame,
    name: str,
    stem: str,
    codebook: Codebook | None,
    unit_id: str,
    coder: str | None,
    variable: str | None,
    columns: Mapping[str, str] | None,
    coders: Sequence[str] | None,
    keep: Sequence[str],
) -> pl.DataFrame:
    """Whatever the layout, a row per unit, variable and coder, with the cell's column for messages."""
    coder = coder or ("coder" if "coder" in frame.columns and not coders else None)
    who = pl.col(coder).cast(pl.String) if coder else pl.lit(stem)
    extra = [pl.col(column) for column in ("prob", "status", *keep) if column in frame.columns]
    base = [pl.col(unit_id).alias("unit_id"), pl.col("_row")]
    if "label" in frame.columns and not coders and not columns:
        what = (
            pl.col("variable").cast(pl.String)
            if "variable" in frame.columns
            else pl.lit(_only(variable, codebook, name))
        )
        cells = [(what, who, "label")]
    elif coders:
        require_columns(frame, list(coders), name)
        cells = [(pl.lit(_only(variable, codebook, name)), pl.lit(column), column) for column in coders]
    else:
        cells = _found_cells(frame, name, codebook, variable, columns, who, {unit_id, "_row", coder or "", *keep})
    return pl.concat(
        [
            frame.select(
                *base,
                what.alias("variable"),
                by.alias("coder"),
                pl.col(column).alias("label"),
                *extra,
                pl.lit(column).alias("_column"),
            )
            for what, by, column in cells
        ],
        how="vertical_relaxed",
    )


def _found_cells(
    frame: pl.DataFrame,
    name: str,
    codebook: Codebook | None,
    variable: str | None,
    columns: Mapping[str, str] | None,
    who: pl.Expr,
    taken: set[str],
) -> list[tuple[pl.Expr, pl.Expr, str]]:
    """Columns named after variables; else after variable and coder; else after coders."""
    free = [column for column in frame.columns if column not in taken]
    known = [entry.name for entry in codebook.variables] if codebook else [variable] if variable else []
    by_variable = columns or {entry: entry for entry in known if entry in free}
    if by_variable:
        return [(pl.lit(entry), who, column) for entry, column in by_variable.items()]
    pairs = [(entry, column) for column in free for entry in known if column.startswith((f"{entry}_", f"{entry}."))]
    if pairs:
        return [(pl.lit(entry), pl.lit(column[len(entry) + 1 :]), column) for entry, column in pairs]
    only = _only(variable, codebook, name)
    coders = free if codebook is None else [c for c in free if _all_labels(frame[c], codebook.variable(only))]
    if not coders:
        raise AnnotuneError(
            f"{name}: no column holds labels of {only!r} (columns: {listing(free)}).",
            "Name the coders' columns with coders=, or the variables' with columns=.",
        )
    return [(pl.lit(only), pl.lit(column), column) for column in coders]


def _only(variable: str | None, codebook: Codebook | None, source: str) -> str:
    if variable is None and codebook is None:
        raise AnnotuneError(f"{source} does not say which variable was coded.", "Say so with variable=.")
    return codebook.variable(variable).name if codebook else str(variable)


def _all_labels(cells: pl.Series, entry: Variable) -> bool:
    """Whether a column looks like a coder's: mostly labels, so that one typing error is still reported."""
    if not (cells.dtype in (pl.String, pl.Enum, pl.Categorical) or cells.dtype.is_numeric()):
        return False
    present = _words(cells).drop_nulls()
    return int(present.is_in(list(_spellings(entry))).sum()) > len(present) / 2


def _spellings(entry: Variable) -> dict[str, str]:
    """Every accepted spelling of a label, in lower case: its code, its code as a double, its name."""
    codes = {str(label.code): label.name for label in entry.labels}
    doubles = {f"{label.code}.0": label.name for label in entry.labels}
    return codes | doubles | {name.casefold(): name for name in entry.names}


def _words(cells: pl.Series) -> pl.Series:
    words = cells.cast(pl.String).str.strip_chars().str.to_lowercase()
    return words.set(words == "", None)


def _named(long: pl.DataFrame, codebook: Codebook | None, source: str, unknown: str) -> pl.DataFrame:
    """Labels by their codebook names, a row per label, and a status for what is none."""
    parts = []
    for (name,), part in long.group_by("variable", maintain_order=True):
        entry = codebook.variable(str(name)) if codebook else None
        part = _split_sets(part) if entry and entry.kind == "multilabel" else part
        parts.append(_name_labels(part, entry, source, unknown))
    named = pl.concat(parts, how="vertical_relaxed") if parts else long
    said = pl.col("status") if "status" in named.columns else pl.lit(None, pl.String)
    by_label = pl.when(pl.col("_none")).then(pl.lit("none")).when(pl.col("label").is_null()).then(pl.lit("missing"))
    named = named.with_columns(pl.coalesce(said, by_label.otherwise(pl.lit("ok"))).alias("status"))
    return check(named.drop("_row", "_column", "_none"))


def _split_sets(part: pl.DataFrame) -> pl.DataFrame:
    """A row per label of a set: lists, or labels joined by ; or | in one cell."""
    if isinstance(part.schema["label"], pl.List):
        cells = (
            pl.when(pl.col("label").list.len() == 0)
            .then(pl.lit(["none"]))
            .otherwise(pl.col("label").cast(pl.List(pl.String)))
        )
    else:
        cells = pl.col("label").cast(pl.String).str.replace_all("|", ";", literal=True).str.split(";")
    part = part.with_columns(cells.alias("label")).explode("label")
    blank = pl.col("label").str.strip_chars() == ""
    first = pl.int_range(pl.len()).over("_row", "_column", "coder") == 0
    return part.filter(first | ~blank.fill_null(True))


def _name_labels(part: pl.DataFrame, entry: Variable | None, source: str, unknown: str) -> pl.DataFrame:
    """The codebook's own spelling of each label; `_none` marks a coder's word that none applies."""
    cells = part["label"].cast(pl.String).str.strip_chars()
    words = _words(part["label"])
    if entry is None:
        named, none = cells.set(words.is_in(["", "na"]), None), pl.repeat(False, len(part), eager=True)
    else:
        spellings = _spellings(entry)
        none = words.is_in([*NONE_WORDS]) & ~words.is_in(list(spellings)) & (entry.kind == "multilabel")
        words = words.set(words.is_in(["na", "nan", "."]) & ~words.is_in(list(spellings)), None).set(none, None)
        named = words.replace_strict(spellings, default=None, return_dtype=pl.String)
        strange = named.is_null() & words.is_not_null()
        if strange.any():
            _refuse_labels(part, cells, strange, entry, source, unknown)
            keep = ~strange
            part, named, none = part.filter(keep), named.filter(keep), none.filter(keep)
    return part.with_columns(named.alias("label"), none.fill_null(False).alias("_none"))


def _refuse_labels(
    part: pl.DataFrame, cells: pl.Series, strange: pl.Series, entry: Variable, source: str, unknown: str
) -> None:
    row = int(strange.arg_max() or 0)
    where = f"{source}, row {part['_row'][row]}, column {part['_column'][row]!r}"
    what = f"{where}: the label {cells[row]!r} is not in the codebook's variable {entry.name!r}"
    if unknown == "drop":
        warn(f"{what}; {strange.sum():,} such codings were left out.")
        return
    raise AnnotuneError(f"{what} ({strange.sum():,} such cells).", nearest(str(cells[row]), entry.names))


def _without_doubles(codings: pl.DataFrame, codebook: Codebook | None) -> pl.DataFrame:
    """Identical rows count once; a coder's differing answers stay, and are counted for the user."""
    single = codings.unique(maintain_order=True)
    if len(single) < len(codings):
        warn(f"{len(codings) - len(single):,} codings stand in the files twice and count once.")
    sets = {entry.name for entry in codebook.variables if entry.kind == "multilabel"} if codebook else set()
    key = [name for name in single.columns if name not in ("label", "prob", "status")]
    again = single.filter(~pl.col("variable").is_in(list(sets))).select(key).is_duplicated().sum()
    if again:
        warn(f"{again:,} codings are by a coder who coded the same text more than once; each of them counts.")
    return single
