"""bundle(): one file with all that somebody needs to get the same tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from annotune.errors import AnnotuneError, nearest
from annotune.records.beside import inputs_of, outputs_of
from annotune.records.files import require_writable, scratch_folder
from annotune.replication.archive import write_bundle
from annotune.replication.own_wheel import write_wheel
from annotune.replication.papers import ENVIRONMENT, write_papers
from annotune.replication.parts import collect
from annotune.replication.sources import Source, flat, settings_of, source_at
from annotune.study.after_models import after_models
from annotune.study.file import StudyFile, read_study
from annotune.version import __version__

SUFFIX = ".bundle.zip"
STUDY = "study"  # the folder in a bundle
TEXTS = ("all", "none")


def bundle(study: str | Path, out: str | Path | None = None, *, texts: Literal["all", "none"] = "all") -> Path:
    """Put a study that was run into one file, with which others get its tables: see `replicate`.

    Parameters
    ----------
    study
        The study file. It was run, and its files are as they were then.
    out
        A .zip, or a folder that is not there yet; by default `<name of the study>.bundle.zip` beside it.
    texts
        "all", or "none": in place of texts their fingerprints (SHA-256), codings without what else is in their files,
        and what the models said, without the models' weights and whatever in the store may quote a text. Every table
        after the models is computed from that. A fingerprint hides no text from somebody who has it.

    Returns
    -------
    pathlib.Path
        The bundle. The same study gives the same bytes.

    Raises
    ------
    AnnotuneError
        For a study that was not run, or of which a file, or a key of the study file, was changed since.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> at.bundle(study, texts="none").name
    'study.bundle.zip'
    """
    if texts not in TEXTS:
        raise AnnotuneError(f"texts={texts!r} says nothing.", nearest(texts, TEXTS))
    path = Path(study)
    file = read_study(path)
    source = _record(file)
    target = Path(out) if out is not None else path.with_suffix(SUFFIX)
    _require_free(file, source, target)
    after = after_models(file, lambda _: None)
    with scratch_folder(target.parent) as folder:
        content = folder / "content"
        (content / STUDY).mkdir(parents=True)
        collect(file, source, content / STUDY, with_texts=texts == "all")
        write_papers(content, source, after, with_texts=texts == "all")
        write_wheel(content / ENVIRONMENT)
        about = {"annotune": __version__, "texts": texts, "name": after.inputs.codebook.name}
        return write_bundle(content, target, about)


def _record(file: StudyFile) -> Source:
    """The record of the study's run, of which nothing was changed since."""
    path = file.path.with_suffix(".record.json")
    if not path.is_file():
        raise AnnotuneError(f"{file.path} was not run: there is no {path.name}.", f"First: annotune run {file.path}")
    source = source_at(path)
    _require_same_keys(file, source)
    states = source.states(inputs_of(source.content)) | source.states(outputs_of(source.content))
    changed = next((name for name, state in states.items() if state == "changed since"), None)
    if changed is not None or source.is_sound is False:
        what = f"{changed or path.name} was changed since {file.path} was run."
        raise AnnotuneError(what, f"Run it again: annotune run {file.path}")
    return source


def _require_same_keys(file: StudyFile, source: Source) -> None:
    """Stop where the study file says something else than when it was run: what others get would be other tables."""
    study = {"study": file.study.as_recorded}
    now, then = (flat(settings_of(each, True)) for each in (replace(source, content=study), source))
    for key in dict.fromkeys((*then, *now)):
        if now.get(key) != then.get(key):
            what = f"{file.path} was changed since it was run: {key} is {now.get(key)}, and was {then.get(key)}."
            raise AnnotuneError(what, f"Run it again: annotune run {file.path}")


def _require_free(file: StudyFile, source: Source, target: Path) -> None:
    if target.suffix.lower() != ".zip" and target.exists():
        raise AnnotuneError(f"{target} is there already.", "Give the bundle a new name, or one that ends in .zip.")
    files_of_run = [source.folder / name for name in (*inputs_of(source.content), *outputs_of(source.content))]
    require_writable([target], [file.path, source.path, file.store, *files_of_run])
