"""What travels with an exported folder: its labels, and how to run it without annotune."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from annotune.errors import AnnotuneError
from annotune.models.coder import Coder
from annotune.models.formats.answer_tokens import describe_prompt, speaks
from annotune.network.logits import decide
from annotune.network.reading import PREFIX

LABELS = "labels.json"
LIKELIEST = """print([about["labels"][row.argmax()] for row in logits])
"""
HANDICAPS = """print([about["labels"][row.argmax()] for row in logits - np.array(about["handicaps"])])
"""
LEVELS = """shares = np.exp(logits - logits.max(1, keepdims=True))
expected = (shares / shares.sum(1, keepdims=True)) @ np.arange(len(about["labels"]))
print([about["labels"][sum(mean > cut for cut in about["cuts"])] for mean in expected])
"""
SETS = """shares = 1 / (1 + np.exp(-logits))
print([[label for label, sure, cut in zip(about["labels"], row, about["above"]) if sure > cut] for row in shares])
"""


def describe(coder: Coder) -> dict[str, Any]:
    """Variable, kind, labels and codes in the order of the model's answers, cut-offs, where texts end, the prompt."""
    codes = coder.variable.codes
    asked = {"prompt": describe_prompt(coder.model)} if speaks(coder) else {}
    return {
        "model": coder.name,
        "variable": coder.variable.name,
        "kind": coder.variable.kind,
        "labels": list(coder.labels),
        "codes": [codes[label] for label in coder.labels],
        "prefix": prefix_of(coder),
        "above": above(coder),
        "cuts": cuts(coder),
        "handicaps": handicaps(coder),
        "max_tokens": limit(coder),
        **asked,
    }


def above(coder: Coder) -> list[float] | None:
    """For label sets, the probability above which each label is given; otherwise the likeliest label is."""
    if coder.variable.kind != "multilabel":
        return None
    log_odds = np.array(coder.card["choices"]["cutoffs"] or [0.0] * len(coder.labels))
    return [float(share) for share in 1 / (1 + np.exp(-log_odds))]


def cuts(coder: Coder) -> list[float] | None:
    """For ordered labels, the mean label number by the probabilities above which the next label is given."""
    if coder.variable.kind == "multilabel":
        return None
    cutoffs = coder.card["choices"]["cutoffs"]
    return None if cutoffs is None or len(cutoffs) == len(coder.labels) else [float(cut) for cut in cutoffs]


def handicaps(coder: Coder) -> list[float] | None:
    """For single labels, what is taken from each one's logit before the highest is given."""
    cutoffs = coder.card["choices"]["cutoffs"]
    if coder.variable.kind == "multilabel" or cutoffs is None or len(cutoffs) != len(coder.labels):
        return None
    return [float(cut) for cut in cutoffs]


def answers(coder: Coder, logits: np.ndarray) -> np.ndarray:
    """What is given by logits (texts, labels): label numbers (texts, 1), or truth values (texts, labels)."""
    sets, cutoffs = coder.variable.kind == "multilabel", coder.card["choices"]["cutoffs"]
    answered = decide(logits, sets, cutoffs)
    return answered if sets else answered[:, None]


def prefix_of(coder: Coder) -> str:
    """What goes before each text, where the base wants something there."""
    return str(coder.tokenizer.init_kwargs.get(PREFIX, ""))


def limit(coder: Coder) -> int:
    """The tokens of a text that the model reads."""
    return int(min(coder.card["settings"]["max_tokens"], coder.tokenizer.model_max_length))


def accompany(coder: Coder, folder: Path, recipe: str) -> None:
    """Write the labels and the recipe into an exported folder; a recipe ends with the `logits`."""
    (folder / LABELS).write_text(json.dumps(describe(coder), indent=2, ensure_ascii=False) + "\n", "utf-8")
    about = f"It codes {coder.variable.name!r}: {', '.join(coder.labels)}. Made with annotune."
    ending = SETS if above(coder) else LEVELS if cuts(coder) else HANDICAPS if handicaps(coder) else LIKELIEST
    text = f"# {coder.name}\n\n{about}\n\n```python\n{recipe.strip()}\n{ending}```\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def read_labels(folder: Path) -> dict[str, Any]:
    """What `describe` said of the model in this folder."""
    content: dict[str, Any] = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    return content


def require_whole(coder: Coder) -> None:
    """Stop where the texts stand in a prompt, and yet a head reads them: no other program can be told so."""
    if coder.card["settings"]["objective"] == "label" and not speaks(coder):
        raise AnnotuneError(
            "Tuning with objective='label' was no better than the probe, which was kept.",
            "Tune with objective='head', and export that model.",
        )
    if coder.card["settings"]["long_texts"] == "whole":
        raise AnnotuneError(
            "This model reads long texts whole, in passages, and other programs would cut them.",
            "Tune with long_texts='cut' and export that model, or code with annotune.",
        )
    if speaks(coder) and coder.model.sets:
        raise AnnotuneError(
            "Models that answer yes or no for each label are not exported.",
            "Tune with objective='head', and export that model.",
        )
