"""From the files that coders have, in whatever layout, to one row per text, variable, coder and label."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import PREFIX
from annotune.data.columns_of_sets import with_sets_joined
from annotune.data.corpus import load
from annotune.data.exported_answers import codings_of_export, is_export
from annotune.data.frames import identifiers, require_own_columns
from annotune.data.qualifiers import qualifiers, statuses, without_labels
from annotune.data.row_checks import CHECK
from annotune.errors import AnnotuneError, counted, listing, nearest, warn
from annotune.tables import ALL_COLUMNS
from annotune.tables.column_types import MISSING_WORDS, PLACEHOLDERS
from annotune.tables.labelled import as_whole
from annotune.tables.reasons import explains

NONE_WORDS = ("none", "[]")  # how a coder writes that no label of a multi-label variable applies
CODER_COLUMNS = ("coder", "_annotator_id", "WorkerId")  # the latter are Prodigy's and Mechanical Turk's
ANSWER = "Answer."  # how Mechanical Turk begins the name of a column of answers
PRODIGY = {"accept", "answer", "options"}  # the columns of a choice, whose labels are in `accept`
_FORMER = {"_row", "_column"}  # where a row of the result comes from


@dataclass(frozen=True)
class Source:
    """A file or frame with codings: what messages call it, who coded it if it does not say, its first row's number."""

    frame: pl.DataFrame
    name: str
    stem: str
    first: int


@dataclass(frozen=True)
class _Cells:
    """One column of labels, and whose labels on which variable they are."""

    variable: pl.Expr
    coder: pl.Expr
    column: str


OWN_TABLES = ({"unit_id", "variable", "coder", "label", "status"}, {"unit_id", CHECK})  # codings, and coding sheets
OWN_COLUMNS = ("prob", "status", "fold")  # of a table of codings, beside labels; fold: predictions of unseen texts


@dataclass(frozen=True)
class Layout:
    """What the user says about the columns of a file with codings; what is left out, the file says (`read_codings`)."""

    codebook: Codebook | None
    unit_id: str
    coder: str | None
    variable: str | None
    columns: Mapping[str, str] | None
    coders: Sequence[str]
    keep: Sequence[str]

    @property
    def named_columns(self) -> list[str]:
        """The columns that must be there, beside that of the identifier."""
        return [*([self.coder] if self.coder else []), *self.coders, *self.keep, *(self.columns or {}).values()]

    @property
    def variables(self) -> list[str]:
        """The names of what can have been coded, as far as they are known."""
        if self.codebook:
            return [entry.name for entry in self.codebook.variables]
        return [self.variable] if self.variable else []

    def coder_column(self, source: Source) -> str | None:
        """The column that names the coder of each row, if there is one."""
        named = (name for name in CODER_COLUMNS if name in source.frame.columns and not self.coders)
        return self.coder or next(named, None)

    def is_long(self, source: Source) -> bool:
        """Whether the file has one row per label, in the column `label`."""
        return "label" in source.frame.columns and not self.coders and not self.columns


def read_source(data: Any, unit_id: str, encoding: str | None, number: str = "") -> Source:
    """A coder's file, or a frame that is called `coder` and its number."""
    # labels and identifiers are words in every column, so nothing is inferred for a text file
    if is_export(data):
        frame, name, first = codings_of_export(Path(data)), str(data), 1
    else:
        frame, name, first = load(data, "The table of codings", ALL_COLUMNS, encoding, codings=True)
    if unit_id not in frame.columns and any(columns <= set(frame.columns) for columns in OWN_TABLES):
        frame = frame.rename({"unit_id": unit_id})  # a table that annotune wrote, beside files that name it otherwise
    require_own_columns(frame, {"unit_id": unit_id}, name, "codings")
    frame = frame.with_columns(identifiers(frame[unit_id], name, first).alias(unit_id))
    return Source(frame, name, _stem(Path(data)) if isinstance(data, (str, Path)) else f"coder{number}", first)


