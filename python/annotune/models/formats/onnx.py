"""The whole network, from token ids to logits, for ONNX Runtime: batches and texts of any length."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from annotune import extras
from annotune.errors import AnnotuneError
from annotune.models.coder import Coder
from annotune.models.formats.answer_tokens import speaks
from annotune.models.formats.format import Options
from annotune.models.formats.recipe import accompany, limit, read_labels

OPTIONS: tuple[str, ...] = ()
FOLDER = True
NETWORK = "model.onnx"
ONE_FILE = 1 << 30  # bytes of weights that go into the file itself; protobuf ends at 2 GB

RECIPE = """
import json

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

about = json.load(open("labels.json", encoding="utf-8"))
tokenizer = Tokenizer.from_file("tokenizer.json")  # cuts and pads as the model was tuned
network = onnxruntime.InferenceSession("model.onnx")

texts = ["A text to code.", "Another one."]
encoded = tokenizer.encode_batch([about["prefix"] + text for text in texts])
logits = network.run(
    ["logits"],
    {
        "input_ids": np.array([text.ids for text in encoded]),
        "attention_mask": np.array([text.attention_mask for text in encoded]),
    },
)[0]
"""


def require(coder: Coder, options: Options) -> None:
    """A model with a head; onnx and onnxscript to write it."""
    if speaks(coder):
        raise AnnotuneError(
            "ONNX is written for models with a head, and this one says the label.", "Export it as 'merged' or 'gguf'."
        )
    for package in ("onnx", "onnxscript"):
        extras.require(package, "The onnx export needs")


def tolerance(options: Options) -> float:
    """The same numbers, up to rounding."""
    return 1e-3


def require_runtime() -> None:
    """ONNX Runtime."""
    extras.require("onnxruntime", "The onnx export needs")


def write(coder: Coder, place: Path, options: Options) -> None:
    """model.onnx, tokenizer.json, labels.json and a recipe."""
    import torch

    place.mkdir()
    tokenizer, backend = coder.tokenizer, coder.tokenizer.backend_tokenizer
    try:
        with _silent():
            _network(coder, place / NETWORK)
    except torch.onnx.OnnxExporterError as error:
        what = f"A model of the type {coder.model.backbone.config.model_type} could not be written as ONNX."
        raise AnnotuneError(what, "Export it as 'merged'.") from error
    backend.enable_truncation(limit(coder))
    backend.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    backend.save(str(place / "tokenizer.json"))
    backend.no_truncation()
    backend.no_padding()
    accompany(coder, place, RECIPE)


def _network(coder: Coder, path: Path) -> None:
    import torch

    model = coder.model.eval()
    if any(weights.dtype != torch.float32 for weights in model.parameters()):
        model = copy.deepcopy(model).float()  # the program may have no kernels for other numbers
    device = model.head.weight.device
    ids = torch.ones((2, 8), dtype=torch.int64, device=device)  # sizes are no more than examples
    mask = ids.clone()  # one tensor for both would be taken for one input
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    weights = sum(w.numel() * w.element_size() for w in model.parameters())
    torch.onnx.export(
        model,
        (ids, mask),
        path,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_shapes=(sizes, sizes),
        dynamo=True,
        external_data=weights > ONE_FILE,
        verbose=False,
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporter's notes about its own progress and about packages that it could also translate."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def run(place: Path, texts: Sequence[str], options: Options) -> tuple[np.ndarray, str]:
    """By tokenizers and ONNX Runtime, from the files alone."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer, about = Tokenizer.from_file(str(place / "tokenizer.json")), read_labels(place)
    network = onnxruntime.InferenceSession(str(place / NETWORK), providers=["CPUExecutionProvider"])
    logits = []
    for start in range(0, len(texts), 32):
        encoded = tokenizer.encode_batch([about["prefix"] + text for text in texts[start : start + 32]])
        ids = np.array([text.ids for text in encoded], dtype=np.int64)
        mask = np.array([text.attention_mask for text in encoded], dtype=np.int64)
        logits.append(network.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0])
    return np.concatenate(logits), f"onnxruntime {onnxruntime.__version__}"
