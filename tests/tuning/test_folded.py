"""What folds say of every text, learnt once and decided by any rule, is what cross-fitting says by that rule."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.network.encoder import outputs
from annotune.records.checkpoints import Checkpoints
from annotune.tuning import embedded as embedded_module
from annotune.tuning import folded as folded_module
from annotune.tuning.embedded import embedded, material_of
from annotune.tuning.folded import RULES, folded_networks, folded_probes
from annotune.tuning.settings import Settings
from annotune.tuning.task import prepare

pytestmark = pytest.mark.filterwarnings("ignore::annotune.errors.AnnotuneWarning")  # of the empty text
NUMBERS = "^p_.*$"


@pytest.fixture(scope="module")
def study(demo_base):
    """Coded and uncoded texts, some of them equal and one empty, and a small base that knows their words."""
    data = at.demo(n=150, n_coded=60)
    coded = set(data.coders["anna"]["unit_id"])
    rest = [unit for unit in data.corpus["unit_id"] if unit not in coded]
    like = next(unit for unit in data.corpus["unit_id"] if unit in coded)
    text = pl.when(pl.col("unit_id") == rest[0]).then(None).when(pl.col("unit_id") == rest[1])
    text = text.then(pl.lit(data.corpus.filter(unit_id=like)["text"][0])).otherwise("text").alias("text")
    gold = at.resolve(at.read_codings(data.coders["anna"], data.codebook, coder=None))
    with pytest.warns(at.AnnotuneWarning, match="1 of 150 texts are empty"):
        corpus = at.read_corpus(data.corpus.with_columns(text))
    return corpus, gold, data.codebook, str(demo_base)


def read_all(corpus, codebook, base, kept=None):
    labels = [label.words for label in codebook.variable("topic").labels]
    return embedded([*corpus["text"].drop_nulls(), *labels], Settings(base=base), kept)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("group", [None, "district"])
def test_probes_from_embeddings_are_those_of_crossfit(study, rule, group):
    corpus, gold, codebook, base = study
    read, settings = read_all(corpus, codebook, base), Settings(base=base, seed=3)
    material = material_of(corpus, gold, codebook, "topic", read, settings, group=group)
    codings = folded_probes(material, read, corpus, 3, group).codings(rule)
    options = {"base": base, "folds": 3, "seed": 3, "method": "probe", "cutoffs": rule, "group": group, "n_boot": 20}
    expected = at.crossfit(corpus, gold, codebook, **options).codings
    assert codings.select("unit_id", "label", "status").equals(expected.select("unit_id", "label", "status"))
    assert np.allclose(codings.select(NUMBERS).to_numpy(), expected.select(NUMBERS).to_numpy(), 0, 1e-5, True)
    whole = expected["label"].is_not_null()
    assert codings.filter(whole)["fold"].equals(expected.filter(whole)["fold"].cast(codings.schema["fold"]))


def test_networks_of_folds_are_those_of_crossfit_and_are_kept(study, tmp_path, monkeypatch):
    corpus, gold, codebook, base = study
    settings = {"base": base, "method": "lora", "epochs": 1, "seed": 2, "cutoffs": "f1"}
    expected = at.crossfit(corpus, gold, codebook, folds=2, n_boot=20, **settings).codings
    task = prepare(corpus, gold, codebook, "topic", None, 0.15, Settings(**settings))
    kept = Checkpoints(tmp_path, "as of now")
    codings = folded_networks(task, corpus, 2, kept).codings("f1")
    assert codings["label"].equals(expected["label"])
    assert np.allclose(codings.select(NUMBERS).to_numpy(), expected.select(NUMBERS).to_numpy(), 0, 1e-4, True)
    monkeypatch.setattr(folded_module, "from_trial", None)  # what was kept is not tuned again
    assert folded_networks(task, corpus, 2, kept).codings("f1").equals(codings)


def test_texts_are_read_once(study, tmp_path, monkeypatch):
    corpus, _, codebook, base = study
    kept, calls = Checkpoints(tmp_path, ""), []
    counted = lambda *parts, **options: calls.append(len(parts[1])) or outputs(*parts, **options)  # noqa: E731
    monkeypatch.setattr(embedded_module, "outputs", counted)
    vectors = read_all(corpus, codebook, base, kept).vectors
    assert np.array_equal(read_all(corpus, codebook, base, kept).vectors, vectors)
    assert calls == [corpus["text"].drop_nulls().n_unique() + 6]
    read_all(corpus.with_columns(pl.col("text") + "!"), codebook, base, kept)
    assert len(calls) == 2


def test_reading_that_was_stopped_goes_on_after_the_texts_that_were_read(study, tmp_path, monkeypatch):
    corpus, _, codebook, base = study
    whole, calls = read_all(corpus, codebook, base).vectors, []

    def stopping(*parts, **options):
        calls.append(len(parts[1]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return outputs(*parts, **options)

    monkeypatch.setattr(embedded_module, "outputs", stopping)
    monkeypatch.setattr(embedded_module, "TEXTS_AT_ONCE", 40)
    kept = Checkpoints(tmp_path, "")
    with pytest.raises(KeyboardInterrupt):
        read_all(corpus, codebook, base, kept)
    assert np.allclose(read_all(corpus, codebook, base, kept).vectors, whole, atol=1e-6)
    assert calls[:3] == [40, 40, 40]
    assert sum(calls[3:]) == len(whole) - 80


def test_sets_of_labels_are_decided_by_every_rule(study):
    corpus, gold, codebook, base = study
    entry = codebook.variable("topic").model_copy(update={"kind": "multilabel"})
    book = codebook.model_copy(update={"variables": (entry,)})
    read = read_all(corpus, codebook, base)
    material = material_of(corpus, gold, book, "topic", read, Settings(base=base))
    codings = folded_probes(material, read, corpus, 2).codings("share")
    expected = at.crossfit(corpus, gold, book, base=base, folds=2, method="probe", n_boot=20).codings
    assert codings.select("unit_id", "label", "status").equals(expected.select("unit_id", "label", "status"))