def _stem(path: Path) -> str:
    stem = path.with_suffix("").stem if path.suffix.lower() == ".gz" else path.stem
    return stem.removeprefix("coder_").removeprefix("codings_") or path.name


def lengthen(source: Source, layout: Layout) -> pl.DataFrame:
    """Whatever the layout, one row per unit, variable and coder; the labels are still as written."""
    if layout.codebook and not (layout.is_long(source) or layout.coders or layout.columns):
        joined = with_sets_joined(source.frame, layout.codebook, source.name, source.first, layout.keep)
        source = replace(source, frame=joined)
    frame, coder = source.frame, layout.coder_column(source)
    shares = _columns_of_shares(source, layout) if layout.is_long(source) else []
    own = [name for name in OWN_COLUMNS if layout.is_long(source) and name in frame.columns] + shares
    further = list(dict.fromkeys([*own, *layout.keep]))
    doubts = qualifiers(frame, [*layout.variables, *layout.named_columns, layout.unit_id])
    parts = [
        frame.select(
            pl.int_range(source.first, source.first + pl.len()).alias("_row"),
            pl.lit(cells.column).alias("_column"),
            pl.col(layout.unit_id).alias("unit_id"),
            cells.variable.alias("variable"),
            cells.coder.alias("coder"),
            _written(frame[cells.column]).alias("label"),
            statuses(frame, doubts).alias("_standing"),
            *further,
        )
        for cells in _all_cells(source, layout, [doubt.column for doubt in doubts])
    ]
    rows = pl.concat(parts)
    for column, name_in_file in (("variable", "variable"), ("coder", coder or "")):
        _require_filled(rows, column, name_in_file, source.name)
    rows = without_labels(rows, doubts, source.name)
    for column in [name for name in ("prob", *shares) if name in rows.columns]:
        rows = _with_probabilities(rows, column, source.name)
    return rows


def _columns_of_shares(source: Source, layout: Layout) -> list[str]:
    """The columns with the shares of coders who gave each label, as `resolve(rule="shares")` writes them."""
    if layout.codebook:
        labels = {label for entry in layout.codebook.variables for label in entry.names}
    else:
        labels = set(_written(source.frame["label"]).drop_nulls())
    return [name for name in source.frame.columns if name.startswith(PREFIX) and name[len(PREFIX) :] in labels]


def _all_cells(source: Source, layout: Layout, qualifying: Sequence[str]) -> list[_Cells]:
    """Every column of labels: of all coders and variables, of one coder, of one variable, or of one of both."""
    coder = layout.coder_column(source)
    who = pl.col(coder).cast(pl.String).str.strip_chars() if coder else pl.lit(source.stem)
    if layout.is_long(source):
        return [_Cells(_which(source, layout.codebook, layout.variable), who, "label")]
    if layout.coders:
        what = pl.lit(_only(layout.variable, layout.codebook, source.name))
        return [_Cells(what, pl.lit(column), column) for column in layout.coders]
    names, others = source.frame.columns, {layout.unit_id, coder or "", *layout.keep, *qualifying}
    free = [column for column in names if column not in others and not explains(column, names)]
    by_variable = layout.columns or {
        name: column for name in layout.variables for column in (ANSWER + name, name) if column in free
    }
    if not by_variable and set(names) >= PRODIGY:
        by_variable = {_only(layout.variable, layout.codebook, source.name): "accept"}
    if by_variable:
        return [_Cells(pl.lit(name), who, column) for name, column in by_variable.items()]
    _require_no_coder(coder, source, layout, free)
    return _cells_of_coders(source, layout, free)


def _require_no_coder(coder: str | None, source: Source, layout: Layout, free: Sequence[str]) -> None:
    """Stop where a column says who coded and no column is named like what was coded: columns are not coders then."""
    if coder is None:
        return
    names = layout.variables or [_only(layout.variable, layout.codebook, source.name)]
    what = f"{source.name}: the column {coder!r} says who coded, and no column is called {listing(names)}"
    pair = names[0], free[0] if len(free) == 1 else "..."
    advice = f"Name the one with the labels: columns={dict([pair])}; on the command line, --columns {'='.join(pair)}."
    raise AnnotuneError(f"{what} (columns: {listing(free)}).", advice)


