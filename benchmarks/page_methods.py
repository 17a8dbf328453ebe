"""Coders who code as fast as they can: a study, its server as a process of its own, and what came of every answer."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import polars as pl

import annotune as at
from annotune.data.codebook import read_codebook
from annotune.data.corpus import read_corpus
from annotune.hybrid.page import desk as pages
from annotune.hybrid.page.answers import DECISION, ENTRY
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.texts import Texts
from annotune.hybrid.store import Store, now, open_store

LABELS = ("Health", "Law", "Trade")
WAIT = 60.0  # seconds for a server to begin


def study(folder: Path, coders: int, texts: int) -> list[str]:
    """A corpus, a codebook and a store, in which each coder is to code all texts; the coders' names."""
    names = [f"coder{number:02}" for number in range(coders)]
    corpus = pl.DataFrame(
        {"unit_id": [f"u{i}" for i in range(texts)], "text": [f"Question {i}?" for i in range(texts)]}
    )
    corpus.write_parquet(folder / "corpus.parquet")
    labels = ", ".join(f"{{code: {i}, name: {name}}}" for i, name in enumerate(LABELS))
    (folder / "codebook.yaml").write_text(f"variables: [{{name: topic, labels: [{labels}]}}]\n")
    return names


@dataclass
class Server:
    """A server of that study, which can be killed and started again at the same port."""

    folder: Path
    coders: Sequence[str]
    port: int
    process: subprocess.Popen[str] | None = None
    links: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it, and learn its links."""
        store, corpus, codebook = (self.folder / name for name in ("study.annotune", "corpus.parquet", "codebook.yaml"))
        command = [sys.executable, "-m", "annotune", "code", str(store), "--corpus", str(corpus), "--codebook"]
        command += [str(codebook), "--coders", ",".join(self.coders), "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = line.split()
            if len(words) == 2 and words[0] in self.coders:
                self.links.setdefault(*words)  # those of before go on to work
            if line.startswith("Stop with"):
                return
        raise RuntimeError("The server did not begin.")

    def kill(self) -> None:
        """End it as a power cut would end it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


