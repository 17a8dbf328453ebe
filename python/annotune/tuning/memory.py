"""Where memory runs out, batches are halved and the work goes on: never with fewer texts."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size

from annotune.errors import AnnotuneError, warn

Found = TypeVar("Found")


def attempt(work: Callable[[], Found]) -> Found | None:
    """What `work` gives; None where memory ran out, which is then free again."""
    try:
        return work()
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
    gc.collect()  # only here, after the error and all that its frames held is gone
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def no_room() -> AnnotuneError:
    """Where not even one text fits."""
    return AnnotuneError(
        "No memory is left for a single text.", "Lower max_tokens, choose a smaller base, or another device."
    )


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
