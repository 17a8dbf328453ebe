"""One plain folder with all weights, for sentence-transformers: base, pooling and head as its modules.

transformers' own classes for classification pool in other ways than annotune's encoder, so this is the stock loader
that computes the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotune.formats.parity import from_logits
from annotune.formats.recipe import accompany, is_sets, limit, read_labels
from annotune.tuning.base import quiet

if TYPE_CHECKING:
    from annotune.classifier import Classifier
    from annotune.formats.leave import Options

OPTIONS: tuple[str, ...] = ()
FOLDER = True

RECIPE = """
import json

from sentence_transformers import SentenceTransformer

about = json.load(open("labels.json", encoding="utf-8"))
logits = SentenceTransformer(".").encode(["A text to code.", "Another one."])
print([about["labels"][best] for best in logits.argmax(1)])
"""


def require(classifier: Classifier, options: Options) -> None:
    """Any model with a head."""


def tolerance(options: Options) -> float:
    """The same numbers, up to rounding."""
    return 1e-3


def require_runtime() -> None:
    """sentence-transformers, which comes with the default base model."""


def write(classifier: Classifier, place: Path, options: Options) -> None:
    """Base and tokenizer at the top, pooling, scaling and head in folders of their own."""
    place.mkdir()
    backbone: Any = classifier.model.backbone
    classifier.tokenizer.backend_tokenizer.no_truncation()
    with quiet():
        backbone.save_pretrained(place, safe_serialization=True)
        classifier.tokenizer.save_pretrained(place)
    head = classifier.model.head
    modules = [
        ("", "Transformer", None),
        (
            "1_Pooling",
            "Pooling",
            {"embedding_dimension": head.in_features, "pooling_mode": "lasttoken" if classifier.model.last else "mean"},
        ),
        ("2_Normalize", "Normalize", {}),
        ("3_Dense", "Dense", _dense(head)),
    ]
    _json(place / "sentence_bert_config.json", {"max_seq_length": limit(classifier), "do_lower_case": False})
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
    accompany(classifier, place, RECIPE)


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
    """By sentence-transformers, from the folder alone."""
    import sentence_transformers

    with quiet():
        model = sentence_transformers.SentenceTransformer(str(place), device="cpu", local_files_only=True)
        logits = model.encode(list(texts), show_progress_bar=False)
    return from_logits(np.asarray(logits), is_sets(read_labels(place))), (
        f"sentence-transformers {sentence_transformers.__version__}"
    )
