"""Labels that are levels of a scale: the loss, where levels begin, and models that code them."""

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, log_loss

import annotune as at
from annotune.measures.scores import quadratic_kappa
from annotune.network.logits import expected_level, levels
from annotune.tuning.calibrate import cutoffs_for, level_cuts
from annotune.tuning.losses import OrderedLoss, loss_function

CPU = torch.device("cpu")
TONES = ("negative", "neutral", "positive")


def softmax(logits):
    return torch.from_numpy(logits).softmax(1).numpy()


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_loss_is_that_of_every_cut(seed, n_labels):
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(0, 2, (30, n_labels)), rng.integers(0, n_labels, 30)
    shares = softmax(logits)
    expected = sum(
        log_loss(truth > k, np.clip(shares[:, k + 1 :].sum(1), 0, 1), labels=[False, True]) for k in range(n_labels - 1)
    )
    found = OrderedLoss(None)(torch.from_numpy(logits), torch.from_numpy(truth)).item()
    assert math.isclose(found, expected, rel_tol=1e-6)


def test_with_two_labels_it_is_cross_entropy_also_weighted():
    rng = np.random.default_rng(1)
    logits, truth = torch.from_numpy(rng.normal(size=(50, 2))).float(), torch.from_numpy(rng.integers(0, 2, 50))
    for balanced in (False, True):
        plain = loss_function(truth.numpy(), 2, balanced, CPU)(logits, truth)
        assert torch.isclose(loss_function(truth.numpy(), 2, balanced, CPU, ordered=True)(logits, truth), plain)


def test_a_near_miss_costs_less_than_a_far_one():
    sure = torch.tensor([[8.0, 0.0, 0.0]])
    near, far = (OrderedLoss(None)(sure, torch.tensor([level])).item() for level in (1, 2))
    assert near < far
    plain = [torch.nn.functional.cross_entropy(sure, torch.tensor([level])).item() for level in (1, 2)]
    assert plain[0] == plain[1]


def test_the_loss_has_gradients_where_a_label_is_all_but_ruled_out():
    logits = torch.tensor([[60.0, -60.0, -60.0]], requires_grad=True)
    OrderedLoss(None)(logits, torch.tensor([2])).backward()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() > 0.5


@given(st.integers(0, 10_000), st.integers(3, 6), st.integers(1, 300))
def test_every_level_is_given_to_as_many_texts_as_by_people(seed, n_labels, n):
    rng = np.random.default_rng(seed)
    shares, truth = softmax(rng.normal(0, 2, (n, n_labels))), rng.integers(0, n_labels, n)
    given_ = levels(shares, level_cuts(shares, truth))
    assert (np.bincount(given_, minlength=n_labels) == np.bincount(truth, minlength=n_labels)).all()


@given(st.integers(0, 10_000))
def test_a_higher_expected_level_is_never_a_lower_level(seed):
    rng = np.random.default_rng(seed)
    shares = softmax(rng.normal(0, 2, (60, 4)))
    given_ = levels(shares, level_cuts(shares, rng.integers(0, 4, 60)))
    assert (np.diff(given_[np.argsort(expected_level(shares), kind="stable")]) >= 0).all()


def test_quadratic_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    truth, said = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert quadratic_kappa(truth, said, 4) == pytest.approx(cohen_kappa_score(truth, said, weights="quadratic"))
    assert quadratic_kappa(np.zeros(5, int), np.zeros(5, int), 3) == 0


def test_levels_agree_better_than_the_most_likely_label_where_little_is_known():
    """An ordered probit whose probabilities are known exactly."""
    rng = np.random.default_rng(3)
    signal = rng.normal(size=20_000)
    truth = np.digitize(0.6 * signal + rng.normal(size=20_000), [-1, 1])
    below = np.array([[0.5 * (1 + math.erf((cut - 0.6 * one) / math.sqrt(2))) for cut in (-1, 1)] for one in signal])
    shares = np.diff(np.column_stack([np.zeros(20_000), below, np.ones(20_000)]), axis=1)
    cuts = level_cuts(shares[:10_000], truth[:10_000])
    known, rest = truth[10_000:], shares[10_000:]
    likeliest = quadratic_kappa(known, rest.argmax(1), 3)
    assert quadratic_kappa(known, levels(rest, cuts), 3) > likeliest + 0.05


def moods(n, seed):
    """Sentences whose words lean towards a level that coders hear with some noise."""
    rng = np.random.default_rng(seed)
    words = ("bad awful sad loss", "table report number street", "good happy win joy")
    lean = rng.normal(size=n)
    chances = softmax(np.column_stack([-lean, np.full(n, 0.5), lean]))
    texts = [" ".join(rng.choice([w for k in rng.choice(3, 6, p=p) for w in words[k].split()], 6)) for p in chances]
    truth = np.digitize(lean + rng.normal(0, 0.8, n), [-0.9, 0.9])
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "text": texts}), truth


