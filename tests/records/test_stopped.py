"""A kill at every file operation, and a full disk at every one: what is read afterwards is as before or whole.

`ANNOTUNE_STOPS=all` tries every moment, those of a whole study as well, of which there are hundreds.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import annotune as at

SCRIPT = Path(__file__).with_name("stopped.py")
ALL = os.environ.get("ANNOTUNE_STOPS") == "all"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork.")


@pytest.fixture(scope="module")
def stopped():
    """Has a job done: how many moments it has, how many were tried, and what went wrong at them."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen([sys.executable, str(SCRIPT)], stderr=errors, **pipes) as process,
    ):

        def do(job, folder, most, *source):
            words = [job, str(folder), "0" if ALL else str(most), *map(str, source)]
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            lines = [process.stdout.readline()]
            while lines[-1] and not lines[-1].strip().isdecimal():
                lines.append(process.stdout.readline())
            errors.seek(0)
            assert lines[-1] == "0\n", errors.read()
            results = json.loads(lines[-2])
            for name, end in results.items():
                print(f"{job}, {name}: {end['moments']} moments, {end['tried']} tried, {len(end['faults'])} faults")
            return results

        yield do
        process.stdin.close()


def require_held(results, kills, fills):
    """Nothing went wrong, at no fewer moments than there must be, and every file was written beside its place."""
    for name, least in (("kill", kills), ("fill", fills)):
        assert results[name]["faults"] == []
        assert results[name]["written in place"] == []
        assert results[name]["moments"] >= least


@pytest.mark.parametrize(
    ("job", "most", "kills", "fills"), [("Write", 9, 40, 18), ("Record", 0, 9, 3), ("Pieces", 16, 45, 16)]
)
def test_files_are_whole_or_as_before(stopped, tmp_path, job, most, kills, fills):
    require_held(stopped(job, tmp_path, most), kills, fills)


@pytest.mark.skipif(sys.platform != "linux", reason="Only there is it known where SQLite's functions are.")
@pytest.mark.parametrize(
    ("job", "most", "kills", "fills"), [("Draw", 7, 90, 70), ("Decide", 4, 30, 20), ("Propose", 5, 55, 50)]
)
def test_a_change_of_a_store_is_there_whole_or_not_at_all(stopped, tmp_path, job, most, kills, fills):
    require_held(stopped(job, tmp_path, most), kills, fills)


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base, tmp_path_factory):
    tuned = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0.4, n_boot=0)
    return tuned.save(tmp_path_factory.mktemp("model") / "model")


@pytest.mark.parametrize(("job", "most"), [("Save", 7), ("SaveInSteps", 11)])
def test_a_model_is_whole_or_the_one_before(stopped, tmp_path, model, job, most):
    require_held(stopped(job, tmp_path, most, model), 30, 8)


def test_a_study_that_is_stopped_anywhere_ends_with_the_same_bytes(stopped, tmp_path, demo_base):
    study = at.demo(tmp_path / "template", n=60, n_coded=40).study
    text = study.read_text().replace("base: minilm", f"base: {demo_base}").replace("report: report.html", "")
    study.write_text(text.replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    require_held(stopped("Run", tmp_path, 2), 150, 40)


FULL = """
import json, resource, sys
import polars as pl
import annotune as at
target, source, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = at.load(source)
data = pl.DataFrame({"unit_id": [f"u{i}" for i in range(20_000)], "y": range(20_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
ends = []
for suffix in ("csv", "parquet", "dta", "rds", "sav", "xlsx"):
    try:
        at.write(data, f"{target}/a.{suffix}")
        ends.append("written")
    except at.AnnotuneError as error:
        ends.append(str(error))
try:
    model.save(f"{target}/model")
    ends.append("written")
except at.AnnotuneError as error:
    ends.append(str(error))
print(json.dumps(ends))
"""


@pytest.mark.parametrize("limit", [0, 20_000] if ALL else [20_000])
def test_what_libraries_say_of_a_disk_without_room_is_a_sentence(tmp_path, model, limit):
    """Libraries in C++ and Rust write by themselves, where no hook sees them: they meet a limit of the system's."""
    command = [sys.executable, "-c", FULL, str(tmp_path), str(model), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    assert len(ends) == 7
    assert all(" cannot be written: " in end for end in ends), ends
    assert sum("File too large" in end for end in ends) >= 6  # SPSS's library says that rows are missing
    assert list(tmp_path.iterdir()) == []
