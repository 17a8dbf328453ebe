"""A run that is killed at any moment goes on where it was: counted at the endpoint."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import polars as pl
import psutil

import annotune as at
from annotune.hybrid.store import open_store

N, KILLS, CONCURRENCY = 80, 8, 4
RUNS = f"""
    # Each line that comes in is a run in a process of its own, which has everything loaded and nothing begun.
    import os, sys
    import openai, polars as pl
    import annotune as at
    from annotune.hybrid.propose import pace
    at.propose
    pace.FIRST_WAIT = 0.01
    address, store = sys.argv[1:]
    for _ in sys.stdin:
        run = os.fork()
        if not run:
            labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
            book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
            units = [f"u{{i:03}}" for i in range({N})]
            corpus = pl.DataFrame({{"unit_id": units, "text": [f"Text {{i}}" for i in range({N})]}})
            options = dict(store=store, endpoint=address, concurrency={CONCURRENCY}, retries=30)
            at.propose(corpus, book, "gpt-test", **options)
            os._exit(0)
        print(run, flush=True)
        print(os.waitpid(run, 0)[1], flush=True)
"""


def faulty(draw, lock, answered, may_go_on):
    """Every fourth reply is none; the texts of the others are counted in `answered`; some wait until they may come."""

    def reply(text, n):
        time.sleep(0.01)
        while not may_go_on():
            time.sleep(0.002)
        with lock:
            if draw.random() < 0.25:
                return draw.choice([429, 500, "drop", "half", b"garbage"])
            answered[text] += 1
        return json.dumps({"topic": "Law" if int(text.split()[1]) % 3 else "Health"})

    return reply


def answered_in(store):
    """The texts that the store has an answer for, read by another process than the one that was killed."""
    with open_store(store) as opened:
        units = opened.table("SELECT unit_id FROM requests WHERE status = 'ok'", schema={"unit_id": pl.String})
        return {f"Text {int(unit[1:])}" for unit in units["unit_id"]}


def test_a_run_that_is_killed_again_and_again_has_every_row_once_and_asks_for_nothing_that_it_has(tmp_path, serve):
    store, draw = tmp_path / "study.annotune", random.Random(1)
    answered: Counter[str] = Counter()
    most = [0]  # questions until the next kill, so that no run ends before it, however late this process is
    server = serve(faulty(draw, threading.Lock(), answered, lambda: server.asked.total() <= most[0]))
    command = [sys.executable, "-c", textwrap.dedent(RUNS), server.address, str(store)]
    errors = tmp_path / "errors"
    asked_again: Counter[str] = Counter()
    with (
        errors.open("w") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True) as runs,
    ):
        for kill in range(KILLS + 1):
            known = answered_in(store) if store.exists() else set()
            before = Counter(server.asked)
            aim = before.total() + draw.randint(3, 9)  # somewhere among its questions
            most[0] = aim + CONCURRENCY if kill < KILLS else sys.maxsize
            runs.stdin.write("run\n")
            runs.stdin.flush()
            process = int(runs.stdout.readline())
            if kill < KILLS:
                while server.asked.total() < aim:
                    time.sleep(0.002)
                    assert psutil.pid_exists(process), errors.read_text()
                os.kill(process, signal.SIGKILL)
            most[0] = sys.maxsize
            assert int(runs.stdout.readline()) == (signal.SIGKILL if kill < KILLS else 0)
            time.sleep(0.05)  # what it had sent may still arrive
            asked_again.update(text for text in known if server.asked[text] > before[text])
        runs.stdin.close()
    assert not asked_again  # nothing that the store had an answer for was ever asked again
    assert 0 < len(known) < N  # the last run had something to do, and something to leave alone

    codings = at.read_codings(store)
    assert codings.select("unit_id").to_series().to_list() == [f"u{number:03}" for number in range(N)]
    assert codings["label"].to_list() == ["Law" if number % 3 else "Health" for number in range(N)]
    with open_store(store) as opened:
        assert opened.value("SELECT count(*) FROM requests") == N
        left = opened.value("SELECT count(*) FROM ledger")
    # Every question that arrived is in the ledger; and more than once was answered only what was in flight at a kill.
    assert left >= sum(server.asked.values())
    assert answered.total() - N <= KILLS * CONCURRENCY
    print(f"{server.asked.total()} asked, {answered.total()} answered, {answered.total() - N} of them once more")
