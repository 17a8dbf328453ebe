"""The device that was asked for, and what the record says of it; rows that come back while others are computed."""

import threading

import numpy as np
import pytest
import torch

import annotune as at
from annotune.network import encoder, machine, steady
from annotune.network.batches import Tokens, pad
from annotune.network.encoder import outputs
from annotune.network.machine import choose_device, gpu_name, hardware
from annotune.network.memory import free_memory, ran_out_of_memory
from annotune.network.transfers import AHEAD, in_turn, made_ahead


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the card {device}")
    monkeypatch.setattr(machine, "has_fast_bf16", lambda device: device.type == "cuda")


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:first", "cpu:x", ""])
def test_a_device_that_cannot_be_is_one_sentence(wanted, two_gpus):
    with pytest.raises(at.AnnotuneError, match=r"There is no device .* Choose from 'auto', 'cpu', 'cuda', 'mps'"):
        choose_device(wanted)


def test_a_gpu_is_taken_where_there_is_one(two_gpus):
    assert [str(choose_device(wanted)) for wanted in ("auto", "cpu", "cuda:1")] == ["cuda", "cpu", "cuda:1"]
    with pytest.raises(at.AnnotuneError, match="no 'cuda:2' here: GPUs are counted from 0, and torch can use 2"):
        choose_device("cuda:2")


def test_the_record_names_the_card_where_it_was_used(two_gpus):
    there, here = hardware("cuda:1"), hardware("cpu")
    assert (there["device"], there["gpu"], there["bf16"]) == ("cuda", "the card cuda:1", True)
    assert (here["device"], here["gpu"], here["cuda"], here["bf16"]) == ("cpu", None, None, False)
    assert (gpu_name("auto"), gpu_name("cpu")) == ("the card cuda", None)


def test_what_torch_keeps_of_a_gpu_s_memory_is_free(monkeypatch):
    for name, size in (("memory_reserved", 7), ("memory_allocated", 4)):
        monkeypatch.setattr(torch.cuda, name, lambda device, size=size: size)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10, 100))
    assert free_memory(torch.device("cuda")) == 13


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB, max allowed: 9.07 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_memory_runs_out_in_several_words(error):
    assert ran_out_of_memory(error)
    assert not ran_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


@pytest.mark.parametrize("n", [0, 1, AHEAD, 7])
def test_rows_come_in_the_order_in_which_they_were_asked_for(n):
    begun = []

    def started():
        for number in range(n):
            begun.append(number)
            yield number, lambda number=number: np.array([number])

    ahead = []
    for place, (number, rows) in enumerate(in_turn(started())):
        assert number == rows[0] == place
        ahead.append(len(begun) - place - 1)
    assert ahead == [min(AHEAD, n - place - 1) for place in range(n)]


@pytest.mark.filterwarnings("ignore:Memory ran out")
def test_rows_under_way_are_kept_when_memory_runs_out(network, monkeypatch):
    rng = np.random.default_rng(1)
    tokens = Tokens([rng.integers(5, 20, size).tolist() for size in rng.integers(1, 9, 60)], 0, 16, 0)
    whole, rows, sizes = outputs(network, tokens, batch_tokens=16), encoder._rows, []

    def out_of_memory(run, tokens, batch, device):
        sizes.append(len(batch))
        if len(sizes) > AHEAD + 1 and len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rows(run, tokens, batch, device)

    monkeypatch.setattr(encoder, "_rows", out_of_memory)
    assert np.abs(outputs(network, tokens, batch_tokens=16) - whole).max() < 1e-6
    assert len(set(sizes)) > 1


@pytest.fixture(scope="module")
def network(tiny_base):
    from annotune.network.base import Base, load_backbone

    torch.manual_seed(1)
    return encoder.build(load_backbone(Base(tiny_base, "tiny", "1"), torch.device("cpu")), 3)


def test_the_next_ones_are_made_while_one_is_worked_with():
    begun, both = [], threading.Barrier(2)

    def make(number):
        begun.append(number)
        if number == 1:
            both.wait(timeout=600)  # for whoever works with the one before
        return 10 * number

    worked = made_ahead(make, range(3))
    assert next(worked) == 0
    both.wait(timeout=600)
    assert list(worked) == [10, 20]
    assert begun == [0, 1, 2]
    assert list(made_ahead(make, [])) == []


def test_what_goes_wrong_while_one_is_made_is_raised():
    worked = made_ahead(lambda number: 1 // number, [1, 0, 1])
    assert next(worked) == 1
    with pytest.raises(ZeroDivisionError):
        next(worked)


class Watched:
    """Stands for a network on a GPU: it keeps the masks, and a text's logit is its first token."""

    device, n_outputs, overhead, most_texts = torch.device("mps"), 1, 0, 1000

    def __init__(self):
        self.masks = []

    def eval(self):
        pass

    def __call__(self, ids, mask):
        self.masks.append(mask)
        return ids[:, :1].float()


def test_on_a_gpu_every_batch_has_padding_so_that_one_kernel_reads_all(monkeypatch):
    monkeypatch.setattr(steady, "pad", lambda tokens, batch, device: pad(tokens, batch, torch.device("cpu")))
    monkeypatch.setattr(steady, "TOKENS_ON_GPU", 64)
    network = Watched()
    tokens = Tokens([[5 + i % 20, *[1] * 7] for i in range(30)], 0, 8, 0)  # all of them as long as their batches
    rows = steady.steady_logits(network, tokens)
    assert rows[:, 0].tolist() == [5 + i % 20 for i in range(30)]
    assert {tuple(mask.shape) for mask in network.masks} == {(8, 8)}
    assert not any(mask.all() for mask in network.masks)
    assert [int(mask.all(1).sum()) for mask in network.masks] == [7, 7, 7, 7, 2]
