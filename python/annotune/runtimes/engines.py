"""The runtimes there are, which of them this machine has, and a network ready to compute in one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from annotune.errors import AnnotuneError, nearest
from annotune.progress import Advance, bar

if TYPE_CHECKING:
    import numpy as np

    from annotune.network.batches import Tokens

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

    def logits(self, tokens: Tokens, what: str = "", together: bool = True) -> np.ndarray:
        """Logits (n, outputs), float32, in the order of the texts (see `annotune.network.encoder.outputs`)."""
        from annotune.network.encoder import outputs

        return outputs(self.network, tokens, what=what, fast=self.fast, together=together)

    def steady_logits(self, tokens: Tokens, advance: Advance | None = None) -> np.ndarray:
        """The same, each row the same to the last bit whatever the other texts are."""
        from annotune.network.steady import steady_logits

        return steady_logits(self.network, tokens, self.fast, advance)

    def seconds_a_text(self, tokens: Tokens) -> float:
        """How long a text takes there, where there are many."""
        from annotune.network.steady import seconds_a_text

        return seconds_a_text(self.network, tokens, self.fast)


class WithoutPadding(Engine):
    """A network that makes its own batches, and has one way to compute."""

    def logits(self, tokens: Tokens, what: str = "", together: bool = True) -> np.ndarray:
        """Logits (n, outputs), float32, in the order of the texts."""
        with bar(what, len(tokens.ids)) as advance:
            return self.steady_logits(tokens, advance)

    def steady_logits(self, tokens: Tokens, advance: Advance | None = None) -> np.ndarray:
        """The same, each row the same to the last bit whatever the other texts are."""
        rows: np.ndarray = self.network.logits(tokens, advance)
        return rows

    def seconds_a_text(self, tokens: Tokens) -> float:
        """How long a text takes there, where there are many."""
        return float(self.network.seconds_a_text(tokens))


@dataclass(frozen=True)
class Runtime:
    """A way to compute a network.

    Attributes
    ----------
    exact
        Whether in 32 bits throughout.
    why_not
        Why it is not there for a network, on its device; None where it is.
    engine
        The network, ready to compute.
    """

    exact: bool
    why_not: Callable[[Any], str | None]
    engine: Callable[[Any], Engine]


def _always(_: Any) -> None:
    return None


def _without_bfloat16(model: Any) -> str | None:
    from annotune.network.machine import has_fast_bf16

    return None if has_fast_bf16(model.device) else "This processor does not compute bfloat16."


def _why_not_packed(model: Any) -> str | None:
    from annotune.network.packed import why_not_packed

    return why_not_packed(model)


def _packed(model: Any, dtype: str) -> Engine:
    import torch

    from annotune.network.packed import Packed

    return WithoutPadding(Packed(model, getattr(torch, dtype)))


def _why_not_int8(model: Any) -> str | None:
    import torch

    from annotune.network.machine import has_fast_int8

    if not has_fast_int8(model.device):
        return "This processor has no instructions for whole numbers of 8 bits (VNNI)."
    if not hasattr(torch.ops.onednn, "qlinear_prepack"):
        return "This torch does not compute in whole numbers of 8 bits."
    return _why_not_packed(model)


def _packed_int8(model: Any) -> Engine:
    from annotune.network.packed_int8 import PackedInt8

    return WithoutPadding(PackedInt8(model))


def _why_not_openvino(model: Any) -> str | None:
    from annotune.runtimes.openvino import why_not_openvino

    return why_not_openvino(model)


def _openvino(model: Any, dtype: str) -> Engine:
    from annotune.runtimes.openvino import compiled

    return Engine(compiled(model, dtype))


RUNTIMES = {
    FLOAT32: Runtime(True, _always, Engine),
    BFLOAT16: Runtime(False, _without_bfloat16, partial(Engine, fast=True)),
    "packed-float32": Runtime(True, _why_not_packed, partial(_packed, dtype=FLOAT32)),
    "packed-bfloat16": Runtime(
        False, lambda model: _without_bfloat16(model) or _why_not_packed(model), partial(_packed, dtype=BFLOAT16)
    ),
    "packed-int8": Runtime(False, _why_not_int8, _packed_int8),
    "openvino-float32": Runtime(True, _why_not_openvino, partial(_openvino, dtype=FLOAT32)),
    "openvino-bfloat16": Runtime(
        False, lambda model: _without_bfloat16(model) or _why_not_openvino(model), partial(_openvino, dtype=BFLOAT16)
    ),
}


def require_precision(precision: str) -> None:
    """Stop where nothing of that name is known."""
    known = (EXACT, AUTO, *RUNTIMES)
    if precision not in known:
        raise AnnotuneError(f"The precision {precision!r} is unknown.", nearest(precision, known))


def runtimes_here(model: Any) -> list[str]:
    """The runtimes that this machine has for a network, float32 first."""
    return [name for name, runtime in RUNTIMES.items() if runtime.why_not(model) is None]


def engine(name: str, model: Any) -> Engine:
    """The network, ready to compute in a runtime.

    Raises
    ------
    AnnotuneError
        Where this machine does not have it.
    """
    reason = RUNTIMES[name].why_not(model)
    if reason is not None:
        raise AnnotuneError(reason, f"{name} was chosen: go on on a machine that has it, or begin anew without.")
    return RUNTIMES[name].engine(model)


def require_steady(name: str, computing: Engine, tokens: Tokens) -> None:
    """Stop where a text's numbers depend on the others that are computed with it: they would on where a run stopped.

    `tokens` are texts of several lengths.
    """
    import numpy as np

    some = np.arange(len(tokens))[::-2]
    if not np.array_equal(computing.steady_logits(tokens.take(some)), computing.steady_logits(tokens)[some]):
        what = f"On this machine, {name} gives a text other last digits in other company"
        raise AnnotuneError(f"{what}, and a run that goes on would not end with the same bytes.", "Use 'float32'.")
