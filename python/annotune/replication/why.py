"""why(): what a result came from, as a tree, and the way of one text through it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.readable import Part, Readable
from annotune.replication.one_text import trace
from annotune.replication.opened import opened
from annotune.replication.origins import origin
from annotune.replication.sources import Source, sources_of
from annotune.replication.trees import lines
from annotune.tables.file_notes import file_notes
from annotune.text_table import screen_width

NOT_KNOWN = "not known"


@dataclass(frozen=True, repr=False)
class Why(Readable):
    """What a result came from.

    Attributes
    ----------
    tree
        Names, and under each a word, a number, a list of these, or such a tree again: as JSON has it.
    unknown
        A sentence for each thing that a reader may ask and that neither records nor files tell.
    """

    tree: dict[str, Any]
    unknown: tuple[str, ...]

    def in_words(self, width: int | None = None) -> str:
        """The tree as lines, with what is not known as its last branch."""
        last = {NOT_KNOWN: list(self.unknown)} if self.unknown else {}
        ((name, branches),) = self.tree.items()
        return "\n".join([name, *lines({**branches, **last}, width or screen_width())])

    def _parts(self) -> Iterator[Part]:
        yield self.in_words()


def why(path: str | Path, *, unit: str | int | None = None) -> Why:
    """What results came from, by the records that runs left beside them.

    Parameters
    ----------
    path
        A study file that was run, an output of a run (results.dta ...), a record, a folder with records, a bundle, or a
        model's folder.
    unit
        The identifier of a text: tells of this one who coded it, what was proposed, what the model said, and what
        entered the regressions.

    Returns
    -------
    Why
        `.tree` as plain data, `.unknown` what is not known; `str()` has both as lines. The tree holds data and codebook
        with their fingerprints (SHA-256) and whether files are still as recorded, who coded how many texts, draws and
        waves, proposals, models with base, revision and files, settings, seeds, versions, hardware and times, and below
        an input the record of the run that wrote it, where there is one.

    Raises
    ------
    AnnotuneError
        Where nothing was recorded, and the file has no notes; and for a text that is not there.

    Notes
    -----
    A record is a statement and no proof: who changes a file and its record leaves no trace (see docs/security.md).

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> tree = at.why(study.parent / "results.dta").tree["results.dta"]
    >>> tree["codings"]["anna"], tree["models"]["topic"]["seed"]
    (['topic: 40 texts'], 1)
    """
    with opened(Path(path)) as place:
        return _of_place(place, Path(path).resolve().name, unit)


def _of_place(place: Path, name: str, unit: str | int | None) -> Why:
    """What is known of a path that is no bundle, under that name."""
    sources = sources_of(place)
    notes = list(file_notes(place)) if place.is_file() else []
    if not sources and not notes:
        what = f"Nothing tells what {place} came from."
        raise AnnotuneError(what, "Give results beside their .record.json, a study that was run, or a model's folder.")
    if unit is not None:
        return _of_text(place, name, sources, str(unit))
    branches: dict[str, Any] = {"notes in the file": notes} if notes else {}
    unknown: list[str] = [] if sources else [f"All but the notes: there is no record beside {place.name}."]
    for source in sources:
        tree, sentences = origin(source)
        branches |= tree if len(sources) == 1 else {source.path.name: tree}
        unknown += sentences
    return Why({name: branches}, tuple(dict.fromkeys(unknown)))


def _of_text(place: Path, name: str, sources: list[Source], unit: str) -> Why:
    """The way of one text, through the study where there is one among several records."""
    of_studies = [source for source in sources if source.is_study] or sources
    way = trace(place, of_studies[0] if of_studies else None, unit)
    return Why({f"the text {unit} of {name}": way.branches}, tuple(dict.fromkeys(way.unknown)))
