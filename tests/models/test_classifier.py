"""Classifying: every text keeps its row and its own label; a saved model is the same model or none."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_array_equal
from polars.testing import assert_frame_equal
from safetensors.torch import load_file, save_file

import annotune as at
from annotune.models import classifier
from annotune.network import portions
from annotune.records import drafts

QUICK = {"epochs": 2, "n_boot": 20, "test": 0.2}


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), **QUICK)


@pytest.fixture(scope="module")
def sets_model(topics, gold, book, tiny_base):
    """Texts without Farming have a set of their label; those with it, the empty set."""
    answers = gold.with_columns(
        label=pl.when(pl.col("label") != "Farming").then("label"),
        status=pl.when(pl.col("label") == "Farming").then(pl.lit("none")).otherwise(pl.lit("ok")),
    )
    return at.tune(topics, answers, book("multilabel", ["Health", "Law"]), base=str(tiny_base), **QUICK)


@pytest.fixture
def saved(model, tmp_path):
    return model.save(tmp_path / "model")


def unsealed_card(folder):
    """The card as models of an earlier annotune have it: nothing tells whether it was changed."""
    card = json.loads((folder / "annotune.json").read_text())
    del card["sha256"]
    return card


def probabilities(codings):
    return codings.select("^p_.*$").to_numpy()


@pytest.mark.filterwarnings("ignore:.*texts are empty")
def test_every_text_has_its_row_in_its_place(model):
    texts = [
        "court judge",
        None,
        "hospital",
        "court judge",
        "   ",
        "🙂 hospital",
        "a\x00b",
        "judge " * 20_000,
        "ｆｕｌｌ",
    ]
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(len(texts))][::-1], "text": texts})
    with pytest.warns(at.AnnotuneWarning, match="1 of 6 distinct texts is longer than 64 tokens; only"):
        coded = model.classify(corpus)
    assert coded["unit_id"].to_list() == corpus["unit_id"].to_list()
    assert coded["status"].to_list() == ["ok", "missing", "ok", "ok", "missing", "ok", "ok", "ok", "ok"]
    assert coded["label"][[0, 2, 3]].to_list() == ["Law", "Health", "Law"]
    assert coded.row(0)[3:] == coded.row(3)[3:]
    assert coded.filter(pl.col("status") == "missing").select("label", "prob", "^p_.*$").null_count().row(0) == (2,) * 5
    assert set(coded["coder"]) == {model.name}


def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(model, topics):
    coded = model.classify(topics)
    shares = probabilities(coded)
    assert shares.sum(1) == pytest.approx(np.ones(len(shares)))
    assert [model.labels[i] for i in shares.argmax(1)] == coded["label"].to_list()
    assert coded["prob"].to_numpy() == pytest.approx(shares.max(1))
    assert (coded["label"] == topics["label"]).mean() > 0.9


def test_order_and_company_of_the_texts_do_not_matter(model, topics, monkeypatch):
    whole = model.classify(topics)
    order = np.random.default_rng(1).permutation(len(topics))
    assert np.abs(probabilities(model.classify(topics[order])) - probabilities(whole)[order]).max() < 1e-5
    alone = pl.concat([model.classify(topics[i]) for i in range(12)])
    assert np.abs(probabilities(alone) - probabilities(whole[:12])).max() < 1e-5
    monkeypatch.setattr(portions, "TEXTS_AT_ONCE", 7)
    assert np.abs(probabilities(model.classify(topics)) - probabilities(whole)).max() < 1e-5


def test_each_distinct_text_is_read_once(model, topics, monkeypatch):
    read = []
    logits = type(model).logits

    def recorded(self, texts, *rest, **more):
        read.extend(texts)
        return logits(self, texts, *rest, **more)

    monkeypatch.setattr(type(model), "logits", recorded)
    doubled = pl.concat([topics, topics.with_columns(unit_id=pl.col("unit_id") + "again")])
    coded = model.classify(doubled)
    assert len(coded) == 180
    assert sorted(read) == sorted(topics["text"].unique())
    assert coded["label"][:90].to_list() == coded["label"][90:].to_list()


@pytest.mark.parametrize("fixture", ["model", "sets_model"])
def test_a_text_in_the_middle_of_a_batch_without_a_label_takes_nobody_elses(fixture, topics, request):
    """The real network, whose embedding of one word is not a number: that text fails, all others are as before."""
    model = request.getfixturevalue(fixture)
    before = model.classify(topics)
    bad = topics["text"].to_list()[45]
    run = model.model.forward

    def forward(ids, mask):
        logits = run(ids, mask)
        wanted = torch.tensor(model.tokenizer(bad)["input_ids"])
        failing = torch.tensor([torch.equal(row[keep.bool()], wanted) for row, keep in zip(ids, mask, strict=True)])
        assert len(ids) > 1
        return torch.where(failing[:, None], torch.nan, logits)

    model.model.forward = forward
    try:
        after = model.classify(topics)
    finally:
        del model.model.forward
    assert after["unit_id"].unique(maintain_order=True).to_list() == topics["unit_id"].to_list()
    failed = after.filter(pl.col("unit_id") == topics["unit_id"][45])
    assert failed["status"].to_list() == ["error"]
    assert failed.select("label", "prob", "^p_.*$").null_count().row(0) == (1,) * (2 + len(model.labels))
    others = pl.col("unit_id") != topics["unit_id"][45]
    assert_frame_equal(after.filter(others), before.filter(others))


@pytest.mark.filterwarnings("ignore:.*texts are empty")
def test_sets_have_a_row_per_label_and_one_where_there_is_none(sets_model):
    texts = ["hospital doctor nurse", "court judge police", "cattle wheat farmer soil milk harvest", ""]
    coded = sets_model.classify(pl.DataFrame({"unit_id": list("abcd"), "text": texts}))
    assert coded.select("unit_id", "label", "status").rows()[:2] == [("a", "Health", "ok"), ("b", "Law", "ok")]
    assert coded.filter(pl.col("unit_id") == "d")["status"].to_list() == ["missing"]
    given = coded.filter(pl.col("status") == "ok")
    assert (given["prob"] > 0.5).all()
    empty = coded.filter(pl.col("status") == "none")
    assert (probabilities(empty) <= 0.5).all()
    assert empty["label"].null_count() == len(empty)
    answered = coded.filter(pl.col("status") != "missing")
    assert (probabilities(answered) > 0.5).sum() == len(given)


def test_a_text_may_have_several_labels(sets_model, topics):
    coded = sets_model.as_codings(pl.Series(["a", "b"]), np.array([[2.0, 1.0], [-1.0, -2.0]]), np.array([0, 1]))
    assert coded.select("unit_id", "label", "status").rows() == [
        ("a", "Health", "ok"), ("a", "Law", "ok"), ("b", None, "none"),
    ]  # fmt: skip
    assert coded["prob"].to_list()[:2] == pytest.approx([0.880797, 0.731059], abs=1e-6)


def test_columns_may_have_other_names_and_files_are_read(model, topics, tmp_path):
    topics.rename({"unit_id": "id", "text": "q"}).write_csv(tmp_path / "texts.csv")
    named = model.classify(tmp_path / "texts.csv", unit_id="id", text="q")
    assert_frame_equal(named, model.classify(topics))


@pytest.mark.parametrize(
    ("corpus", "options", "says"),
    [
        (pl.DataFrame({"unit_id": ["a"], "words": ["court"]}), {}, "no column 'text'"),
        (pl.DataFrame({"unit_id": ["a", "a"], "text": ["court", "judge"]}), {}, "'a'"),
        (pl.DataFrame({"unit_id": ["a"], "text": ["court"]}), {"precision": "int3"}, "precision 'int3' is unknown"),
    ],
)
def test_a_corpus_that_cannot_be_coded_is_one_sentence(model, corpus, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        model.classify(corpus, **options)


def test_half_precision_gives_nearly_the_same(model, topics):
    fast, exact = model.classify(topics, precision="bfloat16"), model.classify(topics)
    assert np.abs(probabilities(fast) - probabilities(exact)).max() < 0.05


def test_a_loaded_model_is_the_same_model(model, saved, topics):
    loaded = at.load(saved)
    assert_frame_equal(loaded.classify(topics), model.classify(topics))
    assert (loaded.name, loaded.labels, loaded.variable) == (model.name, model.labels, model.variable)
    assert loaded.card == json.loads(json.dumps(model.card))
    for part in ("measures", "labels", "confusion"):
        assert_frame_equal(getattr(loaded.evaluation, part), getattr(model.evaluation, part))
    assert_frame_equal(loaded.held_out, model.held_out)


def test_a_model_can_be_saved_again_after_loading(saved, tmp_path, topics):
    again = at.load(at.load(saved).save(tmp_path / "again"))
    assert_frame_equal(again.classify(topics), at.load(saved).classify(topics))
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (saved, tmp_path / "again")]
    assert files[0] == files[1]
    for name in files[0]:
        if (saved / name).is_file():
            assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_sets_survive_saving(sets_model, tmp_path, topics):
    loaded = at.load(sets_model.save(tmp_path / "sets"))
    assert_frame_equal(loaded.classify(topics), sets_model.classify(topics))


def test_no_folder_of_this_machine_is_in_the_model(saved, tiny_base):
    for name in ("annotune.json", "backbone/config.json", "backbone/tokenizer_config.json"):
        assert str(tiny_base.parent) not in (saved / name).read_text()


def test_saving_over_a_model_replaces_it(saved, model, sets_model):
    sets_model.save(saved)
    assert at.load(saved).labels == sets_model.labels
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_saving_over_something_else_is_refused(model, tmp_path, kind):
    target = tmp_path / "thesis"
    if kind == "folder":
        target.mkdir()
        (target / "chapter.txt").write_text("years of work")
    else:
        target.write_text("years of work")
    with pytest.raises(at.AnnotuneError, match="holds something else"):
        model.save(target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["thesis", "chapter.txt"] if kind == "folder" else ["thesis"]
    )


@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_failure_half_way_leaves_the_old_model(saved, sets_model, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr(classifier, "write", fail)
    else:
        monkeypatch.setattr(drafts, "_swap", fail)
    with pytest.raises(at.AnnotuneError, match="No space left"):
        sets_model.save(saved)
    monkeypatch.undo()
    assert at.load(saved).labels == ("Health", "Law", "Farming")
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_interruption_leaves_the_old_model(saved, sets_model, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sets_model.save(saved)
    assert at.load(saved).labels == ("Health", "Law", "Farming")
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize(
    "name",
    [
        "annotune.json",
        "head.safetensors",
        "backbone/model.safetensors",
        "backbone/config.json",
        "backbone/tokenizer.json",
    ],
)
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_model_is_not_used(saved, name, damage):
    path = saved / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(at.AnnotuneError):
        at.load(saved)


def mutations(content, draw, n):
    """The same bytes with one bit, one byte, an end or a middle of their own."""
    for _ in range(n):
        place = int(draw.integers(len(content)))
        bit = content[place] ^ 1 << int(draw.integers(8))
        middles = (bytes([bit]), bytes([int(draw.integers(256))]), b"", content[place : place + 32] * 2, bytes(8))
        middle = middles[draw.integers(len(middles))]
        rest = b"" if middle == b"" else content[place + 1 :]
        if (mutated := content[:place] + middle + rest) != content:
            yield mutated


@pytest.mark.parametrize("card", ["today's", "an earlier one"])
def test_whatever_is_damaged_in_a_model_is_a_sentence_or_without_effect(saved, card):
    if card != "today's":
        (saved / "annotune.json").write_text(json.dumps({**unsealed_card(saved), "files": {}}))
    draw, before, n = np.random.default_rng(37), at.load(saved).logits(["new hospital"]), 0
    for path in sorted(path for path in saved.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for mutated in mutations(whole, draw, 6):
            path.write_bytes(mutated)
            n += 1
            try:
                assert_array_equal(at.load(saved).logits(["new hospital"]), before)
                refused = False
            except at.AnnotuneError:
                refused = True
            assert refused or card != "today's" or json.loads(mutated) == json.loads(whole), path
        path.write_bytes(whole)
    assert n > 50


def test_a_card_that_says_something_else_is_refused(saved):
    """Other names of the labels would be as good a card, and codes in another meaning."""
    path = saved / "annotune.json"
    card = json.loads(path.read_text())
    card["labels"] = card["labels"][::-1]
    path.write_text(json.dumps(card))
    with pytest.raises(at.AnnotuneError, match=r"annotune\.json is missing or damaged"):
        at.load(saved)


@pytest.mark.parametrize("name", ["evaluation_measures.parquet", "held_out.parquet"])
def test_damaged_figures_are_named(saved, name):
    (saved / name).write_bytes(b"PAR1 no more")
    with pytest.raises(at.AnnotuneError, match=f"{name} is missing or damaged"):
        at.load(saved)


def test_other_weights_of_the_same_shape_are_noticed(saved):
    path = saved / "backbone" / "model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1e-4}, path, metadata={"format": "pt"})
    with pytest.raises(at.AnnotuneError, match="missing or damaged"):
        at.load(saved)


def test_a_machine_that_computes_something_else_is_noticed(saved):
    card = unsealed_card(saved)
    card["check"]["logits"][0] = [5.0, 0.0, 0.0]  # for a text that was given another label
    card["versions"]["torch"] = "0.1"
    (saved / "annotune.json").write_text(json.dumps(card))
    with pytest.raises(at.AnnotuneError, match=r"other probabilities here.*torch 0\.1, not"):
        at.load(saved)


@pytest.mark.parametrize("content", ["{}", "[]", "no json", '{"labels": ["a"]}'])
def test_a_card_that_is_none_is_refused(saved, content):
    (saved / "annotune.json").write_text(content)
    with pytest.raises(at.AnnotuneError, match="damaged"):
        at.load(saved)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(at.AnnotuneError, match="no model saved by annotune"):
            at.load(folder)


def test_devices_that_are_not_there_are_refused(saved):
    with pytest.raises(at.AnnotuneError, match="no device 'gpu'"):
        at.load(saved, device="gpu")
    if not torch.backends.mps.is_available():
        with pytest.raises(at.AnnotuneError, match="no 'mps'"):
            at.load(saved, device="mps")


def as_of_old(folder):
    """A saved model with the card that earlier ones have: a temperature, and no scale or shares."""
    path = folder / "annotune.json"
    card = unsealed_card(folder)
    del card["files"], card["shares"]
    card["choices"] = {"penalty": 10.0, "balanced": True, "epochs": 2, "planned": 2, "scores": {"probe": 0.5}}
    card["choices"] |= {"temperature": 1.3, "cutoffs": None, "probe_cutoffs": None, "words": False}
    path.write_text(json.dumps(card))
    return folder


def test_an_earlier_model_is_loaded_and_said_once_to_be_calibrated_in_the_old_way(model, saved, topics):
    with pytest.warns(at.AnnotuneWarning, match="tuned by an earlier annotune.*Tune it again") as caught:
        old = at.load(as_of_old(saved))
    coded = old.classify(topics)
    assert len(caught) == 1
    assert probabilities(coded) == pytest.approx(probabilities(model.classify(topics)))
    assert coded["label"].to_list() == [model.labels[row.argmax()] for row in probabilities(coded)]
    with pytest.raises(at.AnnotuneError, match="holds no shares"):
        at.shares(old, coded)


@pytest.mark.parametrize(
    "damage",
    [
        lambda card: card["choices"].update(cutoffs=[1.0]),
        lambda card: card["choices"].update(offsets=[0.0, 1.0]),
        lambda card: card["choices"].update(scale=0),
        lambda card: card["choices"].update(scale="warm"),
        lambda card: card["choices"].update(offsets=[0.0, float("nan"), 1.0]),
        lambda card: card["shares"].pop("model"),
        lambda card: card["shares"].update(people=[0.5, 0.5]),
        lambda card: card.update(choices=None),
        lambda card: [card["choices"].pop("scale"), card["choices"].update(temperature=0)],
    ],
)
def test_a_card_that_cannot_make_codes_is_refused_when_the_model_is_loaded(saved, damage):
    path = saved / "annotune.json"
    card = unsealed_card(saved)
    damage(card)
    path.write_text(json.dumps(card))
    with pytest.raises(at.AnnotuneError, match=r"annotune\.json is missing or damaged\. Copy the model again"):
        at.load(saved)
