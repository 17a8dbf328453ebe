"""With few coded texts the probe is handed out without trying a network, and the network is there for who asks."""

import pytest

import annotune as at
from annotune.tuning import task


@pytest.fixture
def method(topics, gold, book, tiny_base):
    def of(**settings):
        options = {"folds": 2, "n_boot": 0, "base": str(tiny_base), **settings}
        model = at.tune(topics, gold, book(), **options)
        assert (model.card["choices"]["epochs"] > 0) <= (model.card["settings"]["method"] != "probe")
        return model.card["settings"]["method"]

    return of


def test_fewer_texts_than_tuning_pays_for_get_the_probe(method, topics, monkeypatch):
    assert len(topics) < 300
    monkeypatch.setattr(task, "FEWEST_TO_TUNE", 300)
    assert method() == "probe"
    assert method(method="lora") == "lora"
    assert method(epochs=1) == "lora"
    monkeypatch.setattr(task, "FEWEST_TO_TUNE", len(topics))
    assert method() == "lora"


def test_the_limit_is_the_one_that_is_documented():
    import subprocess
    import sys

    code = "from annotune.tuning import task; print(task.FEWEST_TO_TUNE)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "300"
