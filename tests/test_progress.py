"""What a long step says before and while it works: in a terminal, in a log, in a notebook, to who listens."""

import sys
import types

import pytest
from rich.console import Console

from annotune import progress


def test_a_long_step_is_announced_and_a_short_one_is_not(capsys):
    progress.announce("Tuning 5 networks: about", 600)
    progress.announce("Tuning 1 network: about", 3)
    with progress.listening(lambda *_: None):
        progress.announce("Tuning for R: about", 600)
    said = capsys.readouterr()
    assert said.err == "Tuning 5 networks: about 10 minutes.\n"
    assert said.out == ""


def test_a_log_says_how_far_a_step_is_after_five_seconds_and_then_each_minute():
    now, lines = [0.0], []
    log = progress._Log(lines.append, lambda: now[0])
    for second in range(1, 201):
        now[0] = float(second)
        log("Fold 1 of 5: Tuning", 10 * second, 2000)
    assert lines[0] == "Fold 1 of 5: Tuning: 50 of 2,000, about 3 minutes left\n"
    assert len(lines) == 4
    assert lines[-1].startswith("Fold 1 of 5: Tuning: 1,850 of 2,000")
    short = progress._Log(lines.append, lambda: now[0])
    short("Reading", 10, 10)
    assert len(lines) == 4


def test_a_log_has_these_lines_and_a_terminal_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    with progress.within("Fold 2 of 5"), progress.bar("Tuning", 10) as advance:
        for _ in range(10):
            advance(1)
    assert "Fold 2 of 5: Tuning: 1 of 10, about 10 seconds left" in capsys.readouterr().err


@pytest.mark.parametrize("has_widgets", [True, False])
def test_a_notebook_draws_a_bar_where_it_can_and_has_lines_otherwise(monkeypatch, has_widgets):
    spec = types.SimpleNamespace() if has_widgets else None
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: spec if name == "ipywidgets" else None)
    assert progress._draws_in_notebook(Console(force_jupyter=True, file=sys.stderr)) is has_widgets
    assert not progress._draws_in_notebook(Console(force_jupyter=False, file=sys.stderr))


def test_work_without_a_name_is_a_part_of_what_is_shown():
    heard = []
    with progress.listening(lambda *words: heard.append(words)), progress.bar("Asking", 2) as advance:
        with progress.bar("", 100) as silent:
            silent(50)
        advance(1)
    assert [words[0] for words in heard] == ["Asking"] * len(heard)
    assert heard
