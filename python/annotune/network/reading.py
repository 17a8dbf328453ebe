"""How a base makes one vector of a text, where it says so itself: as sentence-transformers writes it into its folder.

Pooling and the words that go before a text travel with a model: in its network's configuration and its tokenizer's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from annotune.errors import warn

Pooling = Literal["mean", "first", "last"]
POOLING, PREFIX = "text_pooling", "text_prefix"  # the entries in the two configurations
KNOWN: dict[str, Pooling] = {"mean": "mean", "cls": "first", "lasttoken": "last"}
FLAGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_lasttoken": "lasttoken"}
FLAG = "pooling_mode_"
CODING = "classification"  # what bases call the prompt for tasks like ours


def pooling_of(folder: Path, name: str) -> Pooling | None:
    """Which vector stands for a text; None where the folder says nothing of it.

    A way that is not known here, such as the maximum or several at once, is said in a warning, and not taken.
    """
    modules = _read(folder / "modules.json")
    paths = [str(one.get("path", "")) for one in modules or [] if str(one.get("type", "")).endswith("Pooling")]
    settings = _read(folder / paths[0] / "config.json") if paths else None
    if not settings:
        return None
    ways = _ways(settings)
    if len(ways) == 1 and ways[0] in KNOWN:
        return KNOWN[ways[0]]
    warn(f"The base model {name} pools by {' and '.join(ways)}, which is not known here; its usual way is taken.")
    return None


def _ways(settings: dict[str, Any]) -> list[str]:
    """What sentence-transformers calls them, in both of its forms."""
    if named := settings.get("pooling_mode"):
        return [named] if isinstance(named, str) else list(named)
    flags = [flag for flag, value in settings.items() if flag.startswith(FLAG) and value is True]
    return [FLAGS.get(flag, flag.removeprefix(FLAG)) for flag in flags]


def prefix_of(folder: Path) -> str:
    """What goes before each text: the base's default prompt, or else the one for classification; mostly nothing."""
    about = _read(folder / "config_sentence_transformers.json") or {}
    prompts = {str(key).lower(): str(text) for key, text in (about.get("prompts") or {}).items()}
    return prompts.get(str(about.get("default_prompt_name")).lower(), prompts.get(CODING, ""))


def _read(path: Path) -> Any:
    """The JSON in a file; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
