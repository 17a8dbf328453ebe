"""What single coders would say: offsets of log-odds, shrunk, and found on other texts than they are scored on."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.tuning.coder_answers import answers_of_coders
from annotune.tuning.coder_offsets import CoderAnswers, CoderOffsets, choose_offsets, offsets

HABITS = {"anna": 1.2, "ben": 0.0, "cleo": -1.2}


def crowd(seed, habits, n=600, labels=2, sets=True):
    """Logits (n, labels) and every coder's answer to every text, with these offsets of log-odds (coders, labels)."""
    rng = np.random.default_rng(seed)
    logits, habits = rng.normal(0, 1.5, (n, labels)), np.asarray(habits, dtype=float).reshape(-1, labels)
    text, coder = np.repeat(np.arange(n), len(habits)), np.tile(np.arange(len(habits)), n)
    said = logits[text] + habits[coder]
    if sets:
        truth = rng.random(said.shape) < 1 / (1 + np.exp(-said))
    else:
        truth = np.eye(labels)[(said + rng.gumbel(size=said.shape)).argmax(1)]
    names = tuple(f"coder{i}" for i in range(len(habits)))
    return logits, CoderAnswers(names, text, coder, truth.astype(float), sets)


def chosen(logits, answers):
    n = len(logits)
    return choose_offsets(logits, answers, np.arange(n) % 5, np.ones(n))


@pytest.mark.parametrize("sets", [True, False])
def test_offsets_that_made_the_answers_come_back(sets):
    habits = np.array([[0.8, -0.4, 0.0], [-0.6, 0.6, 0.3], [0.0, 0.0, -0.5]])
    logits, answers = crowd(1, habits, n=6000, labels=3, sets=sets)
    found = offsets(logits, answers, np.ones(len(logits)), 3.0)
    centred = (lambda rows: rows) if sets else (lambda rows: rows - rows.mean(1, keepdims=True))
    assert centred(found) == pytest.approx(centred(habits), abs=0.1)


def test_they_are_those_of_a_penalised_logistic_regression():
    """With logits that are all 0 the answers of a coder are a logit with a constant alone: scikit-learn's ridge."""
    from sklearn.linear_model import LogisticRegression

    _, answers = crowd(2, [0.9, -0.3], n=300, labels=1)
    found = offsets(np.zeros((300, 1)), answers, np.ones(300), 0.3)
    who = np.eye(2)[answers.coder]
    fitted = LogisticRegression(C=0.3**2, fit_intercept=False, tol=1e-10).fit(who, answers.truth[:, 0])
    assert found.ravel() == pytest.approx(fitted.coef_.ravel(), abs=1e-4)


@settings(max_examples=10)
@given(st.integers(0, 200), st.permutations(["anna", "ben", "cleo"]))
def test_other_names_change_names_alone(seed, names):
    logits, answers = crowd(seed, [[1.2] * 2, [0.0] * 2, [-1.2] * 2], n=150)
    plain = chosen(logits, answers)
    renamed = CoderAnswers(tuple(names), answers.text, answers.coder, answers.truth, answers.sets)
    found = chosen(logits, renamed)
    assert found.spread == plain.spread > 0
    for old, new in zip(answers.names, names, strict=True):
        assert found.by_coder[new] == plain.by_coder[old]


def test_coders_who_say_the_same_get_nothing_worth_having():
    logits, answers = crowd(3, [0.0], n=600, labels=1)
    text, coder = np.repeat(answers.text, 3), np.tile(np.arange(3), 600)
    same = CoderAnswers(("a", "b", "c"), text, coder, np.repeat(answers.truth, 3, axis=0), True)
    assert chosen(logits, same) == CoderOffsets()
    assert np.abs(offsets(logits, same, np.ones(600), 0.1)).max() < 0.1


def test_chance_is_no_habit_and_one_coder_is_the_plain_model():
    logits, answers = crowd(5, [[0.0] * 2] * 4, n=300)
    assert chosen(logits, answers) == CoderOffsets()
    logits, alone = crowd(6, [0.8], n=300, labels=1)
    assert chosen(logits, alone) == CoderOffsets()


def test_a_coder_with_few_codings_is_near_the_others():
    logits, answers = crowd(7, [1.0, -1.0, 3.0], n=500, labels=1)
    few = (answers.coder != 2) | (answers.text < 2)
    rare = CoderAnswers(answers.names, answers.text[few], answers.coder[few], answers.truth[few], True)
    found, known = chosen(logits, rare), chosen(logits, answers)
    assert found.by_coder["coder0"][0] == pytest.approx(1.0, abs=0.4)
    assert 0 < found.by_coder["coder2"][0] < 0.4 * known.by_coder["coder2"][0]


def test_answers_are_read_by_text_and_coder():
    entry = at.Variable(name="t", kind="multilabel", labels=(at.Label(code=0, name="x"), at.Label(code=1, name="y")))
    rows = [("u2", "ben", "x", "ok"), ("u2", "ben", "y", "ok"), ("u1", "ben", None, "none"), ("u1", "anna", "y", "ok")]
    frame = pl.DataFrame(rows, schema=["unit_id", "coder", "label", "status"], orient="row")
    book = at.Codebook(variables=(entry,))
    codings = at.read_codings(frame.with_columns(variable=pl.lit("t")), book)
    found = answers_of_coders(codings, pl.Series(["u1", "u2"]), entry)
    said = {
        (int(text), found.names[coder]): row.tolist()
        for text, coder, row in zip(found.text, found.coder, found.truth, strict=True)
    }
    assert said == {(0, "anna"): [0.0, 1.0], (0, "ben"): [0.0, 0.0], (1, "ben"): [1.0, 1.0]}
    later = found.take(np.array([1]))
    assert (later.text.tolist(), later.truth.tolist()) == ([0], [[1.0, 1.0]])
    with pytest.raises(at.AnnotuneError, match="None of the texts to learn from has an answer for 't'"):
        answers_of_coders(codings, pl.Series(["u9"]), entry)


