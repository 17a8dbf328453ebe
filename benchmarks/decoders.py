"""Decoders, texts a second against plain transformers and peft on the same random weights in one run, alternating.

    python benchmarks/decoders.py [--rounds 3]        # on a CPU: 135 million parameters, some minutes
    python benchmarks/decoders.py --gpu [--shapes 1b 3b 8b]

Classifying: generating 24 tokens after the prompt with the codebook, one text at a time and in batches of 16, against
scoring the labels with the codebook read once, and against a classification head that reads the text alone. Tuning:
the loss on every token of prompt and answer, float32, gradient checkpointing, batches of 8 (the recipe of Carammia,
Iacus and Porro 2024 without its 4 bits), against a head with LoRA on all linear layers. Loading and tokenizing are not
timed on either side; reading the codebook is. Weights are random: what is measured is time, and no answer means
anything.

With --gpu also peak memory, transformers' Trainer, and which share of the rate of a large bfloat16 matrix product the
arithmetic of the network reaches (2 operations a weight and token, 4 when tuning with frozen weights).
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from annotune.data.codebook import Label, Variable
from annotune.models.zeroshot import Asked, ready
from annotune.network.base import give_padding, quiet
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.study.simulated import demo
from annotune.tuning.choices import Examples
from annotune.tuning.fit import probe_of, tuned
from annotune.tuning.settings import Settings

SHAPES = {  # hidden, layers, heads, key/value heads, inner, words
    "135m": (576, 30, 9, 3, 1536, 49152),  # as SmolLM2-135M
    "1b": (2048, 16, 32, 8, 8192, 128256),  # as Llama-3.2-1B, -3B and Llama-3.1-8B
    "3b": (3072, 28, 24, 8, 8192, 128256),
    "8b": (4096, 32, 32, 8, 14336, 128256),
    "tiny": (64, 2, 4, 2, 128, 2048),  # to try the script itself
}
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
AREAS = (
    "Macroeconomics: Growth, inflation, budgets, taxes",
    "Civil rights: Discrimination, voting, privacy, free speech",
    "Health: Hospitals, insurance, medicines, prevention",
    "Agriculture: Farms, food safety, fisheries, subsidies",
    "Labour: Wages, working time, unions, training",
    "Education: Schools, universities, pupils with special needs",
    "Environment: Water, waste, species, air",
    "Energy: Electricity, oil and gas, renewables, nuclear power",
    "Immigration: Asylum, visas, integration, borders",
    "Transport: Roads, railways, aviation, ports",
    "Law and crime: Courts, police, prisons, trafficking",
    "Social welfare: Pensions, poverty, care, families",
    "Housing: Rents, building, cities, rural areas",
    "Domestic commerce: Banks, companies, consumers, tourism",
    "Defence: Armed forces, alliances, weapons, veterans",
    "Technology: Research, space, telecommunications, media",
    "Foreign trade: Tariffs, agreements, exports, exchange rates",
    "International affairs: Aid, treaties, human rights abroad",
    "Government: Administration, elections, staff, procurement",
    "Public lands: Parks, minorities' lands, water resources",
    "Culture: Arts, heritage, language, sport",
)
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


def make_network(shape: str, tokenizer: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """A causal Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, layers, heads, pairs, inner, words = SHAPES[shape]
    sizes = {"hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads}
    sizes |= {"num_key_value_heads": pairs, "intermediate_size": inner, "vocab_size": words}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = LlamaConfig(max_position_embeddings=2048, tie_word_embeddings=shape != "8b", **sizes, **ends)
    torch.manual_seed(1)
    with torch.device(device):
        network = LlamaForCausalLM._from_config(config, dtype=dtype).eval()
    give_padding(tokenizer, network)
    return network


def synchronized(device: torch.device) -> float:
    """The time, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def rate(n: int, work: Callable[[], object], device: torch.device) -> float:
    """Texts a second."""
    started = synchronized(device)
    work()
    return n / (synchronized(device) - started)


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

    return lambda: rate(len(prompts), work, network.device)


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

    return lambda: rate(len(prompts), work, network.device)


def tuning_by_trainer(network: Any, tokenizer: Any, prompts: list[str]) -> Callable[[], float]:
    """The same by transformers' Trainer, in bfloat16."""
    import copy

    from peft import LoraConfig, get_peft_model
    from transformers import DataCollatorForLanguageModeling, PrinterCallback, Trainer, TrainingArguments

    data = [{"input_ids": ids} for ids in tokenizer(prompts)["input_ids"]]
    plain: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}

    def run() -> float:
        settings = LoraConfig(r=64, lora_alpha=16, lora_dropout=0.1, task_type="CAUSAL_LM")
        model = get_peft_model(copy.deepcopy(network), settings)
        model.enable_input_require_grads()
        with TemporaryDirectory() as folder, quiet():
            arguments = TrainingArguments(
                folder,
                num_train_epochs=1,
                per_device_train_batch_size=8,
                gradient_checkpointing=True,
                bf16=has_fast_bf16(network.device),
                use_cpu=network.device.type == "cpu",
                **plain,
            )
            collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
            trainer = Trainer(model, arguments, train_dataset=data, data_collator=collate)
            trainer.remove_callback(PrinterCallback)
            result = trainer.train()
        return float(result.metrics["train_samples_per_second"])

    return run


