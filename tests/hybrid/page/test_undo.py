"""Answers, repeats and undos in any order, against a plain model: a stack of what each text's answer was."""

import json
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page import desk as pages
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.desk import Desk
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.texts import Texts
from annotune.hybrid.store import open_store

UNITS = ["u0", "u1", "u2"]
CODERS = ["anna", "ben"]
LABELS = ["Health", "Law", "Trade"]
BOOK = at.Codebook(
    variables=tuple(
        at.Variable(name=name, kind=kind, labels=tuple(at.Label(code=i, name=label) for i, label in enumerate(LABELS)))
        for name, kind in (("topic", "nominal"), ("marks", "multilabel"))
    )
)
one = st.sampled_from(LABELS).map(lambda label: ("ok", (label,)))
many = st.sets(st.sampled_from(LABELS), min_size=1).map(lambda labels: ("ok", tuple(sorted(labels))))
empty = st.sampled_from([("none", ()), ("missing", ())])
answers = st.fixed_dictionaries({}, optional={"topic": one | empty, "marks": many | empty}).filter(bool)


class Coding(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        corpus = read_corpus(pl.DataFrame({"unit_id": UNITS, "text": ["Text"] * 3}))
        self.store = open_store(Path(self.folder.name) / "study.annotune")
        prepared(self.store, corpus, BOOK, CODERS, None, 1)
        self.desk = Desk(self.store, Texts(corpus), "")
        self.history = {coder: [] for coder in CODERS}  # for each coder a stack: the text, and all answers before
        self.held = {coder: {} for coder in CODERS}
        self.sent = []
        self.decisions = 0

    def teardown(self):
        self.store.close()
        self.folder.cleanup()

    def key(self):
        return f"key-{len(self.sent):06}"

    @rule(coder=st.sampled_from(CODERS), unit=st.sampled_from(UNITS), said=answers)
    def answer(self, coder, unit, said):
        content = {"key": self.key(), "unit_id": unit, "version": 1, "seconds": 1.0}
        content["answers"] = {name: {"labels": labels, "status": status} for name, (status, labels) in said.items()}
        self.sent.append((pages.answer, coder, content))
        assert pages.answer(self.desk, Person(coder, "coder"), content)["saved"]
        self.history[coder].append((unit, dict(self.held[coder])))
        self.held[coder].update({(unit, name): answer for name, answer in said.items()})

    @rule(coder=st.sampled_from(CODERS))
    def undo(self, coder):
        content = {"key": self.key()}
        self.sent.append((pages.undo, coder, content))
        undone = pages.undo(self.desk, Person(coder, "coder"), content)["unit_id"]
        unit, self.held[coder] = self.history[coder].pop() if self.history[coder] else (None, self.held[coder])
        assert undone == unit

    @rule(number=st.integers(0, 1000))
    def send_again(self, number):
        """What was sent once may come again, at any time: nothing happens."""
        if self.sent:
            function, coder, content = self.sent[number % len(self.sent)]
            before = self.store.value("SELECT count(*) FROM decisions")
            function(self.desk, Person(coder, "coder"), json.loads(json.dumps(content)))
            assert self.store.value("SELECT count(*) FROM decisions") == before

    @invariant()
    def the_store_holds_what_the_model_holds(self):
        query = "SELECT coder, unit_id, variable, status, label FROM people ORDER BY label"
        there = {coder: {} for coder in CODERS}
        for coder, unit, variable, status, label in self.store.rows(query):
            labels = there[coder].get((unit, variable), (status, ()))[1]
            there[coder][unit, variable] = (status, (*labels, label) if label else ())
        assert there == self.held

    @invariant()
    def decisions_are_only_added(self):
        count = self.store.value("SELECT count(*) FROM decisions")
        assert count >= self.decisions
        self.decisions = count


TestCoding = Coding.TestCase
TestCoding.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
