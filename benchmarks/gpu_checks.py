"""Whether a GPU gives what a processor gives: the checks of benchmarks/gpu.py, which tests/network/test_on_gpu.py runs.

Each is given a device and says whether it passed and what was seen. Networks are small, and the encoder is tuned first,
so that its labels mean something and margins are those of a tuned model.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from gpu_material import AREAS, TOPIC, made_up, make_decoder, make_encoder, make_tokenizer, settings

from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import Encoder, build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.network.prompts import make_prompt
from annotune.network.slots import make_slots
from annotune.network.speaker import Speaker, require_exact
from annotune.network.steady import steady_logits
from annotune.progress import listening
from annotune.tuning.choices import Examples
from annotune.tuning.fit import tuned
from annotune.tuning.probe import Probe

Seen = tuple[bool | None, str]
CPU = torch.device("cpu")
LEARNT, READ, WORDS = 1500, 1000, 25
ALIKE = 0.995  # of the labels in bfloat16


@lru_cache
def texts() -> tuple[Tokens, np.ndarray]:
    """Texts as tokens, of several lengths, and their labels."""
    said, targets = made_up(LEARNT + READ, WORDS)
    long, of_long = made_up(50, 120, seed=2)
    return tokenize(make_tokenizer(), [*said, *long], 256), np.concatenate([targets, of_long])


@lru_cache
def tuned_on(device: torch.device) -> Encoder:
    """A small encoder, all of whose weights were tuned there for two epochs."""
    tokens, targets = texts()
    learnt = np.arange(LEARNT)
    backbone = make_encoder("tiny encoder", make_tokenizer(), device).bert
    zeros = np.zeros((len(AREAS), backbone.config.hidden_size), np.float32)
    start = Probe(zeros, zeros[:, 0], penalty=1.0, balanced=False)
    examples = Examples(
        tokens.take(learnt), np.zeros((LEARNT, zeros.shape[1]), np.float32), targets[:LEARNT], len(AREAS)
    )
    plan = settings(method="full", learning_rate=3e-3, head_learning_rate=3e-2)
    with listening(lambda *_: None):
        model = tuned(backbone, start, examples, plan, 3).model
    assert isinstance(model, Encoder)
    return model


def tuning_learns(device: torch.device) -> Seen:
    """Held-out texts are coded far better than by chance after tuning there."""
    tokens, targets = texts()
    unseen = np.arange(LEARNT, LEARNT + READ)
    right = float((outputs(tuned_on(device), tokens.take(unseen)).argmax(1) == targets[unseen]).mean())
    return right > 0.5, f"{right:.1%} of {READ:,} held-out texts right, by chance {1 / len(AREAS):.1%}"


def same_labels(device: torch.device) -> Seen:
    """In float32 a processor gives the same labels with the same weights."""
    tokens, _ = texts()
    there, here = tuned_on(device), copy.deepcopy(tuned_on(device)).to(CPU)
    return _compared(outputs(there, tokens), outputs(here, tokens), 1.0, 1e-3)


def same_labels_in_half(device: torch.device) -> Seen:
    """In bfloat16 nearly all labels are those of float32."""
    tokens, _ = texts()
    if not has_fast_bf16(device):
        return None, "not computed in bfloat16 here"
    model = tuned_on(device)
    return _compared(outputs(model, tokens, fast=True), outputs(model, tokens), ALIKE, np.inf)


def same_bytes_in_any_company(device: torch.device) -> Seen:
    """What a run over files computes of a text is the same to the last bit whatever other texts there are."""
    tokens, _ = texts()
    order = np.random.default_rng(1).permutation(len(tokens))[:700]
    shape = "MiniLM" if device.type == "cuda" else "tiny encoder"
    model = build(make_encoder(shape, make_tokenizer(), device).bert, len(AREAS))
    even = Tokens([ids[:20] for ids in tokens.ids if len(ids) >= 20], tokens.padding, tokens.limit, 0)
    uneven = Tokens([*even.ids[:-1], even.ids[-1][:19]], tokens.padding, tokens.limit, 0)  # in place of a full batch

    def alike(fast: bool) -> bool:
        some = np.array_equal(steady_logits(model, tokens, fast)[order], steady_logits(model, tokens.take(order), fast))
        full, padded = (steady_logits(model, one, fast)[:-1] for one in (even, uneven))
        return some and np.array_equal(full, padded)

    same = [alike(fast) for fast in (False, has_fast_bf16(device))]
    return all(
        same
    ), f"float32 {'the same' if same[0] else 'not the same'}, bfloat16 {'the same' if same[1] else 'not'}"


def same_logits(device: torch.device) -> Seen:
    """In float32 the logits of a network of MiniLM's size are those of a processor up to rounding."""
    tokens, _ = texts()
    shape = "MiniLM" if device.type == "cuda" else "tiny encoder"
    there = build(make_encoder(shape, make_tokenizer(), device).bert, len(AREAS))
    some = tokens.take(np.arange(100))
    return _compared(outputs(there, some), outputs(copy.deepcopy(there).to(CPU), some), 0.9, 1e-4)


