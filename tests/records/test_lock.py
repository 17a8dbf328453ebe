"""One run at a time works in a folder: the second is told who does, and a dead holder's lock is taken over."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from annotune.errors import AnnotuneError
from annotune.records import lock as lock_module
from annotune.records.lock import NAME, TAKING, locked, require_held, require_unlocked
from annotune.records.processes import this_process

HOLDER = """
import sys, time
from pathlib import Path
from annotune.records.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
RACER = """
import sys, time
from pathlib import Path
from annotune.errors import AnnotuneError
from annotune.records.lock import locked
folder = Path(sys.argv[1])
while not (folder / "go").exists():
    time.sleep(0.001)
try:
    with locked(folder):
        print("held", flush=True)
        sys.stdin.read()  # until all others were told
except AnnotuneError as error:
    print(error, flush=True)
"""


def started(script, folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], **pipes)


@pytest.fixture
def holder(tmp_path):
    """Another process that works in the folder."""
    process = started(HOLDER, tmp_path)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def of_another_machine(folder, silent):
    """The lock of a process elsewhere that was last heard of so many seconds ago."""
    (folder / NAME).write_text(
        json.dumps({"host": "elsewhere", "pid": 7, "process": "00000000-7-7", "since": "2026-11-26"})
    )
    then = time.time() - silent
    os.utime(folder / NAME, (then, then))


def test_the_second_run_is_told_who_works_there(tmp_path, holder):
    for enter in (require_unlocked, lambda folder: locked(folder).__enter__()):
        with pytest.raises(AnnotuneError, match=rf"is worked in by process {holder.pid} on .+, since 20\d\d-.* UTC"):
            enter(tmp_path)


def test_a_killed_holders_lock_is_taken_over_at_once(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).exists()
    require_unlocked(tmp_path)
    with locked(tmp_path):
        assert json.loads((tmp_path / NAME).read_text())["process"] == this_process()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_of_another_machine_counts_as_gone_after_a_silence(tmp_path):
    of_another_machine(tmp_path, silent=lock_module.SILENT / 2)
    with pytest.raises(AnnotuneError, match="process 7 on elsewhere"), locked(tmp_path):
        pass
    of_another_machine(tmp_path, silent=lock_module.SILENT * 2)
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_of_many_that_take_over_a_dead_lock_one_holds_it(tmp_path):
    of_another_machine(tmp_path, silent=lock_module.SILENT * 2)
    racers = [started(RACER, tmp_path) for _ in range(4)]
    (tmp_path / "go").touch()
    words = [racer.stdout.readline().strip() for racer in racers]
    for racer in racers:
        racer.communicate()
    assert words.count("held") == 1, words
    assert all("is worked in by process" in other for other in words if other != "held")


def test_who_was_faster_in_taking_over_keeps_the_lock(tmp_path, monkeypatch):
    """Between the look at a dead holder's lock and its taking, another run has taken it over and begun to work."""
    make = lock_module.make_exclusively

    def late(path, text):
        if path.name == TAKING:
            (tmp_path / NAME).write_text(json.dumps({"host": "third", "pid": 9, "process": "00000000-9-9"}))
        return make(path, text)

    of_another_machine(tmp_path, silent=lock_module.SILENT * 2)
    monkeypatch.setattr(lock_module, "make_exclusively", late)
    with pytest.raises(AnnotuneError, match="process 9 on third"), locked(tmp_path):
        pass
    assert json.loads((tmp_path / NAME).read_text())["pid"] == 9
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_who_died_while_taking_over_is_in_nobodys_way(tmp_path):
    of_another_machine(tmp_path, silent=lock_module.SILENT * 2)
    (tmp_path / TAKING).write_text((tmp_path / NAME).read_text())
    os.utime(tmp_path / TAKING, (0, 0))
    with locked(tmp_path):
        assert not (tmp_path / TAKING).exists()


def test_the_lock_is_touched_while_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "HEARTBEAT", 0.01)
    with locked(tmp_path):
        os.utime(tmp_path / NAME, (0, 0))
        deadline = time.monotonic() + 20
        while (tmp_path / NAME).stat().st_mtime < 1e9 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / NAME).stat().st_mtime > 1e9


def test_a_run_that_slept_while_another_took_over_stops_and_leaves_it_alone(tmp_path):
    with locked(tmp_path):
        require_held(tmp_path)
        (tmp_path / NAME).write_text("another's")
        with pytest.raises(AnnotuneError, match="was taken over while this run stood still"):
            require_held(tmp_path)
    assert (tmp_path / NAME).read_text() == "another's"


def test_the_same_thread_may_ask_again_and_another_may_not(tmp_path):
    refusals = []

    def ask():
        try:
            with locked(tmp_path):
                pass
        except AnnotuneError as error:
            refusals.append(str(error))

    with locked(tmp_path), locked(tmp_path):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert (tmp_path / NAME).exists()
    assert len(refusals) == 1
    assert f"process {os.getpid()}" in refusals[0]


def test_of_processes_that_share_a_model_the_first_alone_locks(tmp_path, monkeypatch, holder):
    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path):
        pass


def test_a_lock_without_words_is_somebodys_until_it_is_silent(tmp_path):
    (tmp_path / NAME).write_bytes(b"\xff")
    with pytest.raises(AnnotuneError, match=r"process \? on \?"), locked(tmp_path):
        pass
    os.utime(tmp_path / NAME, (0, 0))
    with locked(tmp_path):
        pass
