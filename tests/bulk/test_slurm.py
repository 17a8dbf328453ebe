"""A run on SLURM: what jobs ask for, the file for sbatch as bash runs it, and a task whose time is over.

`sbatch`, `squeue` and `scontrol` are stand-ins here; `.ci/slurm` does the same with a real SLURM.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import annotune as at
from annotune.bulk import array_task, run, slurm
from annotune.bulk.clusters import Profile, profile_of, read_clusters
from annotune.bulk.manifest import RunFolder
from annotune.bulk.slurm_script import script_of

from .conftest import bytes_of

OPTIONS = {"rows_per_shard": 100, "threads": 1}
SOURCES = str(Path(at.__file__).parents[1])
CLUSTERS = """
horeka:
  partition: cpuonly
  account: hk-project
  time: 8:00:00
  cpus: 2
  memory: 8G
  parallel: 20
  modules: [devel/python/3.11, numlib/mkl]
  setup: source ~/annotune/bin/activate
  python: python
  options: --mail-type=END
uc3:
  partition: gpu_h100
  time: 60
  gpus: h100:1
"""
SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[-1]).read()
n, logs = int(re.search(r"--array=1-(\\d+)", script)[1]), re.search(r'--output="?(.*)/%A', script)[1]
assert os.path.isdir(re.sub(r"\\\\(.)", r"\\1", logs).replace("%%", "%"))
for number in range(1, n + 1):
    environment = {{**os.environ, "SLURM_ARRAY_TASK_ID": str(number), "SLURM_JOB_ID": str(4711 + number)}}
    subprocess.run(["bash", sys.argv[-1]], check=True, env=environment)
print("4711;mars")
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Stand-ins for SLURM's commands: sbatch runs all tasks at once, squeue says what `queue` holds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {
        "sbatch": SBATCH.format(python=sys.executable),
        "squeue": f"#!/bin/sh\ncat '{folder}/queue'\n",
        "scontrol": f"#!/bin/sh\necho \"$@\" >>'{folder}/asked'\n",
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "queue").write_text("")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    return folder


@pytest.fixture
def clusters(tmp_path):
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    return tmp_path / "clusters.yaml"


@pytest.fixture
def signals():
    """The handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def is_bash(script):
    return subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_one_file_says_what_jobs_ask_for_on_several_clusters(clusters, tmp_path):
    folder = RunFolder(tmp_path / "coded")
    script = script_of(folder, profile_of("horeka", clusters, {"time": "1-00:00:00"}), 12, 2)
    assert is_bash(script)
    threads = (
        "\n".join(f"export {name}_NUM_THREADS=2" for name in ("OMP", "MKL", "OPENBLAS", "RAYON"))
        + "\nexport POLARS_MAX_THREADS=2"
    )
    assert (
        script
        == f"""#!/bin/bash
#SBATCH --job-name=annotune
#SBATCH --array=1-12%20
#SBATCH --partition=cpuonly
#SBATCH --account=hk-project
#SBATCH --time=1-00:00:00
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output={tmp_path}/coded/.annotune/logs/%A_%a.log
#SBATCH --mail-type=END

module load devel/python/3.11 numlib/mkl || exit 1
source ~/annotune/bin/activate
{threads}
cd -- {tmp_path}/coded/.annotune || exit 1
exec python -m annotune.bulk.array_task {tmp_path}/coded --shard "$SLURM_ARRAY_TASK_ID/12"
"""
    )
    script = script_of(folder, profile_of("uc3", clusters, {}), 1, 4)
    assert "#SBATCH --gres=gpu:h100:1\n" in script
    assert "#SBATCH --time=60\n" in script
    assert "#SBATCH --cpus-per-task=4\n" in script
    assert sys.executable in script


def test_the_file_is_found_where_the_user_says_and_not_beside_the_texts(clusters, monkeypatch):
    monkeypatch.setenv("ANNOTUNE_CLUSTERS", str(clusters))
    assert profile_of("uc3", None, {}).gpus == "h100:1"
    monkeypatch.delenv("ANNOTUNE_CLUSTERS")
    monkeypatch.setenv("HOME", str(clusters.parent / "home"))
    monkeypatch.chdir(clusters.parent)
    with pytest.raises(at.AnnotuneError, match=r"home/.config/annotune/clusters.yaml is not there"):
        profile_of("uc3", None, {})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cluster": "horeca"}, r"has no cluster 'horeca'. Did you mean 'horeka'"),
        ({"cluster": None}, "No cluster of the file is named"),
        ({"partitions": "cpu"}, "A job has no option 'partitions'. Did you mean 'partition'"),
        ({"time": 28800}, "cannot have time='28800'. Give text such as '8:00:00'"),
        ({"time": "eight hours"}, "cannot have time='eight hours'"),
        ({"partition": "cpu\n#SBATCH --uid=0"}, "cannot have partition="),
        ({"options": ["--comment=a\n#SBATCH --uid=0"]}, "cannot have options=.* Write each as --name=value"),
        ({"modules": ["gcc; rm -rf x"]}, "cannot have modules="),
        ({"memory": "much"}, "cannot have memory='much'. Give text such as '16G'"),
        ({"cpus": 0}, "cannot have cpus='0'. Give 1 or more"),
    ],
)
def test_what_no_job_can_have(clusters, options, sentence):
    with pytest.raises(at.AnnotuneError, match=sentence):
        at.classify("texts", "model", "o", on="slurm", clusters=clusters, **{"cluster": "horeka", **options})


