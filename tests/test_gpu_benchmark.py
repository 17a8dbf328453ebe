"""benchmarks/gpu.py runs without annotune's other packages, goes on where it stopped, and its table is the page's."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import annotune as at
from annotune.network.prompts import make_prompt
from annotune.tuning.settings import Settings

ROOT = Path(__file__).parents[1]
BARE = """
import importlib.metadata, runpy, sys
from importlib.machinery import PathFinder

GONE = {"polars", "pydantic", "pandas", "pyarrow", "sklearn", "scipy", "peft", "typer", "rich", "pyreadstat"}

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in GONE else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
known = importlib.metadata.distribution
def distribution(name):
    if name in GONE:
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)
importlib.metadata.distribution = distribution
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture
def gpu(monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("gpu")
    for name in set(sys.modules) - before:
        if name == "gpu" or name.startswith("gpu_"):
            del sys.modules[name]


def test_a_rehearsal_needs_torch_and_transformers_alone(tmp_path, gpu):
    """Every row of a decoder is measured where none of annotune's other packages is; what needs peft says so."""
    script, rows = str(ROOT / "benchmarks" / "gpu.py"), tmp_path / "rows.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", BARE, script, "--rehearse", "--only", "tiny decoder", "--rows", str(rows)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    kept = {row["name"]: row for row in map(json.loads, rows.read_text().splitlines())}
    scored, head = kept["annotune, labels scored"], kept["pipeline with a head, batches of 64"]
    assert scored["texts_per_second"] > 0 < head["texts_per_second"]
    assert 0 < scored["share"] < 1
    assert kept["Trainer + peft, head"]["without"] == "peft"
    assert "left out: without peft, bitsandbytes" in done.stdout
    assert "tiny decoder: coding" in gpu.tables(list(kept.values()))


@pytest.fixture
def begun(gpu, tmp_path, monkeypatch):
    """Begins a run of three rows that cost nothing; the second may take too long, the third may break."""

    def row(name, seconds=0.0):
        return SimpleNamespace(part="A table", name=name, seconds=seconds)

    monkeypatch.setattr(gpu, "about", lambda rehearsed: {"card": "a card", "packages": {"torch": "2"}, "source": "1"})
    methods, checks = importlib.import_module("gpu_methods"), importlib.import_module("gpu_checks")
    monkeypatch.setattr(checks, "CHECKS", {})
    stage = SimpleNamespace(leave=lambda: None)
    measured = []

    def begin(seconds_of_second=0.0, breaks=False, minutes=1.0):
        these = [row("one"), row("two", seconds_of_second), row("three")]
        monkeypatch.setattr(methods, "rows", lambda device, rehearsed: [(stage, these)])
        run = gpu.Run(tmp_path / "rows.jsonl", False, time.monotonic() + 60 * minutes, "")

        def result(row):
            measured.append(row.name)
            if breaks and row.name == "three":
                raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore of it")
            return {"texts_per_second": 2.0, "gib": 1.0, "share": 0.5}

        monkeypatch.setattr(run, "measured", result)
        return run, run.all(), measured

    return begin


def test_it_stops_before_a_row_that_would_take_too_long_and_goes_on_there(begun):
    _, whole, measured = begun(seconds_of_second=120.0)
    assert not whole
    assert measured == ["one"]
    run, whole, measured = begun()
    assert whole
    assert measured == ["one", "two", "three"]
    assert {row["name"] for row in run.kept} == {"one", "two", "three"}


def test_a_row_that_breaks_is_said_and_tried_again(begun, gpu):
    run, whole, measured = begun(breaks=True)
    assert whole
    assert "| three | failed: RuntimeError: CUDA error: an illegal memory access" in table_of(gpu, run)
    run, _, measured = begun()
    assert measured == ["one", "two", "three", "three"]
    assert "| two | 2.0 | 1.0 |" in table_of(gpu, run)
    assert "| three | 2.0 | 1.0 (another run) |" in table_of(gpu, run)


def test_rows_of_another_card_or_another_source_are_measured_anew(begun, gpu, tmp_path, monkeypatch):
    begun()
    monkeypatch.setattr(gpu, "about", lambda rehearsed: {"card": "other", "packages": {"torch": "2"}, "source": "1"})
    run, _, measured = begun()
    assert measured == ["one", "two", "three"] * 2
    assert {row["card"] for row in run.kept} == {"other"}
    cut = (tmp_path / "rows.jsonl").read_text() + '{"part": "A tab'  # as a killed run leaves it
    (tmp_path / "rows.jsonl").write_text(cut)
    assert len(gpu.read_rows(tmp_path / "rows.jsonl")) == 6


def table_of(gpu, run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "expected", lambda kept: {"A table": [row["name"] for row in kept]})
        return gpu.tables(run.kept)


def test_stand_ins_are_what_they_stand_for(gpu):
    material = importlib.import_module("gpu_material")
    usual = Settings(method="lora").model_dump()
    assert {name: usual[name] for name in material.SETTINGS} == material.SETTINGS
    labels = tuple(
        at.Label(code=i, name=label.name, definition=label.definition) for i, label in enumerate(material.TOPIC.labels)
    )
    topic = at.Variable(name=material.TOPIC.name, instruction=material.TOPIC.instruction, labels=labels)
    tokenizer = material.make_tokenizer()
    assert make_prompt([topic], tokenizer) == make_prompt([material.TOPIC], tokenizer)


def test_the_page_has_the_rows_that_were_measured_and_says_which_were_not(gpu):
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    inside = text.partition("<!-- gpu -->")[2].partition("<!-- end of gpu -->")[0].strip()
    kept = gpu.read_rows(gpu.ROWS)
    assert inside == gpu.tables(kept)
    assert ("no GPU so far" in inside) == (not kept)
