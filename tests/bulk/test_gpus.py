"""Several GPUs: a worker for each, which sees that one alone, and whose place another one takes when it breaks off."""

import sys
from types import SimpleNamespace

import pytest
import torch

import annotune as at
from annotune.bulk import places, run, team
from annotune.bulk.places import Local, default_workers, gpus_for
from annotune.bulk.team import Ending, Team
from annotune.commands.bulk import job_of

from .conftest import bytes_of


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_there_is_a_worker_for_each_gpu(three_gpus, monkeypatch):
    assert gpus_for() == gpus_for("cuda") == ["0", "1", "2"]
    assert (gpus_for("cuda:1"), gpus_for("cpu")) == ([], [])
    assert (default_workers(), default_workers("cuda:1")) == (3, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5a,7,MIG-3")  # as a scheduler allots them
    assert gpus_for() == ["GPU-5a", "7", "MIG-3"]


def test_workers_take_turns_in_choosing_a_gpu(three_gpus):
    assert [Local(4)._gpu(seat) for seat in range(4)] == ["0", "1", "2", "0"]
    assert [Local(gpus=2)._gpu(seat) for seat in range(3)] == ["0", "1", "0"]
    assert (Local(gpus=2)._workers(9), Local(5, gpus=2)._workers(9), Local(gpus=2)._workers(1)) == (2, 5, 1)
    assert Local(2, "cuda:1")._gpu(0) is None


@pytest.mark.parametrize("gpus", [0, 4, -1])
def test_more_gpus_than_there_are_is_one_sentence(three_gpus, gpus):
    with pytest.raises(at.AnnotuneError, match=f"{gpus} GPUs are asked for, and torch can use 3 here"):
        Local(gpus=gpus)


def test_without_a_gpu_none_can_be_asked_for(tmp_path, texts_folder, model_folder):
    with pytest.raises(at.AnnotuneError, match="there is none that torch can use here"):
        at.classify(texts_folder, model_folder, tmp_path / "out", gpus=1, device="cpu")


def test_the_command_line_says_how_many(three_gpus):
    assert job_of(["gpus=2"], "local") == {"gpus": 2}
    assert job_of(["gpus=0.5"], "ray") == {"gpus": 0.5}
    with pytest.raises(at.AnnotuneError, match=r"gpus='half' is no such number. Such as gpus=2"):
        job_of(["gpus=half"], "local")


def test_a_worker_sees_its_gpu_alone(tmp_path, monkeypatch):
    """What is begun in a worker's place says what it sees."""
    monkeypatch.setattr(team, "BEGINNING", "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))")
    monkeypatch.setattr(team, "interpreter", lambda: sys.executable)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert [team.Process(tmp_path, 1, gpu).wait().words.strip() for gpu in ("2", None)] == ["2", "0,1,2"]


def test_two_workers_code_the_same_bytes_and_each_has_a_gpu_of_its_own(
    three_gpus, texts_folder, model_folder, undisturbed, tmp_path, monkeypatch
):
    """The workers find no card here and compute on the processor; which one they were given is told by their places."""
    begun, process = [], team.Process

    def recorded(out, threads, gpu=None):
        begun.append(gpu)
        return process(out, threads, gpu)

    monkeypatch.setattr(places, "Process", recorded)
    out = tmp_path / "coded"
    assert at.classify(texts_folder, model_folder, out, rows_per_shard=100, threads=1, gpus=2).is_complete
    assert begun == ["0", "1"]
    assert bytes_of(out) == undisturbed


def test_who_breaks_off_is_replaced_in_the_same_place():
    endings = {0: [Ending(0)], 1: [Ending(-9), None, Ending(1), Ending(0)], 2: [None, None, Ending(0)]}
    seats = []

    def started(seat):
        seats.append(seat)
        return SimpleNamespace(ending=lambda: endings[seat].pop(0))

    crew = Team(started, 3)
    crew.members = {seat: started(seat) for seat in range(3)}
    while crew.goes_on():
        pass
    assert seats == [0, 1, 2, 1, 1]


def test_a_card_that_breaks_off_ends_the_process_and_no_shard_fails(texts_folder, model_folder, undisturbed, tmp_path):
    """Each further shard would fail in that process, so that it ends; another one goes on."""
    out, code, shards = tmp_path / "coded", run.coded, []

    def broken(shard, *more):
        shards.append(shard.name)
        if len(shards) == 3:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return code(shard, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "coded", broken)
        with pytest.raises(RuntimeError, match="illegal memory access"):
            at.classify(texts_folder, model_folder, out, rows_per_shard=100, workers=1, threads=1)
    assert len(shards) == 3
    assert not at.status(out).shards.filter(state="failed").height
    assert at.classify(texts_folder, model_folder, out, workers=1).is_complete
    assert bytes_of(out) == undisturbed
