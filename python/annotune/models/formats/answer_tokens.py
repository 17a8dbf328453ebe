"""Models that say the label: what another program needs to ask them the same question, and to score the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from annotune.models.coder import Coder
from annotune.network.slots import deciding
from annotune.network.speaker import Speaker

Ids = list[int]
Read = Callable[[Ids, Ids, int], np.ndarray]

SCORING = """
def score(text):
    \"\"\"Of each label the mean log-probability of the tokens that tell it from the others.\"\"\"
    plain = {"add_special_tokens": False, "split_special_tokens": True}
    ids = tokenizer(text, truncation=True, max_length=about["max_tokens"], **plain)["input_ids"]
    scores = []
    for answer, (first, end) in zip(prompt["answers"], prompt["deciding"]):
        whole = torch.tensor([prompt["before"] + ids + answer[: end - 1]])
        with torch.inference_mode():
            words = model(whole, logits_to_keep=end - first).logits[0].float().log_softmax(-1)
        scores.append(words[range(end - first), answer[first:end]].mean())
    return torch.stack(scores) * prompt["scale"] + torch.tensor(prompt["offsets"])


texts = ["A text to code.", "Another one."]
logits = np.stack([score(text).numpy() for text in texts])
"""


def speaks(coder: Coder) -> bool:
    """Whether the model gives probabilities of the labels' words, and has no head."""
    return isinstance(coder.model, Speaker)


def describe_prompt(model: Speaker) -> dict[str, Any]:
    """The prompt as tokens: before every text, and after it up to each answer's end, with the tokens that decide."""
    answers = model.slots.paths[0]
    spans = deciding(answers, model.slots.stems[0])
    return {
        "before": model.slots.before,
        "answers": answers,
        "deciding": [[span.start, span.stop] for span in spans],
        "scale": model.scale,
        "offsets": list(model.offsets) or [0.0] * model.n_outputs,
    }


def answer_logits(prompt: dict[str, Any], texts: Sequence[Ids], read: Read) -> np.ndarray:
    """Logits (texts, answers); `read(before, after, n)` gives logits (n, words) after each of the last n tokens."""
    rows = []
    for ids in texts:
        scores = []
        for answer, (first, end) in zip(prompt["answers"], prompt["deciding"], strict=True):
            words = read([*prompt["before"], *ids], answer[: end - 1], end - first).astype(np.float64)
            said = words[np.arange(end - first), answer[first:end]] - np.logaddexp.reduce(words, axis=1)
            scores.append(said.mean() * prompt["scale"])
        rows.append(np.array(scores) + prompt["offsets"])
    return np.array(rows)


def by_transformers(model: Any, tokenizer: Any, about: dict[str, Any], texts: Sequence[str]) -> np.ndarray:
    """Logits (texts, labels) of a causal model of transformers, reading every answer by itself."""
    import torch

    def read(before: Ids, after: Ids, n: int) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model(torch.tensor([before + after]), logits_to_keep=n).logits[0].float().numpy())

    plain = {"add_special_tokens": False, "split_special_tokens": True}
    ids = [tokenizer(text, truncation=True, max_length=about["max_tokens"], **plain)["input_ids"] for text in texts]
    return answer_logits(about["prompt"], ids, read)


def by_llama_cpp(model: Any, about: dict[str, Any], texts: Sequence[str]) -> np.ndarray:
    """The same by llama.cpp, whose memory keeps what stands before the text."""
    held: Ids = []

    def read(before: Ids, after: Ids, n: int) -> np.ndarray:
        nonlocal held
        same = next((i for i, pair in enumerate(zip(held, before, strict=False)) if pair[0] != pair[1]), None)
        known = min(len(held), len(before)) if same is None else same
        model.n_tokens = known
        model.eval((before + after)[known:])
        held = before
        end = len(before) + len(after)
        return np.array(model.scores[end - n : end])

    limit = about["max_tokens"]
    ids = [model.tokenize(text.encode(), add_bos=False, special=False)[:limit] for text in texts]
    return answer_logits(about["prompt"], ids, read)