@pytest.fixture(scope="module")
def coded():
    """Texts with one telling word out of three; anna says Health more readily than ben, cleo less."""
    rng = np.random.default_rng(4)
    words, rows, codings = {"hospital": 2.0, "minister": 0.3, "court": -2.0}, [], []
    for i in range(180):
        word = list(words)[i % 3]
        rows.append((f"t{i}", f"The {word} was asked about item {i}."))
        for name, habit in HABITS.items():
            yes = rng.random() < 1 / (1 + np.exp(-(words[word] + habit)))
            codings.append((f"t{i}", "topic", name, "Health" if yes else "Law"))
    labels = (at.Label(code=0, name="Health"), at.Label(code=1, name="Law"))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    texts = pl.DataFrame(rows, schema=["unit_id", "text"], orient="row")
    table = pl.DataFrame(codings, schema=["unit_id", "variable", "coder", "label"], orient="row")
    return texts, at.read_codings(table, book), book


@pytest.fixture(scope="module")
def model(coded):
    texts, codings, book = coded
    gold = at.resolve(codings, "shares", codebook=book)
    return at.tune(texts, gold, book, method="probe", folds=3, n_boot=0, coders=codings)


def test_what_is_handed_out_was_measured(model, coded):
    scores = model.coder_scores
    everyone = scores.row(0, named=True)
    assert everyone["coder"] is None
    assert everyone["ci_high"] < 0
    assert everyone["log_score"] == pytest.approx(model.evaluation.get("log_score"), abs=1e-6)
    assert scores["coder"].to_list()[1:] == sorted(HABITS)
    assert scores["offered"].all()
    means = scores[1:].select(pl.col("log_score", "log_score_as_coder").mean()).row(0)
    assert means == pytest.approx((everyone["log_score"], everyone["log_score_as_coder"]))
    assert everyone["gain"] == pytest.approx(everyone["log_score_as_coder"] - everyone["log_score"])
    assert "classify(coder=...) says it for anna, ben, cleo" in " ".join(str(model).split())


def test_classify_says_what_a_coder_would(model, coded):
    texts = coded[0].head(30)
    plain = model.classify(texts)
    health = {name: model.classify(texts, coder=name)["p_Health"] for name in HABITS}
    assert (health["anna"] > plain["p_Health"]).all()
    assert (health["cleo"] < plain["p_Health"]).all()
    one = model.classify(texts, coder="anna")
    assert one["coder"].unique().to_list() == [f"{model.name} as anna"]
    moved = np.log(one["p_Health"] / one["p_Law"]) - np.log(plain["p_Health"] / plain["p_Law"])
    known = model.card["choices"]["coders"]["by_coder"]["anna"]
    assert moved.to_numpy() == pytest.approx(known[0] - known[1], abs=1e-5)
    with pytest.raises(at.AnnotuneError, match=r"without answers of a coder 'ana'\. Did you mean 'anna'"):
        model.classify(texts, coder="ana")


def test_a_saved_model_says_it_too(model, coded, tmp_path):
    texts, again = coded[0].head(5), at.load(model.save(tmp_path / "model"))
    assert again.coder_scores.equals(model.coder_scores)
    assert again.classify(texts, coder="ben")["p_Health"].to_list() == pytest.approx(
        model.classify(texts, coder="ben")["p_Health"].to_list(), abs=1e-6
    )


def test_the_command_line_says_it_too(model, coded, tmp_path):
    texts, folder, out = coded[0].head(6), model.save(tmp_path / "model"), tmp_path / "coded.csv"
    texts.write_csv(tmp_path / "texts.csv")
    where = [str(folder), str(tmp_path / "texts.csv"), str(out)]
    result = CliRunner().invoke(app, ["classify", *where, "--coder", "anna"])
    assert result.exit_code == 0, result.output
    said = pl.read_csv(out)["topic_p_Health"].to_list()
    assert said == pytest.approx(model.classify(texts, coder="anna")["p_Health"].to_list(), abs=1e-5)
    for words, told in ((["--coder", "dora"], "without answers"), (["--coder", "anna", "--out", "folder"], "one file")):
        with pytest.raises(at.AnnotuneError, match=told):
            CliRunner().invoke(app, ["classify", *where, *words], catch_exceptions=False)


def test_only_beside_gold_of_all_coders(coded):
    texts, codings, book = coded
    with pytest.raises(at.AnnotuneError, match="coders= is for gold with its coders' shares"):
        at.tune(texts, at.resolve(codings, "majority", codebook=book), book, method="probe", coders=codings)


def test_a_model_without_coders_says_so(model, coded):
    choices = model.card["choices"]
    for coders, words in ((None, "does not know what single coders"), ({"spread": 0, "by_coder": {}}, "no better")):
        without = replace(model, card={**model.card, "choices": {**choices, "coders": coders}})
        with pytest.raises(at.AnnotuneError, match=words):
            without.classify(coded[0].head(2), coder="anna")
