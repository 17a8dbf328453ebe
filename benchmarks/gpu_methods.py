"""The rows of benchmarks/gpu.py: what annotune, transformers and peft do with the same weights and texts.

Each row is a function that prepares and returns another, which does the work and says on how many texts. transformers
and peft are used as their manuals have it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from gpu_material import (
    AREAS,
    DECODERS,
    ENCODERS,
    TOPIC,
    made_up,
    make_decoder,
    make_encoder,
    make_tokenizer,
    operations,
    settings,
)

from annotune.network.base import quiet
from annotune.network.batches import tokenize
from annotune.network.encoder import build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.network.prompts import make_prompt
from annotune.network.slots import grow, make_slots
from annotune.network.speaker import Speaker
from annotune.network.steady import steady_logits
from annotune.network.transfers import made_ahead
from annotune.tuning.choices import Examples
from annotune.tuning.fit import tuned
from annotune.tuning.probe import Probe

Work = Callable[[], int]
NEW_TOKENS, MOST_TOKENS = 24, 256
AT_ONCE = 8192  # texts that are made tokens of together, while those before are computed
LORA: dict[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
PLAIN: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True}


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes
    ----------
    part, name
        The table, and the line in it.
    make
        Prepares, and returns the work.
    operations
        Of the arithmetic that a text needs, without padding.
    dtype
        Of the matrix products.
    needs
        Packages beside torch and transformers.
    seconds
        That it may take on a large GPU.
    """

    part: str
    name: str
    make: Callable[[], Work]
    operations: Callable[[], float]
    dtype: torch.dtype = torch.bfloat16
    needs: tuple[str, ...] = ()
    seconds: float = 5.0


class Stage:
    """A network of one shape with its tokenizer, made when it is first needed."""

    def __init__(self, shape: str, device: torch.device, rehearsed: bool) -> None:
        self.shape, self.device, self.rehearsed = shape, device, rehearsed
        self._tokenizer: Any = None
        self._network: Any = None

    @property
    def tokenizer(self) -> Any:
        self._tokenizer = self._tokenizer or make_tokenizer()
        return self._tokenizer

    @property
    def network(self) -> Any:
        if self._network is None:
            make: Any = make_encoder if self.shape in ENCODERS else make_decoder
            self._network = make(self.shape, self.tokenizer, self.device)
        return self._network

    def few(self, n: int) -> int:
        """As many texts, or in a rehearsal a few."""
        return min(n, 12) if self.rehearsed else n

    def leave(self) -> None:
        """Give the memory back."""
        self._network = None


# Encoders


def encoder_rows(stage: Stage) -> Iterator[Row]:
    """Coding short and long texts, and tuning."""
    for kind, words, n in (("short texts", 20, 32_768), ("texts of 150 words", 150, 8_192)):
        yield from _coding_by_encoder(stage, f"{stage.shape}: coding {kind}", words, n)
    yield from _tuning_encoder(stage, f"{stage.shape}: tuning on short texts", 20)


def _coding_by_encoder(stage: Stage, part: str, words: int, n: int) -> Iterator[Row]:
    def texts(share: float = 1.0) -> list[str]:
        return made_up(stage.few(round(n * share)), words)[0]

    def cost() -> float:
        some = made_up(stage.few(500), words)[0]
        return operations(stage.network.bert, tokenize(stage.tokenizer, some, MOST_TOKENS).lengths)

    def theirs(share: float, batch: int, dtype: torch.dtype) -> Callable[[], Work]:
        return lambda: pipeline_of(copy.deepcopy(stage.network).to(dtype), stage.tokenizer, texts(share), batch)

    def ours(fast: bool, steady: bool = False, compiled: bool = False) -> Callable[[], Work]:
        return lambda: coding(stage.network.bert, stage.tokenizer, texts(), fast, steady, compiled)

    half, full = torch.bfloat16, torch.float32
    yield Row(part, "pipeline, float32, batches of 32", theirs(0.06, 32, full), cost, full)
    yield Row(part, "pipeline, bfloat16, batches of 256", theirs(0.25, 256, half), cost, half)
    yield Row(part, "annotune, float32", ours(False), cost, full)
    yield Row(part, "annotune, bfloat16", ours(True), cost, half)
    yield Row(part, "annotune, bfloat16, as over files", ours(True, steady=True), cost, half)
    if words < 100:
        yield Row(part, "annotune, bfloat16, compiled", ours(True, compiled=True), cost, half, ("triton",), 60.0)


