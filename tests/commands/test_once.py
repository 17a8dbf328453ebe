"""Of an option that is given twice the parser keeps the last, and who typed both would not know."""

import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app


def invoked(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("words", [("--by", "party", "--by", "month"), ("--by=party", "coded.csv", "--by=month")])
def test_an_option_of_one_value_is_given_once(words):
    done = invoked("prevalence", "coded.csv", *words)
    assert isinstance(done.exception, at.AnnotuneError)
    assert "--by is there twice, and all but the last would be lost. Give it once, several values as a,b" in str(
        done.exception
    )


def test_options_that_may_be_repeated_and_all_other_words_are_as_ever(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text("unit_id,anna,ben\n" + "".join(f"{i},{i % 2},{i % 2}\n" for i in range(9)))
    done = invoked("reliability", "c.csv", "--variable", "x", "--write", "a.csv", "--write", "b.csv", "--n-boot", "100")
    assert (done.exit_code, (tmp_path / "a.csv").is_file(), (tmp_path / "b.csv").is_file()) == (0, True, True)
    assert invoked("prevalence", "--help").exit_code == 0
    assert "No such option: --byy" in invoked("prevalence", "c.csv", "--byy", "party").output
