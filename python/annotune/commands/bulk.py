"""Very many texts, and how far their coding is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.screen import console
from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from annotune.bulk.status import RunStatus


def status(
    out: Annotated[Path, typer.Argument(help="The folder that texts are coded into.")],
) -> None:
    """Say how far the coding of very many texts is, also while it runs; exit code 1 where a shard failed."""
    from annotune.bulk.status import status as read_status

    show(read_status(out))


def classify_folder(places: list[str], models: list[Path], out: Path, codebook: list[Path], **options: Any) -> None:
    """Code files, folders and patterns into a folder; what `classify --out` does."""
    from annotune.bulk.classify import classify
    from annotune.bulk.status import RunStatus
    from annotune.data.codebook import read_codebook
    from annotune.models.zeroshot import choose_variables
    from annotune.records.files import require_folder

    require_folder(out, [*map(Path, places), *models, *codebook])
    book = choose_variables([read_codebook(path) for path in codebook]) if codebook else None
    found = classify(places, models, out, codebook=book, **options)
    if isinstance(found, RunStatus):
        show(found)
    else:
        console.print(repr(found), markup=False)


def show(found: RunStatus) -> None:
    """How far a run is; where a shard failed, the exit code is 1."""
    console.print(repr(found), markup=False, soft_wrap=True)
    if (found.shards["state"] == "failed").any():
        raise typer.Exit(1)


def part_of(words: str | None) -> tuple[int, int] | None:
    """`3/100` as two numbers.

    >>> part_of("3/100")
    (3, 100)
    """
    if words is None:
        return None
    number, slash, of = words.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        raise AnnotuneError(f"--shard {words!r} is not a part of several.", "Such as 3/100.")
    return int(number), int(of)