def _which(source: Source, codebook: Codebook | None, variable: str | None) -> pl.Expr:
    """The variable of a row in the long layout, refused where the codebook does not have it."""
    if "variable" not in source.frame.columns:
        return pl.lit(_only(variable, codebook, source.name))
    names = source.frame["variable"].cast(pl.String).str.strip_chars()
    variables = [entry.name for entry in codebook.variables] if codebook else names.unique().to_list()
    strange = ~names.is_in(variables) & (names != "")
    if strange.any():
        row = int(strange.arg_max() or 0)
        where = f"{source.name}, row {row + source.first}, column 'variable'"
        what = f"{where}: the codebook has no variable {names[row]!r} ({strange.sum():,} such rows)."
        raise AnnotuneError(what, nearest(str(names[row]), variables))
    return pl.col("variable").cast(pl.String).str.strip_chars()


def _written(cells: pl.Series) -> pl.Series:
    """Labels as words; a list of labels as one word, joined by ';', and an empty one as '[]'."""
    if not isinstance(cells.dtype, (pl.List, pl.Array)):
        return as_whole(cells).cast(pl.String).str.strip_chars()
    lists = cells.cast(pl.List(pl.String))
    words = lists.list.drop_nulls()
    joined = words.list.join(";").set((lists.list.len() > 0) & (words.list.len() == 0), None)
    return joined.set(lists.list.len() == 0, "[]")


def _require_filled(rows: pl.DataFrame, column: str, name_in_file: str, name: str) -> None:
    blank = rows[column].is_null() | (rows[column] == "")
    if blank.any():
        where = f"{name}, row {rows['_row'][int(blank.arg_max() or 0)]}, column {name_in_file!r}"
        raise AnnotuneError(f"{where}: the {column} is missing ({blank.sum():,} in all).", "Every coding needs one.")


