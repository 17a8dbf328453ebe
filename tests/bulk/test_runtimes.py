"""What computes a run is chosen once, and kept: whoever goes on with it gives the same bytes."""

import json

import pytest

import annotune as at
from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import require_plan
from annotune.runtimes import choice as choices
from annotune.runtimes import engines
from annotune.runtimes.engines import Engine, Runtime

from .conftest import bytes_of

OPTIONS = {"rows_per_shard": 100, "threads": 1}


class Rounded:
    """A network whose logits have few digits, as those of a faster runtime have."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, ids, mask):
        return self.model(ids, mask).bfloat16()


@pytest.fixture
def rounded(monkeypatch):
    """A runtime beside float32, which is taken wherever labels are equal; a function that takes it away."""
    for name in [name for name in engines.RUNTIMES if name != "float32"]:
        monkeypatch.delitem(engines.RUNTIMES, name)
    there = [True]
    runtime = Runtime(False, lambda _: None if there[0] else "It is gone.", lambda model: Engine(Rounded(model)))
    monkeypatch.setitem(engines.RUNTIMES, "rounded", runtime)
    monkeypatch.setattr(choices, "FEWEST", 100)
    monkeypatch.setattr(choices, "TIMED", 20)
    monkeypatch.setattr("annotune.bulk.runtimes.TIMED", 20)
    monkeypatch.setattr(choices, "GAIN", 0.0)
    return there


def parts(texts, model, out, *numbers, **options):
    for number in numbers:
        found = at.classify(texts, model, out, shard=(number, 2), **OPTIONS, **options)
    return found


def test_a_choice_is_kept_and_every_process_follows_it(
    texts_folder, model_folder, rounded, tmp_path, monkeypatch, undisturbed
):
    whole = parts(texts_folder, model_folder, tmp_path / "whole", 1, 2, precision="auto")
    assert whole.is_complete
    assert any(note.startswith("Computed in rounded,") for note in whole.notes)
    assert bytes_of(tmp_path / "whole") == bytes_of_by_name(texts_folder, model_folder, tmp_path / "named")
    assert bytes_of(tmp_path / "whole") != undisturbed  # those of float32

    parts(texts_folder, model_folder, tmp_path / "stopped", 1, precision="auto")
    monkeypatch.setattr(choices, "GAIN", float("inf"))  # a trial would end in another way now
    parts(texts_folder, model_folder, tmp_path / "stopped", 2, precision="auto")
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "whole")
    folder = RunFolder(tmp_path / "stopped")
    manifests = [folder.manifest(shard) for shard in require_plan(folder.out).shards]
    assert {tuple(manifest["runtimes"]) for manifest in manifests} == {("rounded",)}
    choice = json.loads(folder.runtimes.read_text())["choices"][0]
    assert [trial["runtime"] for trial in choice["trials"]] == ["float32", "rounded"]


def bytes_of_by_name(texts, model, out):
    parts(texts, model, out, 1, 2, precision="rounded")
    return bytes_of(out)


def test_a_machine_without_what_was_chosen_codes_nothing(texts_folder, model_folder, rounded, tmp_path):
    out = tmp_path / "coded"
    parts(texts_folder, model_folder, out, 1, precision="auto")
    done = bytes_of(out)
    rounded[0] = False
    with pytest.raises(at.AnnotuneError, match=r"It is gone\. rounded was chosen"):
        parts(texts_folder, model_folder, out, 2, precision="auto")
    assert bytes_of(out) == done


class Sociable(Rounded):
    """A network that gives a text other last digits where others are read with it."""

    def __call__(self, ids, mask):
        return self.model(ids, mask) + 1e-6 * ids.sum()


def test_a_runtime_that_company_changes_is_not_taken(texts_folder, model_folder, rounded, tmp_path, monkeypatch):
    runtime = Runtime(True, lambda _: None, lambda model: Engine(Sociable(model)))
    monkeypatch.setitem(engines.RUNTIMES, "rounded", runtime)
    whole = parts(texts_folder, model_folder, tmp_path / "auto", 1, 2, precision="auto")
    assert whole.is_complete
    choice = json.loads(RunFolder(tmp_path / "auto").runtimes.read_text())["choices"][0]
    assert choice["runtime"] == "float32"
    assert "in other company" in choice["trials"][1]["why_not"]
    with pytest.raises(at.AnnotuneError, match="gives a text other last digits in other company"):
        parts(texts_folder, model_folder, tmp_path / "named", 1, precision="rounded")


def test_a_forecast_keeps_no_choice(texts_folder, model_folder, rounded, tmp_path):
    out = tmp_path / "coded"
    at.classify(texts_folder, model_folder, out, precision="auto", dry_run=True, workers=1, **OPTIONS)
    assert not RunFolder(out).runtimes.exists()


def test_a_damaged_choice_is_said(texts_folder, model_folder, rounded, tmp_path):
    out = tmp_path / "coded"
    parts(texts_folder, model_folder, out, 1, precision="auto")
    path = RunFolder(out).runtimes
    path.write_text(path.read_text().replace("rounded", "float32"))
    with pytest.raises(at.AnnotuneError, match=r"runtimes\.json is damaged"):
        parts(texts_folder, model_folder, out, 2, precision="auto")