def test_a_fault_in_the_file_is_told_with_its_line(clusters):
    clusters.write_text(CLUSTERS.replace("account:", "acount:"))
    with pytest.raises(at.AnnotuneError, match=r"clusters.yaml, line 4: horeka, acount: .*Did you mean 'account'"):
        read_clusters(clusters)


def test_options_of_another_place(tmp_path):
    with pytest.raises(at.AnnotuneError, match=r"on='local' has no option 'partition'. There are: 'gpus'"):
        at.classify("texts", "model", tmp_path / "o", partition="cpu")
    with pytest.raises(at.AnnotuneError, match=r"on='ray' has no option 'adress'. Did you mean 'address'"):
        at.classify("texts", "model", tmp_path / "o", on="ray", adress="auto")
    with pytest.raises(at.AnnotuneError, match="A part is coded here, and not on='slurm'"):
        at.classify("texts", "model", tmp_path / "o", on="slurm", shard=(1, 2))


def test_tasks_code_the_same_bytes_in_a_folder_of_any_name(texts_folder, model_folder, undisturbed, commands, tmp_path):
    out = tmp_path / """it's "my" $(touch hit) `touch hit`; é %j \\ #"""
    found = at.classify(texts_folder, model_folder, out, on="slurm", workers=2, **OPTIONS)
    assert found.is_complete
    assert bytes_of(out) == undisturbed
    assert not list(tmp_path.rglob("hit"))
    assert found.notes[0].startswith("Job 4711 was submitted: 2 tasks, whose logs are in ")
    assert found.notes[1] == f"See how far it is with: annotune status {out}"
    assert list((out / ".annotune/claims").iterdir()) == []


def test_a_job_that_is_queued_is_not_submitted_again(texts_folder, model_folder, commands, tmp_path):
    out = tmp_path / "coded"
    (commands / "sbatch").write_text("#!/bin/sh\necho 4711\n")
    at.classify(texts_folder, model_folder, out, on="slurm", **OPTIONS)
    (commands / "queue").write_text("PENDING\nRUNNING\n")
    found = at.classify(texts_folder, model_folder, out, on="slurm", **OPTIONS)
    assert found.notes[0] == "Job 4711 works on this, and no other was submitted."
    (commands / "queue").write_text("")
    (commands / "sbatch").write_text("#!/bin/sh\necho 4712\n")
    found = at.classify(texts_folder, model_folder, out, on="slurm", **OPTIONS)
    assert found.notes[0].startswith("Job 4712 was submitted: 11 tasks")


def test_who_waits_is_told_of_a_job_that_ends_before_all_is_done(
    texts_folder, model_folder, commands, tmp_path, monkeypatch
):
    (commands / "sbatch").write_text("#!/bin/sh\necho 4711\n")
    with pytest.raises(at.AnnotuneError, match=r"Job 4711 has ended, and 11 shards are not done. See .*logs"):
        at.classify(texts_folder, model_folder, tmp_path / "coded", on="slurm", wait=True, **OPTIONS)
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: x' >&2\nexit 1\n")
    with pytest.raises(at.AnnotuneError, match="SLURM refused the job: invalid partition specified: x"):
        at.classify(texts_folder, model_folder, tmp_path / "coded", on="slurm", partition="x", **OPTIONS)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(at.AnnotuneError, match="there is no sbatch"):
        at.classify(texts_folder, model_folder, tmp_path / "coded", on="slurm", **OPTIONS)


def test_who_waits_goes_when_all_is_done(texts_folder, model_folder, commands, tmp_path, monkeypatch):
    """The second time that SLURM is asked, somebody has done all."""
    out, asked = tmp_path / "coded", []

    def queued(job):
        asked.append(job)
        if len(asked) == 2:
            run.work(out)
        return ["RUNNING"]

    (commands / "sbatch").write_text("#!/bin/sh\necho 4711\n")
    monkeypatch.setattr(slurm, "_queued", queued)
    monkeypatch.setattr(slurm, "BETWEEN", 0.0)
    assert at.classify(texts_folder, model_folder, out, on="slurm", wait=True, **OPTIONS).is_complete
    assert asked == ["4711", "4711"]