def same_scores(device: torch.device) -> Seen:
    """A decoder that shares the codebook between texts scores the labels as a processor does, and as plain reading."""
    tokenizer = make_tokenizer()
    tokens = tokenize(tokenizer, made_up(64, WORDS)[0], 256, special=False)
    network = make_decoder("tiny decoder", tokenizer, CPU, torch.float32)
    slots = make_slots(make_prompt([TOPIC], tokenizer), tokenizer)
    here, there = Speaker(network, slots), Speaker(copy.deepcopy(network).to(device), slots)
    require_exact(there)
    return _compared(outputs(there, tokens), outputs(here, tokens), 0.98, 1e-3)


def same_start_and_steps(device: torch.device) -> Seen:
    """An epoch from the same weights and seed has about the same loss there as on a processor."""
    losses = [_losses(device), _losses(device), _losses(CPU)]
    again, apart = abs(losses[0] - losses[1]), abs(losses[0] - losses[2])
    return apart < 0.05 * abs(losses[2]), f"loss {losses[0]:.4f}; again {again:.1e} apart, on a processor {apart:.1e}"


def memory_that_runs_out(device: torch.device) -> Seen:
    """With a twentieth of a GPU's memory, batches that do not fit are halved, and the labels stay."""
    if device.type != "cuda":
        return None, "needs a GPU"
    tokens, _ = texts()
    model, whole = tuned_on(device), outputs(tuned_on(device), tokens)
    many = Tokens(tokens.ids * 40, tokens.padding, tokens.limit, 0)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    number = device.index or 0
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated(device) + 2**27) / total, number)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = outputs(model, many, batch_tokens=2**22)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, number)
    same, words = _compared(rows[: len(whole)], whole, 1.0, 1e-3)
    halvings = sum("Memory ran out" in str(one.message) for one in caught)
    return same and halvings > 0, f"halved {halvings} times; {words}"


CHECKS: dict[str, Callable[[torch.device], Seen]] = {
    "tuning learns": tuning_learns,
    "float32: the labels of a processor": same_labels,
    "float32: the logits of a processor, at MiniLM's size": same_logits,
    "bfloat16: the labels of float32": same_labels_in_half,
    "runs over files: the same bytes in any company": same_bytes_in_any_company,
    "decoders: scores with the codebook shared": same_scores,
    "the same seed, the same steps": same_start_and_steps,
    "memory that runs out": memory_that_runs_out,
}


def _losses(device: torch.device) -> float:
    """The mean loss of an epoch from the same weights."""
    from annotune.tuning.loop import train

    tokens, targets = texts()
    some = np.arange(512)
    torch.manual_seed(3)
    model = build(make_encoder("tiny encoder", make_tokenizer(), CPU).bert, len(AREAS)).to(device)
    plan: dict[str, Any] = {"epochs": 1, "balanced": True, "advance": lambda _: None}
    return next(iter(partial(train, model, tokens.take(some), targets[some], settings(method="full"))(**plan)))


def _compared(one: np.ndarray, other: np.ndarray, least: float, most: float) -> Seen:
    alike, apart = float((one.argmax(1) == other.argmax(1)).mean()), float(np.abs(one - other).max())
    words = f"{alike:.2%} of {len(one):,} labels, logits up to {apart:.1e} apart"
    return alike >= least and apart <= most, words
