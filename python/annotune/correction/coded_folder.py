"""A folder of codes, file by file: the answers of a model as numbers, with the columns that texts are grouped by.

One file is in memory at a time. Columns that the codes lack are read from the texts that were coded, row by row.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.bulk.coders import TUNED
from annotune.bulk.conversion import convert
from annotune.bulk.manifest import BOOKS, RunFolder
from annotune.bulk.plan import Plan, require_plan
from annotune.bulk.repeats import known_repeats
from annotune.bulk.shards import BROKEN, PARQUET, Shard, suffix_of, unreadable
from annotune.data.codebook import Variable
from annotune.data.codings import ANSWERED
from annotune.data.frames import identifiers
from annotune.errors import AnnotuneError, closest, counted, listing, nearest, warn


def is_folder_of_codes(data: Any) -> bool:
    """Whether this is the path of a folder that `classify` coded texts into, or began to.

    Raises
    ------
    AnnotuneError
        Where it is the path of another folder.
    """
    if not isinstance(data, (str, Path)) or not Path(data).is_dir():
        return False
    if not (Path(data) / BOOKS / "plan.json").exists():
        what = f"{data} holds no run of annotune classify."
        raise AnnotuneError(what, "Give the folder that texts are coded into, or a table.")
    return True


@dataclass(frozen=True)
class Answers:
    """One file's answers to one indicator, n texts.

    Attributes
    ----------
    rows
        The texts' numbers among those of the file, shape (n,).
    places
        Label numbers, shape (n,).
    likely
        Every label's probability, shape (n, k); None where there are no such columns.
    """

    rows: np.ndarray
    places: np.ndarray
    likely: np.ndarray | None


@dataclass
class CodedFolder:
    """The shards of a run that are done.

    Attributes
    ----------
    texts
        The folder of the texts, where it is no longer where it was.
    """

    out: Path
    texts: Path | None = None
    plan: Plan = field(init=False)
    shards: list[Shard] = field(init=False)
    manifests: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        """Read the plan, and which shards are done; say what is not, and which identifiers come again."""
        folder = RunFolder(self.out)
        self.plan = require_plan(self.out)
        shards_and_manifests = [(shard, folder.manifest(shard)) for shard in self.plan.shards]
        done = [
            (shard, about)
            for shard, about in shards_and_manifests
            if about is not None and folder.is_done(shard, about)
        ]
        self.shards, self.manifests = [shard for shard, _ in done], [about for _, about in done]
        still_open = len(self.plan.shards) - len(self.shards)
        if not any(shard.rows for shard in self.shards):
            what = f"{self.out} holds no codes yet" if still_open else f"{self.out} holds no texts"
            raise AnnotuneError(f"{what}.", "See annotune status for what is done, and what failed.")
        if still_open:
            n = sum(shard.rows or 0 for shard in self.shards)
            shards = f"{still_open:,} of {counted(len(self.plan.shards), 'shard is', 'shards are')}"
            warn(f"{self.out}: {shards} not done; what follows is about the {n:,} texts of the others.")

        repeats = known_repeats(folder, self.plan.shards)
        if repeats is not None and repeats.n:
            warn(repeats.in_words())

    @property
    def place(self) -> str:
        """What messages call it."""
        return str(self.out)

    @property
    def tuned(self) -> list[str]:
        """The coders that are tuned models."""
        return [spec["name"] for spec in self.plan.models if spec["kind"] == TUNED]

    def variables(self, names: Sequence[str] | None) -> list[tuple[Variable, str]]:
        """The variables of these names with who coded them; without names all.

        Raises
        ------
        AnnotuneError
            Where nobody coded one of them.
        """
        every = [
            (Variable.model_validate(entry), spec["name"]) for spec in self.plan.models for entry in spec["variables"]
        ]
        there = list(dict.fromkeys(entry.name for entry, _ in every))
        for name in names or ():
            if name not in there:
                raise AnnotuneError(f"{self.out} has no codes of {name!r}.", nearest(name, there))
        return [(entry, coder) for entry, coder in every if names is None or entry.name in names]

    def files(
        self, variables: Sequence[str], columns: Sequence[str]
    ) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
        """Each file: its name, its codes of these variables, and one row per text with `unit_id` and these columns.

        Raises
        ------
        AnnotuneError
            Where a file cannot be read, or a column is neither among the codes nor among the texts.
        """
        with tempfile.TemporaryDirectory() as place:
            sources = _Sources(self.plan, self.texts, Path(place))
            for shard in self.shards:
                if not shard.rows:
                    continue
                codes = self._codes(shard, variables)
                units = codes.select("unit_id", *(c for c in columns if c in codes.columns))
                units = units.unique("unit_id", keep="first", maintain_order=True)
                missing = [column for column in columns if column not in codes.columns]
                if missing:
                    units = units.hstack(sources.columns(shard, missing, units["unit_id"], codes.columns))
                yield shard.output, codes, units.select("unit_id", *columns)

    def _codes(self, shard: Shard, variables: Sequence[str]) -> pl.DataFrame:
        path = self.out / shard.output
        try:
            scan = pl.scan_parquet(path, glob=False)
            there = scan.collect_schema().names()
            lost = [name for name in ("unit_id", "variable", "coder", "label", "status") if name not in there]
            if lost:
                advice = "annotune verify says which files were changed; code the texts again."
                raise AnnotuneError(f"{path} has no column {lost[0]!r}.", advice)
            return scan.filter(pl.col("variable").is_in(variables)).collect()
        except BROKEN as error:
            raise unreadable(path, error) from None


class _Sources:
    """The texts behind the codes, for columns that these lack; one converted file is kept at a time."""

    def __init__(self, plan: Plan, texts: Path | None, place: Path) -> None:
        self.plan, self.texts, self.place = plan, texts, place
        self.converted: tuple[str, Path] | None = None

    def columns(self, shard: Shard, names: Sequence[str], units: pl.Series, of_codes: Sequence[str]) -> pl.DataFrame:
        """These columns of a shard's rows, which have to be those of the identifiers."""
        unit_id, path = self.plan.columns["unit_id"], self._path(shard, names, of_codes)
        column_names = list(dict.fromkeys([unit_id, *names]))
        try:
            scan = pl.scan_parquet(path, glob=False)
            there = scan.collect_schema().names()
            for name in column_names:
                if name not in there:
                    what = f"Neither the codes nor {shard.source.name} have a column {name!r}."
                    raise AnnotuneError(what, nearest(name, there))
            frame = scan.select(column_names).slice(shard.start, shard.rows).collect()
        except BROKEN as error:
            raise unreadable(path, error) from None
        if not identifiers(frame[unit_id], shard.source.name, shard.start + 1).equals(units):
            what = f"{shard.source.name} has other texts than those that were coded."
            raise AnnotuneError(what, "Name the folder that they are in with texts=, or code the texts again.")
        return frame.select(names)

    def _path(self, shard: Shard, names: Sequence[str], of_codes: Sequence[str]) -> Path:
        name, meant = shard.source.name, closest(names[0], of_codes)
        advice = "Name the folder of the texts with texts=." + (f" Or did you mean {meant!r}?" if meant else "")
        is_parquet = suffix_of(Path(name)) == PARQUET
        if self.texts is None and not is_parquet:
            what = f"The codes have no column {names[0]!r}, and {name} is no parquet file that could be read again."
            raise AnnotuneError(what, advice)
        path = Path(shard.source.path) if self.texts is None else self._in_texts(name)
        if not path.exists():
            what = f"The codes have no column {names[0]!r}, and {path} is not there."
            raise AnnotuneError(what, advice)
        if is_parquet:
            return path
        if self.converted is None or self.converted[0] != name:
            unit_id, target = self.plan.columns["unit_id"], self.place / "converted.parquet"
            convert(path, target, list(dict.fromkeys([unit_id, *names])), (unit_id,))
            self.converted = name, target
        return self.converted[1]

    def _in_texts(self, name: str) -> Path:
        assert self.texts is not None
        return self.texts / name if self.texts.is_dir() else self.texts


