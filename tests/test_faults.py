"""A fault of annotune's own: one sentence, and a report in which there is nothing of the data."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotune import cli, faults
from annotune.rcalls import call

SECRET = "Ms Smith voted Labour"


class Custom(Exception):
    pass


def broken(text):
    """Fails within a library, from an exception that an earlier one led to; each names the text."""
    try:
        pl.Series([text]).cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        error.args = (f"{text!r} is no number",)
        if hasattr(error, "add_note"):
            error.add_note(text)
        raise Custom(f"{text!r} failed") from error


def fault_of(text):
    with pytest.raises(Custom) as caught:
        broken(text)
    return faults.report(caught.value, "tune", ["--gold", "--seed"])


def test_a_report_says_where_and_with_what_but_not_about_whom():
    report = fault_of(SECRET)
    assert not re.search("Smith|Labour", report)
    assert "verb: tune\noptions: --gold, --seed\nplatform: " in report
    first, second = re.findall(r"^([\w.]+)$", report, re.MULTILINE)
    assert first.endswith("test_faults.Custom")
    assert second == "polars.exceptions.InvalidOperationError"
    assert re.search(r"^  polars/series/series\.py, line \d+, in cast\n    \S", report, re.MULTILINE)
    assert f"polars: {pl.__version__}" in report
    assert "ANNOTUNE_TRACEBACK=1" in report
    assert str(Path.home()) not in report
    assert str(Path(__file__).parent) not in report


@given(st.text(min_size=4).filter(str.strip))
def test_no_text_is_in_a_report_that_would_not_be_there_without_it(text):
    assert fault_of(f"no number: {text}") == fault_of(SECRET)


def test_the_lines_of_a_users_own_code_are_left_out(tmp_path):
    (tmp_path / "mine.py").write_text(f"def label(cell):\n    return {{{SECRET!r}: 1}}[cell]\n")
    code = compile((tmp_path / "mine.py").read_text(), str(tmp_path / "mine.py"), "exec")
    names = {}
    exec(code, names)
    with pytest.raises(KeyError) as caught:
        names["label"]("x")
    report = faults.report(caught.value, "run", [])
    assert "Smith" not in report
    assert "mine.py" not in report
    assert f"{faults.ELSEWHERE}, line 2" in report
    assert "options: none" in report


def test_exceptions_that_lead_in_a_circle_are_told_once():
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert faults.report(one, "run", []).count("KeyError") == 1


def run(monkeypatch, capsys, tmp_path, *words):
    """The exit code, stderr and the reports, when the verb `resolve` breaks on its input."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("annotune.data.codings.read_codings", lambda *_, **__: broken(SECRET))
    monkeypatch.setattr(sys, "argv", ["annotune", *words])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().err, sorted(tmp_path.glob("annotune-fault-*.txt"))


def resolving(tmp_path):
    (tmp_path / "smith.csv").write_text("unit_id,anna\n1,a\n")
    return ["resolve", str(tmp_path / "smith.csv"), "--out", "gold.csv", "--rule=majority"]


def test_the_command_line_says_one_sentence_and_ends_with_1(monkeypatch, capsys, tmp_path):
    code, said, (report,) = run(monkeypatch, capsys, tmp_path, *resolving(tmp_path))
    assert code == 1
    assert said == f"Error: {faults.sentence(Path(report.name))}\n"
    text = report.read_text("utf-8")
    assert "verb: resolve\noptions: --out, --rule\n" in text
    assert "annotune/commands/agreement.py, line " in text
    assert not re.search("Smith|smith|Labour|majority|gold.csv", text)


def test_who_asks_for_it_sees_the_whole_traceback(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(faults.SEE, "1")
    code, said, reports = run(monkeypatch, capsys, tmp_path, *resolving(tmp_path))
    assert (code, len(reports)) == (1, 1)
    assert "Traceback (most recent call last)" in said
    assert SECRET in said
    assert SECRET not in reports[0].read_text("utf-8")


def test_a_folder_that_may_not_be_written_to_is_no_second_fault(monkeypatch, tmp_path):
    write, refused = Path.write_text, {Path()}

    def only_elsewhere(path, *rest, **more):
        if path.parent in refused:
            raise PermissionError(13, "Permission denied", str(path))
        return write(path, *rest, **more)

    monkeypatch.setattr(Path, "write_text", only_elsewhere)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    path = faults.write_report(ValueError(SECRET), "run", [])
    assert path.parent == tmp_path
    assert path.read_text("utf-8").endswith("\nValueError\n")
    refused.add(tmp_path)
    assert faults.write_report(ValueError(SECRET), "run", []) is None
    assert "ANNOTUNE_TRACEBACK=1" in faults.sentence(None)


def test_r_is_told_the_same(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("annotune.rcalls._HERE", {"resolve": lambda codings, rule: broken(SECRET)})
    answer = call("resolve", {"codings": SECRET, "rule": "majority"})
    (report,) = tmp_path.glob("annotune-fault-*.txt")
    assert answer["fault"]["what"] == faults.sentence(Path(report.name))
    assert SECRET in answer["fault"]["traceback"]
    text = report.read_text("utf-8")
    assert "verb: resolve\noptions: codings, rule\n" in text
    assert "Smith" not in text
    assert "value" not in answer


def test_a_full_disk_is_no_fault_in_r_either(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def full():
        raise OSError(28, "No space left on device", "out.dta")

    monkeypatch.setattr("annotune.rcalls._HERE", {"write": full})
    assert call("write", {})["error"]["what"] == "out.dta: No space left on device."
    assert not list(tmp_path.iterdir())


def test_a_librarys_warning_is_a_note_and_names_the_library(monkeypatch, capsys):
    def verb():
        warnings.warn_explicit("two\nlines", UserWarning, pl.__file__, 3)
        warnings.warn_explicit("from nowhere", RuntimeWarning, "<string>", 3)
        raise SystemExit(0)

    monkeypatch.setattr(cli, "app", verb)
    monkeypatch.setattr(warnings, "filters", [("always", None, Warning, None, 0)])
    with warnings.catch_warnings(), pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == "Note from polars: two lines\nNote from RuntimeWarning: from nowhere\n"


def test_without_a_verb_it_says_in_six_lines_what_to_do_first():
    done = subprocess.run([sys.executable, "-m", "annotune"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert re.findall(r"^  annotune (\w+)", done.stdout, re.MULTILINE) == ["demo", "new", "run", "tune"]