def _with_probabilities(rows: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    words = rows[column].cast(pl.String).str.strip_chars()
    words = words.set(words.str.to_lowercase().is_in(["", *MISSING_WORDS]), None)
    probs = words.cast(pl.Float64, strict=False)
    strange = words.is_not_null() & ~probs.is_between(0, 1).fill_null(False)
    if strange.any():
        row, kind = int(strange.arg_max() or 0), "probability" if column == "prob" else "share"
        what = f"{name}, row {rows['_row'][row]}, column {column!r}: {words[row]!r} is no {kind}."
        raise AnnotuneError(what, "Give numbers from 0 to 1, with a decimal point.")
    return rows.with_columns(probs.alias(column))


def _cells_of_coders(source: Source, layout: Layout, free: Sequence[str]) -> list[_Cells]:
    """Those of the columns that hold labels: named after variable and coder, else after coders."""
    pairs = {column: name for column in free if (name := _prefix(column, layout.variables)) is not None}
    variables = pairs or dict.fromkeys(free, _only(layout.variable, layout.codebook, source.name))
    cells = [
        _Cells(pl.lit(name), pl.lit(column[len(name) + 1 :] if pairs else column), column)
        for column, name in variables.items()
        if _looks_coded(source, column, layout.codebook.variable(name) if layout.codebook else None)
    ]
    if not cells:
        what = f"{source.name}: no column holds labels of {listing(layout.variables)} (columns: {listing(free)})."
        raise AnnotuneError(what, "Name the coders' columns with coders=, or the variables' with columns=.")
    coder_columns = [column_cells.column for column_cells in cells]
    if others := [column for column in free if column not in coder_columns]:
        read_as = f"{source.name}: the columns {listing(coder_columns)} were read as coders'"
        warn(f"{read_as}, {listing(others)} were left out.")
    return cells


def _prefix(column: str, variables: Sequence[str]) -> str | None:
    """The variable that a column such as `topic_anna` or `topic.anna` is named after; the longest that fits."""
    fitting = [
        entry for entry in variables if column.startswith((f"{entry}_", f"{entry}.")) and len(column) > len(entry) + 1
    ]
    return max(fitting, key=len, default=None)


def _only(variable: str | None, codebook: Codebook | None, name: str) -> str:
    if variable is None and codebook is None:
        raise AnnotuneError(f"{name} does not say which variable was coded.", "Say so with variable=.")
    return codebook.variable(variable).name if codebook else str(variable)


def _looks_coded(source: Source, column: str, entry: Variable | None) -> bool:
    """Whether a column is a coder's: mostly labels, so that one typing error is still reported."""
    cells = source.frame[column]
    if cells.dtype.is_temporal() or isinstance(cells.dtype, pl.Struct):
        return False
    present = _lower(_written(cells)).drop_nulls()
    if entry is not None:
        words = present.str.split(";").explode(empty_as_null=False).str.strip_chars()
        return int(words.is_in([*spellings(entry), *NONE_WORDS, *MISSING_WORDS]).sum()) > len(words) / 2
    if present.n_unique() > max(20, len(present) / 2):
        what = (
            f"{source.name}: the column {column!r} holds too many different values ({present.n_unique():,}) for labels."
        )
        raise AnnotuneError(what, "Name the coders' columns with coders=, or give the codebook.")
    return True


def spellings(entry: Variable) -> dict[str, str]:
    """Every accepted spelling of a label, in lower case: its code, its name, and either as a double where it is whole.

    A label that is called 1 is what 1 means, whatever has the code 1.
    """
    codes = {str(label.code): label.name for label in entry.labels}
    names = codes | {name.lower(): name for name in entry.names}
    doubles = {f"{word}.0": name for word, name in names.items() if re.fullmatch(r"-?\d+", word)}
    return doubles | names


def _lower(cells: pl.Series) -> pl.Series:
    words = cells.str.to_lowercase()
    return words.set(words == "", None)


def name_labels(long: pl.DataFrame, codebook: Codebook | None, name: str, unknown: str) -> pl.DataFrame:
    """Labels by their codebook names, a row per label, and a status for what is none."""
    parts = []
    for (variable,), part in long.group_by("variable", maintain_order=True):
        entry = codebook.variable(str(variable)) if codebook else None
        if entry is not None and entry.kind == "multilabel":
            parts.append(_sound_sets(_with_names_of_labels(_split_sets(part), entry, name, unknown), name))
        else:
            parts.append(_with_names_of_labels(part, entry, name, unknown))
    rows = pl.concat(parts)
    status_in_file = pl.col("status").cast(pl.String) if "status" in rows.columns else pl.lit(None, pl.String)
    by_label = pl.when("_none").then(pl.lit("none")).when(pl.col("label").is_null()).then(pl.lit("missing"))
    status = pl.coalesce(status_in_file, by_label.otherwise(pl.lit("ok"))).alias("status")
    return rows.with_columns(status).drop("_none", *_FORMER)


def _split_sets(part: pl.DataFrame) -> pl.DataFrame:
    """A row per label of a set, whose labels are joined by ; or | in one cell."""
    words = pl.col("label").str.replace_all("|", ";", literal=True).str.split(";")
    words = (
        words.list.eval(pl.element().str.strip_chars())
        .list.set_difference(pl.lit([""]))
        .list.unique(maintain_order=True)
    )
    words = pl.when(words.list.len() == 0).then(None).otherwise(words)
    return part.with_columns(words.alias("label")).explode("label")


def _sound_sets(part: pl.DataFrame, name: str) -> pl.DataFrame:
    """Each label of a cell once, and nothing missing beside labels; `none` beside labels is refused."""
    labelled = pl.col("label").is_not_null()
    beside = labelled.any().over("_row", "_column")
    contrary = part.filter(pl.col("_none") & beside)
    if len(contrary):
        where = f"{name}, row {contrary['_row'][0]}, column {contrary['_column'][0]!r}"
        what = f"{where}: 'none' stands beside other labels ({counted(len(contrary), 'such cell', 'such cells')})."
        raise AnnotuneError(what, "Remove the one or the others.")
    return part.filter(labelled | ~beside).unique(["_row", "_column", "label"], maintain_order=True)


def _with_names_of_labels(part: pl.DataFrame, entry: Variable | None, name: str, unknown: str) -> pl.DataFrame:
    """The codebook's own spelling of each label; `_none` marks a coder's word that none applies."""
    words = _lower(part["label"])
    if entry is None:
        missing = words.is_null() | words.is_in((*MISSING_WORDS, "[]"))
        _tell_placeholders(part.filter(~missing), name)
        return part.with_columns(part["label"].set(missing, None).alias("label"), pl.lit(False).alias("_none"))
    name_of_spelling = spellings(entry)
    _require_names_or_codes(words, entry, name)
    none = words.is_in(NONE_WORDS) & ~words.is_in(list(name_of_spelling)) & (entry.kind == "multilabel")
    missing_words = MISSING_WORDS if entry.kind == "multilabel" else (*MISSING_WORDS, "[]")  # an empty list of labels
    words = words.set((words.is_in(missing_words) & ~words.is_in(list(name_of_spelling))) | none, None)
    names = words.replace_strict(name_of_spelling, default=None, return_dtype=pl.String)
    strange = names.is_null() & words.is_not_null()
    if strange.any():
        _refuse_labels(part.filter(strange), entry, name, unknown)
    rows = part.with_columns(names.alias("label"), none.fill_null(False).alias("_none"), strange.alias("_strange"))
    return rows.filter(~pl.col("_strange").any().over("_row", "_column")).drop("_strange")  # sets go as a whole


def _tell_placeholders(part: pl.DataFrame, name: str) -> None:
    """Say which labels look as if they stood for no answer, as no codebook says whether they are labels."""
    doubtful = part.filter(part["label"].str.to_lowercase().is_in(PLACEHOLDERS))
    for (label,), rows in doubtful.group_by("label", maintain_order=True):
        where = f"{name}, row {rows['_row'][0]}, column {rows['_column'][0]!r}"
        what = f"{where}: {label!r} is read as a label ({counted(len(rows), 'such cell', 'such cells')})."
        warn(f"{what} If it means that there is no answer, empty these cells; if it is a label, give the codebook.")


def _require_names_or_codes(words: pl.Series, entry: Variable, name: str) -> None:
    """Stop where a number is one label's name and another's code, and other cells show that codes are meant."""
    whole = words.str.strip_suffix(".0")
    names, codes = {label.lower() for label in entry.names}, {str(code): label for label, code in entry.codes.items()}
    double = [code for code, label in codes.items() if code in names and label.lower() != code]
    if double and (codes_alone := whole.filter(whole.is_in(list(set(codes) - names)))).len():
        what = f"{name}: {codes_alone[0]!r} is the code of a label, and {double[0]!r} one label's code"
        raise AnnotuneError(f"{what} and another's name.", f"Write names throughout: {listing(entry.names)}.")


def _refuse_labels(strange: pl.DataFrame, entry: Variable, name: str, unknown: str) -> None:
    first = strange.row(0, named=True)
    where = f"{name}, row {first['_row']}, column {first['_column']!r}"
    what = f"{where}: the label {first['label']!r} is not in the codebook's variable {entry.name!r}"
    others = strange["label"].unique(maintain_order=True).to_list()[1:]
    more = f" Nor are {listing(others)}." if len(others) > 1 else f" Nor is {others[0]!r}." if others else ""
    if unknown == "drop":
        cells = strange.n_unique(["_row", "_column"])
        left = "left out, sets as a whole" if entry.kind == "multilabel" else "left out"
        warn(f"{what}; {counted(cells, 'such coding was', 'such codings were')} {left}.{more}")
        return
    sets = " Several labels in one cell are separated by ';'." if entry.kind == "multilabel" else ""
    raise AnnotuneError(
        f"{what} ({counted(len(strange), 'such cell', 'such cells')}).{more}",
        nearest(first["label"], entry.names) + sets,
    )
