"""A study's files: its texts, codebook, codings and draws, and the fingerprint of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from annotune.data.codebook import Codebook, read_codebook
from annotune.data.codings import SCHEMA, Codings, of_people, read_codings, sound_codings
from annotune.data.corpus import Corpus, read_corpus, sound_corpus
from annotune.data.drawn import read_draws, with_draws
from annotune.data.frames import require_columns
from annotune.data.hierarchy import at_levels
from annotune.data.rolled_up import roll_up
from annotune.errors import AnnotuneError, listing, nearest_file
from annotune.records.fingerprints import file_sha256, fingerprint, frame_sha256
from annotune.study.file import StudyFile
from annotune.study.parts import GoldPart
from annotune.tables import read_table
from annotune.tables.descriptions import RESPONSES
from annotune.tables.store import SUFFIX, read_store
from annotune.tables.table import Labels


def corpus_of(file: StudyFile) -> Corpus:
    """The texts as their file has them, refused where it lacks what is read beside them."""
    part, beside = file.study.corpus, file.study.beside
    path, covariates = file.beside(part.path), part.covariates
    columns = None if covariates is None else list(dict.fromkeys([*covariates, *beside]))
    corpus = read_corpus(path, part.unit_id, part.column, columns, part.encoding)
    require_columns(corpus.drop("unit_id", "text"), beside, str(path))
    return corpus


def drawn_corpus(file: StudyFile, until: int | None = None) -> Corpus:
    """The texts, and where draws are recorded the probability and the wave of each."""
    corpus = corpus_of(file)
    if file.study.sample is None or not file.study.sample.drawn:
        return corpus
    return sound_corpus(with_draws(corpus, file.store if until is None else _draws_until(file.store, until)))


def studied_codebook(file: StudyFile, codebook: str | None = None) -> Codebook:
    """The study's codebook, or another one in its place; of a hierarchy the levels that are studied."""
    book = read_codebook(file.beside(codebook or file.study.codebook))
    return book if file.study.level is None else at_levels(book, file.study.level)


def codings_of(file: StudyFile, codebook: Codebook, until: int | None = None) -> Codings:
    """What every coder said, in files and stores; with `until` but for the texts that later waves drew."""
    if file.study.level is None:
        return _codings_by(file, codebook, until)
    whole = read_codebook(file.beside(file.study.codebook))
    rolled = roll_up(_codings_by(file, whole, until), whole)
    return sound_codings(rolled.filter(pl.col("variable").is_in([entry.name for entry in codebook.variables])))


def counted_codings(file: StudyFile, codebook: Codebook) -> Codings:
    """The codings that the gold is made of."""
    return counted(codings_of(file, codebook), file.study.gold)


def counted(codings: Codings, part: GoldPart) -> Codings:
    """Those of the coders whose codings count."""
    if part.coders is None:
        return of_people(codings)
    return sound_codings(codings.filter(pl.col("coder").is_in(part.coders)))


def _codings_by(file: StudyFile, codebook: Codebook, until: int | None) -> Codings:
    part = file.study.codings
    options = part.model_dump(exclude={"paths", "where", "keep"})
    options["keep"] = [*part.keep, *(name for name in part.where if name not in part.keep)]
    options["coders"] = list(part.coders) if part.coders else None
    paths = [file.beside(name) for name in part.paths]
    if file.study.sample is not None and file.study.sample.draws_texts and file.store not in paths:
        paths.append(file.store)
    codings = read_codings(paths, codebook, **options)
    if later := _drawn_later(file, until):
        codings = sound_codings(codings.filter(~pl.col("unit_id").is_in(later)))
    for column, values in part.where.items():
        codings = _rows_where(codings, column, values)
    return sound_codings(codings.drop([name for name in part.where if name not in (*part.keep, *SCHEMA)]))


def _rows_where(codings: Codings, column: str, values: Sequence[str]) -> Codings:
    words = pl.col(column).cast(pl.String).str.to_lowercase()
    rows = codings.filter(words.is_in([value.lower() for value in values]))
    if rows.is_empty():
        raise AnnotuneError(f"No coding has {column} {listing(values)}.", "Check where: in the study file.")
    return sound_codings(rows)


def words_of_file(file: StudyFile) -> tuple[Labels, Mapping[str, str]]:
    """The value labels and variable labels that the corpus's file has; of a survey tool's sheet its questions."""
    part = file.study.corpus
    suffix = Path(part.path).suffix.lower()
    if suffix not in (".dta", ".sav", ".zsav", ".por", ".rds") and part.unit_id != RESPONSES:
        return {}, {}
    table = read_table(file.beside(part.path), encoding=part.encoding)
    return table.labels, table.headings


def fingerprints_until(file: StudyFile, until: int) -> dict[str, str]:
    """The fingerprint of everything that the study reads, as if waves after this one were not drawn."""
    return {name: file_sha256(file.beside(name)) for name in files_of(file)} | stores_of(file, until)


def files_of(file: StudyFile) -> list[str]:
    """Everything the study reads, but for stores."""
    draws = [file.study.sample.draws] if file.study.sample is not None and file.study.sample.draws else []
    names = list(dict.fromkeys([file.study.codebook, file.study.corpus.path, *file.study.codings.paths, *draws]))
    for name in names:
        if not file.beside(name).is_file():
            what = f"{file.path}: the file {name} is not there."
            folder, near = file.path.parent.resolve(), nearest_file(file.beside(name))
            raise AnnotuneError(what, f"It is looked for in {folder}. {near}")
    return [name for name in names if Path(name).suffix != SUFFIX]


def stores_of(file: StudyFile, until: int | None = None) -> dict[str, str]:
    """The fingerprint of the draws and codings in each store: its bytes change while nothing in it does."""
    names = [name for name in file.study.codings.paths if Path(name).suffix == SUFFIX]
    names += [file.store.name] if file.study.sample is not None and file.study.sample.drawn else []
    paths = {name: file.beside(name) for name in names if Path(name).suffix == SUFFIX}
    later = _drawn_later(file, until)
    return {
        name: fingerprint(
            [
                frame_sha256(_draws_until(path, until)),
                frame_sha256(read_store(path).filter(~pl.col("unit_id").is_in(later))),
            ]
        )
        for name, path in paths.items()
    }


def _draws_until(store: Path, until: int | None) -> pl.DataFrame:
    """The draws of waves up to this one; of all without one."""
    draws = read_draws(store)
    return draws if until is None else draws.filter(pl.col("wave") <= until)


def _drawn_later(file: StudyFile, until: int | None) -> list[str]:
    """The texts that waves after this one drew: they do not count yet."""
    if until is None:
        return []
    return read_draws(file.store).filter(pl.col("drawn") & (pl.col("wave") > until))["unit_id"].to_list()