@pytest.fixture(scope="module")
def tuned():
    """The same texts, once as levels and once as mere names."""
    corpus, truth = moods(900, 4)
    gold = corpus.select("unit_id", variable=pl.lit("tone")).with_columns(label=pl.Series([TONES[t] for t in truth]))
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(TONES))
    models = {}
    for kind in ("ordinal", "nominal"):
        book = at.Codebook(variables=(at.Variable(name="tone", kind=kind, labels=labels),))
        rule = "share" if kind == "ordinal" else "likeliest"
        models[kind] = at.tune(corpus, gold, book, method="probe", test=0.5, n_boot=0, cutoffs=rule)
    return corpus, truth, models


def test_an_ordinal_variable_has_cuts_between_levels_and_the_likeliest_label_none(tuned):
    _, _, models = tuned
    assert len(models["ordinal"].card["choices"]["cutoffs"]) == 2
    assert models["nominal"].card["choices"]["cutoffs"] is None


def test_levels_beat_the_likeliest_label_on_quadratic_kappa(tuned):
    corpus, truth, models = tuned
    place = dict(zip(corpus["unit_id"], truth, strict=True))
    kappas = {}
    for kind, model in models.items():
        known = [place[unit] for unit in model.held_out["unit_id"]]
        said = [TONES.index(label) for label in model.held_out["label"]]
        kappas[kind] = quadratic_kappa(np.array(known), np.array(said), 3)
    assert kappas["ordinal"] > kappas["nominal"]


def test_what_is_coded_follows_the_cuts_also_when_loaded_again(tuned, tmp_path):
    corpus, _, models = tuned
    model = models["ordinal"]
    model.save(tmp_path / "model")
    coded = at.load(tmp_path / "model").classify(corpus)
    shares = coded.select(f"p_{name}" for name in TONES).to_numpy()
    assert coded["label"].to_list() == [TONES[i] for i in levels(shares, model.card["choices"]["cutoffs"])]
    assert (coded["label"].to_numpy() != np.array(TONES)[shares.argmax(1)]).any()  # the cuts say something
    given_ = [shares[i, TONES.index(label)] for i, label in enumerate(coded["label"])]
    assert coded["prob"].to_list() == pytest.approx(given_)


def test_an_export_says_where_levels_begin(tuned, tmp_path):
    corpus, _, models = tuned
    model = models["ordinal"]
    model.export(tmp_path / "out", texts=corpus)
    about = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert about["cuts"] == pytest.approx(model.card["choices"]["cutoffs"])
    recipe = (tmp_path / "out" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    texts = corpus["text"].to_list()[:200]
    recipe = recipe.replace('["A text to code.", "Another one."]', repr(texts))
    found = subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path / "out", capture_output=True, text=True)
    coded = model.classify(corpus.head(200))["label"].to_list()
    assert found.stdout.strip() == repr(coded), found.stderr


def test_cross_validation_cuts_each_fold_by_its_own_model():
    corpus, truth = moods(120, 5)
    gold = corpus.select("unit_id", variable=pl.lit("tone")).with_columns(label=pl.Series([TONES[t] for t in truth]))
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(TONES))
    book = at.Codebook(variables=(at.Variable(name="tone", kind="ordinal", labels=labels),))
    model = at.tune(corpus, gold, book, method="probe", folds=3, n_boot=0)
    assert len(model.held_out) == 120
    assert model.held_out["label"].null_count() == 0
    known = model.evaluation.measures.filter(measure="kappa_quadratic", model=model.name)["estimate"][0]
    said = [TONES.index(label) for label in model.held_out["label"]]
    assert known == pytest.approx(cohen_kappa_score(truth, said, weights="quadratic"))


def test_labels_that_are_no_scale_are_given_as_names_are():
    """Of four topics in some order, a model that wavers between neighbours is no less right; one that leaps is."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 4, 400)
    other = (truth + 2) % 4  # what each label is taken for lies beyond the next one
    leaping, near = np.full((2, 400, 4), 0.01)
    doubt = rng.uniform(0.2, 0.45, 400)
    for shares, wrong in ((leaping, other), (near, np.where(truth < 3, truth + 1, 2))):
        shares[np.arange(400), truth] = 1 - doubt
        shares[np.arange(400), wrong] = doubt
    assert len(cutoffs_for("share", np.log(leaping), truth, ordered=True)) == 4  # one for each label, as of names
    assert len(cutoffs_for("share", np.log(near), truth, ordered=True)) == 3  # one between each two levels
    assert cutoffs_for("likeliest", np.log(near), truth, ordered=True) is None
