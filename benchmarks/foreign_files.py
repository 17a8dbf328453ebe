"""Other people's files, cell by cell: annotune beside pandas, pyreadstat, haven, readstata13, readxl, readr and R.

    python benchmarks/foreign_files.py FOLDER... [--list FILE]

Each file that can be a table is read by annotune and by every other reader of its format that is installed; R's are
asked through Rscript, and FOREIGN_R_LIBRARY names a further library of R packages. A cell is equal where at least one
reader that annotune does not stand on has the same value; readers differ among themselves, and how often is counted. A
cell that no other reader has is told where a note names its column or is about the file, else silently different.

The same value: a number whatever its type (007 as text is 7), a day as midnight, an empty text as missing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyreadstat

from annotune.errors import AnnotuneError
from annotune.tables import Table, read_table
from annotune.tables.column_types import MISSING_WORDS
from annotune.tables.r_columns import ROW_NAMES

SCRIPT = Path(__file__).with_suffix(".R")
DELIMITED, SPSS, EXCEL = (".csv", ".tsv", ".tab"), (".sav", ".zsav", ".por"), (".xlsx", ".xls", ".ods")
IN_R = {
    (*DELIMITED,): ("readr",),
    (".dta",): ("haven", "readstata13"),
    (*SPSS,): ("haven", "foreign"),
    (".xlsx", ".xls"): ("readxl",),
    (".rds",): ("R",),
}
READERS_IN_R = {suffix: readers for suffixes, readers in IN_R.items() for suffix in suffixes}
EPOCH = dt.datetime(1970, 1, 1)


@dataclass
class Reading:
    """A table as one reader has it: names, and columns of None, numbers, texts and `Moment`s."""

    names: list[str]
    columns: list[list[Any]]

    @property
    def rows(self) -> int:
        """How many rows there are, without empty ones at the end."""
        return max((next(_last(cells), -1) + 1 for cells in self.columns), default=0)


@dataclass(frozen=True)
class Moment:
    """A day or a time, as seconds from 1970."""

    seconds: float


@dataclass
class Outcome:
    """What came of one file."""

    path: Path
    verdict: str
    sentence: str = ""
    cells: int = 0
    disputed: int = 0
    dispute: str = ""
    readers: list[str] = field(default_factory=list)


def _last(cells: list[Any]) -> Iterator[int]:
    return (row for row in range(len(cells) - 1, -1, -1) if cells[row] is not None)


def cell(value: Any) -> Any:
    """A value of any library as None, a number, a text or a moment."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, dt.datetime):
        moment = value.replace(tzinfo=None) - (value.utcoffset() or dt.timedelta())
        return Moment((moment - EPOCH) / dt.timedelta(seconds=1))
    if isinstance(value, dt.date):
        return Moment((dt.datetime.combine(value, dt.time()) - EPOCH) / dt.timedelta(seconds=1))
    if isinstance(value, dt.time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    if isinstance(value, dt.timedelta):
        return value / dt.timedelta(seconds=1)
    if isinstance(value, str):
        return value.rstrip() or None
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def same(ours: Any, theirs: Any) -> bool:
    """Whether two cells have one value."""
    if ours is None or theirs is None:
        other = theirs if ours is None else ours
        return other is None or (ours is None and isinstance(other, str) and other.strip().lower() in MISSING_WORDS)
    if isinstance(ours, Moment) or isinstance(theirs, Moment):
        left, right = _seconds(ours), _seconds(theirs)
        return left is not None and right is not None and abs(left - right) < 1e-3
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.strip() == theirs.strip() or _close(_number(ours), _number(theirs))
    return _close(_number(ours), _number(theirs))


def _seconds(value: Any) -> float | None:
    if isinstance(value, Moment):
        return value.seconds
    if isinstance(value, str):
        try:
            return cell(dt.datetime.fromisoformat(value.replace("Z", "+00:00"))).seconds
        except ValueError:
            return None
    return value if isinstance(value, float) else None


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "false"):
            return float(word == "true")
        try:
            return float(word)
        except ValueError:
            return None
    return float(value)


