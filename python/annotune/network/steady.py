"""Logits that are the same to the last bit in whatever company a text is read.

What a processor makes of a text depends, in its last bits, on the shape of the batch that it stands in, and on nothing
else of that batch. So here every length has one shape: texts are padded to the next rung of a ladder, and a batch to a
number of texts that follows from the rung. That is what lets work that was stopped, or parted in another way, end with
the same bytes, at the price of some padding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from annotune.network.batches import Tokens, pad
from annotune.network.encoder import Network
from annotune.network.machine import half_precision
from annotune.network.memory import attempt, no_room_for
from annotune.network.shares import no_gradients
from annotune.network.transfers import Arriving, fetch, in_turn
from annotune.progress import Advance

TOKENS_ON_CPU, TOKENS_ON_GPU = 1024, 16_384  # in a batch


def steady_logits(model: Network, tokens: Tokens, fast: bool = False, advance: Advance | None = None) -> np.ndarray:
    """Logits (n, outputs), float32, in the order of the texts; each row depends on its text alone.

    That holds for one kind of processor, one number of threads and one version of torch. `advance` is told how many
    texts, or passages of texts, each batch had.
    """
    if tokens.ends is not None:
        return tokens.pooled(steady_logits(model, tokens.passages, fast, advance))
    result = np.zeros((len(tokens), model.n_outputs), dtype=np.float32)
    for batch, _, logits in _computed(model, tokens, fast):
        result[batch] = logits
        if advance is not None:
            advance(len(batch))
    return result


def seconds_a_text(model: Network, tokens: Tokens, fast: bool = False) -> float:
    """How long a text takes where there are many: of a batch that these texts do not fill, their part is counted."""
    if tokens.ends is not None:
        return seconds_a_text(model, tokens.passages, fast) * len(tokens.ids) / len(tokens)
    for _ in _computed(model, tokens.take(np.arange(min(len(tokens), 1))), fast):
        pass  # the first time takes longer
    seconds, began = 0.0, time.perf_counter()
    for batch, n, _ in _computed(model, tokens, fast):
        now = time.perf_counter()
        seconds += (now - began) * len(batch) / n
        began = now
    return seconds / len(tokens)


def _computed(model: Network, tokens: Tokens, fast: bool) -> Iterator[tuple[np.ndarray, int, np.ndarray]]:
    """For each batch the places of its texts, how many it has room for, and their logits."""
    model.eval()
    with no_gradients(), half_precision(model.device, fast):
        for (batch, n), rows in in_turn(_started(model, tokens)):
            yield batch, n, rows[: len(batch)]


def _started(model: Network, tokens: Tokens) -> Iterator[tuple[tuple[np.ndarray, int], Arriving]]:
    """Batches that are being computed, each with how many texts it has room for."""
    rungs = rungs_of(tokens.lengths, tokens.limit)
    for rung in np.unique(rungs)[::-1]:  # whatever memory is needed is asked for at once
        places, n = np.flatnonzero(rungs == rung), _texts_at_once(model, int(rung))
        # A GPU reads texts by another kernel where none of them is padded: there, one row is always left to padding.
        room = n if model.device.type == "cpu" or n == 1 else n - 1
        for start in range(0, len(places), room):
            batch = places[start : start + room]
            rows = attempt(partial(_rows, model, tokens, batch, n, int(rung)))
            if rows is None:  # in another shape, texts would have other last bits
                raise no_room_for(n)
            yield (batch, room), rows


def _rows(model: Network, tokens: Tokens, batch: np.ndarray, n: int, rung: int) -> Arriving:
    return fetch(model(*_filled(*pad(tokens, batch, model.device), n, rung, tokens.padding)))


def rungs_of(lengths: np.ndarray, limit: int) -> np.ndarray:
    """The lengths (n,) that texts of these lengths are padded to, no longer than `limit`.

    >>> rungs_of(np.array([0, 1, 5, 32, 33, 129, 250]), 256).tolist()
    [2, 2, 6, 32, 40, 144, 256]
    """
    steps = np.select([lengths <= 32, lengths <= 128], [2, 8], 16)
    return np.asarray(np.minimum(-(-np.maximum(lengths, 1) // steps) * steps, limit))


def _texts_at_once(model: Network, rung: int) -> int:
    few = model.device.type == "cpu" and not model.overhead  # a decoder's texts cost more beside their own tokens
    most = TOKENS_ON_CPU if few else TOKENS_ON_GPU // 4 if model.device.type == "cpu" else TOKENS_ON_GPU
    return max(1, min(model.most_texts, most // (rung + model.overhead)))


def _filled(
    ids: torch.Tensor, mask: torch.Tensor, n: int, length: int, padding: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The batch in the full shape (n, length): shorter ones are padded, and texts of one token stand for missing."""
    all_ids, all_masks = ids.new_full((n, length), padding), mask.new_zeros((n, length))
    all_masks[:, 0] = 1
    all_ids[: len(ids), : ids.shape[1]] = ids
    all_masks[: len(mask), : mask.shape[1]] = mask
    return all_ids, all_masks