def answers_of(codes: pl.DataFrame, units: pl.Series, entry: Variable, coder: str) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows that answer for a variable, one per answer, and each one's text among the units.

    Raises
    ------
    AnnotuneError
        Where a text has two answers for a variable with a single label.
    """
    rows = codes.filter(pl.col("variable") == entry.name, pl.col("coder") == coder)
    rows = rows.filter(pl.col("status").is_in(ANSWERED if entry.kind == "multilabel" else ["ok"]))
    number = pl.DataFrame({"unit_id": units, "_row": np.arange(len(units))})
    at = rows.select("unit_id").join(number, on="unit_id", how="left", maintain_order="left")["_row"].to_numpy()
    return rows, at


def label_answers(
    rows: pl.DataFrame, at: np.ndarray, labels: Sequence[str], column_of: dict[str, str] | None
) -> Answers:
    """The answers for a variable with one label per text; probabilities are those of `labels`, scaled to sum to 1."""
    numbers = {label: i for i, label in enumerate(labels)}
    places = rows["label"].replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
    if (places < 0).any():
        label = rows["label"].filter(pl.Series(places < 0))[0]
        what = f"The codes have the label {label!r}, which was not counted when they were written."
        raise AnnotuneError(what, "annotune verify says which files were changed; code the texts again.")
    likely = None
    if column_of is not None and all(is_filled(rows, column) for column in column_of.values()):
        likely = _shares(rows.select(column_of[label] for label in labels))
    return Answers(at, places, likely)


def set_answers(rows: pl.DataFrame, at: np.ndarray, label: str, probabilities: bool) -> Answers:
    """The answers for one label of a multi-label variable: 1 where it was given, 0 where it was not."""
    texts, first = np.unique(at, return_index=True)
    has_label = np.isin(texts, at[(rows["label"] == label).fill_null(False).to_numpy()])
    column, likely = f"p_{label}", None
    if probabilities and is_filled(rows, column):
        yes = rows[column].cast(pl.Float64).to_numpy()[first]
        likely = np.column_stack([1 - yes, yes])
        _require_whole(likely, column)
    return Answers(texts, has_label.astype(np.int64), likely)


def is_filled(rows: pl.DataFrame, column: str) -> bool:
    """Whether a coder gives this probability: columns of other coders' labels are empty."""
    return column in rows.columns and rows[column].null_count() < len(rows)


def _shares(table: pl.DataFrame) -> np.ndarray:
    likely = np.column_stack([table[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in table.columns])
    _require_whole(likely, listing(table.columns[:1]))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def _require_whole(likely: np.ndarray, column: str) -> None:
    if not (np.isfinite(likely).all() and (likely >= 0).all() and (likely.sum(axis=1) > 0).all()):
        raise AnnotuneError(f"The probabilities in {column} have empty or negative cells.", "Code the texts again.")
