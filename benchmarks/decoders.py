"""Decoders, texts a second against plain transformers and peft on the same random weights in one run, alternating.

    python benchmarks/decoders.py [--rounds 3]        # on a CPU: 135 million parameters, some minutes

On a GPU, benchmarks/gpu.py does the same with larger ones.

Classifying: generating 24 tokens after the prompt with the codebook, one text at a time and in batches of 16, against
scoring the labels with the codebook read once, and against a classification head that reads the text alone. Tuning:
the loss on every token of prompt and answer, float32, gradient checkpointing, batches of 8 (the recipe of Carammia,
Iacus and Porro 2024 without its 4 bits), against a head with LoRA on all linear layers. Loading and tokenizing are not
timed on either side; reading the codebook is. Weights are random: what is measured is time, and no answer means
anything.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from gpu_material import AREAS, CHAT

from annotune.data.codebook import Label, Variable
from annotune.models.zeroshot import Asked, ready
from annotune.network.base import give_padding
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.study.simulated import demo
from annotune.tuning.choices import Examples
from annotune.tuning.fit import probe_of, tuned
from annotune.tuning.settings import Settings

SIZES = {  # as SmolLM2-135M
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
}
TOPIC = Variable(
    name="topic",
    instruction="Which policy area is the question mainly about?",
    labels=tuple(
        Label(code=i, name=area.partition(":")[0], definition=area.partition(": ")[2])
        for i, area in enumerate(AREAS, start=1)
    ),
)
NEW_TOKENS = 24


def make_tokenizer(texts: list[str]) -> Any:
    """Byte-level pairs learnt from the texts, with turns."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special, alphabet = ["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*texts, *AREAS], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[0], pad_token=special[1])
    fast.chat_template, fast.model_max_length = CHAT, 2048
    return fast