def _tuning_encoder(stage: Stage, part: str, words: int) -> Iterator[Row]:
    n = stage.few(4096)

    def cost(factor: int) -> Callable[[], float]:
        def of_a_text() -> float:
            lengths = tokenize(stage.tokenizer, made_up(stage.few(500), words)[0], MOST_TOKENS).lengths
            return factor * operations(stage.network.bert, lengths)

        return of_a_text

    def theirs(lora: bool) -> Callable[[], Work]:
        return lambda: trainer_with_head(copy.deepcopy(stage.network), stage.tokenizer, *made_up(n, words), lora)

    def ours(method: str) -> Callable[[], Work]:
        return lambda: tuning(stage.network.bert, stage.tokenizer, *made_up(n, words), method=method)

    yield Row(part, "Trainer, all weights", theirs(False), cost(3), seconds=10)
    yield Row(part, "annotune, all weights", ours("full"), cost(3), seconds=10)
    yield Row(part, "Trainer + peft, LoRA", theirs(True), cost(2), needs=("peft",), seconds=10)
    yield Row(part, "annotune, LoRA", ours("lora"), cost(2), needs=("peft",), seconds=10)


# Decoders


def decoder_rows(stage: Stage) -> Iterator[Row]:
    """Coding by generating, by scoring and by a head; tuning by Trainer and by annotune."""
    slow = {"1B": 1.0, "3B": 1.5, "8B": 2.5}.get(stage.shape, 1.0)
    words, few = 20, stage.few

    def prompts(n: int, answered: bool = False) -> list[str]:
        texts, targets = made_up(few(n), words)
        prompt = make_prompt([TOPIC], stage.tokenizer)
        asked = [prompt.render(text) for text in texts]
        answers = [f" {TOPIC.names[target]}{prompt.end}" for target in targets]
        return [one + answer for one, answer in zip(asked, answers, strict=True)] if answered else asked

    def cost(whole: bool = False, scored: bool = False, more: int = 0, factor: int = 1) -> Callable[[], float]:
        def of_a_text() -> float:
            texts = prompts(50) if whole else made_up(few(50), words)[0]
            lengths = tokenize(stage.tokenizer, texts, 2048).lengths + more
            slots = make_slots(make_prompt([TOPIC], stage.tokenizer), stage.tokenizer)
            shared = len(slots.before) if scored else 0
            lengths = lengths + (len(grow(slots.paths[0])[0].ids) if scored else 0)
            return factor * operations(stage.network.base_model, lengths, shared)

        return of_a_text

    def texts_of(n: int) -> tuple[list[str], np.ndarray]:
        return made_up(few(n), words)

    part = f"{stage.shape}: coding, {words} words, a codebook of 21 labels"
    network, tokenizer = (lambda: stage.network), (lambda: stage.tokenizer)
    yield Row(
        part,
        "generate 24 tokens, one text at a time",
        lambda: generating(network(), tokenizer(), prompts(4), 1),
        cost(True, more=NEW_TOKENS),
        seconds=8 * slow,
    )
    yield Row(
        part,
        "generate 24 tokens, batches of 64",
        lambda: generating(network(), tokenizer(), prompts(128), 64),
        cost(True, more=NEW_TOKENS),
        seconds=8 * slow,
    )
    yield Row(
        part, "annotune, labels scored", lambda: scoring(network(), tokenizer(), texts_of(1024)[0]), cost(scored=True)
    )
    yield Row(
        part,
        "pipeline with a head, batches of 64",
        lambda: pipeline_of(headed(network()), tokenizer(), texts_of(512)[0], 64),
        cost(),
    )
    yield Row(
        part,
        "annotune, head",
        lambda: coding(network().base_model, tokenizer(), texts_of(2048)[0], True),
        cost(),
    )
    part = f"{stage.shape}: tuning, {words} words, a codebook of 21 labels"
    yield Row(
        part,
        "Trainer + peft, every token, checkpointing",
        lambda: trainer_on_tokens(network(), tokenizer(), prompts(64, answered=True)),
        cost(True, factor=2),
        needs=("peft",),
        seconds=10 * slow,
    )
    yield Row(
        part,
        "Trainer + peft, head",
        lambda: trainer_with_head(headed(copied(network())), tokenizer(), *texts_of(512), True),
        cost(factor=2),
        needs=("peft",),
        seconds=8 * slow,
    )
    yield Row(
        part,
        "annotune, answers with the codebook shared",
        lambda: tuning(network(), tokenizer(), *texts_of(256), speaking=True),
        cost(scored=True, factor=2),
        needs=("peft",),
        seconds=8 * slow,
    )
    yield Row(
        part,
        "annotune, head",
        lambda: tuning(network().base_model, tokenizer(), *texts_of(512)),
        cost(factor=2),
        needs=("peft",),
        seconds=8 * slow,
    )
    yield Row(
        part,
        "annotune, head, weights in 4 bits",
        lambda: tuning(in_four_bits(network()), tokenizer(), *texts_of(512)),
        cost(factor=2),
        needs=("peft", "bitsandbytes"),
        seconds=25 * slow,
    )