def test_the_file_for_hand_submission(texts_folder, model_folder, commands, tmp_path):
    (commands / "sbatch").write_text("#!/bin/sh\nexit 1\n")
    path = tmp_path / "job.sh"
    found = at.classify(texts_folder, model_folder, tmp_path / "o", on="slurm", write_sbatch=path, workers=3, **OPTIONS)
    assert found.notes == (f"Submit 3 tasks with: sbatch {path}",)
    assert set(found.shards["state"]) == {"waiting"}
    assert is_bash(path.read_text())
    assert '--shard "$SLURM_ARRAY_TASK_ID/3"' in path.read_text()


def begun(texts_folder, model_folder, out):
    at.classify(texts_folder, model_folder, out, shard=(99, 99), **OPTIONS)
    return [str(out), "--shard", "1/3"]


def interrupted_at(monkeypatch, n, number):
    """A signal comes while the n-th shard is coded."""
    coded, calls = run.coded, []

    def disturbed(shard, *args):
        calls.append(shard.name)
        if len(calls) == n:
            os.kill(os.getpid(), number)
        return coded(shard, *args)

    monkeypatch.setattr(run, "coded", disturbed)
    return calls


@pytest.mark.usefixtures("signals")
def test_a_task_whose_time_is_over_goes_on_in_its_next_turn(
    texts_folder, model_folder, undisturbed, commands, tmp_path, monkeypatch
):
    out = tmp_path / "coded"
    args = begun(texts_folder, model_folder, out)
    monkeypatch.setenv("SLURM_JOB_ID", "815")
    with monkeypatch.context() as patch:
        calls = interrupted_at(patch, 6, signal.SIGUSR1)
        assert array_task.main(args) == 0
    assert (commands / "asked").read_text() == "requeue 815\n"
    names = [shard.name for shard in run.require_plan(out).shards]
    assert set(calls[:4]) == set(names[::3]), "Its own part comes first."
    assert len(bytes_of(out)) == 5
    assert list((out / ".annotune/claims").iterdir()) == list((out / ".annotune/drafts").iterdir()) == []
    assert array_task.main(args) == 0
    assert bytes_of(out) == undisturbed


@pytest.mark.usefixtures("signals")
def test_a_task_that_is_too_short_for_a_shard_is_not_queued_for_ever(
    texts_folder, model_folder, commands, tmp_path, monkeypatch, capsys
):
    args = begun(texts_folder, model_folder, tmp_path / "coded")
    monkeypatch.setenv("SLURM_JOB_ID", "815")
    interrupted_at(monkeypatch, 1, signal.SIGUSR1)
    assert array_task.main(args) == 2
    assert "too short for a single shard" in capsys.readouterr().err
    assert not (commands / "asked").exists()


@pytest.mark.usefixtures("signals")
def test_a_task_that_is_cancelled_gives_its_shard_back(texts_folder, model_folder, tmp_path, monkeypatch):
    args = begun(texts_folder, model_folder, tmp_path / "coded")
    interrupted_at(monkeypatch, 2, signal.SIGTERM)
    with pytest.raises(SystemExit) as ending:
        array_task.main(args)
    assert ending.value.code == 143
    assert list((tmp_path / "coded/.annotune/claims").iterdir()) == []
    assert at.status(tmp_path / "coded").shards["state"].to_list().count("done") == 1


def test_a_profile_holds_what_was_written():
    profile = Profile.model_validate(json.loads('{"setup": "a\\nb", "gpus": 1, "options": ["--exclusive"]}'))
    assert profile.setup == ("a\nb",)
    assert profile.gpus == "1"
    assert profile.options == ("--exclusive",)


def test_the_command_line_says_what_a_job_asks_for(texts_folder, model_folder, clusters, commands, tmp_path):
    from typer.testing import CliRunner

    from annotune.cli import app

    def typed(*options):
        line = ["classify", str(texts_folder), "--model", str(model_folder), "--out", str(tmp_path / "coded")]
        return CliRunner().invoke(app, [*line, "--on", "slurm", "--rows-per-shard", "100", *options])

    script = tmp_path / "job.sh"
    options = ["--job", "memory=16G", "--job", "modules=gcc", "--job", "modules=mkl", "--job", "cpus=1"]
    done = typed("--clusters", str(clusters), "--cluster", "horeka", "--write-sbatch", str(script), *options)
    assert done.exit_code == 0, done.output
    assert "Submit 11 tasks with: sbatch" in done.output
    text = script.read_text()
    assert "#SBATCH --mem=16G\n" in text
    assert "#SBATCH --account=hk-project\n" in text
    assert "module load gcc mkl || exit 1\n" in text
    for wrong, sentence in (("memory", "--job 'memory' has no value"), ("memori=1", "has no option 'memori'")):
        assert sentence in str(typed("--job", wrong).exception)
