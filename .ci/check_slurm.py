"""What `.ci/slurm` looks at, once a SLURM is there: each line that it prints was true."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at
from annotune.bulk.status import RunStatus
from annotune.data.codebook import Codebook

ROOT = Path(sys.argv[1])
WORDS = "hospital doctor patient nurse court judge crime police cattle wheat farmer milk the minister asked about cost"
LABELS = {"health": WORDS.split()[:4], "justice": WORDS.split()[4:8], "farming": WORDS.split()[8:12]}


def texts(n: int, seed: int) -> pl.DataFrame:
    """Texts of a few words, none twice."""
    chance = np.random.default_rng(seed)
    words = [" ".join(chance.choice(WORDS.split(), 60)) for _ in range(n)]
    return pl.DataFrame({"unit_id": [f"{seed}-{number}" for number in range(n)], "text": words})


def model() -> Path:
    """A model of three topics, tuned on texts of their words."""
    chance = np.random.default_rng(1)
    names = [list(LABELS)[number % 3] for number in range(90)]
    words = [" ".join(chance.choice(LABELS[name], 5)) for name in names]
    corpus = pl.DataFrame({"unit_id": [str(number) for number in range(90)], "text": words})
    rows = {"unit_id": corpus["unit_id"], "label": names}
    gold = pl.DataFrame(rows).with_columns(variable=pl.lit("topic"), coder=pl.lit("anna"), status=pl.lit("ok"))
    labels = [{"code": number, "name": name} for number, name in enumerate(LABELS, 1)]
    book = Codebook.model_validate({"variables": [{"name": "topic", "kind": "nominal", "labels": labels}]})
    return at.tune(corpus, gold, book, method="probe", n_boot=20).save(ROOT / "model")


def asked(*command: str) -> str:
    """What a command answers."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(holds: Callable[[], bool], what: str, seconds: float = 900) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text()[-1500:] for path in ROOT.rglob("*.log"))
            sys.exit(f"not within {seconds:.0f} seconds: {what}\n{asked('squeue', '--array')}\n{logs}")
        time.sleep(0.2)
    print(f"{what}: yes", flush=True)


def job_of(status: RunStatus) -> str:
    """The number of the job that was submitted."""
    return status.notes[0].split()[1]


def state_of(task: str) -> str:
    """The state of a task; nothing once it has ended."""
    answer = subprocess.run(["squeue", "-h", "-j", task, "-o", "%T"], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def bytes_of(out: Path) -> dict[str, bytes]:
    """The bytes of every file of codes."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def done(out: Path) -> int:
    """How many shards are done."""
    return at.status(out).shards["state"].to_list().count("done")


def main() -> None:
    """An undisturbed run here, and two on SLURM that are disturbed."""
    source = ROOT / "texts"
    source.mkdir()
    for number in range(4):
        texts(300, number).write_parquet(source / f"{number}.parquet")
    options = {"rows_per_shard": 100, "threads": 1}
    folder = model()
    here = ROOT / "here"
    at.classify(source, folder, here, workers=1, **options)

    out = ROOT / 'it\'s a % "folder"'
    host = asked("hostname", "-s").strip()
    job = job_of(at.classify(source, folder, out, on="slurm", workers=2, time="10:00", parallel=2, **options))
    print(f"job {job} is queued: {asked('squeue', '-h', '-j', job).strip()}")
    until(lambda: done(out) >= 1, "a shard is done")
    asked("scontrol", "requeue", f"{job}_1")
    until(lambda: state_of(f"{job}_1") == "PENDING", "task 1 was queued again while it worked")
    asked("scancel", "--signal=USR1", "--batch", f"{job}_2")
    until(lambda: state_of(f"{job}_2") in ("PENDING", ""), "task 2 gave its place back when told of its time")
    asked("scontrol", "update", f"nodename={host}", "state=drain", "reason=test")
    until(lambda: not asked("squeue", "-h", "-j", job, "-t", "R,CG").strip(), "nothing runs on a node that is drained")
    print(f"{done(out)} of 12 shards are done, and {at.status(out).shards['state'].to_list()}")
    again = at.classify(source, folder, out, on="slurm", workers=2, **options)
    assert done(out) == 12 or again.notes[0] == f"Job {job} works on this, and no other was submitted.", again.notes
    asked("scontrol", "update", f"nodename={host}", "state=resume")
    until(lambda: not asked("squeue", "-h", "-j", job).strip(), "the job has ended")
    assert at.status(out).is_complete, at.status(out)
    assert bytes_of(out) == bytes_of(here)
    print("the bytes are those of the undisturbed run: yes")
    print("\n".join(f"{path.name}: {path.read_text().strip()}" for path in sorted(out.rglob("*.log"))))


if __name__ == "__main__":
    main()
