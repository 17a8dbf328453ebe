"""Coding to the level where the risk holds: minors where a model is sure, their majors elsewhere, else people."""

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.data.hierarchy import ancestors_at
from annotune.network.logits import softmax

MAJORS, MINORS = 4, 3
NAMES = {f"M{j}": (j + 1, None) for j in range(MAJORS)}
NAMES |= {f"m{j}{k}": (100 * (j + 1) + k, j + 1) for j in range(MAJORS) for k in range(MINORS)}
TOPIC = at.Variable(name="topic", labels=tuple(at.Label(code=c, name=n, parent=p) for n, (c, p) in NAMES.items()))
BOOK = at.Codebook(variables=(TOPIC,))
LEAVES = [name for name in NAMES if name.startswith("m")]
ABOVE = ancestors_at(TOPIC, 0)


def drawn(n, rng, apart=1.4, within=1.4):
    """Texts whose majors are told apart better than their minors: codings by a model, and the truth."""
    truth = rng.integers(len(LEAVES), size=n)
    logits = rng.normal(size=(n, len(LEAVES))) + apart * (np.arange(len(LEAVES)) // MINORS == truth[:, None] // MINORS)
    logits[np.arange(n), truth] += within * rng.exponential(1.5, n)
    probabilities = softmax(1.3 * logits)
    units = [str(i) for i in range(n)]
    best = probabilities.argmax(1)
    predicted = pl.DataFrame(
        {
            "unit_id": units,
            "variable": "topic",
            "coder": "model",
            "label": [LEAVES[i] for i in best],
            "prob": probabilities.max(1),
            **{f"p_{name}": probabilities[:, i] for i, name in enumerate(LEAVES)},
        }
    )
    gold = pl.DataFrame({"unit_id": units, "variable": "topic", "coder": "gold", "label": [LEAVES[i] for i in truth]})
    return predicted, gold


def errors(codings, gold):
    """The share of wrong codes at each level, and how many codes there are."""
    both = codings.join(gold.select("unit_id", true="label"), on="unit_id").filter(pl.col("label").is_not_null())
    found = {}
    for (level,), part in both.group_by("level"):
        true = part["true"].replace_strict(ABOVE) if level == "topic_major" else part["true"]
        found[level] = ((true != part["label"]).mean(), len(part))
    return found


def test_the_risk_is_held_at_each_level_in_95_of_100_draws():
    rng, held, coded = np.random.default_rng(5), [], []
    for _ in range(100):
        seen, gold = drawn(400, rng)
        corpus, truth = drawn(2000, rng)
        result = at.abstain(corpus, held_out=seen, gold=gold, risk=0.1, codebook=BOOK, by_level=True)
        found = errors(result.codings, truth)
        held.append(all(share <= 0.1 for share, n in found.values() if n))
        coded.append(set(found))
    assert sum(held) >= 95
    assert (
        sum(both == {"topic_minor", "topic_major"} for both in coded) >= 90
    )  # and something is claimed at both levels


def test_what_is_not_sure_at_one_level_is_coded_at_the_next():
    seen, gold = drawn(2000, np.random.default_rng(1))
    result = at.abstain(seen, held_out=seen, gold=gold, risk=0.1, codebook=BOOK, by_level=True)
    codings = result.codings
    assert codings["unit_id"].to_list() == seen["unit_id"].to_list()
    assert list(result.levels) == ["topic_minor", "topic_major"]
    labels = {level: set(part["label"]) for (level,), part in codings.group_by("level")}
    assert labels["topic_minor"] <= set(LEAVES)
    assert labels["topic_major"] <= {"M0", "M1", "M2", "M3"}
    assert labels[None] == {None}
    assert codings.filter("by_hand")["status"].unique().to_list() == ["missing"]
    counts = dict(codings.group_by("level").len().rows())
    flat = at.abstain(seen, held_out=seen, gold=gold, risk=0.1, codebook=BOOK)
    assert counts[None] == result.n_by_hand < flat.n_by_hand  # majors are told where minors are not
    assert f"{counts['topic_major']:,} by topic_major, and {counts[None]:,} by hand" in result.in_words()


def test_a_major_is_the_one_that_is_likeliest_in_all():
    """Three minors of M0 with .2 each are together likelier than one of M1 with .4."""
    seen, gold = drawn(1000, np.random.default_rng(1))
    text = pl.DataFrame({"unit_id": ["x"], "variable": "topic", "coder": "model", "label": ["m10"], "prob": [0.4]})
    text = text.with_columns(**{f"p_{name}": pl.lit(0.0) for name in LEAVES})
    text = text.with_columns(p_m10=pl.lit(0.3), p_m00=pl.lit(0.25), p_m01=pl.lit(0.25), p_m02=pl.lit(0.2))
    result = at.abstain(text, held_out=seen, gold=gold, risk=0.15, codebook=BOOK, by_level=True)
    assert result.codings.select("label", "level").row(0) in [("M0", "topic_major"), (None, None)]
    rows = result.levels["topic_major"].codings
    assert rows.select("label", pl.col("prob").round(6)).rows() == [("M0", 0.7)]


def test_without_levels_it_is_said():
    seen, gold = drawn(100, np.random.default_rng(1))
    with pytest.raises(at.AnnotuneError, match="needs the codebook"):
        at.abstain(seen, held_out=seen, gold=gold, by_level=True)
    flat = TOPIC.model_copy(update={"labels": tuple(lab.model_copy(update={"parent": None}) for lab in TOPIC.labels)})
    with pytest.raises(at.AnnotuneError, match="has a parent"):
        at.abstain(seen, held_out=seen, gold=gold, codebook=at.Codebook(variables=(flat,)), by_level=True)
    sets = at.Codebook(variables=(TOPIC.model_copy(update={"kind": "multilabel"}),))
    with pytest.raises(at.AnnotuneError, match="one label a text"):
        at.abstain(seen, held_out=seen, gold=gold, codebook=sets, by_level=True)
