"""Two processes, each with the whole decoder or with a share of it, are tuned to what one process is tuned to.

Run as a script, this file is one of those processes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch

import annotune as at
from annotune.errors import AnnotuneError
from annotune.network import machine, shares
from annotune.network.base import find_base, load_backbone
from annotune.tuning import fit, loop

CONFIGURATIONS = Path(loop.__file__).parent / "launch"
CHOICES = {"epochs": 2, "n_boot": 0, "test": 0.2, "device": "cpu", "learning_rate": 5e-3, "batch_texts": 16}
FSDP = {"ACCELERATE_USE_FSDP": "true", "WORLD_SIZE": "2"}


def tuned(folder, objective):
    """The model, and its losses epoch by epoch as this process sees its own texts."""
    losses = []

    def watched(*given, **more):
        for loss in loop.train(*given, **more):
            losses.append(loss)
            yield loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "train", watched)
        patch.setattr(machine, "has_fast_bf16", lambda device: False)  # in bfloat16, other company is other rounding
        corpus, gold = (pl.read_parquet(folder / f"{name}.parquet") for name in ("corpus", "gold"))
        book = at.read_codebook(folder / "codebook.yaml")
        return at.tune(corpus, gold, book, base=str(folder / "base"), objective=objective, **CHOICES), losses


def held_here(model):
    """The share of the base's numbers that this process holds while it computes."""
    weights = list(shares.computing(model).backbone.parameters())
    return sum(getattr(one, "_local_tensor", one).numel() for one in weights) / sum(one.numel() for one in weights)


def one_of_several(folder, objectives):
    torch.set_num_threads(1)
    corpus = pl.read_parquet(folder / "corpus.parquet")
    for objective in objectives:
        model, losses = tuned(folder, objective)
        found = {"losses": losses, "chosen_by": model.card["choices"]["losses"], "held": held_here(model.model)}
        model.classify(corpus).write_parquet(folder / f"{objective}-{os.environ['RANK']}.parquet")
        (folder / f"{objective}-{os.environ['RANK']}.json").write_text(json.dumps(found))
        if machine.is_first():
            model.save(folder / objective)


def launch(folder, configuration, *objectives):
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", CONFIGURATIONS / configuration]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE")}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command += ["--num_processes", "2", "--main_process_port", "0", __file__, folder, *objectives]
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[:6000]


@pytest.fixture(scope="module")
def study(questions, book, decoder, tmp_path_factory):
    """A folder with all that a process needs."""
    tmp_path = tmp_path_factory.mktemp("study")
    corpus, gold = (frame[:80] for frame in questions)
    corpus.write_parquet(tmp_path / "corpus.parquet")
    gold.write_parquet(tmp_path / "gold.parquet")
    (tmp_path / "codebook.yaml").write_text(json.dumps(book().model_dump(mode="json", exclude_none=True)))
    (tmp_path / "base").symlink_to(decoder("llama"))
    return tmp_path


@pytest.fixture(scope="module")
def alone(study):
    """What one process makes of each objective."""
    return {objective: tuned(study, objective) for objective in ("head", "label")}


def require_as_one(folder, objective, model, losses):
    both = [json.loads((folder / f"{objective}-{rank}.json").read_text()) for rank in range(2)]
    together = [sum(pair) for pair in zip(*(one["losses"] for one in both), strict=True)]
    assert together == pytest.approx(losses, abs=1e-5)
    for one in both:
        assert one["chosen_by"] == pytest.approx(model.card["choices"]["losses"], abs=1e-5)
    expected = model.classify(pl.read_parquet(folder / "corpus.parquet")).select("^p_.*$").to_numpy()
    for rank in range(2):
        found = pl.read_parquet(folder / f"{objective}-{rank}.parquet").select("^p_.*$").to_numpy()
        assert found == pytest.approx(expected, abs=1e-4)
    again = at.load(folder / objective).classify(pl.read_parquet(folder / "corpus.parquet"))
    assert again.select("^p_.*$").to_numpy() == pytest.approx(expected, abs=1e-4)
    return [one["held"] for one in both]


def test_shares_of_a_decoder_learn_what_the_whole_does(study, alone):
    launch(study, "fsdp2.yaml", "head", "label")
    for objective in ("head", "label"):
        assert require_as_one(study, objective, *alone[objective]) == pytest.approx([0.5, 0.5], abs=0.01)


def test_two_whole_decoders_learn_what_one_does(study, alone):
    launch(study, "ddp.yaml", "label")
    assert require_as_one(study, "label", *alone["label"]) == [1, 1]


def test_what_shares_cannot_do(study, monkeypatch):
    for name, value in FSDP.items():
        monkeypatch.setenv(name, value)
    base = find_base(str(study / "base"))
    with pytest.raises(AnnotuneError, match="in 4 bits are not shared"):
        load_backbone(base, torch.device("cpu"), weights="4bit")
    with pytest.raises(AnnotuneError, match=r"not computed on 'mps'"):
        load_backbone(base, torch.device("mps"))
    monkeypatch.setitem(CHOICES, "method", "full")
    with pytest.raises(AnnotuneError, match="only LoRA's matrices are tuned"):
        tuned(study, "head")


if __name__ == "__main__":
    one_of_several(Path(sys.argv[1]), sys.argv[2:])
