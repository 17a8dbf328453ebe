"""The alternative annotator test, against a plain transcription of its equations, text by text."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

import annotune as at


def winners(p_values, q=0.05):
    """Benjamini and Yekutieli (2001): the hypotheses up to the last sorted p below its threshold."""
    m, harmonic = len(p_values), sum(1 / i for i in range(1, len(p_values) + 1))
    order = np.argsort(p_values)
    below = [rank for rank, i in enumerate(order, 1) if p_values[i] <= rank / m * q / harmonic]
    return {int(i) for i in order[: max(below, default=0)]}


def transcribed(people, model, score, epsilon, fewest=30):
    """Section 3 of the paper: the advantage of the model over each coder, and its winning rate.

    `people` has a column of answers per coder and `model` one answer per text, None where there is none.
    """
    advantages, p_values = [], []
    for j in range(people.shape[1]):
        wins, losses = [], []
        for answers, machine in zip(people.tolist(), model.tolist(), strict=True):
            judges = [answer for k, answer in enumerate(answers) if k != j and answer is not None]
            if answers[j] is None or machine is None or not judges:
                continue
            own, rival = score(answers[j], judges), score(machine, judges)
            wins.append(float(rival >= own - 1e-9))
            losses.append(float(own >= rival - 1e-9))
        if len(wins) < fewest:
            continue
        apart = np.subtract(losses, wins)
        constant = float(apart.mean() >= epsilon)
        p_values.append(ttest_1samp(apart, epsilon, alternative="less").pvalue if apart.std() else constant)
        advantages.append(np.mean(wins))
    return advantages, len(winners(p_values)) / len(p_values)


def accuracy(answer, judges):
    return np.mean([answer == judge for judge in judges])


def closeness(answer, judges):
    return -np.sqrt(np.mean([(int(answer) - int(judge)) ** 2 for judge in judges]))


def overlap(answer, judges):
    return np.mean([len(answer & judge) / len(answer | judge) if answer | judge else 1.0 for judge in judges])


def drawn(seed, units, coders, labels, right, gaps=0.0):
    """People who are right with the probabilities `right[:-1]`, and a model that is so with the last."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, units)
    table = [np.where(rng.random(units) < r, truth, rng.integers(0, labels, units)) for r in right]
    table = np.array(table).T.astype(str).astype(object)
    table[rng.random(table.shape) < gaps] = None
    return table[:, :coders], table[:, coders]


def codings_of_table(people, model):
    names = [f"c{j}" for j in range(people.shape[1])]
    wide = pl.DataFrame(
        {"unit_id": [f"t{i:04}" for i in range(len(people))], **dict(zip(names, people.T.tolist(), strict=True))}
    )
    return at.read_codings(wide.with_columns(model=pl.Series(model.tolist(), dtype=pl.String)), variable="v")


@given(
    seed=st.integers(0, 10_000),
    coders=st.integers(2, 6),
    right=st.lists(st.floats(0, 1), min_size=7, max_size=7),
    gaps=st.sampled_from([0.0, 0.3]),
    epsilon=st.sampled_from([0.0, 0.1, 0.15, 0.2]),
    ordered=st.booleans(),
)
@settings(max_examples=40)
def test_it_is_the_papers(seed, coders, right, gaps, epsilon, ordered):
    people, model = drawn(seed, 120, coders, 4, right[: coders + 1], gaps)
    advantages, rate = transcribed(people, model, closeness if ordered else accuracy, epsilon)
    level = "quadratic" if ordered else "nominal"
    table = at.replacement_test(codings_of_table(people, model), "model", level=level, epsilon=epsilon, ci="analytic")
    mine = table.filter(metric="advantage", coder_b="model")
    assert mine.filter(pl.col("coder_a") != "people")["estimate"].to_list() == pytest.approx(advantages)
    assert mine.filter(coder_a="people")["estimate"].item() == pytest.approx(np.mean(advantages))
    assert table.filter(metric="winning_rate")["estimate"].item() == pytest.approx(rate)


def test_sets_are_near_by_the_labels_that_they_share(codebook_of):
    rng = np.random.default_rng(3)
    sets = [[frozenset(np.array(list("abc"))[rng.random(3) < 0.5].tolist()) for _ in range(4)] for _ in range(80)]
    table = np.empty((80, 4), object)
    for i, row in enumerate(sets):
        table[i] = row
    advantages, rate = transcribed(table[:, :3], table[:, 3], overlap, 0.15)
    wide = pl.DataFrame(
        {"unit_id": [f"t{i}" for i in range(80)]}
        | {
            name: [";".join(sorted(row[j])) or "none" for row in sets]
            for j, name in enumerate(["x", "y", "z", "model"])
        }
    )
    codebook = codebook_of("abc", "multilabel")
    codings = at.read_codings(wide, codebook, coders=["x", "y", "z", "model"])
    found = at.replacement_test(codings, "model", codebook=codebook, ci="analytic")
    assert found["level"].unique().to_list() == ["jaccard"]
    assert found["estimate"].to_list()[:3] == pytest.approx(advantages)
    assert found.filter(metric="winning_rate")["estimate"].item() == rate