# What annotune does


def coding(
    backbone: Any, tokenizer: Any, texts: list[str], fast: bool, steady: bool = False, compiled: bool = False
) -> Work:
    """Texts to logits, tokenizing included, as `classify` does it."""
    model, at_once = build(backbone, len(AREAS)), len(texts) if steady else AT_ONCE
    if compiled:
        model.backbone = torch.compile(backbone, dynamic=True)

    def work() -> int:
        groups = (texts[start : start + at_once] for start in range(0, len(texts), at_once))
        for tokens in made_ahead(partial(tokenize, tokenizer, max_tokens=MOST_TOKENS), groups):
            _ = steady_logits(model, tokens, fast) if steady else outputs(model, tokens, fast=fast)
        return len(texts)

    return work


def scoring(network: Any, tokenizer: Any, texts: list[str]) -> Work:
    """The probabilities of all labels' words; the codebook is read again each time."""
    model = Speaker(network, make_slots(make_prompt([TOPIC], tokenizer), tokenizer))

    def work() -> int:
        model.train()  # what was read is forgotten
        return len(outputs(model, tokenize(tokenizer, texts, MOST_TOKENS, special=False), fast=True))

    return work


def tuning(
    backbone: Any,
    tokenizer: Any,
    texts: list[str],
    targets: np.ndarray,
    method: str = "lora",
    speaking: bool = False,
) -> Work:
    """An epoch from a head of zeros, or of a decoder that speaks; merging is not timed."""
    tokens = tokenize(tokenizer, texts, MOST_TOKENS, special=not speaking)
    width = backbone.config.hidden_size
    zeros = np.zeros((len(AREAS), width), np.float32)
    start = Probe(zeros, zeros[:, 0], penalty=1.0, balanced=False)
    examples = Examples(tokens, np.zeros((len(texts), width), np.float32), targets, len(AREAS))
    if speaking:
        backbone = Speaker(backbone, make_slots(make_prompt([TOPIC], tokenizer), tokenizer))

    def work() -> int:
        rate = tuned(backbone, start, examples, settings(method=method), 1).texts_per_second
        return Timed(len(texts), len(texts) / rate)

    return work


class Timed(int):
    """How many texts, and the seconds that are to be counted, where those of all the work are not."""

    seconds: float

    def __new__(cls, n: int, seconds: float) -> Timed:
        made = super().__new__(cls, n)
        made.seconds = seconds
        return made


# What others do


def pipeline_of(network: Any, tokenizer: Any, texts: list[str], batch: int) -> Work:
    """`pipeline("text-classification")`, on these weights."""
    from transformers import pipeline

    with quiet():
        classify: Any = pipeline("text-classification", model=network, tokenizer=tokenizer, device=network.device)

    def work() -> int:
        with quiet():
            return len(classify(texts, batch_size=batch, truncation=True, max_length=MOST_TOKENS, padding=True))

    return work


