"""Does jobs in processes that are killed before each of their file operations, or that find the disk full at each.

    python stopped.py JOB FOLDER MOST [SOURCE]

tries so many moments, spread over all; with 0, all of them. Without words, each line that comes in is a list of them,
in JSON; what it gives is followed by a line with the status that its process ended with.

A hook sees every file that Python and SQLite open, write, rename, link or remove. Whatever the moment, what a reader
then finds is as before or whole; what a killed process left is cleared by the next one; and that one ends with the
right bytes. Processes are forked from this one, which has imported everything and computed nothing: each costs
milliseconds.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
from contextlib import closing
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import polars as pl
import sqlite_calls

import annotune as at
from annotune.errors import AnnotuneError
from annotune.hybrid.propose import asking
from annotune.hybrid.store import open_store
from annotune.hybrid.waves import last_wave
from annotune.models.folder import read_coder
from annotune.records import drafts
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import replacing
from annotune.records.lock import locked
from annotune.records.record import record_outputs
from annotune.records.sealed import differing, is_sealed

at.write, at.run, at.sample, at.propose, at.record, at.tune, at.report  # noqa: B018  (imported before anything is forked)

OF_SQLITE = {f"annotune.sqlite.{name}" for name in ("open", "write", "ftruncate", "unlink")}
OPERATIONS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "annotune.swap", *OF_SQLITE}
FILLING = {"open", "os.rename", "os.link", "os.mkdir", "annotune.swap", "annotune.sqlite.open", "annotune.sqlite.write"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
SLACK = 6  # moments by which a slow run has more than another: its lock is looked at and touched meanwhile
OWN_OF_SQLITE = ("-wal", "-shm", "-journal")
LABELS = ({"code": 1, "name": "yes"}, {"code": 2, "name": "no"})
BOOK = at.Codebook(variables=(at.Variable(name="agree", labels=LABELS),))
WORDS = pl.DataFrame({"label": ["yes", "no"], "words": ["for", "against"]})
CORPUS = pl.DataFrame(
    {
        "unit_id": [f"u{number}" for number in range(12)],
        "text": [f"I am {'for' if number % 3 else 'against'} it {number % 9}" for number in range(12)],
        "party": ["A", "B"] * 6,
    }
)
SUFFIXES = ("csv", "parquet", "dta", "rds", "sav", "xlsx")


class Moments:
    """Counts file operations in a folder, and does something before one of them."""

    def __init__(self, folder, number=0, then=None):
        self.folder, self.number, self.then, self.seen, self.in_place = str(folder), number, then, 0, []
        sys.addaudithook(self)

    def __call__(self, event, args):
        if event not in OPERATIONS or not isinstance(args[0], (str, os.PathLike)):
            return
        place = os.fspath(args[0])
        if os.path.isabs(place) and not place.startswith(self.folder):
            return
        writes = event in ("open", "annotune.sqlite.open") and self._writes(event, *args)
        if event == "open" and writes and "/.annotune-" not in place and not os.path.isdir(place):
            self.in_place.append(place)  # a folder is named by a file without a name
        if self.then == fill and not (event in FILLING and (writes or not event.endswith("open"))):
            return
        self.seen += 1
        if self.seen == self.number:
            self.then()

    @staticmethod
    def _writes(event, place, how, flags):
        if event == "annotune.sqlite.open":  # which opens what is there to write to it, and a full disk lets it
            return bool(how & os.O_CREAT) and not os.path.exists(place)
        return bool(set(how or "") & set("wax+")) or bool(flags & WRITING)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def fill():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def table(n):
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "y": np.arange(n) / 4})


class Write:
    """`write` over older files, of every format, from a lazy frame that is computed beside them."""

    def before(self, folder):
        self.write(folder, 3)

    def change(self, folder):
        """What makes the next run do something; nobody stops it."""

    def work(self, folder):
        self.write(folder, 5)

    def write(self, folder, n):
        at.write(table(n).lazy(), [folder / f"a.{suffix}" for suffix in SUFFIXES])

    def look(self, folder):
        return {path.name: digest(path) for path in folder.iterdir() if path.name[0] != "."}


class Record(Write):
    """One record for two files, in place of an older one and of what one of the files had for itself."""

    def before(self, folder):
        for name in ("b.csv", "c.csv", "c.csv.record.json"):
            (folder / name).touch()
        self.write(folder, 3)

    def write(self, folder, n):
        record_outputs({"what": f"annotune test {n}"}, [folder / "b.csv", folder / "c.csv"])

    def look(self, folder):
        return {"record": digest(folder / "b.csv.record.json")}


class Pieces(Write):
    """Finished pieces of two steps, a folder and a file made of it, in a locked folder; older ones rest on less."""

    def write(self, folder, n):
        with locked(folder / "work"):
            pieces = Checkpoints(folder / "work", f"basis {n}")
            if not pieces.has("model"):
                with replacing(pieces.start("model")) as draft:
                    (draft / "inner").mkdir(parents=True)
                    (draft / "inner" / "n.txt").write_text(str(n))
                pieces.finish("model")
            if pieces.get("sums") is None:
                pieces.put(
                    "sums", {"sums": np.arange(int((folder / "work" / "model" / "inner" / "n.txt").read_text()))}
                )

    def look(self, folder):
        """What a run on each basis would take for finished."""
        kept = {}
        for n in (3, 5):
            pieces = Checkpoints(folder / "work", f"basis {n}")
            arrays = pieces.get("sums")
            kept[f"sums {n}"] = None if arrays is None else len(arrays["sums"])
            kept[f"model {n}"] = int((folder / "work/model/inner/n.txt").read_text()) if pieces.has("model") else None
        return kept

    def holds(self, found, before, after):
        """A piece that counts as finished is the right one; others are done again."""
        return all(value in (None, before[name], after[name]) for name, value in found.items())


class Save(Write):
    """`save` over a model of another size."""

    def __init__(self, source=None):
        self.coder = read_coder(Path(source))

    def write(self, folder, n):
        at.Classifier(**vars(self.coder), held_out=table(n)).save(folder / "model")

    def look(self, folder):
        """The model under its name, and whether all its files are those that its card names."""
        drafts.recover(folder / "model")
        card = json.loads((folder / "model" / "annotune.json").read_text())
        assert is_sealed(card)
        assert not differing(card["files"], folder / "model")
        return {"held out": card["files"]["held_out.parquet"]}


class SaveInSteps(Save):
    """The same where the file system cannot swap two folders."""

    def __init__(self, source=None):
        super().__init__(source)
        drafts._swap = lambda one, other: False


class Draw(Write):
    """A wave of texts with the sheets of two coders, in a store that is not there yet."""

    def __init__(self):
        sqlite_calls.tell()
        asking.AT_ONCE = 3

    def before(self, folder):
        """There is nothing."""

    def work(self, folder):
        with open_store(folder / "s.annotune") as store:
            is_drawn = bool(last_wave(store))
        if not is_drawn:  # else this would be the second wave
            options = {"store": folder / "s.annotune", "codebook": BOOK, "coders": ["anna", "ben"], "overlap": 0.5}
            at.sample(CORPUS, 6, write=folder / "sheet.xlsx", show="party", **options)

    def look(self, folder):
        """What the store holds but for the times, and the sheets."""
        sheets = {path.name: digest(path) for path in folder.glob("*.xlsx")}
        return sheets | {"tables": tables_of(folder / "s.annotune")}

    def holds(self, found, before, after):
        """There is a wave with all that belongs to it, or there is none."""
        return found == after if found["tables"].get("waves") else not any(found["tables"].values())


class Decide(Draw):
    """People's codings beside earlier ones, of which one has changed."""

    def before(self, folder):
        Draw.work(self, folder)
        self.record(folder, ["yes", "no", "no", None])

    def work(self, folder):
        self.record(folder, ["yes", "yes", "no", "no"])

    def record(self, folder, labels):
        drawn = at.read_draws(folder / "s.annotune").filter("drawn")["unit_id"]
        sheet = pl.DataFrame({"unit_id": drawn.head(len(labels)), "coder": "anna", "label": labels})
        at.record(folder / "s.annotune", at.read_codings(sheet, variable="agree"), BOOK)

    def holds(self, found, before, after):
        """All that was recorded at once is there, or nothing of it."""
        return found in (before, after)


