"""Whatever kills a run, and however many take part, it ends with the same bytes and each shard was done."""

import os
import random
import signal
import subprocess
import sys
import time

import annotune as at

from .conftest import bytes_of

ROUNDS = int(os.environ.get("ANNOTUNE_KILLS", "3"))
WORK = """
import sys
from annotune.bulk.run import work
import annotune.models.classifier, annotune.network.steady
print("ready", flush=True)
sys.stdin.read(1)
work(sys.argv[1])
"""


def started(out):
    command = [sys.executable, "-c", WORK, str(out)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_two_processes_that_are_killed_at_random_moments(texts_folder, model_folder, undisturbed, tmp_path):
    chance = random.Random(20261127)
    out = tmp_path / "coded"
    at.classify(texts_folder, model_folder, out, shard=(99, 99), rows_per_shard=100, threads=1)  # the plan alone
    assert bytes_of(out) == {}
    for _ in range(ROUNDS):
        pair = [started(out), started(out)]
        for process in pair:
            assert process.stdout.readline().strip() == b"ready"
        for process in pair:
            process.stdin.write(b"x")
            process.stdin.flush()
        for process in pair:
            time.sleep(chance.uniform(0, 0.7))
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert set(bytes_of(out).items()) <= set(undisturbed.items()), "What has its name is whole."
    assert at.classify(texts_folder, model_folder, out, workers=1).is_complete
    assert bytes_of(out) == undisturbed
    books = out / ".annotune"
    assert list((books / "claims").iterdir()) == list((books / "drafts").iterdir()) == []