def make_network(tokenizer: Any) -> Any:
    """A causal Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = LlamaConfig(max_position_embeddings=2048, tie_word_embeddings=True, **SIZES, **ends)
    torch.manual_seed(1)
    network = LlamaForCausalLM._from_config(config, dtype=torch.float32).eval()
    give_padding(tokenizer, network)
    return network


def rate(n: int, work: Callable[[], object]) -> float:
    """Texts a second."""
    started = time.perf_counter()
    work()
    return n / (time.perf_counter() - started)


# What is compared with: transformers and peft as their manuals have it


def generating(network: Any, tokenizer: Any, prompts: list[str], batch: int) -> Callable[[], float]:
    """Generate 24 tokens after each prompt."""
    tokenizer.padding_side = "left"
    batches = [
        tokenizer(prompts[i : i + batch], return_tensors="pt", padding=True, return_token_type_ids=False)
        for i in range(0, len(prompts), batch)
    ]
    tokenizer.padding_side = "right"
    length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}

    def work() -> None:
        for inputs in batches:
            network.generate(**inputs.to(network.device), **length)

    return lambda: rate(len(prompts), work)


def tuning_as_published(network: Any, tokenizer: Any, prompts: list[str]) -> Callable[[], float]:
    """LoRA of rank 64 where peft puts it by itself, the loss on every token, gradient checkpointing, batches of 8."""
    import copy

    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=64, lora_alpha=16, lora_dropout=0.1, task_type="CAUSAL_LM")
    model: Any = get_peft_model(copy.deepcopy(network), settings)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.config.use_cache = False
    optimizer = torch.optim.AdamW([weights for weights in model.parameters() if weights.requires_grad], lr=2e-4)

    def work() -> None:
        model.train()
        for start in range(0, len(prompts), 8):
            inputs = tokenizer(prompts[start : start + 8], return_tensors="pt", padding=True).to(network.device)
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return lambda: rate(len(prompts), work)


# What annotune does


def scoring(asked: Asked, texts: list[str], fast: bool) -> Callable[[], float]:
    """Score the 21 labels; the codebook is read again in every round."""

    def work() -> None:
        asked.model.train()  # forget what was read
        asked.logits(texts, fast=fast)

    return lambda: rate(len(texts), work)


def with_head(network: Any, tokens: Tokens, fast: bool) -> Callable[[], float]:
    """Classify by a head on the text alone."""
    model = build(network.base_model, len(AREAS))
    return lambda: rate(len(tokens), lambda: outputs(model, tokens, fast=fast))


def tuning_with_head(network: Any, tokens: Tokens) -> Callable[[], float]:
    """One epoch of LoRA of rank 16 on all linear layers, with a head."""
    targets = np.arange(len(tokens)) % len(AREAS)
    embeddings = outputs(build(network.base_model, len(AREAS)), tokens, embeddings=True, fast=True)
    examples = Examples(tokens, embeddings, targets, len(AREAS))
    start = probe_of(examples, 10.0, False, False)
    return lambda: tuned(network.base_model, start, examples, Settings(method="lora"), epochs=1).texts_per_second


@dataclass(frozen=True)
class Material:
    """Texts, the prompts that ask for their topic, and the same with an answer."""

    texts: list[str]
    prompts: list[str]
    answered: list[str]


def material(n: int) -> tuple[Any, Material]:
    """A tokenizer and n different questions, lengthened to about the size of a question to a parliament."""
    from annotune.network.prompts import make_prompt

    said = demo(n=4 * n, n_coded=10, seed=3).corpus["text"].to_list()
    texts = [" ".join(said[i : i + 2]) for i in range(0, 2 * n, 2)]
    tokenizer = make_tokenizer(texts)
    prompt = make_prompt([TOPIC], tokenizer)
    prompts = [prompt.render(text) for text in texts]
    answered = [f"{start} {TOPIC.names[i % len(AREAS)]}{prompt.end}" for i, start in enumerate(prompts)]
    return tokenizer, Material(texts, prompts, answered)


def table(rounds: list[dict[str, float]], baseline: str) -> None:
    """Medians, and ratios to the baseline within each round."""
    for name in rounds[0]:
        ratios = [found[name] / found[baseline] for found in rounds]
        print(f"  {name:44}{median(found[name] for found in rounds):10.2f} texts/s {median(ratios):8.1f}x", end="")
        print(f"   ({min(ratios):.1f} to {max(ratios):.1f})")


def alternate(sides: dict[str, Callable[[], float]], rounds: int) -> list[dict[str, float]]:
    """Every side in turn, the first turn not counted."""
    return [{name: side() for name, side in sides.items()} for _ in range(rounds + 1)][1:]


def compare(rounds: int) -> None:
    """The two tables of the documentation."""
    device = torch.device("cpu")
    tokenizer, given = material(256)
    network = make_network(tokenizer)
    asked, tokens = ready([TOPIC], tokenizer, network), tokenize(tokenizer, given.texts, 256)
    shared, mean = len(asked.model.slots.before), tokens.lengths.mean()
    print(
        f"135 million parameters, {torch.get_num_threads()} threads; the codebook has {shared} tokens, "
        f"texts have {mean:.0f} on average"
    )
    base = "generate 24 tokens, one text at a time"
    sides = {
        base: generating(network, tokenizer, given.prompts[:6], 1),
        "generate 24 tokens, batches of 16": generating(network, tokenizer, given.prompts[:16], 16),
        "annotune, labels scored, codebook shared": scoring(asked, given.texts[:96], fast=False),
        "annotune, head": with_head(network, tokens, fast=False),
    }
    if has_fast_bf16(device):
        sides["annotune, labels scored, bfloat16"] = scoring(asked, given.texts[:96], fast=True)
        sides["annotune, head, bfloat16"] = with_head(network, tokens, fast=True)
    print("Classifying, float32 where nothing else is said")
    table(alternate(sides, rounds), base)
    published = "as published: every token, checkpointing"
    both = {
        published: tuning_as_published(network, tokenizer, given.answered[:16]),
        "annotune, head": tuning_with_head(network, tokens.take(np.arange(96))),
    }
    print(f"Tuning, bfloat16 products {'on our side' if has_fast_bf16(device) else 'on neither side'}")
    table(alternate(both, rounds), published)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds, after one that is not")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    compare(options.rounds)


if __name__ == "__main__":
    main()
