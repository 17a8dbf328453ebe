"""Where memory runs out, batches are halved and the work goes on: never with fewer texts."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size

from annotune.errors import AnnotuneError, warn

Found = TypeVar("Found")
Weights = Literal["auto", "float32", "bfloat16", "4bit"]
BYTES: dict[Weights, float] = {"float32": 4.0, "bfloat16": 2.0}
SHARE = 0.7  # of the memory that is free: the rest is for what texts take


def choose_weights(parameters: int, free: float, copies: int, *, bf16: bool, gpu: bool) -> Weights:
    """How a decoder's weights are held: as exactly as there is memory for.

    >>> [choose_weights(8 * 10**9, free * 2**30, 2, bf16=True, gpu=True) for free in (139, 48, 24)]
    ['float32', 'bfloat16', '4bit']
    """
    wanted = [name for name in BYTES if name == "float32" or bf16]
    fits = [name for name in wanted if BYTES[name] * parameters * copies <= SHARE * free]
    return fits[0] if fits else "4bit" if gpu else wanted[-1]


def free_memory(device: torch.device) -> int:
    """Bytes that can still be had; of a GPU's, those that torch keeps for its next tensors are free as well."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    import psutil

    return int(psutil.virtual_memory().available)


def attempt(work: Callable[[], Found]) -> Found | None:
    """What `work` gives; None where memory ran out, which is then free again."""
    try:
        return work()
    except RuntimeError as error:
        if not ran_out_of_memory(error):
            raise
    gc.collect()  # only here, after the error and all that its frames held is gone
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
    return None


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether that is what an error of torch's says, whose allocator it was or a library's of the GPU.

    >>> ran_out_of_memory(RuntimeError("CUDA error: out of memory")), ran_out_of_memory(RuntimeError("CUDA error"))
    (True, False)
    """
    words = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    known = isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)
    return known or any(word in str(error) for word in words)


def is_card_lost(error: Exception) -> bool:
    """Whether CUDA has broken off in this process, after which it does nothing more there.

    >>> is_card_lost(RuntimeError("CUDA error: an illegal memory access was encountered"))
    True
    >>> is_card_lost(RuntimeError("CUDA error: out of memory")), is_card_lost(ValueError("CUDA error"))
    (False, False)
    """
    return isinstance(error, RuntimeError) and "CUDA error" in str(error) and not ran_out_of_memory(error)


def no_room() -> AnnotuneError:
    """Where not even one text fits."""
    return AnnotuneError(
        "No memory is left for a single text.", "Lower max_tokens, choose a smaller base, or another device."
    )


def no_room_for(n: int) -> AnnotuneError:
    """Where batches cannot be halved."""
    what = f"No memory is left for {n:,} texts at a time, which is how many a run over files takes."
    return AnnotuneError(what, "Choose a smaller base, another device, or fewer workers.")


def out_of_step() -> AnnotuneError:
    """Where one of several processes cannot go on with less at a time while the others wait for it."""
    what = "Memory ran out on one of several processors, which have to keep step."
    return AnnotuneError(what, "Lower batch_tokens or max_tokens.")


def recompute(backbone: Any) -> None:
    """In the backward pass compute vectors again in place of keeping them: gradient checkpointing."""
    with warnings.catch_warnings():  # transformers is about to give it another name
        warnings.simplefilter("ignore", FutureWarning)
        backbone.gradient_checkpointing_enable({"use_reentrant": False})


def halved(failed: np.ndarray, pending: Sequence[np.ndarray] = ()) -> list[np.ndarray]:
    """The batches still to be done and the one that did not fit, each in two.

    Raises
    ------
    AnnotuneError
        Where the batch was a single text.
    """
    if len(failed) == 1:
        raise no_room()
    most = (len(failed) + 1) // 2
    warn(f"Memory ran out with {len(failed):,} texts at a time; it goes on with {most:,} at most.")
    return [part for batch in [*pending, failed] for part in np.array_split(batch, 2) if len(part)]
