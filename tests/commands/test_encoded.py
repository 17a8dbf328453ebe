"""On the command line the encoding of csv files can be named; those in Unicode beside them are read as they are."""

import json

import polars as pl
import pytest

ROWS = "unit_id,coder,topic\n" + "".join(f"{unit},{coder},Łódź\n" for unit in range(5) for coder in ("Jan", "Żaneta"))


@pytest.fixture
def polish(tmp_path):
    """Codings in an encoding of Windows, of words too few to tell it by."""
    path = tmp_path / "polish.csv"
    path.write_bytes(ROWS.encode("cp1250"))
    return path


def resolved(command, tmp_path, *words):
    done = command("resolve", *words, "--columns", "topic=topic", "--out", tmp_path / "gold.csv")
    return done, " ".join(done.stderr.split())


def test_letters_are_those_of_the_named_encoding(command, polish, tmp_path):
    _, told = resolved(command, tmp_path, polish)
    assert "read as mac_roman. If letters are wrong, save it as UTF-8, or name its encoding (--encoding)." in told
    more = tmp_path / "more.csv"
    more.write_text(ROWS.replace("Jan", "Zoë").replace("Żaneta", "Michał"), encoding="utf-8")
    done, told = resolved(command, tmp_path, polish, more, "--encoding", "cp1250")
    assert (done.returncode, told) == (0, "")
    assert pl.read_csv(tmp_path / "gold.csv")["label"].unique().to_list() == ["Łódź"]
    record = json.loads((tmp_path / "gold.csv.record.json").read_text(encoding="utf-8"))
    assert record["settings"]["encoding"] == "cp1250"
    assert "read as mac_roman" in resolved(command, tmp_path, polish)[1]  # it is of one call


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("cp125", "There is no encoding 'cp125'. Such as cp1250, "),
        ("utf-8", "polish.csv is not utf-8: 'utf-8' codec can't decode byte 0xa3"),
        ("gb18030", "Leave --encoding out, or name the right one."),
    ],
)
def test_an_encoding_that_does_not_fit_is_one_sentence(command, polish, tmp_path, encoding, sentence):
    done, told = resolved(command, tmp_path, polish, "--encoding", encoding)
    assert done.returncode == 2
    assert sentence in told


def test_verbs_that_read_no_tables_have_no_such_option(command):
    assert "No such option: --encoding" in command("bases", "--encoding", "cp1250").stderr
    assert "--encoding" in command("correct", "--help").stdout
