"""Shares of labels over a folder of codes: the same estimates as those of a table, of any number of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.status import label_counts
from annotune.correction.coded_folder import CodedFolder
from annotune.correction.folder_tally import FolderTally, Indicator, indicators_of, tally_of
from annotune.correction.groups import Grouping, Groups
from annotune.correction.hand_table import HandTable
from annotune.correction.share_table import estimate_rows
from annotune.correction.shares_by_method import estimates_by_group, require_design
from annotune.errors import AnnotuneError, warn


def folder_prevalence(
    out: Path,
    names: Sequence[str] | None,
    grouping: Grouping,
    methods: Sequence[str],
    hand_coded: Any,
    texts: Path | None,
    pi: str | float | None,
    wave: str | None,
    level: float,
    of: str,
) -> pl.DataFrame:
    """The table of `prevalence` for a folder of codes.

    With several variables it has a column `variable`, and with several coders of one a column `coder`.
    """
    _require_possible(methods, hand_coded)
    folder, table = CodedFolder(out, texts), None if hand_coded is None else HandTable.read(hand_coded)
    indicators = indicators_of(folder, names, table, _labels_given(folder))
    tally = FolderTally(folder, Groups(grouping), table, indicators)
    tally.read()
    _tell(folder, table, indicators, methods)
    parts = [_table(one, tally, methods, pi, wave, level, of) for one in indicators if one.sums]
    if not parts:
        what = f"No text has a code of {indicators[0].entry.name!r} in {out}."
        raise AnnotuneError(what, "See annotune status for why.")
    return _without_constant_columns(pl.concat(parts, how="vertical_relaxed"))


def _require_possible(methods: Sequence[str], hand_coded: Any) -> None:
    if "em" in methods:
        what = "em reads all texts again and again, and a folder is read once."
        raise AnnotuneError(what, "Leave it out of methods=, or read the codes of some files as a table.")
    if hand_coded is None and set(methods) != {"count"}:
        raise AnnotuneError(
            "There are no hand-coded texts to correct the codes by.", "Give them with hand_coded=, or methods='count'."
        )


def _labels_given(folder: CodedFolder) -> dict[tuple[str, str], set[str]]:
    """The labels that occur among the codes, by variable and coder, as the manifests have counted them."""
    labels: dict[tuple[str, str], set[str]] = {}
    for variable, coder, label in label_counts(folder.manifests).select("variable", "coder", "label").iter_rows():
        labels.setdefault((variable, coder), set()).add(label)
    return labels


def _tell(
    folder: CodedFolder, table: HandTable | None, indicators: Sequence[Indicator], methods: Sequence[str]
) -> None:
    """Say where models may have been tuned on the hand-coded texts."""
    corrected = set(methods) - {"count", "hand"}
    tuned = [one for one in indicators if one.hand is not None and one.own is None and one.coder in folder.tuned]
    if table is not None and corrected and tuned:
        what = (
            f"The predictions of the hand-coded texts are those of {tuned[0].coder}. If it was tuned on these texts, "
        )
        warn(f"{what}it errs too rarely on them: give the table that crossfit wrote as hand_coded=.")


def _table(
    one: Indicator,
    read: FolderTally,
    methods: Sequence[str],
    pi: str | float | None,
    wave: str | None,
    level: float,
    of: str,
) -> pl.DataFrame:
    """The rows of one indicator, with its variable and coder; of a label of a set those of the label itself."""
    clustered = read.groups.grouping.cluster is not None
    groups, tally, is_designed = tally_of(one, read.table, pi, wave, clustered, of == "corpus")
    if not is_designed:
        require_design(methods)
    tables = {method: estimates_by_group(method, tally, level) for method in methods}
    keys = read.groups.grouping.keys
    rows = pl.concat(
        [
            estimate_rows(values, keys, one.labels, method, tables[method][i], tally.n(tally.groups[i]))
            for i, values in enumerate(groups)
            for method in methods
        ],
        how="vertical_relaxed",
    ).with_columns(pl.col(key).cast(read.groups.types[key]) for key in keys)
    if one.label is not None:
        rows = rows.filter(pl.col("label") == "1").with_columns(pl.lit(one.label).alias("label"))
    return rows.select(pl.lit(one.entry.name).alias("variable"), pl.lit(one.coder).alias("coder"), pl.all())


def _without_constant_columns(table: pl.DataFrame) -> pl.DataFrame:
    """The table without `variable` where there is one, and without `coder` where each variable has one."""
    names = table.select("variable", "coder").unique()
    drop = [] if names["variable"].is_duplicated().any() else ["coder"]
    return table.drop(drop if names["variable"].n_unique() > 1 else [*drop, "variable"])
