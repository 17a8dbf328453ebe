"""Reads broken files for a while, and says which of them end otherwise than in a table or in one sentence.

`python tests/fuzz/fuzz.py --seconds 600` takes that long for each reader; files that are found lie in `build/fuzz`.
Each of them becomes a case: a file in `tests/fuzz/cases`, which `test_fuzz.py` reads from then on. The tests read the
same broken files every time, so that they go red for a change of annotune and not for a faster machine.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutations import mutated
from seeds import seeds

import annotune as at
from annotune.hybrid.store import open_store
from annotune.replication.archive import unpack
from annotune.study.file import read_study
from annotune.tables import read_table
from annotune.tables.store import decisions_in_store, draws_in_store, people_in_store, read_store
from annotune.tables.store_history import history_in_store, text_in_store

PATIENCE = 60  # seconds for a file of a few kilobytes, on a busy machine
LONGEST = 900  # characters of a sentence


def outcome(path: Path) -> str:
    """How reading a file ends: table, sentence, or a sentence that is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _read(path)
    except at.AnnotuneError as error:
        what = str(error)
        is_sentence = path.name in error.what or path.name == "study.yaml"  # which names other files as well
        if not is_sentence or len(what) > LONGEST + len(str(path)) or "Traceback" in what:
            return f"no sentence: {what[:300]}"
        return "broke off" if "broke off" in what else "out of memory" if "more memory" in what else "sentence"
    return "table"


def _read(path: Path) -> None:
    if path.name == "study.yaml":
        read_study(path)
    elif path.name.endswith(".bundle.zip"):
        with tempfile.TemporaryDirectory() as folder:
            unpack(path, Path(folder))
    elif path.suffix == ".annotune":
        _read_store(path)
    elif path.suffix in (".yaml", ".qdc"):
        at.read_codebook(path)
    else:
        frame = read_table(path).frame
        for column in frame:  # every cell can be had: what libraries hand over unchecked breaks off here
            column.to_list()


def _read_store(path: Path) -> None:
    """All that is read from a store, and what is done to it when it is opened to be written to."""
    for read in (read_store, draws_in_store, people_in_store, decisions_in_store, history_in_store):
        read(path)
    text_in_store(path, "a1")
    with open_store(path, create=False) as store:
        store.rows("SELECT * FROM codings")


def fault(path: Path) -> tuple[str, str]:
    """How reading a file ends, and what is wrong with that, if something is."""
    begin = time.monotonic()
    try:
        end = outcome(path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "traceback", f"{type(error).__name__}: {str(error)[:200]}"
    took = time.monotonic() - begin
    if took > PATIENCE:
        return "too long", f"it took {took:.0f} seconds"
    return (end, end) if end.startswith("no sentence") else (end, "")


def fuzz(suffix: str, sound: bytes, numbers: Iterable[int], folder: Path) -> tuple[Counter[str], list[str]]:
    """How often each end was there, and the files whose end is a fault, with what it is; a number is a broken file."""
    ends, faults = Counter[str](), list[str]()
    path = folder / (suffix if suffix == "study.yaml" else f"t.{suffix}")
    for number in numbers:
        broken = mutated(sound, suffix, number)
        for beside in folder.glob("t.annotune-*"):  # SQLite's, of the file before
            beside.unlink()
        path.write_bytes(broken)  # if this process breaks off, the file that did it is there
        end, what = fault(path)
        ends[end.partition(":")[0]] += 1
        if what or end in ("broke off", "out of memory"):
            kept = folder / f"{suffix.partition('.')[0]}-{number}.{suffix}"
            kept.write_bytes(broken)
            faults += [f"{kept}: {what}"] if what else []
    return ends, faults


def numbers_for(seconds: float, first: int) -> Iterator[int]:
    """Numbers from the first, as long as there is time."""
    stop = time.monotonic() + seconds
    return takewhile(lambda _: time.monotonic() < stop, count(first))


def main() -> int:
    """Fuzz each reader, and exit with 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for each reader")
    parser.add_argument("--first", type=int, default=0, help="the number of the first broken file")
    parser.add_argument("--reader", action="append", help="only this one, such as sav; may be there more than once")
    options = parser.parse_args()
    folder = Path("build/fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    all_faults = []
    for suffix, sound in seeds().items():
        if options.reader and suffix not in options.reader:
            continue
        ends, faults = fuzz(suffix, sound, numbers_for(options.seconds, options.first), folder)
        counts = ", ".join(f"{end} {times:,}" for end, times in ends.most_common())
        print(f"{suffix}: {ends.total():,} files; {counts}", *faults[:20], sep="\n  ", flush=True)
        all_faults += faults
    return 1 if all_faults else 0


if __name__ == "__main__":
    sys.exit(main())
