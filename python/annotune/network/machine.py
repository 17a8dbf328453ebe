"""What this machine can do: the processor to use, and whether half precision is fast on it."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import suppress
from typing import Any, TypeVar

import torch

from annotune.errors import AnnotuneError, listing

Decided = TypeVar("Decided")


def choose_device(wanted: str = "auto") -> torch.device:
    """The processor to compute on: `auto` takes a GPU where there is one.

    Raises
    ------
    AnnotuneError
        When the one asked for is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        wanted = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if wanted == "cuda" and "LOCAL_RANK" in os.environ:  # one of several processes, each with a GPU
        wanted = f"cuda:{os.environ['LOCAL_RANK']}"
    kind, _, number = wanted.partition(":")
    if kind not in there or not (number.isdigit() or wanted == kind):
        raise AnnotuneError(f"There is no device {wanted!r}.", f"Choose from {listing(['auto', *there])}.")
    if not there[kind]:
        raise AnnotuneError(f"This machine has no {wanted!r} that torch can use.", "Leave device at 'auto'.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        what = f"There is no {wanted!r} here: GPUs are counted from 0, and torch can use {torch.cuda.device_count()}."
        raise AnnotuneError(what, "Leave device at 'auto'.")
    return torch.device(wanted)


def is_first() -> bool:
    """Whether this is the only process, or the one of several that speaks and writes for all."""
    return os.environ.get("RANK", "0") == "0"


def agreed(value: Decided) -> Decided:
    """The first process's value: what is decided by it is decided alike everywhere."""
    if not torch.distributed.is_initialized():
        return value
    values = [value]
    torch.distributed.broadcast_object_list(values, src=0)
    return values[0]


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware; elsewhere it is many times slower than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in features)


def has_fast_int8(device: torch.device) -> bool:
    """Whether whole numbers of 8 bits are multiplied by the hardware, by the instructions called VNNI or by AMX."""
    return device.type == "cpu" and any(
        getattr(torch.cpu, name, lambda: False)() for name in ("_is_vnni_supported", "_is_amx_tile_supported")
    )


def has_amx() -> bool:
    """Whether the processor multiplies whole tiles of numbers at once (AMX)."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def half_precision(device: torch.device, enabled: bool = True) -> torch.autocast:
    """A context in which matrix products run in bfloat16, where that is faster."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and has_fast_bf16(device))


def hardware(device: str = "auto") -> dict[str, Any]:
    """What the record says about the machine and, where it computed on a GPU, that; no names or addresses."""
    used = choose_device(device)
    on_gpu = used.type == "cuda"
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": used.type,
        "gpu": gpu_name(device),
        "cuda": torch.version.cuda if on_gpu else None,
        "bf16": has_fast_bf16(used),
        "system": platform.system(),
    }


def gpu_name(device: str = "auto") -> str | None:
    """What the card is called that computes, such as `NVIDIA H100 80GB HBM3`; None where none of CUDA's does."""
    used = choose_device(device)
    return str(torch.cuda.get_device_name(used)) if used.type == "cuda" else None


def give_back_memory() -> None:
    """Hand freed memory back to the system: batches of many lengths leave it in pieces, which glibc keeps (Linux)."""
    with suppress(OSError, AttributeError, TypeError):  # other systems have no such function
        ctypes.CDLL(None).malloc_trim(0)
