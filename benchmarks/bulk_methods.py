"""What benchmarks/bulk.py times: tuned models, their texts, annotune's runtimes, and others on the same weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from accuracy_sets import banking77, manifestos

import annotune as at
from annotune.network.base import quiet
from annotune.network.batches import by_length, pad, tokenize
from annotune.runtimes.engines import RUNTIMES, runtimes_here

SETS = {"banking77": banking77, "uk_manifestos": manifestos}
WORDS = 150  # of a long text
BATCH = 32  # of transformers.pipeline
Coded = Callable[[list[str]], Any]  # logits where they can be compared, else None


def model_of(name: str, root: Path, n: int, method: str) -> at.Classifier:
    """MiniLM tuned on n texts of a data set; kept in a folder, and made once."""
    folder = root / f"{name}-{method}"
    if not (folder / "annotune.json").exists():
        frame = SETS[name]().filter(~pl.col("test")).unique("text", maintain_order=True)
        frame = frame.sample(min(n, len(frame)), seed=1, shuffle=True).with_row_index("unit_id")
        corpus = frame.select(pl.col("unit_id").cast(pl.String), "text")
        gold = frame.select(pl.col("unit_id").cast(pl.String), "label", variable=pl.lit("topic"), coder=pl.lit("gold"))
        names = sorted(frame["label"].unique())
        labels = tuple(at.Label(code=code, name=label) for code, label in enumerate(names, start=1))
        book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
        at.tune(corpus, gold, book, method=method, test=0.1, n_boot=0, device="cpu").save(folder)
    return at.load(folder, device="cpu")


def texts_of(name: str, n: int, long: bool) -> list[str]:
    """n texts that the model has not seen: as they are, or such behind each other up to 150 words."""
    texts = SETS[name]()["text"].drop_nulls().unique(maintain_order=True)
    if not long:
        return texts.sample(n, seed=2, with_replacement=n > len(texts), shuffle=True).to_list()
    words = " ".join(texts.sample(len(texts), seed=2, shuffle=True)).split()
    words = words * (-(-n * WORDS // len(words)))
    return [" ".join(words[i * WORDS : (i + 1) * WORDS]) for i in range(n)]


def ways(model: at.Classifier, folder: Path) -> dict[str, tuple[str, Coded]]:
    """Everything that codes texts here: who, and a function from texts to logits, tokenizing included."""
    found: dict[str, tuple[str, Coded]] = {"transformers.pipeline": ("float32", pipeline(model, folder))}
    for name in runtimes_here(model.model):
        kind = "float32" if RUNTIMES[name].exact else "bfloat16"
        found[f"annotune {name}"] = (kind, lambda texts, name=name: model.logits(texts, name))
    for package, way in (("openvino", openvino), ("onnxruntime", onnxruntime)):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed, and left out")
            continue
        found |= way(model, folder)
    return found


def pipeline(model: at.Classifier, folder: Path) -> Coded:
    """transformers.pipeline in batches of 32 over the same base, with a head of its own kind that it can load."""
    from transformers import BertForSequenceClassification, pipeline

    target = folder / "for-pipeline"
    if not target.exists():
        config = model.model.backbone.config.__class__(**model.model.backbone.config.to_dict())
        config.num_labels = len(model.labels)
        with quiet():
            whole = BertForSequenceClassification(config)
            whole.bert.load_state_dict(model.model.backbone.state_dict(), strict=False)
            whole.save_pretrained(target)
            model.tokenizer.save_pretrained(target)
    with quiet():
        run = pipeline("text-classification", str(target), device="cpu", batch_size=BATCH)
    longest = model.tokens([""]).limit
    return lambda texts: run(texts, truncation=True, max_length=longest) and None


def in_batches(model: at.Classifier, run: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Coded:
    """By hand as well as it can be done: tokens first, then batches of one length, of which each is padded."""

    def code(texts: list[str]) -> np.ndarray:
        tokens = tokenize(model.tokenizer, texts, model.tokens([""]).limit)
        logits = np.zeros((len(texts), len(model.labels)), dtype=np.float32)
        for batch in by_length(tokens.lengths, 4096, 256):
            ids, mask = pad(tokens, batch, torch.device("cpu"))
            logits[batch] = run(ids.numpy(), mask.numpy())
        return logits

    return code


def openvino(model: at.Classifier, folder: Path) -> dict[str, tuple[str, Coded]]:
    """The network converted in memory, with the hint for each precision."""
    import openvino as ov

    example = (torch.ones((2, 8), dtype=torch.int64), torch.ones((2, 8), dtype=torch.int64))
    made = ov.convert_model(model.model.eval(), example_input=example)
    found = {}
    for kind, hint in (("float32", "f32"), ("bfloat16", "bf16")):
        options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = ov.compile_model(made, "CPU", {**options, "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()

        def run(ids: np.ndarray, mask: np.ndarray, request: Any = request) -> np.ndarray:
            return np.array(request.infer([ids, mask])[0])

        found[f"OpenVINO by hand, {hint}"] = (kind, in_batches(model, run))
    return found


def onnxruntime(model: at.Classifier, folder: Path) -> dict[str, tuple[str, Coded]]:
    """The network that `export` writes."""
    import onnxruntime as ort

    target = folder / "onnx"
    if not target.exists():
        model.export(target, "onnx", check=False)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(str(target / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0])

    return {"ONNX Runtime by hand, f32": ("float32", in_batches(model, run))}


def operations(model: at.Classifier, texts: list[str]) -> float:
    """What the network computes for a text, in 10^9 multiplications and additions of its matrix products."""
    config = model.model.backbone.config
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    lengths = model.tokens(texts).lengths.astype(float)
    linear = 2 * lengths * (4 * width * width + 2 * width * inner)
    return float((layers * (linear + 4 * lengths**2 * width)).mean() / 1e9)


def matrix_rate(kind: str) -> Callable[[], float]:
    """A function that measures 10^9 operations a second of the network's linear layers alone."""
    dtype = getattr(torch, kind)
    layers = [torch.nn.Linear(*shape).to(dtype) for shape in ((384, 1152), (384, 384), (384, 1536), (1536, 384))]
    rows = [torch.randn(1024, layer.in_features).to(dtype) for layer in layers]
    done = sum(2 * 1024 * layer.in_features * layer.out_features for layer in layers) * 20 / 1e9

    def measure() -> float:
        import time

        with torch.inference_mode():
            began = time.perf_counter()
            for _ in range(20):
                for layer, of in zip(layers, rows, strict=True):
                    layer(of)
            return done / (time.perf_counter() - began)

    return measure
