import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

import annotune as at
from annotune.hybrid.store import now, open_store, store_of
from annotune.tables import store_schema

DECISION = "INSERT INTO decisions (at, unit_id, variable, coder, labels, status) VALUES (?, ?, ?, ?, ?, ?)"
REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, ?, 'openai', 'gpt', 'p', '{}', 'ok')"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.annotune"


def decide(store, unit_id, coder, labels, status="ok"):
    with store.change() as connection:
        connection.execute(DECISION, [now(), unit_id, "topic", coder, json.dumps(labels), status])


def with_migration(monkeypatch, script):
    """A later version of annotune, which has one more script."""
    monkeypatch.setattr(store_schema, "MIGRATIONS", (*store_schema.MIGRATIONS, script))


def test_the_store_of_a_study_lies_beside_it(tmp_path):
    assert store_of(tmp_path / "my.study.yaml") == tmp_path / "my.study.annotune"


def test_the_last_decision_holds_and_earlier_ones_remain(path):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Health"])
        decide(store, "a", "anna", ["Law"])
        decide(store, "b", "anna", ["Law"])
        decide(store, "b", "anna", [], "withdrawn")
        assert store.value("SELECT count(*) FROM decisions") == 4
    codings = at.read_codings(path)
    assert codings.select("unit_id", "coder", "label", "status").rows() == [("a", "anna", "Law", "ok")]


def test_sets_are_a_row_per_label_and_no_label_is_an_answer(path):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Health", "Law"])
        decide(store, "b", "anna", [], "none")
        decide(store, "c", "anna", [], "missing")
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
    topics = at.Codebook(variables=(at.Variable(name="topic", kind="multilabel", labels=labels),))
    codings = at.read_codings(path, topics)
    rows = codings.select("unit_id", "label", "status").rows()
    assert rows == [("a", "Health", "ok"), ("a", "Law", "ok"), ("b", None, "none"), ("c", None, "missing")]


def test_models_are_coders_like_any_other(path):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
        with store.change() as connection:
            connection.execute(REQUEST, ["k", now(), "a", "gpt"])
            connection.execute("INSERT INTO proposals VALUES ('k', 'topic', 0, 'Health', .8, 'ok', '')")
    rows = at.read_codings(path).select("unit_id", "coder", "label", "prob").rows()
    assert rows == [("a", "anna", "Law", None), ("a", "gpt", "Health", 0.8)]


@pytest.mark.parametrize("change", ["UPDATE decisions SET labels = '[]'", "DELETE FROM decisions"])
def test_a_decision_can_be_neither_changed_nor_removed(path, change):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
        with pytest.raises(at.AnnotuneError, match="only added"), store.change() as connection:
            connection.execute(change)
        assert len(store.table("SELECT * FROM decisions")) == 1


def fail_within(store):
    with store.change() as connection:
        connection.execute(DECISION, [now(), "a", "topic", "anna", "[]", "none"])
        raise RuntimeError


def test_changes_happen_together_or_not_at_all(path):
    with open_store(path) as store:
        with pytest.raises(RuntimeError):
            fail_within(store)
        assert store.value("SELECT count(*) FROM decisions") == 0
        decide(store, "a", "anna", ["Law"])  # and the store is as usable as before


def test_a_probability_beyond_one_is_refused(path):
    with open_store(path) as store:
        with store.change() as connection:
            connection.execute("INSERT INTO waves VALUES (1, ?, 'simple', 1, 10, '', '{}')", [now()])
        with pytest.raises(at.AnnotuneError, match="CHECK"), store.change() as connection:
            connection.execute("INSERT INTO draws VALUES (1, 'a', 1.2, NULL, NULL)")


def test_a_newer_store_is_refused(path):
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(store_schema.MIGRATIONS) + 1}")
    with pytest.raises(at.AnnotuneError, match=r"newer version of annotune.*Update annotune"):
        open_store(path)


def test_an_older_store_is_brought_up_to_date(path, monkeypatch):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
    later = "CREATE TABLE pauses (coder TEXT);\nCREATE TABLE rounds (n INTEGER);\n"
    with_migration(monkeypatch, later)
    with open_store(path) as store:
        assert store.value("SELECT count(*) FROM pauses") == 0
        assert store.value("SELECT count(*) FROM decisions") == 1
    open_store(path).close()  # a second time there is nothing to do


def test_a_migration_that_fails_leaves_the_store_as_it_was(path, monkeypatch):
    open_store(path).close()
    broken = "CREATE TABLE pauses (coder TEXT);\nCREATE TABLE codebooks (n INTEGER);\n"
    with_migration(monkeypatch, broken)
    with pytest.raises(at.AnnotuneError):
        open_store(path)
    monkeypatch.undo()
    with open_store(path) as store:
        assert store.value("SELECT count(*) FROM sqlite_master WHERE name = 'pauses'") == 0


