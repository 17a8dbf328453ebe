"""Messages, warnings, and how the command line ends."""

import pickle
import subprocess
import sys
import warnings

import polars as pl
import pytest

import annotune
from annotune import cli, errors


def test_an_error_is_one_sentence_of_what_and_one_of_what_to_do():
    error = errors.AnnotuneError("The corpus has no rows.", "Give some.")
    assert (error.what, error.advice) == ("The corpus has no rows.", "Give some.")
    assert str(pickle.loads(pickle.dumps(error))) == "The corpus has no rows. Give some."


def test_nearest_suggests_lists_or_says_that_there_is_none():
    assert errors.nearest("tpoic", ["topic", "tone"]) == "Did you mean 'topic'?"
    assert errors.nearest("x", ["topic", "tone"]) == "There are: 'topic', 'tone'."
    assert errors.nearest("x", []) == "There is none."
    assert errors.listing(range(2_000), most=2) == "0, 1 and 1,998 more"


def test_a_warning_points_to_the_line_that_called_annotune():
    with pytest.warns(errors.AnnotuneWarning, match="1 of 1 texts") as caught:
        annotune.read_corpus(pl.DataFrame({"unit_id": ["a"], "text": [""]}))
    assert caught[0].filename == __file__


def run(monkeypatch, capsys, doing):
    """The exit code and what stands on stderr when a verb does what `doing` does."""
    monkeypatch.setattr(cli, "app", doing)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().err


def raising(error):
    def verb():
        raise error

    return verb


def test_what_the_user_can_mend_exits_with_2_and_without_a_traceback(monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, raising(errors.AnnotuneError("Row [7] is bad.", "Mend it.")))
    assert (code, said) == (2, "Error: Row [7] is bad. Mend it.\n")


def test_a_disk_fault_names_the_file(monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, raising(PermissionError(13, "Permission denied", "out.dta")))
    assert code == 2
    assert said.startswith("Error: out.dta: Permission denied.")


def test_an_interrupt_says_that_finished_work_is_kept(monkeypatch, capsys):
    assert run(monkeypatch, capsys, raising(SystemExit(130))) == (130, "Stopped. What was finished is kept.\n")


def test_warnings_are_notes_each_of_them_once(monkeypatch, capsys):
    def verb():
        errors.warn("2 texts are empty.")
        errors.warn("2 texts are empty.")
        raise SystemExit(0)

    assert run(monkeypatch, capsys, verb) == (0, "Note: 2 texts are empty.\n")


def test_importing_the_package_is_light():
    heavy = "import sys, annotune; print([m for m in ('torch', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_python_runs_the_command_line_by_the_packages_name():
    done = subprocess.run([sys.executable, "-m", "annotune", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"annotune {annotune.__version__}\n")


def test_a_name_without_end_does_not_make_a_message_without_end():
    error = errors.AnnotuneError(f"{'x' * 10_000} is not there.", "Check the path.")
    assert len(str(error)) < 700
    assert str(error).endswith("is not there. Check the path.")
    assert len(errors.AnnotuneError("x" * 800).what) == 800