@dataclass
class Answers:
    """What one coder sent: the label of each text that was acknowledged, and the seconds that each answer took."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    repeated: int = 0


def code_all(
    link: str, texts: Sequence[str], answers: Answers, seed: int, until: threading.Event | None = None
) -> None:
    """Answer every text in a random order; what is not acknowledged is sent again under its key, as the page does."""
    parts, rng = urlsplit(link), np.random.default_rng(seed)
    headers = {"X-Annotune-Token": parts.path.rpartition("/")[2], "Content-Type": "application/json"}
    headers["Origin"] = f"http://{parts.netloc}"
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    for unit in rng.permutation(np.array(texts)):
        label = str(rng.choice(LABELS))
        content = {"key": str(uuid.UUID(bytes=rng.bytes(16))), "unit_id": str(unit), "version": 1, "seconds": 2.5}
        content["answers"] = {"topic": {"labels": [label]}}
        while until is None or not until.is_set():
            begin = time.perf_counter()
            try:
                connection.request("POST", "/api/answer", json.dumps(content), headers)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                answers.repeated += 1
                time.sleep(0.05)
                continue
            if response.status == 200 and json.loads(body)["saved"]:
                answers.seconds.append(time.perf_counter() - begin)
                answers.acknowledged[str(unit)] = label
                break
            if response.status not in (429, 503):
                raise RuntimeError(f"{response.status}: {body.decode()}")
            time.sleep(0.2)


def load(
    server: Server,
    texts: Sequence[str],
    until: threading.Event | None = None,
    results: dict[str, Answers] | None = None,
) -> dict[str, Answers]:
    """Every coder at once, each in a thread, until all is coded or it is enough; `results` can be watched meanwhile."""
    results = results or {name: Answers() for name in server.coders}
    threads = [
        threading.Thread(target=code_all, args=(server.links[name], texts, results[name], seed, until), daemon=True)
        for seed, name in enumerate(server.coders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def load_under_kills(
    server: Server, texts: Sequence[str], kills: int, seconds: float = 0.0, answers: int = 0
) -> dict[str, Answers]:
    """The same, while the server is killed so many times and started again.

    Each time it is after so many seconds of load, and so many more answers, if there are as many to come.
    """
    enough, results = threading.Event(), {name: Answers() for name in server.coders}
    coding = threading.Thread(target=load, args=(server, texts, enough, results))

    def wait() -> None:
        n = n_acknowledged(results) + answers
        time.sleep(seconds)
        while n_acknowledged(results) < n and coding.is_alive():
            time.sleep(0.002)

    coding.start()
    for _ in range(kills):
        wait()
        server.kill()
        server.start()
    wait()
    enough.set()
    coding.join()
    return results


def n_acknowledged(results: dict[str, Answers]) -> int:
    """How many answers of all coders were acknowledged."""
    return sum(len(answers.acknowledged) for answers in results.values())


def lost(store: Path, results: dict[str, Answers]) -> tuple[int, int]:
    """How many acknowledged answers the store has not, or has otherwise; and how many it has twice."""
    decisions = at.read_codings(store)
    there = {(unit, coder): label for unit, coder, label in decisions.select("unit_id", "coder", "label").iter_rows()}
    gone = sum(
        there.get((unit, coder)) != label
        for coder, answers in results.items()
        for unit, label in answers.acknowledged.items()
    )
    with open_store(store) as kept:
        twice = kept.value("SELECT count(*) - count(DISTINCT unit_id || ' ' || coder) FROM decisions")
    return gone, int(twice)


def steps_of_answers(folder: Path, texts: int, answers: int = 20) -> dict[str, float]:
    """SQLite's steps per request when two coders have so many texts, all but the last of which they have coded.

    They code what is left while an adjudicator settles where they differ, each with the page open. Steps are counted in
    SQLite's virtual machine: they are the same on any machine, however busy it is.
    """
    names = study(folder, 2, texts)
    corpus = read_corpus(folder / "corpus.parquet")
    counts: dict[str, list[int]] = {}
    with open_store(folder / "study.annotune") as store:
        *coders, third = prepared(store, corpus, read_codebook(folder / "codebook.yaml"), names, "cara", 1)
        _code_all_but(store, names, texts, answers + 1)
        desk, steps = pages.Desk(store, Texts(corpus), ""), [0]
        store._connection.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 1), 1)

        def counted(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            before, outcome = steps[0], work()
            counts.setdefault(name, []).append(steps[0] - before)
            return outcome

        for _ in range(answers + 1):
            for person, label in zip((*coders, third), LABELS, strict=True):
                who = "adjudicator" if person is third else "coder"
                unit = counted(f"{who}: next text", partial(pages.item, desk, person, {}))["unit_id"]
                answer = {"key": uuid.uuid4().hex, "unit_id": unit, "version": 1, "seconds": 1.0}
                answer["answers"] = {"topic": {"labels": [label]}}
                counted(f"{who}: answer", partial(pages.answer, desk, person, answer))
        store._connection.set_progress_handler(None, 1)
    return {name: float(np.median(values)) for name, values in counts.items()}  # the first read all there is


def _code_all_but(store: Store, coders: Sequence[str], texts: int, n: int) -> None:
    """Each coder has coded all texts but n, as if on the page; both say the same."""
    with store.change() as connection:
        for coder in coders:
            query = "SELECT unit_id FROM assignments WHERE coder = ? ORDER BY place LIMIT ?"
            for (unit,) in connection.execute(query, [coder, texts - n]).fetchall():
                values = (now(), unit, "topic", coder, '["Law"]', "ok", 1, "open", 1, "[]", 2.0, 0, "")
                (number,) = connection.execute(DECISION, values).fetchone()
                entry = [coder, f"{coder}-{unit}", now(), "", unit, 2.0, number, number, None]
                connection.execute(ENTRY, entry)