class Propose(Draw):
    """A dictionary's answers for texts, of which some are equal; they are kept three at a time."""

    def before(self, folder):
        Draw.work(self, folder)

    def work(self, folder):
        at.propose(CORPUS, BOOK, WORDS, store=folder / "s.annotune")

    def holds(self, found, before, after):
        """Every answer is there with its labels or is not there, and those that are there are right."""
        tables, first, last = (each["tables"] for each in (found, before, after))
        between = all(set(first[name]) <= set(rows) <= set(last[name]) for name, rows in tables.items())
        keys = {json.loads(row)["key"] for row in tables["requests"]}
        return between and keys == {json.loads(row)["request"] for row in tables["proposals"]}


class Run(Write):
    """A whole study, done again with another seed."""

    def before(self, folder):
        at.run(folder / "study.yaml")

    def change(self, folder):
        study = folder / "study.yaml"
        study.write_text(study.read_text().replace("seed: 1,", "seed: 2,"))

    def work(self, folder):
        at.run(folder / "study.yaml")

    def look(self, folder):
        return {path.name: digest(path) for path in folder.glob("results.*")}


JOBS = {job.__name__: job for job in (Write, Record, Pieces, Save, SaveInSteps, Draw, Decide, Propose, Run)}


def tables_of(store):
    """The rows of each table of a store but for their times, as another program finds them; it is sound.

    A copy is looked at, as whoever looks into a store also mends it.
    """
    if not store.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for path in store.parent.glob(f"{store.name}*"):
            shutil.copy(path, folder)
        with closing(sqlite3.connect(Path(folder) / store.name)) as connection:
            return _rows_of_tables(connection)


