"""Whatever kills a run, and however many take part, it ends with the same bytes and each shard was done."""

import os
import subprocess
import sys

import pytest

import annotune as at
from annotune.bulk.classify import prepare
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan

from .conftest import bytes_of

KILLS = int(os.environ.get("ANNOTUNE_KILLS", "6"))
PAIRS = """
import os, random, signal, sys, time, traceback
from pathlib import Path
from annotune.bulk.run import work
import annotune.models.classifier, annotune.network.steady

def started(out):
    pid = os.fork()
    if not pid:
        try:
            work(out)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid

def n_seen(out, folder):
    return len(os.listdir(out / ".annotune" / folder))

chance = random.Random(20261127)
for line in sys.stdin:  # a folder: two processes work in it until each is killed, in another moment
    out, endings = Path(line.rstrip()), []
    for pid in [started(out), started(out)]:
        folder, end = chance.choice(["claims", "drafts", "shards", "shards"]), time.monotonic() + 20
        before = n_seen(out, folder)
        while n_seen(out, folder) <= before and time.monotonic() < end and os.waitid(
            os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        ) is None:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        endings.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(*endings, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Processes are forked, so that no kill waits for imports.")
def test_two_processes_that_are_killed_at_random_moments(texts_folder, model_folder, undisturbed, tmp_path):
    """Moments follow what is in the run's folder, so that a slow machine is killed at the same ones as a quick one."""
    pairs = subprocess.Popen([sys.executable, "-c", PAIRS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    kills = n_runs = 0
    while kills < KILLS:
        n_runs += 1
        out = tmp_path / f"coded {n_runs}"
        at.classify(texts_folder, model_folder, out, shard=(99, 99), rows_per_shard=100, threads=1)  # the plan alone
        assert bytes_of(out) == {}
        while kills < KILLS and not at.status(out).is_complete:
            # What a run that is called again does before its processes begin.
            prepare(RunFolder(out), require_plan(out))
            pairs.stdin.write(f"{out}\n")
            pairs.stdin.flush()
            endings = [int(word) for word in pairs.stdout.readline().split()]
            assert len(endings) == 2
            assert set(endings) <= {-9, 0}, "Nothing but a kill ends a worker before its work does."
            kills += endings.count(-9)
            assert set(bytes_of(out).items()) <= set(undisturbed.items()), "What has its name is whole."
        assert at.classify(texts_folder, model_folder, out, workers=1).is_complete
        assert bytes_of(out) == undisturbed
        books = out / ".annotune"
        assert list((books / "claims").iterdir()) == list((books / "drafts").iterdir()) == []
    pairs.stdin.close()
    assert pairs.wait(timeout=30) == 0
    print(f"{kills} kills in {n_runs} runs")
