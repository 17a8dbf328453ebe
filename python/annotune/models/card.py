"""What a model's card says of its network, and the network's fingerprint."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotune.network.encoder import Network


def speaks(card: dict[str, Any]) -> bool:
    """Whether the model is a decoder that gives probabilities of the labels' words, and has no head."""
    return bool(card["settings"].get("objective") == "label" and card["choices"]["epochs"])


def scaling_of(choices: dict[str, Any]) -> tuple[float, tuple[float, ...]]:
    """What logits are multiplied by, and what is added to them; earlier models have a temperature alone."""
    if "temperature" in choices:
        return 1 / float(choices["temperature"]), ()
    return float(choices["scale"]), tuple(choices["offsets"])


def model_sha256(model: Network) -> str:
    """The fingerprint of all weights, whatever file they are in."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().float().contiguous().numpy().tobytes())  # bfloat16's too: the same numbers
    return digest.hexdigest()


def held_as(model: Network) -> str:
    """The type of the base's numbers, such as `float32`."""
    return str(next(model.backbone.parameters()).dtype).removeprefix("torch.")
