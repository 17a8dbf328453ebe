"""A study whose texts are read with their neighbours, by one list in `corpus:`."""

from __future__ import annotations

import gzip
from pathlib import Path

import jsonschema
import polars as pl
import pytest
import yaml

import annotune as at
from annotune.study.file import StudyFile, read_study
from annotune.study.many_texts import require_columns_of_texts
from annotune.study.schema import study_schema
from annotune.study.sources import corpus_of


def study_in(folder: Path, *lines: str) -> StudyFile:
    (folder / "sentences.csv").write_text("id,last,sentence,next,party\n7,Why?,No.,So.,Left\n8,No.,So.,,Right\n")
    path = folder / "study.yaml"
    path.write_text("\n".join(["codebook: codebook.yaml", "codings: anna.csv", *lines]) + "\n")
    return read_study(path)


def test_neighbours_are_read_by_what_is_tuned_and_stay_in_the_corpus(tmp_path: Path) -> None:
    corpus = "corpus: {path: sentences.csv, unit_id: id, text: [last, sentence, next], covariates: [party]}"
    file = study_in(tmp_path, corpus, "tune: {base: minilm, inputs: [party]}")
    jsonschema.validate(yaml.safe_load(file.path.read_text()), study_schema())
    assert file.study.tune.text == ("last", "text", "next")
    assert file.study.beside == ("last", "next", "party")
    assert corpus_of(file).rows() == [("7", "No.", "Left", "Why?", "So."), ("8", "So.", "Right", "No.", None)]


def test_one_text_is_as_it_was(tmp_path: Path) -> None:
    file = study_in(tmp_path, "corpus: {path: sentences.csv, unit_id: id, text: sentence, covariates: [party]}")
    assert file.study.tune.text == ("text",)
    assert corpus_of(file).columns == ["unit_id", "text", "party"]


@pytest.mark.parametrize("covariates", ["", ", covariates: [party]"])
def test_a_neighbour_that_the_file_lacks_is_named_when_the_corpus_is_read(tmp_path: Path, covariates: str) -> None:
    corpus = f"corpus: {{path: sentences.csv, unit_id: id, text: [lasts, sentence, next]{covariates}}}"
    message = r"sentences\.csv has no column 'lasts'\. Did you mean 'last'\?"
    with pytest.raises(at.AnnotuneError, match=message):
        corpus_of(study_in(tmp_path, corpus))


def test_a_neighbour_that_very_many_texts_lack_is_named_before_anything_is_tuned(tmp_path: Path) -> None:
    corpus = "corpus: {path: sentences.csv, unit_id: id, text: [last, sentence, next]}"
    file = study_in(tmp_path, corpus, "classify: {texts: more, covariates: [party]}")
    (tmp_path / "more").mkdir()
    header = b"id;lasts;sentence;next;party\n"
    for name, opened in (("a.csv", open), ("b.csv.gz", gzip.open)):
        with opened(tmp_path / "more" / name, "wb") as out:
            out.write(header + "9;Why?;\xabNo\xbb.;So.;Left\n".encode("latin-1") * 3)
    message = r"study\.yaml: classify: texts: a\.csv has no column 'last'\. Did you mean 'lasts'\?"
    with pytest.raises(at.AnnotuneError, match=message):
        require_columns_of_texts(file)
    whole = pl.DataFrame({name: ["x"] for name in ("id", "last", "sentence", "next", "party")})
    whole.write_parquet(tmp_path / "more" / "c.parquet")
    with pytest.warns(at.AnnotuneWarning, match="2 of 3 files of texts have no column 'last', such as a.csv"):
        require_columns_of_texts(file)
    (tmp_path / "more" / "a.csv").write_bytes(header.replace(b"lasts", b"last"))
    (tmp_path / "more" / "b.csv.gz").unlink()
    require_columns_of_texts(file)


def test_a_target_that_the_file_lacks_is_named_as_well(tmp_path: Path) -> None:
    file = study_in(tmp_path, "corpus: {path: sentences.csv, unit_id: id, text: sentence}", "tune: {target: partei}")
    with pytest.raises(at.AnnotuneError, match=r"no column 'partei'\. Did you mean 'party'"):
        corpus_of(file)


@pytest.mark.parametrize(
    ("text", "tune", "message"),
    [
        ("[last, sentence]", "{}", "Which of last, sentence is the text"),
        ("[last, last, next]", "{}", "names each column once"),
        ("[last, sentence, next]", "{text: [text, next]}", "name them in one place"),
    ],
)
def test_what_is_no_text_among_neighbours_is_refused(tmp_path: Path, text: str, tune: str, message: str) -> None:
    with pytest.raises(at.AnnotuneError, match=message):
        study_in(tmp_path, f"corpus: {{path: sentences.csv, text: {text}}}", f"tune: {tune}")