def _rows_of_tables(connection):
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not connection.execute("PRAGMA foreign_key_check").fetchall()
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    connection.row_factory = sqlite3.Row
    return {
        name: sorted(
            json.dumps({key: row[key] for key in row.keys() if key not in ("at", "seconds")})  # noqa: SIM118
            for row in connection.execute(f"SELECT * FROM {name}")
        )
        for (name,) in names.fetchall()
    }


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def in_child(function):
    """What a function gives, computed in a fork of this process: its answer, `killed`, or the error it ended with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = {"value": function()}
        except AnnotuneError as error:
            answer = {"told": str(error)}
        except BaseException:
            answer = {"fault": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"killed": True} if os.WIFSIGNALED(status) else json.loads(answer)


def left_over(folder):
    """What only a run that was stopped leaves, SQLite's own files among it."""
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if name.startswith((".annotune-", ".lock")) or name.endswith(OWN_OF_SQLITE)]


def holds(job, found, before, after):
    """Each file is as before or whole."""
    own = getattr(job, "holds", None)
    return own(found, before, after) if own else all(found[name] in (before.get(name), after[name]) for name in after)


def try_at(job, template, folder, number, n, then, before, after):
    """What went wrong when a run was stopped at this moment, or nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    job.change(folder)

    def stopped():
        Moments(folder, number, then)
        job.work(folder)

    end = in_child(stopped)
    if then is kill and end != {"killed": True} and number <= n - SLACK:
        return f"{number}: was not killed: {end}"
    if "fault" in end:
        return f"{number}: {end['fault']}"
    looked = in_child(lambda: job.look(folder))
    if "value" not in looked or not holds(job, looked["value"], before, after):
        return f"{number}: after it a reader finds {looked}"
    again, left = in_child(lambda: job.work(folder)), left_over(folder)  # before a reader, who cannot clear a store
    looked = in_child(lambda: job.look(folder))
    if again.get("fault") or looked.get("value") != after:
        return f"{number}: the next run gives {again}, {looked}"
    return f"{number}: is left over: {left}" if left else None


def count(job, template, folder):
    """How many moments there are for a kill and for a full disk, which files are not written beside their place, and
    what is found in the end."""
    shutil.copytree(template, folder)
    job.change(folder)

    def counted():
        both = [Moments(folder, then=then) for then in (kill, fill)]
        job.work(folder)
        return [(moments.seen, moments.in_place) for moments in both]

    answer = in_child(counted)
    if "value" not in answer:
        raise RuntimeError(answer)
    return answer["value"], in_child(lambda: job.look(folder))["value"]


def main(name, place, most, *source):
    job, place = JOBS[name](*source), Path(place).resolve()
    template = place / "template"
    template.mkdir(exist_ok=True)
    made = in_child(lambda: job.before(template))
    if "value" not in made:
        raise RuntimeError(made)
    before, results = in_child(lambda: job.look(template))["value"], {}
    counts, after = count(job, template, place / "whole")
    for then, (n, in_place) in zip((kill, fill), counts, strict=True):
        spread = np.linspace(1, n, int(most) + 2)[1:-1] if int(most) else np.arange(1, n + 1)
        tried = sorted({round(number) for number in spread})
        faults = [try_at(job, template, place / "tried", number, n, then, before, after) for number in tried]
        faults = [fault for fault in faults if fault]
        results[then.__name__] = {"moments": n, "tried": len(tried), "faults": faults, "written in place": in_place}
    print(json.dumps(results))


def serve():
    """Do the jobs that come in, each in a fork of this process."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                main(*json.loads(line))
                sys.stdout.flush()
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 1 else serve()