def rates(right, n=20, epsilon=0.15):
    """The winning rates of samples of 100 texts, by three people and a model who are so often right."""
    tables = [drawn(seed, 100, 3, 3, right) for seed in range(n)]
    found = [at.replacement_test(codings_of_table(*each), "model", epsilon=epsilon, ci="analytic") for each in tables]
    return np.array([table.filter(metric="winning_rate")["estimate"].item() for table in found])


def test_a_better_model_wins_and_a_worse_one_does_not():
    assert (rates((0.8, 0.8, 0.8, 0.95)) >= 0.5).mean() > 0.9
    assert (rates((0.9, 0.9, 0.9, 0.3)) >= 0.5).mean() == 0


def test_chance_is_said_with_intervals_and_in_the_note():
    people, model = drawn(1, 100, 3, 3, (0.8, 0.8, 0.8, 0.95))
    table = at.replacement_test(codings_of_table(people, model), "model")
    shares = table.filter(metric="advantage")
    assert (shares["ci_low"] < shares["estimate"]).all()
    assert (shares["ci_high"] > shares["estimate"]).all()
    assert table["note"][-1] == "the model may replace a coder (epsilon 0.15)"
    assert "one-sided p < .001, adjusted" in table["note"][0]
    assert table["n_pairable"].to_list() == [100] * 5


def test_texts_of_a_document_count_as_one_where_clusters_are_named():
    people, model = drawn(1, 40, 3, 3, (0.7, 0.7, 0.7, 0.75))
    alone = codings_of_table(people, model)
    fourfold = pl.concat([alone.with_columns(unit_id=pl.col("unit_id") + f"_{k}") for k in range(4)])
    fourfold = fourfold.with_columns(document=pl.col("unit_id").str.slice(0, 5))
    one = at.replacement_test(alone, "model", ci="analytic")
    sure = at.replacement_test(fourfold, "model", ci="analytic")
    clustered = at.replacement_test(fourfold, "model", ci="analytic", cluster="document")
    assert clustered["note"].to_list() == one["note"].to_list() != sure["note"].to_list()
    assert clustered["se"].to_list()[:4] == pytest.approx(one["se"].to_list()[:4])


@pytest.mark.parametrize(
    ("coders", "units", "note"),
    [(1, 50, "fewer than two people"), (2, 50, "advise three coders"), (3, 20, "no coder has 30 texts")],
)
def test_too_few_people_or_texts_are_told(coders, units, note):
    people, model = drawn(1, units, coders, 3, (0.9,) * (coders + 1))
    table = at.replacement_test(codings_of_table(people, model), "model")
    assert note in table["note"][-1]
    assert table.filter(metric="winning_rate").is_empty() == (note != "advise three coders")


def test_a_coder_with_few_texts_is_left_out_of_the_test():
    people, model = drawn(1, 60, 4, 3, (0.9,) * 5)
    people[20:, 3] = None
    table = at.replacement_test(codings_of_table(people, model), "model")
    assert table.filter(coder_a="c3")["note"].item() == "not tested: fewer than 30 texts"
    assert table.filter(coder_a="people")["n_coders"].to_list() == [3, 3]


def test_all_alike_is_a_win_and_all_wrong_is_none():
    same = np.array([["a", "a", "a"]] * 40, object)
    for answer, rate in (("a", 1.0), ("b", 0.0)):
        table = at.replacement_test(codings_of_table(same, np.array([answer] * 40, object)), "model")
        assert table.filter(metric="winning_rate")["estimate"].item() == rate


def test_passing_is_no_evidence_where_the_most_frequent_label_would_pass():
    rng = np.random.default_rng(5)
    rare = np.where(rng.random((200, 4)) < 0.04, "yes", "no").astype(object)
    found = at.replacement_test(codings_of_table(rare[:, :3], rare[:, 3]), "model")
    assert found.filter(metric="winning_rate")["estimate"].item() == 1
    assert found["note"][-1].endswith("always giving 'no' would pass as well, so passing is no evidence here")


def test_bad_input_is_one_sentence(codings_of):
    codings = codings_of([["a", "b", "a"]] * 3)
    for arguments, said in (
        ({"models": "gpt"}, "no coder 'gpt'"),
        ({"models": []}, "No model was named"),
        ({"models": "c0", "epsilon": 1.5}, "no share of texts"),
        ({"models": "c0", "level": "ordinal"}, "without an order"),
        ({"models": "c0", "cluster": "coder"}, "Leave out cluster"),
    ):
        with pytest.raises(at.AnnotuneError, match=said):
            at.replacement_test(codings, **arguments)
