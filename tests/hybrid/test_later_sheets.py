"""Sheets of what is left to code: each coder's own texts, in order, none that has an answer; nothing written over."""

import sys

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.hybrid import later_sheets


@pytest.fixture
def book():
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


@pytest.fixture
def corpus():
    return pl.DataFrame(
        {"unit_id": [f"u{i}" for i in range(20)], "text": [f"Why {i}?" for i in range(20)], "party": "A"}
    )


@pytest.fixture
def store(tmp_path, corpus, book):
    path = tmp_path / "study.annotune"
    options = {"coders": ["anna", "ben"], "overlap": 0.5, "show": "party", "codebook": book, "store": path}
    at.sample(corpus, 12, write=tmp_path / "first.csv", **options)
    return path


def rows(path):
    return pl.read_csv(path, schema_overrides={"unit_id": pl.String})


def coded(paths):
    """The sheets as they come back, filled."""
    return pl.concat([rows(path).with_columns(topic=pl.lit("Law")) for path in paths])


def test_sheets_written_later_are_those_that_sample_writes(store, corpus, tmp_path):
    paths = at.sheets(store, corpus, tmp_path / "later.csv")
    for name in ("anna", "ben"):
        assert paths[name].read_bytes() == (tmp_path / f"first_{name}.csv").read_bytes()


def test_what_came_back_is_left_out_and_the_rest_keeps_its_order(store, corpus, book, tmp_path):
    first = rows(tmp_path / "first_anna.csv")
    at.record(store, at.read_codings(coded([tmp_path / "first_anna.csv"]).head(4), book))
    paths = at.sheets(store, corpus, tmp_path / "left.parquet")
    assert pl.read_parquet(paths["anna"])["unit_id"].to_list() == first["unit_id"].to_list()[4:]
    assert len(pl.read_parquet(paths["ben"])) == len(rows(tmp_path / "first_ben.csv")), "A text of two is still ben's."
    at.record(store, at.read_codings(coded([tmp_path / "first_anna.csv"]), book))
    assert list(at.sheets(store, corpus, tmp_path / "then.csv")) == ["ben"]
    at.record(store, at.read_codings(coded([tmp_path / "first_ben.csv"]), book))
    with pytest.raises(at.AnnotuneError, match="no text left to code"):
        at.sheets(store, corpus, tmp_path / "none.csv")


def test_texts_drawn_for_nobody_come_in_one_sheet(corpus, book, tmp_path):
    store = tmp_path / "study.annotune"
    draw = at.sample(corpus, 5, store=store)
    assert at.sheets(store, corpus, tmp_path / "all.csv", codebook=book) == {"": tmp_path / "all.csv"}
    assert set(rows(tmp_path / "all.csv")["unit_id"]) == set(draw.texts["unit_id"])
    sheet = rows(tmp_path / "all.csv").with_columns(coder=pl.lit("eve"), topic=pl.lit("Law")).head(2)
    at.record(store, at.read_codings(sheet, book))
    left = rows(at.sheets(store, corpus, tmp_path / "rest.csv", codebook=book)[""])
    assert len(left) == 3
    assert not set(left["unit_id"]) & set(sheet["unit_id"])


def test_what_cannot_be_written_is_refused_and_nothing_is_left(store, corpus, book, tmp_path, monkeypatch):
    def refuse(match, *args, **options):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(at.AnnotuneError, match=match):
            at.sheets(*args, **options)
        assert sorted(tmp_path.iterdir()) == before

    refuse(r"first_anna\.csv is there already", store, corpus, tmp_path / "first.csv")
    refuse("has no texts for 'anne'", store, corpus, tmp_path / "a.csv", coders="anne")
    refuse("no column .party", store, corpus.drop("party"), tmp_path / "a.csv")
    refuse("other study|another study", store, corpus.with_columns(unit_id="x" + pl.col("unit_id")), tmp_path / "a.csv")
    refuse("There is no store", tmp_path / "other.annotune", corpus, tmp_path / "a.csv")
    bare = tmp_path / "bare.annotune"
    at.sample(corpus, 2, store=bare)
    refuse("needs to know what is coded", bare, corpus, tmp_path / "a.csv")
    refuse("drawn without coders", bare, corpus, tmp_path / "a.csv", coders="anna", codebook=book)

    def fail_for_ben(path, texts, coder, codebook):
        if coder == "ben":
            raise at.AnnotuneError("The disk is full.", "Make room.")
        path.write_text("half")

    monkeypatch.setattr(later_sheets, "write_sheet", fail_for_ben)
    refuse("The disk is full", store, corpus, tmp_path / "a.csv")


def test_a_text_that_the_corpus_lost_is_told_of_and_left_out(store, corpus, tmp_path):
    gone = rows(tmp_path / "first_anna.csv")["unit_id"][0]
    with pytest.warns(at.AnnotuneWarning, match="are not in the corpus"):
        paths = at.sheets(store, corpus.filter(pl.col("unit_id") != gone), tmp_path / "later.csv", coders="anna")
    assert gone not in rows(paths["anna"])["unit_id"].to_list()


@pytest.mark.parametrize(
    "verb", ["sheets study.annotune --corpus corpus.csv", "sample corpus.csv --n 2 --store study.annotune"]
)
@pytest.mark.parametrize("name", ["a.docx", "a.dta"])
def test_commands_name_the_formats_of_sheets(tmp_path, monkeypatch, capsys, verb, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["annotune", *verb.split(), "--write", name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert f"{name} cannot be a coding sheet. Write one of .xlsx, .csv" in " ".join(capsys.readouterr().err.split())
