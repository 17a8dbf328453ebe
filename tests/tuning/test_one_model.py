"""The model that is handed out is the one that was measured: on fresh texts of the same source it does as reported.

Only public names are used, and penalties, which are one of the choices.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import annotune as at
from annotune.tuning import fit

WORDS = (
    "tax health school farm court road river ship steel coal trade milk wheat army prison police nurse bank rent wage"
)
KINDS = ("nominal", "ordinal", "multilabel")


def source(kind, n, seed, n_labels, clear):
    """n texts of a dozen random words each, and labels that some of the words make more likely."""
    rng = np.random.default_rng(seed)
    words = np.array(WORDS.split())
    drawn = rng.integers(0, 20, (n, 12))
    texts = [" ".join(words[row]) for row in drawn]
    counts = np.stack([(drawn == word).sum(1) for word in range(n_labels)], 1)
    if kind == "multilabel":
        return texts, rng.random((n, n_labels)) < 1 / (1 + np.exp(2.0 - clear * counts))
    scores = clear * counts + np.linspace(1.0, -1.0, n_labels) + rng.gumbel(size=(n, n_labels))
    return texts, scores.argmax(1)


def as_gold(truth, names):
    """The truth as a table of codings."""
    if truth.ndim == 1:
        rows = [(f"u{i}", names[label], "ok") for i, label in enumerate(truth)]
    else:
        pairs = [
            (i, names[k])
            for i, row in enumerate(truth)
            for k in (np.flatnonzero(row).tolist() or [None])
            if k is not None
        ]
        rows = [(f"u{i}", label, "ok") for i, label in pairs]
        rows += [(f"u{i}", None, "none") for i, row in enumerate(truth) if not row.any()]
    schema = {"unit_id": pl.String, "label": pl.String, "status": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(variable=pl.lit("topic"), coder=pl.lit("anna"))


def told(codings, truth, names):
    """Shares of labels, and of each text the stated probability of what it was given, and its log loss."""
    units = codings.unique("unit_id", keep="first", maintain_order=True)
    places = [int(unit[1:]) for unit in units["unit_id"]]
    shares = np.array([codings.filter(label=name).height for name in names]) / len(units)
    p = np.clip(units.select(f"p_{name}" for name in names).to_numpy(), 1e-12, 1 - 1e-12)
    if truth.ndim == 2:
        known = truth[places]
        return shares, p.mean(1), -np.where(known, np.log(p), np.log(1 - p)).mean(1)
    return shares, p[np.arange(len(p)), p.argmax(1)], -np.log(p[np.arange(len(p)), truth[places]])


@settings(max_examples=12, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    method=st.sampled_from(["probe", "probe", "lora"]),
    n=st.sampled_from([150, 300, 600]),
    n_labels=st.integers(2, 5),
    clear=st.sampled_from([0.5, 1.5, 3.0]),
    weights=st.sampled_from(["auto", "balanced", "none"]),
    penalties=st.sampled_from([(1.0,), (100.0,), (1.0, 10.0, 100.0)]),
    held=st.sampled_from([{"folds": 5}, {"test": 0.4}]),
    seed=st.integers(0, 10_000),
)
@example(
    kind="multilabel",
    method="probe",
    n=150,
    n_labels=2,
    clear=0.5,
    weights="auto",
    penalties=(1.0,),
    held={"folds": 5},
    seed=0,
)
@example(
    kind="nominal",
    method="probe",
    n=1500,
    n_labels=4,
    clear=0.5,
    weights="auto",
    penalties=(1.0, 10.0, 100.0),
    held={"test": 0.2},
    seed=7,
)
def test_fresh_texts_are_coded_as_held_out_ones_were(
    twenty_words, kind, method, n, n_labels, clear, weights, penalties, held, seed
):
    names = [f"label {i}" for i in range(n_labels)]
    labels = tuple(at.Label(code=i, name=name) for i, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="topic", kind=kind, labels=labels),))
    texts, truth = source(kind, n + 3000, seed, n_labels, clear)
    if min((truth[:n].sum(0) if truth.ndim == 2 else np.bincount(truth[:n], minlength=n_labels)).min(), n) < 5:
        return
    frame = pl.DataFrame({"unit_id": [f"u{i}" for i in range(len(texts))], "text": texts}).unique("text", keep="first")
    frame = frame.sort(pl.col("unit_id").str.slice(1).cast(pl.Int64))
    coded = frame.filter(pl.col("unit_id").str.slice(1).cast(pl.Int64) < n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "PENALTIES", penalties)
        options = {"base": twenty_words, "method": method, "class_weights": weights, "n_boot": 0, **held}
        model = at.tune(coded, as_gold(truth[:n], names), book, **options)
    names = list(model.labels)
    fresh = model.classify(frame.join(coded, on="unit_id", how="anti", maintain_order="left"))
    (shares, confidence, loss), (others, stated, surprise) = (
        told(codings, truth, names) for codings in (model.held_out, fresh)
    )
    n_held, n_fresh = len(loss), len(surprise)
    far = 4.5 * np.sqrt(2 * np.clip(others * (1 - others), 0.02, None) * (1 / n_held + 1 / n_fresh))
    assert (np.abs(shares - others) < far).all(), (shares, others)
    assert abs(confidence.mean() - stated.mean()) < 0.03 + 4 * confidence.std() * np.sqrt(2 / n_held)
    assert abs(loss.mean() - surprise.mean()) < 0.03 + 4 * loss.std() * np.sqrt(2 / n_held)


def test_the_corpus_is_coded_as_the_held_out_texts_were_where_words_say_little():
    """Label a in every third text with "tax" and every eighth other one, b in one of sixteen: both are weak."""
    rng = np.random.default_rng(1)
    words = np.array(WORDS.split())
    texts = [" ".join(rng.choice(words, 12)) for _ in range(1_500)]
    chance = np.where(["tax" in text.split() for text in texts], 0.35, 0.12)
    truth = np.column_stack([rng.random(1_500) < chance, rng.random(1_500) < 0.06])
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(1_500)], "text": texts})
    labels = (at.Label(code=1, name="a"), at.Label(code=2, name="b"))
    book = at.Codebook(variables=(at.Variable(name="topic", kind="multilabel", labels=labels),))
    model = at.tune(corpus, as_gold(truth[:600], ["a", "b"]), book, method="probe", n_boot=0)
    shares = [
        codings.filter(label="a").height / codings["unit_id"].n_unique()
        for codings in (model.held_out, model.classify(corpus[600:]))
    ]
    people = truth[:600, 0].mean()
    assert shares == pytest.approx([people, people], abs=0.06)


def test_a_corpus_of_another_kind_is_told_of(topics, gold, book, tiny_base):
    """All texts on health: what was measured on a mixed sample does not say how good the model is there."""
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", n_boot=0)
    table = at.shares(model, model.classify(topics))
    assert not table["apart"].any()
    assert table["people"].to_list() == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    health = pl.concat([topics.filter(label="Health")] * 4)
    health = health.with_columns(unit_id=pl.Series([f"h{i}" for i in range(len(health))]))
    with pytest.warns(
        at.AnnotuneWarning, match=r"' is given to .*of these 180 texts \(and 2 other labels\).*more than chance"
    ):
        codings = model.classify(health)
    assert at.shares(model, codings)["apart"].all()


def test_shares_of_a_model_without_held_out_texts_are_one_sentence(topics, gold, book, tiny_base):
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0)
    with pytest.raises(at.AnnotuneError, match=r"holds no shares of held-out texts.*test= or folds="):
        at.shares(model, model.classify(topics))


@pytest.fixture(scope="module")
def picked():
    """A rare topic, and coded texts of which half were picked for it: corpus, truth, places of the coded texts."""
    rng = np.random.default_rng(3)
    words, rare = np.array(WORDS.split()), rng.random(6_000) < 0.06
    texts = [" ".join([*rng.choice(words[5:], 9), *rng.choice(words[:5] if r else words, 3)]) for r in rare]
    places = np.concatenate([np.flatnonzero(rare)[:120], np.flatnonzero(~rare)[:120]])
    return texts, np.where(rare, 0, 1), places


@pytest.mark.parametrize("how", ["pi", "prevalence"])
def test_texts_that_were_picked_by_label_speak_for_the_corpus_when_that_is_said(picked, twenty_words, how):
    texts, truth, places = picked
    pi = np.where(truth == 0, 120 / (truth == 0).sum(), 120 / (truth == 1).sum())
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(6_000)], "text": texts, "pi": pi}).unique("text")
    gold = as_gold(truth, ["rare", "other"]).filter(pl.col("unit_id").is_in([f"u{i}" for i in places]))
    labels = (at.Label(code=1, name="rare"), at.Label(code=2, name="other"))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    options = {"base": twenty_words, "method": "probe", "n_boot": 50}
    with pytest.warns(at.AnnotuneWarning, match="coded texts differ from the rest of the corpus.*pi= or prevalence="):
        plain = at.tune(corpus, gold, book, **options)
    mix = {"pi": "pi"} if how == "pi" else {"prevalence": {"rare": float((truth == 0).mean())}}
    model = at.tune(corpus, gold, book, **options, **mix)
    fresh = corpus.join(gold, on="unit_id", how="anti")
    known = pl.DataFrame({"unit_id": [f"u{i}" for i in range(6_000)], "truth": np.where(truth == 0, "rare", "other")})
    rows = {"model": model.classify(fresh).join(known, on="unit_id")}
    with pytest.warns(at.AnnotuneWarning, match="'rare' is given to"):
        rows["plain"] = plain.classify(fresh).join(known, on="unit_id")
    share, accuracy = ((rows["model"]["label"] == value).mean() for value in ("rare", rows["model"]["truth"]))
    assert share == pytest.approx((truth == 0).mean(), abs=0.03)
    assert model.evaluation.get("accuracy") == pytest.approx(accuracy, abs=0.05)
    assert rows["model"]["p_rare"].mean() == pytest.approx((truth == 0).mean(), abs=0.03)
    assert (rows["plain"]["label"] == "rare").mean() > 1.5 * share
    reported, real = (
        [one.evaluation.labels.filter(model=one.name, label="rare")["precision"][0] for one in (model, plain)],
        [(rows[name].filter(label="rare")["truth"] == "rare").mean() for name in ("model", "plain")],
    )
    assert reported[0] == pytest.approx(real[0], abs=0.15)
    assert reported[1] > real[1] + 0.3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pi": "pi", "prevalence": {"Law": 0.2}}, "Both pi= and prevalence="),
        ({"pi": "drawn"}, "no column 'drawn'"),
        ({"pi": "doc"}, "column 'doc' is no probability"),
        ({"pi": "zero"}, "column 'zero' of unit 'q000' is no probability above 0"),
        ({"prevalence": {"Lav": 0.2}}, "names 'Lav'.*Did you mean 'Law'"),
        ({"prevalence": {"Law": 1.5}}, "prevalence of 'Law' is 1.5"),
        ({"prevalence": {"Law": 0.7, "Health": 0.6}}, "add up to 1.3"),
        ({"prevalence": {"Law": 0.2, "Health": 0.6, "Farming": 0.1}}, "add up to 0.9"),
    ],
)
def test_what_coded_texts_stand_for_is_checked(topics, gold, book, tiny_base, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.tune(topics.with_columns(zero=pl.lit(0.0)), gold, book(), base=str(tiny_base), method="probe", **options)


def test_shares_of_sets_are_raked(topics, book):
    from annotune.tuning.coded_texts import join
    from annotune.tuning.weights import text_weights

    rows = pl.DataFrame({"unit_id": topics["unit_id"], "label": ["Health"] * 90}).with_columns(variable=pl.lit("topic"))
    rows = pl.concat([rows[:60], rows[20:40].with_columns(label=pl.lit("Law"))])
    nothing = topics[60:].select(
        "unit_id", label=pl.lit(None, pl.String), variable=pl.lit("topic"), status=pl.lit("none")
    )
    coded = join(
        topics, pl.concat([rows.with_columns(status=pl.lit("ok")), nothing]), book("multilabel", ["Health", "Law"])
    )
    weights = text_weights(coded, None, {"Health": 0.2, "Law": 0.1})
    assert weights @ coded.targets / weights.sum() == pytest.approx([0.2, 0.1])
