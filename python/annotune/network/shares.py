"""Models that no single GPU holds: whole in the computer's memory, and in shares on the GPUs while they compute.

A copy is made to compute with. Its frozen weights are divided among the processes, which fetch each other's shares
layer by layer (FSDP2); the few that are trained are whole in each of them, and so are their gradients. What was trained
is brought back afterwards, so that a tuned model is the same kind of thing as any other.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from annotune.errors import AnnotuneError
from annotune.network.machine import choose_device

Net = TypeVar("Net", bound=nn.Module)


def in_shares() -> bool:
    """Whether this is one of several processes that accelerate started with an FSDP configuration."""
    return processes_there() > 1 and os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def processes_there() -> int:
    """How many were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def processes(device: torch.device) -> Accelerator:
    """The process among the others, afresh: its state outlives a call, and an earlier one may have used another.

    The network is on its device already: accelerate would move it to the first GPU, whichever was asked for.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device.type == "cpu", device_placement=False)


def rests_on(device: torch.device) -> torch.device:
    """Where a model is held that computes on `device`.

    Raises
    ------
    AnnotuneError
        When another processor was asked for than the one that the shares are on.
    """
    if not in_shares():
        return device
    if device.type != choose_device().type:
        raise AnnotuneError(f"Shares of a model are not computed on {device.type!r} here.", "Leave device at 'auto'.")
    return torch.device("cpu")


def computing(model: Net) -> Net:
    """The network ready to compute: itself, or a copy in shares."""
    return model if not in_shares() or _is_shared(model) else _share(model)


def bring_back(model: nn.Module, computed: nn.Module) -> None:
    """The trained weights of the copy that computed, into the network that rests."""
    if computed is not model:
        trained = {name: weights for name, weights in computed.named_parameters() if weights.requires_grad}
        model.load_state_dict(trained, strict=False)


def no_gradients() -> Any:
    """A context without gradients; what inference mode makes could not be used again in training, as shares are."""
    return torch.no_grad() if in_shares() else torch.inference_mode()


def average_gradients(weights: Iterable[nn.Parameter]) -> None:
    """The mean over all processes, in each of them."""
    found = [one.grad for one in weights if one.grad is not None]
    together = torch.cat([one.flatten() for one in found])  # exchanged in one piece
    torch.distributed.all_reduce(together)
    together /= torch.distributed.get_world_size()
    for one, part in zip(found, torch.split(together, [one.numel() for one in found]), strict=True):
        one.copy_(part.view_as(one))


def _share(model: Any) -> Any:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    device = choose_device()
    mesh = init_device_mesh(device.type, (processes(device).num_processes,))
    copied = _copy(model)
    backbone: Any = copied.backbone
    layers = [module for module in backbone.modules() if type(module).__name__ in (backbone._no_split_modules or ())]
    trained = {weights for weights in backbone.parameters() if weights.requires_grad}
    for module in (*layers, backbone):
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
    return copied.to(device)


def _copy(model: Any) -> Any:
    """The network again, its frozen weights the same numbers in the same place; without LoRA, all of the base is."""
    tuning = hasattr(model.backbone, "peft_config")
    known = {
        id(weights): nn.Parameter(weights.detach(), requires_grad=False)
        for weights in model.backbone.parameters()
        if not (tuning and weights.requires_grad)
    }
    return copy.deepcopy(model, known)


def _is_shared(model: Any) -> bool:
    from torch.distributed.fsdp import FSDPModule

    return isinstance(model.backbone, FSDPModule)