def generating(network: Any, tokenizer: Any, prompts: list[str], batch: int) -> Work:
    """Generate 24 tokens after each prompt."""
    tokenizer.padding_side = "left"
    batches = [
        tokenizer(prompts[i : i + batch], return_tensors="pt", padding=True, return_token_type_ids=False)
        for i in range(0, len(prompts), batch)
    ]
    tokenizer.padding_side = "right"
    length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}

    def work() -> int:
        with quiet():
            for inputs in batches:
                network.generate(**inputs.to(network.device), **length)
        return len(prompts)

    return work


def trainer_with_head(network: Any, tokenizer: Any, texts: list[str], targets: np.ndarray, lora: bool) -> Work:
    """An epoch of Trainer in batches of 32, in bfloat16 where the hardware has it."""
    from transformers import DataCollatorWithPadding

    ids = tokenizer(texts, truncation=True, max_length=MOST_TOKENS)["input_ids"]
    data = [{"input_ids": one, "labels": int(target)} for one, target in zip(ids, targets, strict=True)]
    if lora:
        from peft import LoraConfig, get_peft_model

        network = get_peft_model(network, LoraConfig(task_type="SEQ_CLS", **LORA))
    return _by_trainer(network, data, DataCollatorWithPadding(tokenizer), 32)


def trainer_on_tokens(network: Any, tokenizer: Any, prompts: list[str]) -> Work:
    """The loss on every token of prompt and answer (as Carammia, Iacus and Porro 2024, without their 4 bits)."""
    from peft import LoraConfig, get_peft_model
    from transformers import DataCollatorForLanguageModeling

    data = [{"input_ids": ids} for ids in tokenizer(prompts)["input_ids"]]
    peft = LoraConfig(r=64, lora_alpha=16, lora_dropout=0.1, task_type="CAUSAL_LM")
    model: Any = get_peft_model(copied(network), peft)
    model.enable_input_require_grads()
    return _by_trainer(model, data, DataCollatorForLanguageModeling(tokenizer, mlm=False), 8, True)


def _by_trainer(network: Any, data: list[Any], collate: Any, batch: int, checkpointing: bool = False) -> Work:
    from transformers import PrinterCallback, Trainer, TrainingArguments

    device = next(network.parameters()).device

    def work() -> int:
        with TemporaryDirectory() as folder, quiet():
            arguments = TrainingArguments(
                folder,
                num_train_epochs=1,
                per_device_train_batch_size=batch,
                gradient_checkpointing=checkpointing,
                bf16=has_fast_bf16(device),
                use_cpu=device.type == "cpu",
                **PLAIN,
            )
            trainer = Trainer(network, arguments, train_dataset=data, data_collator=collate)
            trainer.remove_callback(PrinterCallback)
            result = trainer.train()
        return Timed(len(data), float(result.metrics["train_runtime"]))

    return work


def headed(network: Any) -> Any:
    """A decoder with transformers' head on the same weights."""
    from transformers import LlamaForSequenceClassification

    config = copy.deepcopy(network.config)
    config.num_labels = len(AREAS)
    with torch.device("meta"):
        model = LlamaForSequenceClassification(config)
    model.model = network.base_model
    model.score = torch.nn.Linear(
        config.hidden_size, len(AREAS), bias=False, device=network.device, dtype=network.dtype
    )
    return model.eval()


def copied(network: Any) -> Any:
    """The network again over the same frozen numbers, so that what peft adds does not stay."""
    shared = {id(one): torch.nn.Parameter(one.data, requires_grad=False) for one in network.parameters()}
    return copy.deepcopy(network, shared)


def in_four_bits(network: Any) -> Any:
    """What reads texts in it, as transformers and bitsandbytes hold it in 4 bits, which they make of a folder alone."""
    from annotune.network.base import Base, load_backbone

    with TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        return load_backbone(Base(Path(folder), "random", "1"), network.device, weights="4bit")


def rows(device: torch.device, rehearsed: bool) -> list[tuple[Stage, list[Row]]]:
    """All that is measured, by shape."""
    tiny = [shape for shape in (*ENCODERS, *DECODERS) if shape.startswith("tiny")]
    shapes = tiny if rehearsed else [shape for shape in (*ENCODERS, *DECODERS) if shape not in tiny]
    stages = [Stage(shape, device, rehearsed) for shape in shapes]
    return [(stage, list((encoder_rows if stage.shape in ENCODERS else decoder_rows)(stage))) for stage in stages]