def _close(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return False
    return left == right or math.isclose(left, right, rel_tol=1e-6 if max(abs(left), abs(right)) < 1e7 else 1e-13)


def ours_of(table: Table, factors: bool) -> Reading:
    """annotune's table with codes in place of labels (but for R's factors), and without the reasons beside cells."""
    names, columns = [], []
    for column in table.frame:
        if column.name.endswith("_missing") and column.name.removesuffix("_missing") in table.frame.columns:
            continue
        codes = {label: code for code, label in table.labels.get(column.name, {}).items()}
        values = (
            column.cast(pl.String).to_list()
            if isinstance(column.dtype, (pl.Enum, pl.Categorical))
            else column.to_list()
        )
        if isinstance(column.dtype, pl.Enum) and codes and not factors:
            values = [None if value is None else codes[value] for value in values]
        if factors and column.name == ROW_NAMES:  # which are no column in R
            continue
        names.append(column.name)
        columns.append([cell(value) for value in values])
    return Reading(names, columns)


def of_pandas(frame: pd.DataFrame) -> Reading:
    """The same of a pandas frame."""
    columns = [frame.iloc[:, place].astype(object).tolist() for place in range(frame.shape[1])]
    return Reading([str(name) for name in frame.columns], [[cell(value) for value in values] for values in columns])


def _pandas(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix in DELIMITED:
        mark = "," if suffix == ".csv" else "\t"
        frame = pd.read_csv(path, sep=mark, keep_default_na=False, na_values=[""], low_memory=False)
        if frame.shape[1] > 1:
            return frame
        return pd.read_csv(path, sep=None, engine="python", keep_default_na=False, na_values=[""])
    if suffix == ".dta":
        return pd.read_stata(path, convert_categoricals=False)
    if suffix in EXCEL:
        return pd.read_excel(path, keep_default_na=False, na_values=[""])
    return {".parquet": pd.read_parquet, ".jsonl": lambda each: pd.read_json(each, lines=True, dtype=False)}[suffix](
        path
    )


def _pyreadstat(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[..., Any]] = {".dta": pyreadstat.read_dta, ".por": pyreadstat.read_por}
    return readers.get(path.suffix.lower(), pyreadstat.read_sav)(str(path))[0]


def in_python(path: Path) -> dict[str, Reading]:
    """What pandas and pyreadstat read, where they can."""
    readings = {}
    suffix = path.suffix.lower()
    for name, reader, suffixes in (
        ("pandas", _pandas, (*DELIMITED, *EXCEL, ".dta", ".parquet", ".jsonl")),
        ("pyreadstat", _pyreadstat, (".dta", *SPSS)),
    ):
        if suffix in suffixes:
            try:
                readings[name] = of_pandas(reader(path))
            except Exception:  # another reader's refusal is no matter here
                continue
    return readings


def in_r(paths: list[Path]) -> dict[Path, dict[str, Reading]]:
    """What R's packages read, where R and they are installed."""
    tasks = [(path, reader) for path in paths for reader in READERS_IN_R.get(path.suffix.lower(), ())]
    readings: dict[Path, dict[str, Reading]] = {path: {} for path in paths}
    if not tasks or shutil.which("Rscript") is None:
        return readings
    with tempfile.TemporaryDirectory() as folder:
        order = Path(folder) / "tasks.tsv"
        order.write_text("".join(f"{n}\t{reader}\t{path}\n" for n, (path, reader) in enumerate(tasks)), "utf-8")
        subprocess.run(
            ["Rscript", "--vanilla", str(SCRIPT), str(order), folder],
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        for number, (path, reader) in enumerate(tasks):
            answer_file = Path(folder) / f"{number}.json"
            answer = (
                json.loads(answer_file.read_text("utf-8", errors="replace"))
                if answer_file.exists()
                else {"error": "no answer"}
            )
            if "error" not in answer:
                readings[path][reader] = _of_r(answer)
    return readings


def _of_r(answer: dict[str, Any]) -> Reading:
    make: dict[str, Callable[[str], Any]] = {"seconds": lambda word: Moment(float(word)), "number": float}
    columns = []
    for column in answer["columns"]:
        cells = column["cells"] if isinstance(column["cells"], list) else [column["cells"]]
        kind = make.get(column["kind"])
        columns.append([None if each is None else kind(each) if kind else cell(each) for each in cells])
    return Reading([str(name) for name in answer["names"]], columns)


def compare(path: Path, others: dict[str, Reading]) -> Outcome:
    """annotune's reading beside the others'."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = read_table(path)
    except AnnotuneError as error:
        readable = [name for name, reading in others.items() if reading.rows]
        return Outcome(
            path,
            "refused" if readable else "refused by all",
            str(error).replace(str(path), path.name),
            readers=readable,
        )
    others = {name: _without_empty(reading) for name, reading in others.items()}
    judges = {name: reading for name, reading in others.items() if name != "pyreadstat"} or others
    if not judges:
        return Outcome(path, "no other reader")
    ours = ours_of(table, path.suffix.lower() == ".rds")
    fitting = {n: r for n, r in judges.items() if len(r.columns) >= len(ours.columns) and r.rows == ours.rows}
    if not fitting:
        shapes = ", ".join(f"{name} {reading.rows} x {len(reading.columns)}" for name, reading in judges.items())
        what = f"{ours.rows} x {len(ours.columns)} here, {shapes}"
        return Outcome(path, "told" if table.notes else "silently different", what, readers=list(judges))
    differing: dict[str, str] = {}
    cells, disputed, dispute = 0, 0, ""
    for place, name in enumerate(ours.names):
        theirs = {reader: reading.columns[_place(reading, name, place)] for reader, reading in fitting.items()}
        for row, value in enumerate(ours.columns[place][: ours.rows]):
            votes = [same(value, column[row] if row < len(column) else None) for column in theirs.values()]
            cells += 1
            if all(votes):
                continue
            seen = ", ".join(
                f"{reader} {column[row] if row < len(column) else None!r}" for reader, column in theirs.items()
            )
            what = f"{name!r} row {row + 1}: {value!r} here, {seen}"
            if any(votes):
                disputed, dispute = disputed + 1, dispute or what
            else:
                differing.setdefault(name, what)
    silent = {name: what for name, what in differing.items() if not _is_told(name, table.notes)}
    verdict = "silently different" if silent else "told" if differing else "equal"
    what = "; ".join((silent or differing).values())
    return Outcome(path, verdict, what[:600], cells, disputed, dispute, list(fitting))


def _without_empty(reading: Reading) -> Reading:
    """The reading without columns that have neither a name nor a cell, which annotune leaves out."""
    pairs = zip(reading.names, reading.columns, strict=True)
    filled = [
        (name, cells)
        for name, cells in pairs
        if (name and not name.startswith("Unnamed:")) or any(each is not None for each in cells)
    ]
    return Reading([name for name, _ in filled], [cells for _, cells in filled])


def _place(reading: Reading, name: str, place: int) -> int:
    return reading.names.index(name) if reading.names.count(name) == 1 else place


def _is_told(name: str, notes: Iterable[str]) -> bool:
    return any(repr(name) in note or "it was read as" in note or "became" in note for note in notes)


def main() -> None:
    """Read the folders' files and print what came of them, by format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--list", type=Path, help="a file for every outcome, as lines of JSON")
    arguments = parser.parse_args()
    suffixes = {*READERS_IN_R, *DELIMITED, *EXCEL, *SPSS, ".parquet", ".jsonl"}
    paths = sorted({path.resolve() for folder in arguments.folders for path in folder.rglob("*") if path.is_file()})
    paths = [path for path in paths if path.suffix.lower() in suffixes and 0 < path.stat().st_size < 30_000_000]
    by_r = in_r(paths)
    outcomes = []
    for path in paths:
        outcomes.append(compare(path, {**in_python(path), **by_r[path]}))
        print(".", end="", file=sys.stderr, flush=True)
    show(outcomes)
    if arguments.list:
        lines = (json.dumps({**vars(each), "path": str(each.path)}, default=str) for each in outcomes)
        arguments.list.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def show(outcomes: list[Outcome]) -> None:
    """A row per format, and a line for each file that is silently different or refused while another reads it."""
    verdicts = ["equal", "told", "refused", "silently different", "refused by all", "no other reader"]
    print(
        f"\n{'format':10}{'files':>7}"
        + "".join(f"{verdict:>20}" for verdict in verdicts)
        + f"{'cells':>12}{'disputed':>10}"
    )
    for suffix in [*sorted({each.path.suffix.lower() for each in outcomes}), "all"]:
        some = [each for each in outcomes if suffix in ("all", each.path.suffix.lower())]
        counts = Counter(each.verdict for each in some)
        row = "".join(f"{counts[verdict]:>20,}" for verdict in verdicts)
        print(f"{suffix:10}{len(some):>7,}{row}{sum(e.cells for e in some):>12,}{sum(e.disputed for e in some):>10,}")
    for verdict in ("silently different", "refused"):
        for each in outcomes:
            if each.verdict == verdict:
                print(f"\n{verdict}: {each.path.name} ({', '.join(each.readers)})\n  {each.sentence}")


if __name__ == "__main__":
    main()
