"""Many coders at once, and a server that is killed: what was acknowledged is in the store, once, and as it was said."""

import contextlib
import random
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


def free_port():
    """A port that nobody listens at, and that no system hands to who asks for any."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("All ports are taken.")


@pytest.fixture
def server(methods, tmp_path):
    """A server as a process of its own, for four coders with 30 texts each."""
    running = methods.Server(tmp_path, methods.study(tmp_path, 4, 30), free_port())
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
    results = methods.load_under_kills(server, [f"u{i}" for i in range(30)], kills=2, answers=20)
    server.stop()
    assert sum(answers.repeated for answers in results.values()) > 0
    assert methods.n_acknowledged(results) >= 60
    assert methods.lost(server.folder / "study.annotune", results) == (0, 0)


def test_an_answer_that_is_lost_would_be_seen(methods, server):
    results = methods.load(server, ["u1"])
    server.stop()
    results["coder00"].acknowledged["u2"] = "Law"
    assert methods.lost(server.folder / "study.annotune", results) == (1, 0)
