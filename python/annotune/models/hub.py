"""A model in a repository of the Hugging Face hub: fetched at a commit, and only the files that its card names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotune.errors import AnnotuneError
from annotune.models.folder import CARD, read_card
from annotune.records.files import is_plain

SCHEME = "hf://"
ADDRESS = re.compile(r"hf:[/\\]{1,2}([\w.-]+)[/\\]([\w.-]+)(?:@([\w./-]+))?")  # a Path has one slash of the two
COMMIT = re.compile(r"[0-9a-f]{40}")
SUFFIXES = (".safetensors", ".json", ".parquet", ".txt", ".model", ".jinja")  # none of them can hold a program
DEEPEST = 4  # folders in a model's folder


def is_on_hub(path: str | Path) -> bool:
    """Whether a path is the address of a repository.

    >>> is_on_hub("hf://user/name"), is_on_hub(Path("hf://user/name@main")), is_on_hub("models/hf")
    (True, True, False)
    """
    return str(path).replace("\\", "/").startswith("hf:/")


def repository_of(address: str | Path) -> tuple[str, str | None]:
    """The repository's name, and the version that stands behind it.

    >>> repository_of("hf://user/name@main")
    ('user/name', 'main')

    Raises
    ------
    AnnotuneError
        For an address that is none.
    """
    match = ADDRESS.fullmatch(str(address))
    if match is None:
        raise AnnotuneError(f"{address} is no address of a repository.", "Such as hf://user/name.")
    return f"{match[1]}/{match[2]}", match[3]


def fetch_model(address: str | Path) -> Path:
    """The folder of a model that is fetched, or was: every file that its card names, at one commit.

    Raises
    ------
    AnnotuneError
        For an address without a commit, as what a name stands for may be another model tomorrow; for what is no model
        of annotune, or names a file that a model has not; where the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download

    repository, commit = repository_of(address)
    if commit is None or not COMMIT.fullmatch(commit):
        what = f"{address} names no commit: what is there now may be another model tomorrow."
        raise AnnotuneError(what, _advice(repository, commit))
    with refusals_told(repository):
        folder = Path(hf_hub_download(repository, CARD, revision=commit)).parent
        files = read_card(folder).get("files")
        for name in files if isinstance(files, dict) else ():
            _require_harmless(name, repository)
            hf_hub_download(repository, name, revision=commit)
    return folder


def _advice(repository: str, revision: str | None) -> str:
    """The same address with the commit of today, where the hub says it."""
    from huggingface_hub import HfApi

    with refusals_told(repository):
        return f"Load {SCHEME}{repository}@{HfApi().model_info(repository, revision=revision).sha}, which is there now."


def _require_harmless(name: str, repository: str) -> None:
    parts = str(name).split("/")
    if not all(map(is_plain, parts)) or len(parts) > DEEPEST or Path(parts[-1]).suffix not in SUFFIXES:
        what = f"The model in {SCHEME}{repository} names the file {name!r:.80}, which is no part of a model."
        raise AnnotuneError(what, "Do not use it, and tell its authors.")


@contextmanager
def refusals_told(repository: str) -> Iterator[None]:
    """Whatever the client of the hub raises, in a sentence: its errors are of too many kinds for a list."""
    try:
        yield
    except (AnnotuneError, MemoryError):
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        advice = "Check the name, your login (hf auth login) and the network."
        raise AnnotuneError(f"{SCHEME}{repository}: {reason}.", advice) from None
