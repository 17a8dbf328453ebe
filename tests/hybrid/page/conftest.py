"""A study with coders, as they reach it over the page's addresses."""

from __future__ import annotations

import itertools
import json

import polars as pl
import pytest
from starlette.testclient import TestClient

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.access import Limits, new_links
from annotune.hybrid.page.desk import Desk
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.server import Site, app
from annotune.hybrid.page.texts import Columns, Texts
from annotune.hybrid.store import now, open_store

REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, ?, 'openai', 'gpt', 'p', '{}', 'ok')"
)


@pytest.fixture
def topics():
    labels = (at.Label(code=1, name="Health", definition="Hospitals."), at.Label(code=2, name="Law"))
    marks = tuple(at.Label(code=i, name=name) for i, name in enumerate(("elite", "people", "left")))
    return at.Codebook(
        name="Questions",
        variables=(
            at.Variable(name="topic", labels=(*labels, at.Label(code=3, name="Trade"))),
            at.Variable(name="marks", kind="multilabel", labels=marks),
        ),
    )


@pytest.fixture
def corpus():
    return read_corpus(
        pl.DataFrame({"unit_id": [f"u{i}" for i in range(12)], "text": [f"Text {i}" for i in range(12)]})
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.annotune"


def propose(path, coder, answers, variable="topic"):
    """A model's proposals: a label, or a list of them, for each text."""
    with open_store(path) as store, store.change() as connection:
        for unit, labels in answers.items():
            key = f"{coder} {unit} {variable}"
            connection.execute(REQUEST, [key, now(), unit, coder])
            for place, label in enumerate([labels] if isinstance(labels, str) else labels):
                row = (key, variable, place, label)
                connection.execute("INSERT INTO proposals VALUES (?, ?, ?, ?, .9, 'ok', '')", row)


class Coder:
    """Somebody with a link: what the page does, without the page."""

    keys = itertools.count()

    def __init__(self, client, token):
        self.client, self.token = client, token

    @property
    def headers(self):
        return {"X-Annotune-Token": self.token, "Origin": "http://testserver"}

    def get(self, address, **query):
        return self.client.get(f"/api/{address}", params=query, headers=self.headers)

    def post(self, address, **content):
        body = json.dumps(content)
        return self.client.post(
            f"/api/{address}", content=body, headers={**self.headers, "Content-Type": "application/json"}
        )

    def item(self, place=None):
        return self.get("item", **({} if place is None else {"place": place})).json()

    def say(self, unit, topic="Law", marks=("elite",), version=1, key=None, seconds=4.0, **more):
        """Answer both variables of a text."""
        answers = {"topic": {"labels": [topic] if topic else [], "status": "ok" if topic else "none", **more}}
        answers["marks"] = {"labels": list(marks), "status": "ok" if marks else "none"}
        return self.send(unit, answers, version, key, seconds)

    def send(self, unit, answers, version=1, key=None, seconds=4.0):
        key = self.new_key() if key is None else key
        return self.post("answer", key=key, unit_id=unit, version=version, seconds=seconds, answers=answers)

    def undo(self, key=None):
        return self.post("undo", key=self.new_key() if key is None else key)

    @classmethod
    def new_key(cls):
        return f"key-{next(cls.keys):08}"


@pytest.fixture
def opened(path, corpus, topics):
    """A maker of pages: it gives each person as a Coder, by name."""
    stores = []

    def make(coders=("anna", "ben"), adjudicator=None, columns=None, texts=corpus, codebook=topics, hours=None, **site):
        store = open_store(path)
        stores.append(store)
        people = prepared(store, texts, codebook, coders, adjudicator, 1)
        tokens = new_links(store, people, hours)
        desk = Desk(store, Texts(texts, columns or Columns()), "A study")
        site = {"hosts": frozenset({"testserver"}), "limits": Limits(1e6, 1e6), **site}
        client = TestClient(app(Site(desk, **site)), raise_server_exceptions=False)
        return {person.name: Coder(client, tokens[person.name]) for person in people}

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def people(opened):
    """Anna and Ben, to whom all 12 texts are offered, and Cara, who settles their differences."""
    return opened(adjudicator="cara")
