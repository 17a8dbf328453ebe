"""Texts a second in tuning against transformers' Trainer with peft, on the same texts in one run, alternating.

    python benchmarks/tuning.py [--texts 640] [--rounds 3] [--peft-defaults]

Both sides train the same base model (MiniLM) with LoRA and a classification head on bank customers'
questions (banking77, expected in ../shared/data; otherwise on simulated questions), 32 texts a batch, one epoch a
round. The Trainer has its defaults: batches in random order, padded to their longest text, float32,
dropout. Its adapters are as large as ours, on every linear layer, unless --peft-defaults leaves
peft its own choice (rank 8 on queries and values). Loading, tokenizing and the probe are not timed on either side.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch

from annotune.network.base import find_base, load_backbone, load_tokenizer, quiet
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import build, outputs
from annotune.network.machine import has_fast_bf16
from annotune.tuning.choices import Examples
from annotune.tuning.fit import probe_of, tuned
from annotune.tuning.settings import Settings

QUESTIONS = Path(__file__).parents[2] / "shared" / "data" / "banking77" / "banking77.csv"
CPU = torch.device("cpu")


def questions(n: int) -> tuple[list[str], np.ndarray, str]:
    """n texts, their label numbers, and where they are from."""
    if QUESTIONS.exists():
        frame, source = pl.read_csv(QUESTIONS).filter(pl.col("split") == "train"), "banking77"
    else:
        from annotune.study.simulated import demo

        made = demo()
        frame, source = made.truth.rename({"topic": "label"}).join(made.corpus, on="unit_id"), "simulated questions"
    frame = frame.sample(n, seed=1, shuffle=True)
    return frame["text"].to_list(), frame["label"].rank("dense").to_numpy().astype(np.int64) - 1, source


def ours(tokens: Tokens, targets: np.ndarray, n_labels: int) -> Callable[[], float]:
    """A function that tunes for one epoch and returns texts a second."""
    backbone = load_backbone(find_base("minilm"), CPU)
    embeddings = outputs(build(backbone, n_labels), tokens, embeddings=True, fast=True)
    examples = Examples(tokens, embeddings, targets, n_labels)
    start = probe_of(examples, 10.0, False, False)
    return lambda: tuned(backbone, start, examples, Settings(method="lora"), epochs=1).texts_per_second


def trainer(tokens: Tokens, targets: np.ndarray, n_labels: int, defaults: bool) -> Callable[[], float]:
    """The same by transformers' Trainer with peft."""
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

    base = find_base("minilm")
    size: dict[str, Any] = {} if defaults else {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
    data = [{"input_ids": ids, "labels": int(label)} for ids, label in zip(tokens.ids, targets, strict=True)]

    def run() -> float:
        with TemporaryDirectory() as folder, quiet():
            model = AutoModelForSequenceClassification.from_pretrained(
                base.folder, num_labels=n_labels, dtype=torch.float32
            )
            options: dict[str, Any] = {"report_to": "none", "save_strategy": "no", "logging_strategy": "no"}
            arguments = TrainingArguments(
                folder, num_train_epochs=1, per_device_train_batch_size=32, use_cpu=True, disable_tqdm=True, **options
            )
            collate = DataCollatorWithPadding(load_tokenizer(base))
            adapted = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **size))
            result = Trainer(adapted, arguments, train_dataset=data, data_collator=collate).train()
        return float(result.metrics["train_samples_per_second"])

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds, after one that is not")
    parser.add_argument("--peft-defaults", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    texts, targets, source = questions(options.texts)
    n_labels = int(targets.max()) + 1
    tokens = tokenize(load_tokenizer(find_base("minilm")), texts, 256)
    sides = {
        "annotune": ours(tokens, targets, n_labels),
        "Trainer + peft": trainer(tokens, targets, n_labels, options.peft_defaults),
    }
    print(f"{len(texts)} texts of {source}, {n_labels} labels, {tokens.lengths.mean():.1f} tokens on average")
    print(f"{torch.get_num_threads()} threads, bfloat16 {'in hardware' if has_fast_bf16(CPU) else 'not in hardware'}")
    rounds = [{name: side() for name, side in sides.items()} for _ in range(options.rounds + 1)][1:]
    for name in sides:
        print(f"{name:16}{median(r[name] for r in rounds):8.1f} texts/s   {[round(r[name], 1) for r in rounds]}")
    ratios = [r["annotune"] / r["Trainer + peft"] for r in rounds]
    print(f"ratio {median(ratios):.2f} (median of {len(ratios)} rounds; {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
