"""Claims: of many processes one gets a shard, whatever ends, sleeps or jumps."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from annotune.bulk import claims as module
from annotune.bulk.claims import SILENT, Claims, key_of


def claims_of(folder, process, watch=lambda: 0.0):
    """The claims as another process sees them."""
    claims = Claims(folder, watch)
    claims.process = process
    return claims


class Rivals(RuleBasedStateMachine):
    """Some processes that take, give back, end without a word, and sleep, on three shards."""

    dead: set

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = Path(tempfile.mkdtemp())
        self.held, self.dead, self.n = {}, set(), 0
        self.was_gone = module.is_gone
        module.is_gone = lambda process: process in self.dead

    def teardown(self):
        module.is_gone = self.was_gone
        for claim in self.held.values():
            claim._stopped.set()

    @rule(shard=st.sampled_from("abc"))
    def take(self, shard):
        self.n += 1
        process = f"p{self.n}"
        claim = claims_of(self.folder, process).take(shard)
        holder = self.held.get(shard)
        if holder is None or holder.claims.process in self.dead:
            assert claim is not None, "What nobody holds can be had at once."
            self.held[shard] = claim
        else:
            assert claim is None

    @rule(shard=st.sampled_from("abc"))
    def release(self, shard):
        if shard in self.held and self.held[shard].claims.process not in self.dead:
            self.held.pop(shard).release()

    @rule(shard=st.sampled_from("abc"))
    def die(self, shard):
        if shard in self.held:
            self.held[shard]._stopped.set()
            self.dead.add(self.held[shard].claims.process)

    @invariant()
    def holders_know_it(self):
        for shard, claim in self.held.items():
            assert claim.is_held(), shard


Rivals.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
test_whatever_processes_do_a_shard_has_one_holder = Rivals.TestCase


def test_of_threads_that_want_a_shard_at_the_same_time_one_gets_it(tmp_path):
    for attempt in range(20):
        barrier, claims = threading.Barrier(8), []

        def want(attempt=attempt, barrier=barrier, claims=claims):
            own = Claims(tmp_path)
            barrier.wait()
            claims.append(own.take(f"shard {attempt}"))

        threads = [threading.Thread(target=want) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held = [claim for claim in claims if claim is not None]
        assert len(held) == 1
        held[0].release()


WORKER = """
import os, sys, time
from pathlib import Path
from annotune.bulk.claims import Claims
folder, done = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.read(1)
left = [str(n) for n in range(60)]
claims = Claims(folder)
while left:
    for name in list(left):
        claim = claims.take(name)
        if claim is None:
            continue
        with claim:
            left.remove(name)
            if not (done / name).exists():
                os.close(os.open(done / name, os.O_CREAT | os.O_EXCL))  # a second time is an error
                time.sleep(0.002)
"""


def test_many_processes_do_each_shard_once(tmp_path):
    folder, done = tmp_path / "claims", tmp_path / "done"
    folder.mkdir()
    done.mkdir()
    command = [sys.executable, "-c", WORKER, str(folder), str(done)]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(5)]
    for worker in workers:
        assert worker.stdout.readline().strip() == b"ready"
    for worker in workers:
        worker.communicate(b"x", timeout=600)
    assert [worker.returncode for worker in workers] == [0] * 5
    assert len(list(done.iterdir())) == 60
    assert list(folder.iterdir()) == []


def without_a_heart(claim):
    """Leave a claim as a process does that ends: its thread writes nothing more."""
    claim._stopped.set()
    claim._heart.join()


def test_a_process_of_another_machine_is_gone_when_its_heart_stood_still(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_gone", lambda process: None)
    monkeypatch.setattr(module, "HEARTBEAT", 1e9)
    now = [0.0]
    claim = claims_of(tmp_path, "there").take("s")
    here = claims_of(tmp_path, "here", lambda: now[0])
    beat = here.beat_path(key_of("s"), 1)
    while not beat.exists():  # another thread writes it
        time.sleep(0.001)
    assert here.take("s") is None
    now[0] = SILENT - 1
    beat.write_text(json.dumps({"beat": 2, "rows": 40}))
    assert here.take("s") is None
    now[0] += SILENT - 1
    assert here.take("s") is None, "It was heard a moment ago."
    now[0] += 2
    successor = here.take("s")
    assert successor is not None
    assert successor.number == 2
    assert not claim.is_held(), "Whoever slept sees that another took over."
    claim.release()
    assert successor.is_held(), "What was lost is not given back."
    successor.release()
    assert list(tmp_path.glob("s-*")) == []


def test_claims_that_were_not_given_back_are_removed_once_their_shard_is_settled(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT", 1e9)
    monkeypatch.setattr(module, "is_gone", lambda process: {"ended": True, "works": False}.get(process))
    for name, process in [("done", "ended"), ("open", "ended"), ("busy", "works"), ("far", "elsewhere")]:
        without_a_heart(claims_of(tmp_path, process).take(name))
    Claims(tmp_path).clear([key_of(name) for name in ("done", "busy", "far")])
    assert set(Claims(tmp_path).held()) == {key_of(name) for name in ("open", "busy", "far")}


@pytest.mark.parametrize("jump", [-1e7, 1e7])
def test_a_clock_that_jumps_moves_nothing(tmp_path, monkeypatch, jump):
    monkeypatch.setattr(module, "is_gone", lambda process: None)
    without_a_heart(claims_of(tmp_path, "there").take("s"))
    for path in tmp_path.iterdir():
        os.utime(path, (path.stat().st_atime + jump, path.stat().st_mtime + jump))
    assert claims_of(tmp_path, "here", lambda: SILENT * 2).take("s") is None


def test_a_claim_that_a_slow_file_system_made_twice_is_still_ours(tmp_path, monkeypatch):
    from annotune.records import exclusive

    link = os.link

    def twice(source, target):
        link(source, target)
        raise FileExistsError  # what NFS says when its answer was lost and it asked again

    monkeypatch.setattr(exclusive.os, "link", twice)
    claim = Claims(tmp_path).take("s")
    assert claim is not None
    claim.release()
    monkeypatch.undo()
    assert Claims(tmp_path).take("s") is not None


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 5_000, "2019/07", "ä/ß \n", ""])
def test_any_name_is_a_file_in_the_folder(tmp_path, name):
    with Claims(tmp_path).take(name):
        assert {path.parent for path in tmp_path.iterdir()} == {tmp_path}
    assert Claims(tmp_path).held() == {}
