"""The runtimes there are, which of them this machine has, and a network ready to compute in one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from annotune.errors import AnnotuneError, nearest

if TYPE_CHECKING:
    import torch

FLOAT32, BFLOAT16 = "float32", "bfloat16"
EXACT, AUTO = "exact", "auto"


@dataclass(frozen=True)
class Engine:
    """A network that computes in one runtime.

    Attributes
    ----------
    network
        Called with token ids and an attention mask (texts, tokens) it gives logits (texts, outputs); it has `device`,
        `n_outputs`, `overhead`, `most_texts` and `eval` as an `Encoder` has them.
    fast
        Whether torch is to compute matrix products in bfloat16.
    """

    network: Any
    fast: bool = False


@dataclass(frozen=True)
class Runtime:
    """A way to compute a network.

    Attributes
    ----------
    exact
        Whether in 32 bits throughout.
    why_not
        Why a device does not have it; None where it does.
    engine
        The network, ready to compute.
    """

    exact: bool
    why_not: Callable[[torch.device], str | None]
    engine: Callable[[Any], Engine]


def _always(_: torch.device) -> None:
    return None


def _without_bfloat16(device: torch.device) -> str | None:
    from annotune.network.machine import has_fast_bf16

    return None if has_fast_bf16(device) else "This processor does not compute bfloat16."


RUNTIMES = {
    FLOAT32: Runtime(True, _always, Engine),
    BFLOAT16: Runtime(False, _without_bfloat16, partial(Engine, fast=True)),
}


def require_precision(precision: str) -> None:
    """Stop where nothing of that name is known."""
    known = (EXACT, AUTO, *RUNTIMES)
    if precision not in known:
        raise AnnotuneError(f"The precision {precision!r} is unknown.", nearest(precision, known))


def runtimes_here(model: Any) -> list[str]:
    """The runtimes that this machine has for a network, float32 first."""
    return [name for name, runtime in RUNTIMES.items() if runtime.why_not(model.device) is None]


def engine(name: str, model: Any) -> Engine:
    """The network, ready to compute in a runtime.

    Raises
    ------
    AnnotuneError
        Where this machine does not have it.
    """
    reason = RUNTIMES[name].why_not(model.device)
    if reason is not None:
        raise AnnotuneError(reason, f"{name} was chosen: go on on a machine that has it, or begin anew without.")
    return RUNTIMES[name].engine(model)
