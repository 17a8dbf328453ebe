"""new() and studies(): ready studies to start from, each with simulated data and a comment on every key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import polars as pl
import yaml

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError, nearest
from annotune.export.write import write
from annotune.records.files import write_whole
from annotune.study import simulated, simulated_others
from annotune.study.schema import LINE, write_schema

Like = Literal["topic", "sets", "scale"]
N_TEXTS, N_CODED = 800, 240
ABOUT = {
    "topic": "one label per text: two coders and an adjudicator, a corrected regression, the same under other choices",
    "sets": "any number of labels per text: three coders, a rule of two, a 0/1 column for every label",
    "scale": "ordered labels: two coders, ordinal agreement, a corrected regression of the lowest level",
}
Data = tuple[Codebook, pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]
Simulate = Callable[[int, int, int], Data]


@dataclass(frozen=True)
class Ready:
    """How a ready study's data are simulated, and in which kind of file each coder's codings stand."""

    simulate: Simulate
    suffixes: dict[str, str]


def _topic(n: int, n_coded: int, seed: int) -> Data:
    data = simulated.demo(n=n, n_coded=n_coded, seed=seed)
    return data.codebook, data.corpus, data.truth, data.coders


READY = {
    "topic": Ready(_topic, {"anna": ".xlsx", "ben": ".dta", "carla": ".csv"}),
    "sets": Ready(simulated_others.sets, {"anna": ".csv", "ben": ".csv", "carla": ".csv"}),
    "scale": Ready(simulated_others.scale, {"anna": ".csv", "ben": ".dta"}),
}


def studies() -> pl.DataFrame:
    """The ready studies that `new` writes.

    Returns
    -------
    polars.DataFrame
        One row per study: `like`, by which `new` takes it, and `about`, what it shows.

    Examples
    --------
    >>> import annotune as at
    >>> at.studies()["like"].to_list()
    ['topic', 'sets', 'scale']
    """
    return pl.DataFrame({"like": list(ABOUT), "about": list(ABOUT.values())})


def new(folder: str | Path, like: Like = "topic", seed: int = 7) -> Path:
    """Write a study to start from: study.yaml with a comment on every key, simulated data, and their known truth.

    Replace the data by your own, file by file. The first line of study.yaml names its JSON schema, which is put beside
    it, so that editors complete the keys and check them.

    Parameters
    ----------
    folder
        Where to: a folder that is empty or not there yet.
    like
        `topic`: one label per text; `sets`: any number of labels; `scale`: ordered labels. See `studies`.
    seed
        Of the simulated data.

    Returns
    -------
    pathlib.Path
        The study file, ready for `run`.

    Raises
    ------
    AnnotuneError
        For a folder that holds anything, or cannot be made, and for a study that there is not.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.new(tempfile.mkdtemp(), like="scale")
    >>> study.read_text().splitlines()[0]
    '# yaml-language-server: $schema=study.schema.json'
    """
    if like not in READY:
        raise AnnotuneError(f"There is no ready study {like!r}.", nearest(like, get_args(Like)))
    target = _empty_folder(Path(folder))
    codebook, corpus, truth, coders = READY[like].simulate(N_TEXTS, N_CODED, seed)
    write(corpus, target / "questions.csv")
    write(truth, target / "truth.csv")
    for coder, suffix in READY[like].suffixes.items():
        write(coders[coder], target / f"coder_{coder}{suffix}", codebook=codebook)
    content = codebook.model_dump(exclude_defaults=True, mode="json")
    write_whole(target / "codebook.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    write_schema(target)
    text = files("annotune.study").joinpath("ready_studies", f"{like}.yaml").read_text(encoding="utf-8")
    write_whole(target / "study.yaml", LINE + text)
    return target / "study.yaml"


def _empty_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise AnnotuneError(f"The folder {folder} is not empty.", "Name a new one; nothing is written over.")
    except OSError as error:
        raise AnnotuneError(f"The folder {folder} cannot be made: {error.strerror}.", "Choose another.") from None
    return folder
