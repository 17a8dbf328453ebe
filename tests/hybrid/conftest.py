"""A study's store with arms, as the coding page leaves it: what coders answer is known, and what a proposal does."""

import json

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.hybrid.store import now, open_store

LABELS = ("Health", "Law", "Trade")
REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, 'gpt', 'openai', 'gpt', 'p', '{}', 'ok')"
)
DECISION = (
    "INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, arm, proposals, seconds) "
    "VALUES (?, ?, 'topic', ?, ?, ?, ?, ?, ?, ?)"
)


@pytest.fixture
def book():
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(LABELS, start=1))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


def made_proposal(label, coder="gpt", decoy=False):
    """One proposal as the page stores it."""
    status = "none" if label is None else "ok"
    labels = [] if label is None else [label]
    return {"coder": None if decoy else coder, "labels": labels, "status": status, "decoy": decoy}


def propose(path, proposals):
    """A model's proposals, {unit: label}."""
    with open_store(path) as store, store.change() as connection:
        for unit, label in proposals.items():
            connection.execute(REQUEST, [unit, now(), unit])
            row = [unit, None if label == "none" else label, "none" if label == "none" else "ok"]
            connection.execute("INSERT INTO proposals VALUES (?, 'topic', 0, ?, NULL, ?, '')", row)


def add_decisions(path, rows):
    """Decisions: unit, coder, label (None: none applies; "withdrawn"), arm, proposals, seconds."""
    with open_store(path) as store, store.change() as connection:
        for unit, coder, label, arm, shown, seconds in rows:
            status = label if label in ("withdrawn", "missing") else "none" if label is None else "ok"
            labels = [label] if status == "ok" else []
            wave = connection.execute("SELECT wave FROM draws WHERE unit_id = ?", [unit]).fetchone()
            values = [json.dumps(labels), status, wave and wave[0], arm, json.dumps(shown), seconds]
            connection.execute(DECISION, [now(), unit, coder, *values])


def coded_study(
    path,
    book,
    n=600,
    pull=0.5,
    blind=0.3,
    overlap=0.0,
    coders=("anna", "ben", "cleo"),
    seed=1,
    drawn=None,
    skewed=False,
):
    """A store in which every drawn text is coded: a coder is right with .85, and follows a proposal with `pull`.

    Returns the corpus with the truth and the proposal of each text; wrong ones are all Trade if `skewed`.
    """
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, n, p=[0.5, 0.3, 0.2])
    proposed = np.where(rng.random(n) < 0.6, truth, "Trade" if skewed else rng.choice(LABELS, n))
    corpus = pl.DataFrame({"unit_id": [f"t{i:05}" for i in range(n)], "text": ["..."] * n, "x": rng.random(n) < 0.5})
    corpus = corpus.with_columns(truth=pl.Series(truth), proposed=pl.Series(proposed))
    draw = at.sample(
        corpus, drawn or n, store=path, coders=list(coders), overlap=overlap, blind=blind, codebook=book, seed=seed
    )
    propose(path, dict(corpus.select("unit_id", "proposed").iter_rows()))
    rows = []
    about = {unit: (own, other) for unit, own, other in corpus.select("unit_id", "truth", "proposed").iter_rows()}
    for unit, coder, arm in draw.assignments.select("unit_id", "coder", "arm").iter_rows():
        own, other = about[unit]
        answer = own if rng.random() < 0.85 else str(rng.choice(LABELS))
        shown = [made_proposal(other)] if arm == "open" else []
        if shown and rng.random() < pull:
            answer = other
        rows.append((unit, coder, answer, arm, shown, float(rng.lognormal(2 if shown else 2.2, 0.3))))
    add_decisions(path, rows)
    return corpus


@pytest.fixture
def proposal():
    """`proposal(label, coder="gpt", decoy=False)`: one proposal as a store has it."""
    return made_proposal


@pytest.fixture
def decide():
    """`decide(path, rows)`: decisions as the coding page keeps them."""
    return add_decisions


@pytest.fixture
def study(tmp_path, book):
    """A store of 600 texts, three coders, and proposals that are followed half of the time."""
    path = tmp_path / "study.annotune"
    coded_study(path, book)
    return path


@pytest.fixture
def simulated():
    """`simulated(path, book, ...)`: see `coded_study`."""
    return coded_study
