"""Batches of similar lengths within a token budget, so that little of the work goes into padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from annotune.errors import AnnotuneError
from annotune.network.reading import PREFIX
from annotune.network.segments import any_marked, segment_ids
from annotune.network.transfers import send

Indices = np.ndarray


@dataclass(frozen=True)
class Tokens:
    """Texts as token ids: `ids[i]` has at most `limit` ints; `cut` says how many texts were longer.

    Each text is one row of `ids`, or several: its passages (see `annotune.network.passages`), which stand one behind
    the other. Then `ends`, shape (n,), says of each text how many rows it and those before it have.

    Of marked texts `own[i]` has a byte for each token of a row: 1 where a text's vector is made of it, 0 where it is
    read for its sake alone, as a neighbour is.
    """

    ids: list[list[int]]
    padding: int
    limit: int
    cut: int
    ends: np.ndarray | None = None
    own: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.ids) if self.ends is None else len(self.ends)

    def take(self, indices: Indices) -> Tokens:
        """The texts at these places."""
        if self.ends is None:
            own = None if self.own is None else [self.own[i] for i in indices]
            return Tokens([self.ids[i] for i in indices], self.padding, self.limit, 0, None, own)
        rows = [range(self.starts[i], self.ends[i]) for i in indices]
        ends = np.cumsum([len(of_text) for of_text in rows], dtype=np.int64)
        return Tokens([self.ids[i] for of_text in rows for i in of_text], self.padding, self.limit, 0, ends)

    def joined(self, more: Tokens) -> Tokens:
        """These texts, and behind them the others."""
        ids = [*self.ids, *more.ids]
        if self.ends is None and more.ends is None:
            marked = self.own is not None or more.own is not None
            own = [each.own_of(row) for each in (self, more) for row in range(len(each))] if marked else None
            return replace(self, ids=ids, own=own)
        return replace(self, ids=ids, ends=np.concatenate([self._ends, len(self.ids) + more._ends]))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens a text, shape (n,)."""
        lengths = np.fromiter((len(ids) for ids in self.ids), dtype=np.int64, count=len(self.ids))
        return lengths if self.ends is None else self._summed(lengths)

    @property
    def starts(self) -> np.ndarray:
        """The first row of each text, shape (n,)."""
        return np.concatenate([self._ends[:0], [0], self._ends[:-1]])[: len(self)]

    @property
    def _ends(self) -> np.ndarray:
        return np.arange(1, len(self.ids) + 1) if self.ends is None else self.ends

    def own_of(self, row: int) -> bytes:
        """A byte for each token of a row: whether the text's vector is made of it."""
        return b"\1" * len(self.ids[row]) if self.own is None else self.own[row]

    @property
    def passages(self) -> Tokens:
        """The rows, each as a text of its own."""
        return Tokens(self.ids, self.padding, self.limit, self.cut)

    def pooled(self, rows: np.ndarray) -> np.ndarray:
        """Of numbers for each row (rows, width) the mean of each text's, (n, width): it depends on that text alone."""
        if self.ends is None:
            return rows
        counts = (self.ends - self.starts)[:, None]
        return np.asarray(self._summed(rows.astype(np.float64)) / counts, dtype=rows.dtype)

    def _summed(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(rows, self.starts)) if len(self) else rows[:0]


def tokenize(tokenizer: Any, texts: Sequence[str], max_tokens: int, special: bool = True) -> Tokens:
    """Texts as tokens, cut at `max_tokens` or at what the model can take; before each goes what its base wants there.

    Without `special`, for texts within a prompt, nothing is put around them, and a text that spells out a special token
    (such as the end of a turn) does not become one. NUL characters are dropped: tokenizers treat them in different
    ways. Marked texts (see `annotune.data.inputs`) are read part by part.
    """
    limit = min(max_tokens, tokenizer.model_max_length)
    # a token has hardly more than 32 characters, so nothing beyond can survive the cut
    prefix = tokenizer.init_kwargs.get(PREFIX, "") if special else ""
    if special and any_marked(texts):
        rows, own, n_cut = segment_ids(tokenizer, texts, limit, prefix)
        return Tokens(rows, _padding(tokenizer), limit, n_cut, None, own)
    clean = [prefix + text.replace("\x00", "")[: limit * 32] for text in texts]
    within = {} if special else {"add_special_tokens": False, "split_special_tokens": True}
    encoded = tokenizer(clean, truncation=True, max_length=limit, **within)
    cut = sum(bool(encoding.overflowing) for encoding in encoded.encodings)
    padding = _padding(tokenizer)
    nothing = [padding] if special else []  # a text of NULs alone, where the tokenizer adds nothing
    return Tokens([ids or nothing for ids in encoded["input_ids"]], padding, limit, cut)


def _padding(tokenizer: Any) -> int:
    """The token that fills rows of a batch."""
    if tokenizer.pad_token_id is None:
        raise AnnotuneError("The base model's tokenizer has no padding token.", "Choose another base.")
    return int(tokenizer.pad_token_id)


def by_length(
    lengths: np.ndarray, max_tokens: int, max_texts: int, shuffle: np.random.Generator | None = None
) -> list[Indices]:
    """Batches (arrays of indices) of neighbouring lengths; with `shuffle`, in random order and composition.

    Every index is in exactly one batch. A batch's texts times its longest text is within
    `max_tokens`, unless a single text is longer.
    """
    ties = shuffle.permutation(len(lengths)) if shuffle is not None else np.arange(len(lengths))
    order = np.lexsort((ties, lengths))
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or end - start == max_texts or lengths[order[end]] * (end - start + 1) > max_tokens
        if full:
            batches.append(order[start:end])
            start = end
    if shuffle is not None:
        return [batches[i] for i in shuffle.permutation(len(batches))]
    return batches


def pad(tokens: Tokens, batch: Indices, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask of a batch, both (texts, longest): 0 for padding, 1 for what is read.

    Of marked texts it is 2 for the tokens that a text's vector is made of.
    """
    rows = [tokens.ids[i] for i in batch]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    mask = np.arange(max(1, lengths.max(initial=0))) < lengths[:, None]
    ids = np.full(mask.shape, tokens.padding, dtype=np.int64)
    ids[mask] = np.fromiter(chain.from_iterable(rows), np.int64, lengths.sum())
    read = mask.astype(np.int64)
    if tokens.own is not None:
        read[mask] += np.frombuffer(b"".join(tokens.own[i] for i in batch), np.uint8)
    return send(ids, device), send(read, device)
