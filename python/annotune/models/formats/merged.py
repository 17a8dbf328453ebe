"""One plain folder with all weights.

A model with a head is written for sentence-transformers, its pooling and head as modules: transformers' own classes for
classification pool in other ways, so this is the stock loader that computes the same. A model that says the label is
written as a causal model for transformers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotune.models.coder import Coder
from annotune.models.formats.answer_tokens import SCORING, by_transformers, speaks
from annotune.models.formats.format import Options
from annotune.models.formats.recipe import accompany, limit, prefix_of, read_labels
from annotune.network.base import quiet
from annotune.network.reading import CODING, KNOWN

OPTIONS: tuple[str, ...] = ()
FOLDER = True
MODES = {way: mode for mode, way in KNOWN.items()}

RECIPE = """
import json

import numpy as np
from sentence_transformers import SentenceTransformer

about = json.load(open("labels.json", encoding="utf-8"))
logits = SentenceTransformer(".").encode(["A text to code.", "Another one."])
"""


SAYING = """
import json

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

about = json.load(open("labels.json", encoding="utf-8"))
prompt = about["prompt"]
tokenizer, model = AutoTokenizer.from_pretrained("."), AutoModelForCausalLM.from_pretrained(".").eval()
"""


def require(coder: Coder, options: Options) -> None:
    """Any model."""


def tolerance(options: Options) -> float:
    """The same numbers, up to rounding."""
    return 1e-3


def require_runtime() -> None:
    """sentence-transformers, which comes with the default base model."""


def write(coder: Coder, place: Path, options: Options) -> None:
    """Base and tokenizer at the top; pooling, scaling and head, where there is one, in folders of their own."""
    place.mkdir()
    backbone: Any = coder.model.backbone
    coder.tokenizer.backend_tokenizer.no_truncation()
    with quiet():
        backbone.save_pretrained(place, safe_serialization=True)
        coder.tokenizer.save_pretrained(place)
    if speaks(coder):
        accompany(coder, place, f"{SAYING}\n{SCORING}")
        return
    _modules(coder, place)
    accompany(coder, place, RECIPE)


def _modules(coder: Coder, place: Path) -> None:
    """What comes after the base, as sentence-transformers reads it."""
    head = coder.model.head
    modules = [
        ("", "Transformer", None),
        (
            "1_Pooling",
            "Pooling",
            {"embedding_dimension": head.in_features, "pooling_mode": MODES[coder.model.pooling]},
        ),
        ("2_Normalize", "Normalize", {}),
        ("3_Dense", "Dense", _dense(head)),
    ]
    _json(place / "sentence_bert_config.json", {"max_seq_length": limit(coder), "do_lower_case": False})
    if prefix := prefix_of(coder):
        prompts = {"prompts": {CODING: prefix}, "default_prompt_name": CODING}
        _json(place / "config_sentence_transformers.json", prompts)
    for path, _, settings in modules:
        if settings is not None:
            (place / path).mkdir()
            _json(place / path / "config.json", settings)
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind, _) in enumerate(modules)
    ]
    _json(place / "modules.json", listed)
    _save_head(head, place / "3_Dense" / "model.safetensors")


def _dense(head: Any) -> dict[str, Any]:
    return {
        "in_features": head.in_features,
        "out_features": head.out_features,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }


def _save_head(head: Any, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({f"linear.{name}": w.detach().cpu().contiguous() for name, w in head.state_dict().items()}, path)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def run(place: Path, texts: Sequence[str], options: Options) -> tuple[np.ndarray, str]:
    """By sentence-transformers, or transformers for a model that says the label, from the folder alone."""
    about = read_labels(place)
    if "prompt" in about:
        return _run_saying(place, texts, about)
    import sentence_transformers

    with quiet():
        model = sentence_transformers.SentenceTransformer(str(place), device="cpu", local_files_only=True)
        logits = model.encode(list(texts), show_progress_bar=False)
    return np.asarray(logits), f"sentence-transformers {sentence_transformers.__version__}"


def _run_saying(place: Path, texts: Sequence[str], about: dict[str, Any]) -> tuple[np.ndarray, str]:
    import transformers

    with quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, local_files_only=True)
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(place, local_files_only=True, dtype="auto")
    model.eval()
    return by_transformers(model, tokenizer, about, texts), f"transformers {transformers.__version__}"
