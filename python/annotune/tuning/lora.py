"""Low-rank matrices beside a network's layers: added, and merged into its weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from annotune.errors import AnnotuneError
from annotune.network.base import quiet
from annotune.network.encoder import Network

LINEAR = "all-linear"


def add_lora(model: Network, rank: int) -> None:
    """Freeze the base and put trainable low-rank matrices beside each of its linear layers (Hu et al. 2021)."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=LINEAR)
    with warnings.catch_warnings():  # peft asks transformers for an attribute by its old name
        warnings.simplefilter("ignore", FutureWarning)
        model.backbone = get_peft_model(model.backbone, config)
    module: Any
    for module in model.backbone.modules():
        if hasattr(module, "cast_input_dtype_enabled"):  # to float32 and back: autocast sees to the types already
            module.cast_input_dtype_enabled = False


def merge_lora(model: Network) -> None:
    """Fold the low-rank matrices into weights of the model's own, which then need no peft to run."""
    adapted: Any = model.backbone
    if is_quantized(adapted):
        adapted = _beside_full(adapted)
    try:
        model.backbone = adapted.merge_and_unload(safe_merge=True)  # safe: the base's weights stay as they are
    except ValueError:
        raise AnnotuneError("Tuning went astray: its weights are no numbers.", "Lower the learning rate.") from None


def is_quantized(backbone: nn.Module) -> bool:
    """Whether weights are held in 4 bits."""
    return any(weights.dtype == torch.uint8 for weights in backbone.parameters())


def in_full(backbone: Any) -> Any:
    """The network with the numbers that its 4 bits stand for."""
    with quiet():
        plain = backbone.dequantize()
    plain.is_loaded_in_4bit = False
    return plain


def _beside_full(adapted: Any) -> Any:
    """The matrices beside the numbers that they were tuned with: merged into 4 bits, they would be rounded away."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    config, matrices = adapted.peft_config["default"], get_peft_model_state_dict(adapted)
    again = get_peft_model(in_full(adapted.unload()), config)
    set_peft_model_state_dict(again, matrices)
    return again


@contextmanager
def plain_attention(backbone: Any) -> Iterator[None]:
    """On a CPU, attention written out: the backward pass of torch's fused one is ten times slower on short texts."""
    usual = backbone.config._attn_implementation
    if backbone.device.type == "cpu":
        backbone.set_attn_implementation("eager")
    try:
        yield
    finally:
        backbone.set_attn_implementation(usual)
