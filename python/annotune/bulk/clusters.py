"""What a SLURM job asks for, and the file that says it for each cluster that one works on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

from annotune.data.codebook import validate
from annotune.data.yaml_file import read_yaml
from annotune.errors import AnnotuneError, nearest

FILE = "ANNOTUNE_CLUSTERS"  # names the file in the environment
USUAL = "~/.config/annotune/clusters.yaml"


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_written(value: Any) -> Any:
    """A whole number as its digits; R has whole numbers as floats."""
    is_whole = not isinstance(value, bool) and isinstance(value, (int, float)) and value == int(value)
    return str(int(value)) if is_whole else value


def _worded(pattern: str) -> pydantic.StringConstraints:
    """Of what a line of a job's file can be made: nothing in it ends the line."""
    return pydantic.StringConstraints(pattern=rf"\A{pattern}\z")


AsWritten = pydantic.BeforeValidator(_as_written)
Several = pydantic.BeforeValidator(_several)
Name = Annotated[str, _worded(r"[\w.,@+-]+"), AsWritten]
Constraint = Annotated[str, _worded(r"[\w.,&|*()\[\]!-]+")]
Time = Annotated[str, _worded(r"(\d+-)?\d+(:\d+){0,2}")]
Memory = Annotated[str, _worded(r"\d+[KMGT]?")]
Gpus = Annotated[str, _worded(r"([\w.-]+:)?\d+"), AsWritten]
Module = Annotated[str, _worded(r"[\w./+@-]+")]
Option = Annotated[str, _worded(r"--[a-z][a-z-]*(=[^\x00-\x1f]*)?")]


class Profile(pydantic.BaseModel):
    """What a job asks for on a cluster.

    Attributes
    ----------
    partition, account, qos, constraint
        As `sbatch` has them.
    time
        The limit of a task, such as `8:00:00` or `1-00:00:00`; one that reaches it goes on in a new turn.
    cpus, memory, gpus
        Of each task; `16G`; `1` or `a100:1`.
    parallel
        The most tasks that run at a time.
    modules
        Are loaded first.
    setup
        Lines of shell that come next.
    python
        The program that has annotune there; by default the one that submits.
    options
        Any others of `sbatch`, each as `--name=value`.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: Constraint | None = None
    time: Time | None = None
    cpus: int | None = pydantic.Field(default=None, ge=1)
    memory: Memory | None = None
    gpus: Gpus | None = None
    parallel: int | None = pydantic.Field(default=None, ge=1)
    modules: Annotated[tuple[Module, ...], Several] = ()
    setup: Annotated[tuple[str, ...], Several] = ()
    python: str | None = None
    options: Annotated[tuple[Option, ...], Several] = ()


class _Clusters(pydantic.RootModel[dict[str, Profile]]):
    """All clusters of a file, by name."""


def profile_of(cluster: str | None, clusters: str | Path | None, changes: Mapping[str, Any]) -> Profile:
    """What a job asks for: what the file says of a cluster, and what is said otherwise this once.

    Parameters
    ----------
    cluster
        The name of one in the file.
    clusters
        The file; by default the one that the environment names with ANNOTUNE_CLUSTERS, then the one in the user's
        configuration. None is looked for beside the texts or a study: it holds commands, and these may be others'.
    changes
        Attributes of a `Profile`.

    Raises
    ------
    AnnotuneError
        Where the file or the cluster is not there, or a value is none that a job can have.
    """
    profile = Profile()
    if cluster is not None:
        path = Path(clusters or os.environ.get(FILE) or USUAL).expanduser()
        known = read_clusters(path)
        if cluster not in known:
            raise AnnotuneError(f"{path} has no cluster {cluster!r}.", nearest(cluster, known))
        profile = known[cluster]
    elif clusters is not None:
        raise AnnotuneError("No cluster of the file is named.", "Name one with cluster=.")
    try:
        return Profile.model_validate({**profile.model_dump(), **changes})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise AnnotuneError(f"A job has no option {name!r}.", nearest(name, Profile.model_fields)) from None
        what = f"A job cannot have {name}={str(first['input'])[:60]!r}."
        raise AnnotuneError(what, _EXAMPLES.get(name, f"See annotune.classify for what {name} can be.")) from None


def read_clusters(path: Path) -> dict[str, Profile]:
    """The clusters that a file describes, by name."""
    content, lines = read_yaml(path)
    return validate(_Clusters, content, path, lines).root


_EXAMPLES = {
    "time": "Give text such as '8:00:00' for hours, or '1-00:00:00' for days.",
    "memory": "Give text such as '16G'.",
    "gpus": "Give a number, or a kind and a number such as 'a100:1'.",
    "cpus": "Give 1 or more.",
    "parallel": "Give 1 or more.",
    "options": "Write each as --name=value.",
}
