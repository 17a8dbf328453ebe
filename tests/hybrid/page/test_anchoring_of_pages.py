"""What coders did on the page, as `anchoring` and `blind_gold` read it: every arm, and second looks after decoys."""

import polars as pl
import pytest

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.store import now, open_store

REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, ?, 'openai', 'gpt', 'p', '{}', 'ok')"
)


@pytest.fixture
def book():
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(("Health", "Law", "Trade")))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


@pytest.fixture
def texts():
    return read_corpus(pl.DataFrame({"unit_id": [f"u{i}" for i in range(60)], "text": ["Why?"] * 60}))


def test_coders_who_take_whatever_they_see(path, opened, texts, book):
    """Two models propose Health; coders give what is shown first, and Law where nothing is."""
    at.sample(texts, 60, store=path, coders=["anna", "ben"], blind=0.3, two=0.2, decoy=0.2, codebook=book)
    with open_store(path) as store, store.change() as connection:
        for unit in texts["unit_id"]:
            for model in ("gpt", "llama"):
                connection.execute(REQUEST, [f"{model} {unit}", now(), unit, model])
                connection.execute(
                    "INSERT INTO proposals VALUES (?, 'topic', 0, 'Health', .9, 'ok', '')", [f"{model} {unit}"]
                )
    for coder in opened(texts=texts, codebook=book).values():
        while not (item := coder.item()).get("finished"):
            shown = item["proposals"].get("topic", [])
            label = shown[0]["labels"][0] if shown else "Law"
            coder.send(item["unit_id"], {"topic": {"labels": [label], "status": "ok"}})
    arms = dict(at.read_draws(path, of="people")["arm"].value_counts().iter_rows())
    result = at.anchoring(path)
    assert result.n_blind == arms["blind"]
    assert result.n_shown == arms["open"] + arms["two"]
    whole = result.acceptance.row(0, named=True)
    assert (whole["share_shown"], whole["share_blind"]) == (1.0, 0.0)
    decoys = result.decoys.row(0, named=True)
    assert (decoys["n"], decoys["accepted"]) == (arms["decoy"], 1.0)
    first = at.read_draws(path, of="people").filter(pl.col("arm") == "decoy")["unit_id"]
    with open_store(path) as store:
        query = "SELECT count(*) FROM decisions WHERE arm = 'decoy' AND labels = '[\"Law\"]'"
        n_law = store.value(query)  # these decoys are what the coders think themselves
    assert decoys["n_again"] == len(first)
    assert decoys["share_again"] == decoys["agreement"] == pytest.approx(n_law / len(first))
    assert result.recall.row(0, named=True)["share_blind"] == 0
    gold = at.blind_gold(texts.drop("text"), path)
    assert gold["topic_gold"].count() == arms["blind"]
    assert gold["pi"].unique().to_list() == pytest.approx([arms["blind"] / 60])
