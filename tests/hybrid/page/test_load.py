"""Many coders at once, and a server that is killed: what was acknowledged is in the store, once, and as it was said."""

import socket
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import page_methods

    yield page_methods
    sys.modules.pop("page_methods", None)


@pytest.fixture
def server(methods, tmp_path):
    """A server as a process of its own, for four coders with 30 texts each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = methods.Server(tmp_path, methods.study(tmp_path, 4, 30), port)
    running.start()
    yield running
    if running.process.poll() is None:
        running.kill()


def test_coders_at_once_lose_nothing(methods, server):
    results = methods.load(server, [f"u{i}" for i in range(30)])
    server.stop()
    assert [len(answers.acknowledged) for answers in results.values()] == [30] * 4
    assert methods.lost(server.folder / "study.annotune", results) == (0, 0)


def test_whatever_was_acknowledged_outlives_a_kill_and_nothing_is_there_twice(methods, server):
    """The links of before go on to work, and what was not acknowledged is sent again under its key."""
    results = methods.load_under_kills(server, [f"u{i}" for i in range(30)], kills=2, seconds=0.3)
    server.stop()
    assert sum(answers.repeated for answers in results.values()) > 0
    assert sum(len(answers.acknowledged) for answers in results.values()) > 0
    assert methods.lost(server.folder / "study.annotune", results) == (0, 0)


def test_an_answer_that_is_lost_would_be_seen(methods, server):
    results = methods.load(server, ["u1"])
    server.stop()
    results["coder00"].acknowledged["u2"] = "Law"
    assert methods.lost(server.folder / "study.annotune", results) == (1, 0)
