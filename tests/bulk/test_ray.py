"""A run on Ray: the same bytes, workers that are killed are replaced, and nothing is left behind or open to others."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

import annotune as at
from annotune.bulk import ray_cluster, team
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan
from annotune.bulk.ray_cluster import OnRay

from .conftest import bytes_of

STRANGER = """
import os, sys
os.environ.pop("RAY_AUTH_MODE", None), os.environ.pop("RAY_AUTH_TOKEN", None)
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
except BaseException as error:
    print("refused", type(error).__name__)
else:
    print("let in")
"""


def of_this_test():
    """The processes that this one started, and those that they started."""
    return [process for process in psutil.Process().children(recursive=True) if process.is_running()]


def workers():
    running = []
    for process in of_this_test():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if team.BEGINNING in command:
            running.append(process)
    return running


@pytest.fixture(scope="module")
def ray():
    """A cluster of this machine for all tests of this file, started as a run starts it."""
    before = {process.pid for process in of_this_test()}
    with OnRay(workers=2)._connected(1) as ray:
        yield ray
    end = time.monotonic() + 120
    while (left := [one for one in of_this_test() if one.pid not in before]) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left


def test_the_bytes_are_those_of_a_run_here_also_when_a_worker_is_killed(
    ray, texts_folder, model_folder, undisturbed, tmp_path
):
    """This process holds a shard until one was killed, so that the others are not done before that."""
    out, killed = tmp_path / "coded", []
    at.classify(texts_folder, model_folder, out, shard=(99, 99), rows_per_shard=100, threads=1)  # the plan alone
    folder = RunFolder(out)
    held = folder.claims().take(require_plan(out).shards[-1].name)

    def kill():
        with held:
            while not killed:
                if len(list((out / ".annotune/shards").iterdir())) and (there := workers()):
                    there[0].kill()
                    killed.append(there[0].pid)
                time.sleep(0.02)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    found = at.classify(texts_folder, model_folder, out, on="ray", workers=2, threads=1, rows_per_shard=100)
    thread.join()
    assert found.is_complete
    assert len(killed) == 1
    assert bytes_of(out) == undisturbed
    assert list((out / ".annotune/claims").iterdir()) == []
    assert workers() == []
    assert ray.is_initialized(), "What was connected before stays so."


def test_what_all_workers_meet_ends_the_run(ray, texts_folder, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(team, "MOST_ENDED", 0)
    monkeypatch.setattr(ray_cluster, "_worked", lambda *_: (-6, "something\nout of luck\n"))
    with pytest.raises(at.AnnotuneError, match=r"again and again \(SIGABRT; the last words: out of luck\)"):
        at.classify(texts_folder, model_folder, tmp_path / "o", on="ray", workers=1, rows_per_shard=100)


def test_whoever_has_not_the_token_is_kept_out(ray):
    address = ray.get_runtime_context().gcs_address
    done = subprocess.run([sys.executable, "-c", STRANGER, address], capture_output=True, text=True, timeout=600)
    assert done.stdout.startswith("refused"), done.stdout + done.stderr
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_without_ray_one_sentence_says_how_to_install_it(texts_folder, model_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        at.AnnotuneError, match=r"Coding on Ray needs the package ray.*Run: pip install 'annotune\[ray\]'"
    ):
        at.classify(texts_folder, model_folder, tmp_path / "o", on="ray", rows_per_shard=100)


def test_more_gpus_than_none():
    with pytest.raises(at.AnnotuneError, match="A worker cannot have -1 GPUs"):
        OnRay(gpus=-1)
