"""Lists that a server keeps: what they say is what the store says, and they cost the same however long they are."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.hybrid.page.conftest import propose

import annotune as at
from annotune.hybrid.page import adjudication, versions
from annotune.hybrid.page.answers import Answer, Posted, save, undo
from annotune.hybrid.page.arms import shown_to
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.lists import Lists
from annotune.hybrid.page.work import tasks_of
from annotune.hybrid.store import open_store

LABELS = ("Health", "Law", "Trade")


@pytest.mark.parametrize("seed", range(4))
def test_they_are_what_the_store_says_whatever_happens_and_whoever_does_it(path, corpus, topics, seed):
    """Answers, undone ones, second looks and sharper definitions, some of them by another process."""
    rng = np.random.default_rng(seed)
    at.sample(corpus, 12, store=path, coders=["anna", "ben"], codebook=topics, two=0.2, decoy=0.4, overlap=1.0)
    propose(path, "gpt", dict.fromkeys(corpus["unit_id"], "Health"))
    with open_store(path) as own, open_store(path) as other:
        prepared(own, corpus, None, ["anna", "ben"], None, 1)
        lists = Lists()
        for step in range(60):
            store = (own, other)[int(rng.integers(2))]
            coder = ("anna", "ben")[int(rng.integers(2))]
            version, book = versions.latest(store)
            tasks = tasks_of(store, coder, book)
            task = tasks[int(rng.integers(len(tasks)))]
            what = rng.random()
            if what < 0.1:
                versions.sharpen(store, coder, "topic", str(rng.choice(LABELS)), f"Meaning {step}.", "Clearer.")
            elif what < 0.25:
                undo(store, coder, f"undo-{step:04}")
            else:
                shown = shown_to(store, coder, task, book)
                answers = {"topic": Answer(labels=(str(rng.choice(LABELS)),)), "marks": Answer(status="none")}
                earlier = int(rng.integers(1, version + 1))
                posted = Posted(key=f"answer-{step:04}", unit_id=task.unit_id, version=earlier, answers=answers)
                save(store, coder, task, posted, shown, versions.labels_changed_after(store, earlier))
            _, book = versions.latest(own)
            for name in ("anna", "ben"):
                assert lists.tasks(own, name, book) == tasks_of(own, name, book)
            kept, afresh = lists.codings(own, book), adjudication.codings_of(own, book)
            assert kept == afresh
            third = [adjudication.tasks_of_adjudicator(*each, "cara", book) for each in (kept, afresh)]
            assert third[0] == third[1]


def test_a_request_costs_the_same_with_ten_times_the_texts(tmp_path, monkeypatch):
    """In steps of SQLite, which no other work on the machine changes."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
    import page_methods

    few, many = (tmp_path / name for name in ("few", "many"))
    few.mkdir(), many.mkdir()
    try:
        short, long = page_methods.steps_of_answers(few, 60, 5), page_methods.steps_of_answers(many, 600, 5)
    finally:
        sys.modules.pop("page_methods", None)
    assert set(short) == {f"{who}: {what}" for who in ("coder", "adjudicator") for what in ("next text", "answer")}
    for name, steps in short.items():
        assert long[name] < 1.2 * steps
