"""Everything is computed on the device that the network is on, and a GPU is not waited for between batches.

No GPU is needed. Torch lets others give their hardware a name; under one of ours, tensors have a shape and a place and
no numbers. An operation on tensors of two places fails there, and so does a look at a number, for which a processor
would have to wait. Run as a script, this file computes there: torch takes one such name for good.
"""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from annotune.network.batches import Tokens, pad
from annotune.network.encoder import build
from annotune.network.slots import Slots
from annotune.network.speaker import Speaker
from annotune.tuning.loop import train
from annotune.tuning.settings import Settings

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 50}
TOKENS = Tokens([[5, 6, 7], [8, 9], [10, 11, 12, 13], [7]] * 10, 0, 16, 0)
SLOTS = Slots([1, 2, 3], [[[4, 5, 0], [4, 6, 0]]], [1])


def networks():
    """An encoder, a decoder with a head, and one that speaks."""
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

    llama = LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **SIZES))
    encoder = build(BertModel(BertConfig(**SIZES), add_pooling_layer=False), 2)
    return {"encoder": encoder, "decoder": build(llama.base_model, 2), "speaker": Speaker(llama, SLOTS)}


def name_device():
    """Have torch know a device called `card`; what is returned has to live as long."""

    class Guard(torch._C._acc.DeviceGuard):
        def type_(self):
            return torch._C._autograd.DeviceType.PrivateUse1

    class Hooks(torch._C._acc.PrivateUse1Hooks):
        def is_available(self):
            return True

        def is_built(self):
            return True

        def has_primary_context(self, number):
            return True

    torch.utils.rename_privateuse1_backend("card")
    module = {"is_initialized": True, "is_available": True, "current_device": 0, "device_count": 1}
    module = {name: lambda value=value: value for name, value in module.items()}
    module |= {"_is_in_bad_fork": lambda: False, "get_amp_supported_dtype": lambda: [torch.bfloat16]}
    torch._register_device_module("card", SimpleNamespace(**module))
    kept = Guard(), Hooks()
    torch._C._acc.register_python_privateuseone_device_guard(kept[0])
    torch._C._acc.register_python_privateuseone_hook(kept[1])
    made = torch.tensor
    torch.tensor = lambda data, device="cpu", **more: (  # transformers begins its memory of a text with one
        torch.empty(np.shape(data), device=device, **more) if "card" in str(device) else made(data, **more)
    )
    return kept


def move(network):
    """All weights as such tensors."""
    for module in network.modules():
        for held in (module._parameters, module._buffers):
            for name, weights in held.items():
                if weights is not None:
                    there = torch.empty(weights.shape, dtype=weights.dtype, device="card")
                    held[name] = nn.Parameter(there) if held is module._parameters else there


def outcome(work):
    """Where a result is, or what went wrong."""
    try:
        return str(work().device)
    except Exception as error:
        return type(error).__name__


def on_the_card():
    from torch._subclasses.fake_tensor import FakeTensorMode

    outcomes, _ = {}, name_device()
    every = networks()
    with FakeTensorMode():
        ids, mask = pad(TOKENS, np.arange(4), torch.device("card"))
        for name, network in every.items():
            move(network)
            outcomes[name] = outcome(lambda: network(ids, mask))  # noqa: B023  (called at once)
            for balanced in (False, True):
                outcomes[f"{name} tuned, balanced={balanced}"] = tuned(network, balanced)
        every["speaker"].scale_by(2.0, (0.1, -0.1))
        outcomes["scaled"] = outcome(lambda: every["speaker"](ids, mask))
        outcomes["elsewhere"] = outcome(lambda: every["encoder"](ids.cpu(), mask))
        outcomes["looked at"] = outcome(lambda: every["encoder"](ids, mask).sum().item())
    print(json.dumps(outcomes))


def tuned(network, balanced):
    """How many texts were learnt from before anything was waited for, and what was."""
    texts = []
    settings = Settings(method="full", batch_texts=8)
    plan = {"epochs": 1, "balanced": balanced, "advance": texts.append}
    try:
        next(train(network, TOKENS, np.arange(len(TOKENS)) % 2, settings, **plan))
    except Exception as error:
        return [sum(texts), type(error).__name__]


@pytest.fixture(scope="module")
def outcomes():
    if not hasattr(torch._C, "_acc") or not hasattr(torch._C._acc, "register_python_privateuseone_hook"):
        pytest.skip("this torch takes no device that is made in Python")
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["encoder", "decoder", "speaker", "scaled"])
def test_all_that_is_computed_is_on_the_network_s_device(outcomes, name):
    assert outcomes[name] == "card:0"


@pytest.mark.parametrize("name", ["encoder", "decoder", "speaker"])
@pytest.mark.parametrize("balanced", [False, True])
def test_tuning_looks_at_no_number_before_the_epoch_is_over(outcomes, name, balanced):
    assert outcomes[f"{name} tuned, balanced={balanced}"] == [len(TOKENS), "DataDependentOutputException"]


def test_what_this_would_find(outcomes):
    assert outcomes["elsewhere"] == "FakeTensorDeviceMismatchError"
    assert outcomes["looked at"] == "DataDependentOutputException"


if __name__ == "__main__":
    on_the_card()