# What annotune does


def scoring(asked: Asked, texts: list[str], fast: bool) -> Callable[[], float]:
    """Score the 21 labels; the codebook is read again in every round."""

    def work() -> None:
        asked.model.train()  # forget what was read
        asked.logits(texts, fast=fast)

    return lambda: rate(len(texts), work, asked.model.device)


def with_head(network: Any, tokens: Tokens, fast: bool) -> Callable[[], float]:
    """Classify by a head on the text alone."""
    model = build(network.base_model, len(AREAS))
    return lambda: rate(len(tokens), lambda: outputs(model, tokens, fast=fast), network.device)


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


def on_cpu(rounds: int, shape: str) -> None:
    """The two tables of the documentation."""
    device = torch.device("cpu")
    tokenizer, given = material(256)
    network = make_network(shape, tokenizer, device, torch.float32)
    asked, tokens = ready([TOPIC], tokenizer, network), tokenize(tokenizer, given.texts, 256)
    shared, mean = len(asked.model.slots.before), tokens.lengths.mean()
    print(f"{shape}, {torch.get_num_threads()} threads; codebook {shared} tokens, texts {mean:.0f} on average")
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


# On a GPU


def matrix_rate(device: torch.device, size: int) -> float:
    """Operations a second of a bfloat16 matrix product."""
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    return rate(20, lambda: [one @ one for _ in range(20)], device) * 2 * size**3


def measured(
    name: str, work: Callable[[], float], weights: int, tokens: float, device: torch.device, peak: float
) -> None:
    """Texts a second after a round that is not counted, peak memory, and the share of the matrix rate."""
    work()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    speed = work()
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else float("nan")
    share = speed * tokens * weights / peak
    print(f"  {name:44}{speed:10.1f} texts/s {memory:7.1f} GiB {share:7.1%} of the matrix rate", flush=True)


def on_gpu(shape: str, device: torch.device, n: int) -> None:
    """One shape: classification and tuning, ours and theirs."""
    tokenizer, given = material(n)
    network = make_network(shape, tokenizer, device, torch.bfloat16)
    tokens = tokenize(tokenizer, given.texts, 256)
    long = float(np.mean([len(ids) for ids in tokenizer(given.answered)["input_ids"]]))
    text, inner = float(tokens.lengths.mean()), sum(w.numel() for w in network.base_model.layers.parameters())
    peak = matrix_rate(device, 8192 if device.type == "cuda" else 512)
    print(f"{shape}: {inner / 1e9:.2f} billion weights in its layers; matrix rate {peak / 1e12:.1f} trillion a second")
    asked = ready([TOPIC], tokenizer, network)
    words = text + len(asked.model.tree_ids)
    some, quarter = given.prompts[: min(n, 64)], given.answered[: n // 4]
    sides: list[tuple[str, Callable[[], float], int, float]] = [
        ("generate 24 tokens, one text at a time", generating(network, tokenizer, some[:8], 1), 2, long + NEW_TOKENS),
        ("generate 24 tokens, batches of 16", generating(network, tokenizer, some, 16), 2, long + NEW_TOKENS),
        ("annotune, labels scored, codebook shared", scoring(asked, given.texts, fast=True), 2, words),
        ("annotune, head", with_head(network, tokens, fast=True), 2, text),
        ("Trainer + peft: every token, checkpointing", tuning_by_trainer(network, tokenizer, quarter), 4, long),
        ("annotune, tuning with a head", tuning_with_head(network, tokens), 4, text),
    ]  # fmt: skip
    for name, work, operations, length in sides:
        measured(name, work, operations * inner, length, device, peak)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds, after one that is not")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), help="135m; with --gpu 1b 3b 8b")
    parser.add_argument("--texts", type=int, default=512, help="with --gpu")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    shapes = options.shapes or (["1b", "3b", "8b"] if options.gpu else ["135m"])
    if options.gpu and not torch.cuda.is_available() and shapes != ["tiny"]:
        parser.exit(2, "There is no GPU that torch can use; --shapes tiny tries the script without one.\n")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for shape in shapes:
        on_gpu(shape, device, options.texts) if options.gpu else on_cpu(options.rounds, shape)


if __name__ == "__main__":
    main()
