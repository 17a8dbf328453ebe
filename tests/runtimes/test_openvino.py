"""OpenVINO computes what torch does, says nothing to its makers, and is left where it cannot."""

import os
import socket
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import annotune as at
from annotune.network.base import find_base, load_backbone
from annotune.network.batches import Tokens
from annotune.network.encoder import build, outputs
from annotune.runtimes.engines import engine, require_steady
from annotune.runtimes.openvino import OpenVino, compiled, why_not_openvino

pytest.importorskip("openvino", reason="the extra openvino is not installed")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tiny_base):
    torch.manual_seed(2)
    return build(load_backbone(find_base(str(tiny_base)), CPU), 5).eval()


@pytest.fixture(scope="module")
def tokens():
    chance = np.random.default_rng(1)
    return Tokens([chance.integers(1, 20, n).tolist() for n in range(2, 60)], 0, 64, 0)


def test_numbers_are_those_of_torch_and_nobody_is_told(network, tokens, monkeypatch):
    import openvino  # noqa: F401  (whatever it does when it is imported, it has done)

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was made"))
    found = OpenVino(network, "float32")
    assert np.abs(outputs(found, tokens) - outputs(network, tokens)).max() < 1e-5
    marked = replace(
        tokens, own=[bytes([0, *[1] * (len(ids) // 2), *[0] * len(ids)])[: len(ids)] for ids in tokens.ids]
    )
    own = outputs(network, marked)
    assert np.abs(outputs(found, marked) - own).max() < 1e-5
    assert np.abs(outputs(network, tokens) - own).max() > 1e-3
    from openvino.tools.ovc import convert_impl, telemetry_stub, telemetry_utils

    assert convert_impl.tm is telemetry_utils.tm is telemetry_stub


def test_it_is_compiled_once_and_steady(network, tokens):
    assert compiled(network, "float32") is compiled(network, "float32")
    require_steady("openvino-float32", engine("openvino-float32", network), tokens)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not say on which cores")
def test_processes_of_one_machine_are_not_held_on_the_same_core(network, tokens, monkeypatch):
    cores, caller, seen = os.sched_getaffinity(0), threading.get_native_id(), set()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # as each of several workers has
    found, over = OpenVino(network, "float32"), threading.Event()

    def watch():
        while not over.is_set():
            seen.add(frozenset(os.sched_getaffinity(caller)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        outputs(found, tokens)
    over.set()
    watcher.join()
    assert seen == {frozenset(cores)}


def test_what_it_cannot_compute_is_said(network, decoder, monkeypatch):
    other = build(load_backbone(find_base(str(decoder("llama"))), CPU), 5)
    assert why_not_openvino(other) == "Only encoders are computed by OpenVINO."
    monkeypatch.setattr(network.__class__, "forward", lambda self, ids, mask: self.unknown(ids))
    with pytest.raises(at.AnnotuneError, match="OpenVINO does not compute this network"):
        OpenVino(network, "float32")