def test_another_database_is_left_alone(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")
    for reader in (open_store, at.read_codings):
        with pytest.raises(at.AnnotuneError, match="no store of annotune"):
            reader(path)


@pytest.mark.parametrize("content", [b"unit_id,label\na,Law\n", b"SQLite format 3\x00" + bytes(50), os.urandom(5000)])
def test_a_file_that_is_no_database_is_refused_in_a_sentence(path, content):
    path.write_bytes(content)
    for reader in (open_store, at.read_codings):
        with pytest.raises(at.AnnotuneError, match=r"study\.annotune"):
            reader(path)
    assert path.read_bytes() == content


def test_names_and_folders_are_checked(tmp_path):
    with pytest.raises(at.AnnotuneError, match="suffix"):
        open_store(tmp_path / "study.db")
    with pytest.raises(at.AnnotuneError, match="is no folder"):
        open_store(tmp_path / "nowhere" / "study.annotune")
    with pytest.raises(at.AnnotuneError, match="no store"):
        open_store(tmp_path / "study.annotune", create=False)


def test_a_store_that_another_process_holds_says_so(path, monkeypatch):
    monkeypatch.setattr("annotune.hybrid.store.PATIENCE", 0.1)
    with (
        open_store(path) as holder,
        open_store(path) as other,
        holder.change(),
        pytest.raises(at.AnnotuneError, match="in use by another process"),
        other.change(),
    ):
        pass


def test_whatever_was_acknowledged_outlives_a_kill(path):
    script = f"""
        import json, itertools
        from annotune.hybrid.store import now, open_store
        store = open_store({str(path)!r})
        for i in itertools.count():
            with store.change() as connection:
                connection.execute({DECISION!r}, [now(), str(i), "topic", "anna", json.dumps(["Law"]), "ok"])
            print(i, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        acknowledged = [int(process.stdout.readline()) for _ in range(25)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]
    assert len(acknowledged) >= 25
    with open_store(path) as store:
        units = set(store.table("SELECT unit_id FROM decisions")["unit_id"])
    assert {str(i) for i in acknowledged} <= units
    assert len(units) <= len(acknowledged) + 1


def test_an_empty_store_has_no_rows_yet(path):
    open_store(path).close()
    with pytest.raises(at.AnnotuneError, match="has no rows"):
        at.read_codings(path)


def hostile(path, statement):
    """A store of somebody who wants something else."""
    open_store(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"
COLUMNS = "x, x, x, x, x, x, x, x, x, x FROM n"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON decisions BEGIN INSERT INTO ledger VALUES (1, '', '', '', '', 0, 0); END",
        f"DROP TABLE draws; CREATE VIEW draws AS {ENDLESS} {COLUMNS}",
        "CREATE VIRTUAL TABLE evil USING fts5(x)",
        "CREATE INDEX evil ON decisions (json_extract(labels, '$'))",
        "DROP TRIGGER decisions_stay",
    ],
)
def test_a_store_with_what_annotune_does_not_put_there_is_neither_read_nor_written(path, statement):
    hostile(path, statement)
    content = path.read_bytes()
    for use in (open_store, at.read_codings, at.read_draws):
        with pytest.raises(at.AnnotuneError, match=r"holds '\w+', which annotune did not put there|lacks tables"):
            use(path)
    assert path.read_bytes() == content


def test_views_without_end_in_a_store_are_not_looked_at(path):
    """A view may be of an earlier version, so a store is not refused for it."""
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
    both = "DROP VIEW codings; DROP VIEW people; CREATE VIEW people AS {0}; CREATE VIEW codings AS {0}"
    hostile(path, both.format(f"{ENDLESS} {COLUMNS}"))
    assert at.read_codings(path).select("unit_id", "label").rows() == [("a", "Law")]
    assert at.read_draws(path, of="people").is_empty()
    with open_store(path) as store:
        assert store.table("SELECT unit_id FROM people").rows() == [("a",)]
    with sqlite3.connect(path) as connection:  # and other programs find ours again
        assert connection.execute("SELECT label FROM codings").fetchall() == [("Law",)]


def test_codings_in_a_store_are_read_by_a_process_of_its_own(path, monkeypatch):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
    monkeypatch.setattr("annotune.tables.store.sqlite3.connect", None)
    assert at.read_codings(path)["label"].to_list() == ["Law"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_store_in_a_folder_that_may_not_be_written_to_is_read():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.annotune"
        with open_store(path) as store:
            decide(store, "a", "anna", ["Law"])
        path.chmod(0o444)
        os.chmod(folder, 0o555)
        script = f"""
            import os, pathlib
            import annotune.tables.store
            if os.geteuid() == 0:
                os.setuid(65534)  # root may write everywhere
            print(annotune.tables.store.read_store(pathlib.Path({str(path)!r}))["label"].to_list())
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        os.chmod(folder, 0o755)
    assert done.stdout == "['Law']\n", done.stderr


def test_reading_leaves_the_file_as_it_is_and_nothing_beside_it(path):
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
    content = path.read_bytes()
    at.read_codings(path)
    at.read_draws(path, of="people")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == content


def test_a_journal_that_somebody_put_beside_a_store_is_not_followed(path):
    """SQLite would undo in the store what the journal says, and remove a file that it names."""
    with open_store(path) as store:
        decide(store, "a", "anna", ["Law"])
    content, journal = path.read_bytes(), path.with_name(f"{path.name}-journal")
    journal.write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + bytes(4096))
    with contextlib.suppress(at.AnnotuneError):
        assert at.read_codings(path)["label"].to_list() == ["Law"]
    assert journal.exists()
    assert path.read_bytes() == content
