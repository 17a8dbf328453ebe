"""Very many texts, and how far their coding is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.screen import console
from annotune.errors import AnnotuneError, nearest

if TYPE_CHECKING:
    from annotune.bulk.status import RunStatus


def status(
    out: Annotated[Path, typer.Argument(help="The folder that texts are coded into.")],
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Say how far the coding of very many texts is, also while it runs; exit code 1 where a shard failed."""
    from annotune.bulk.status import status as read_status

    show(read_status(out), as_json)


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


def show(found: RunStatus, as_json: bool = False) -> None:
    """How far a run is; where a shard failed, the exit code is 1."""
    if as_json:
        print(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
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


def job_of(entries: list[str], on: str) -> dict[str, Any]:
    """What `--job` says, entry by entry; a name that comes again, such as `modules`, has several values.

    >>> job_of(["time=8:00:00", "modules=gcc", "modules=mkl"], "slurm")
    {'time': '8:00:00', 'modules': ['gcc', 'mkl']}
    """
    from annotune.bulk.clusters import Profile

    job: dict[str, Any] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if name not in Profile.model_fields:
            raise AnnotuneError(f"A job has no option {name!r}.", nearest(name, Profile.model_fields))
        if not equals:
            raise AnnotuneError(f"--job {entry!r} has no value.", "Such as time=8:00:00.")
        job[name] = value if name not in job else [*([job[name]] if isinstance(job[name], str) else job[name]), value]
    if on != "slurm" and "gpus" in job:
        kind: type[float] = float if on == "ray" else int
        such = "gpus=1 or gpus=0.5" if on == "ray" else "gpus=2"
        try:
            job["gpus"] = kind(job["gpus"])
        except (TypeError, ValueError):
            raise AnnotuneError(f"--job gpus={job['gpus']!r} is no such number.", f"Such as {such}.") from None
    return job
