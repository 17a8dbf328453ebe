"""A tokenizer as llama.cpp reads it: byte-level pair encodings whose cutting of words llama.cpp knows by a name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from annotune.errors import AnnotuneError

# Where words end, in the two patterns that Llama 3 and Qwen cut by; they differ in how many digits make one piece.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CUTS = {  # steps before pair encoding, whether whole words skip it, and llama.cpp's name for that
    (("Split", _PATTERN.format(digits="{1,3}")), True): "llama-bpe",
    (("Split", _PATTERN.format(digits="")), False): "qwen2",
    (("ByteLevel",), False): "gpt-2",
    (("Digits", "ByteLevel"), False): "smollm",
}
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # kinds of tokens in a GGUF file


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers, their kinds, the merges, and what stands around every text."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]
    cut: str
    special: dict[str, int]
    starts: bool
    ends: bool
    template: str | None


def read_vocabulary(tokenizer: Any, rows: int) -> Vocabulary:
    """The vocabulary of a tokenizer, filled up to the `rows` of the network's embedding.

    Raises
    ------
    AnnotuneError
        When llama.cpp has no tokenizer that cuts texts in this way.
    """
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    cut = _cut(content)
    tokens = [f"[unused {i}]" for i in range(rows)]
    kinds = [UNUSED] * rows
    for token, number in content["model"]["vocab"].items():
        tokens[number], kinds[number] = token, NORMAL
    for added in content["added_tokens"]:
        tokens[added["id"]], kinds[added["id"]] = added["content"], CONTROL if added["special"] else USER_DEFINED
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    special = {name: getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "unk", "pad")}
    around = tokenizer("a")["input_ids"]
    return Vocabulary(
        tokens,
        kinds,
        merges,
        cut,
        {name: number for name, number in special.items() if number is not None},
        starts=special["bos"] is not None and around[0] == special["bos"],
        ends=special["eos"] is not None and around[-1] == special["eos"],
        template=tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else None,
    )


def _cut(content: dict[str, Any]) -> str:
    """llama.cpp's name for the way in which this tokenizer cuts texts into words."""
    normalizer = (content.get("normalizer") or {"type": "NFC"})["type"]
    key = (_steps(content.get("pre_tokenizer") or {"type": "nothing"}), bool(content["model"].get("ignore_merges")))
    name = CUTS.get(key)
    if content["model"]["type"] != "BPE" or normalizer != "NFC" or name is None:
        raise AnnotuneError(
            "The tokenizer cuts texts in a way that annotune cannot write to a GGUF file.",
            "Its byte-level pair encoding has to be that of Llama 3, Qwen, SmolLM or GPT-2; export as 'merged'.",
        )
    return name


def _steps(pre_tokenizer: dict[str, Any]) -> tuple[str, ...]:
    """The kinds of its steps and their patterns; turning bytes into letters, where it cuts nothing, is no step."""
    parts = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    steps: list[str] = []
    for part in parts:
        if part.get("add_prefix_space"):
            return ("a space before each text",)
        if part["type"] != "ByteLevel" or part["use_regex"]:
            steps.append(part["type"])
        if part["type"] == "Split":
            steps.append(part["pattern"].get("Regex", ""))
    return tuple(steps)
