"""A runtime is taken where it is faster and gives the labels of float32; one that is broken never is."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.runtimes import choice as choices
from annotune.runtimes import engines
from annotune.runtimes.choice import Choice, choose, without_trial
from annotune.runtimes.engines import Runtime
from annotune.runtimes.proof import agreement

LABELS = np.array(["Health", "Law", "Farming"])


def codings(answers):
    return pl.DataFrame(
        {"unit_id": np.arange(len(answers)), "variable": "topic", "label": LABELS[np.array(answers)], "status": "ok"}
    )


def other_labels(n, changed):
    """n answers with equal shares, and the same of which so many are another label, in turn."""
    answers = np.arange(n) % 3
    moved = answers.copy()
    moved[:changed] = (moved[:changed] + 1) % 3
    return codings(answers), codings(moved)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.data())
def test_as_many_labels_are_equal_as_were_left_alone(answers, data):
    places = data.draw(st.sets(st.integers(0, len(answers) - 1)))
    others = [(answer + 1) % 3 if i in places else answer for i, answer in enumerate(answers)]
    found = agreement(codings(answers), codings(others).sample(fraction=1, shuffle=True, seed=1))
    assert (found.n, found.equal) == (len(answers), len(answers) - len(places))


def test_a_set_is_equal_only_as_a_whole():
    one = pl.DataFrame(
        {"unit_id": [1, 1, 2], "variable": "v", "label": ["a", "b", None], "status": ["ok", "ok", "none"]}
    )
    assert agreement(one, one.reverse()).equal == 2
    assert agreement(one, one.filter(pl.col("label").ne_missing("b"))).equal == 1
    assert agreement(one, one.with_columns(status=pl.lit("error"))).equal == 1


@pytest.mark.parametrize(
    ("changed", "exact", "taken"), [(0, True, True), (1, True, False), (5, False, True), (6, False, False)]
)
def test_five_labels_in_a_thousand_may_differ_and_none_where_it_is_exact(changed, exact, taken):
    assert (agreement(*other_labels(1000, changed)).why_not(exact) == "") is taken


def test_a_rare_label_that_vanishes_is_seen_where_labels_are_all_but_equal():
    answers = np.zeros(1000, dtype=int)
    moved = answers.copy()
    moved[:5] = 2
    found = agreement(codings(answers), codings(moved))
    assert found.equal == 995
    assert found.why_not(False) == "the share of 'Farming' moved from 0.0% to 0.5%"


RUNTIMES = {"float32": True, "quick": False, "broken": False, "twin": True}


@pytest.fixture
def runtimes(monkeypatch):
    for name, exact in RUNTIMES.items():
        monkeypatch.setitem(engines.RUNTIMES, name, Runtime(exact, lambda _: None, engines.Engine))


def chosen(precision, seconds, changed):
    """The choice among runtimes of these speeds, of which so many labels in a thousand are other ones."""
    return choose(
        precision, list(seconds), seconds.__getitem__, lambda name: other_labels(1000, changed.get(name, 0))[1]
    )


def test_the_fastest_that_proves_itself_is_taken(runtimes):
    seconds = {"float32": 4.0, "quick": 2.0, "broken": 1.0, "twin": 3.0}
    found = chosen("auto", seconds, {"broken": 300, "quick": 2})
    assert found.runtime == "quick"
    assert {trial.runtime: (trial.equal, bool(trial.why_not)) for trial in found.trials} == {
        "float32": (0, True), "broken": (700, True), "quick": (998, False), "twin": (0, True),
    }  # fmt: skip
    assert "2.0 times as fast as float32" in found.why
    assert "998 of 1,000 labels" in found.why
    assert Choice.from_json(found.as_json()) == found


def test_exact_takes_only_what_gives_every_label(runtimes):
    seconds = {"float32": 4.0, "quick": 1.0, "twin": 2.0}
    assert chosen("exact", seconds, {}).runtime == "twin"
    assert chosen("exact", seconds, {"twin": 1}).runtime == "float32"


def test_what_is_hardly_faster_or_cannot_compute_is_left(runtimes):
    assert chosen("auto", {"float32": 1.0, "quick": 0.95}, {}).runtime == "float32"

    def seconds(name):
        if name == "quick":
            raise at.AnnotuneError("The network cannot be read.")
        return 1.0

    found = choose("auto", ["float32", "quick"], seconds, lambda _: other_labels(9, 0)[0])
    assert found.runtime == "float32"
    assert found.trials[-1].why_not == "The network cannot be read"


def test_nothing_is_tried_where_that_cannot_pay(runtimes):
    assert without_trial("auto", ["float32", "quick"], choices.FEWEST - 1).runtime == "float32"
    assert without_trial("exact", ["float32", "quick"], 10**6).runtime == "float32"
    assert without_trial("auto", ["float32", "quick"], 10**6) is None
    assert without_trial("quick", ["float32", "quick"], 1).runtime == "quick"
    assert without_trial("quick", ["float32"], 1).runtime == "float32"  # as on a processor without bfloat16


class Upset:
    """A network of which so many outputs are wrong: the first of every so many texts has its labels turned round."""

    def __init__(self, model, every):
        self.model, self.every, self.n = model, every, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def __call__(self, ids, mask):
        logits = self.model(ids, mask).clone()
        wrong = (np.arange(self.n, self.n + len(ids)) % self.every) == 0
        self.n += len(ids)
        logits[wrong] = -logits[wrong]
        return logits


@pytest.fixture
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), epochs=2, n_boot=0, test=0.2)


def many(n):
    words = ["hospital", "doctor", "court", "judge", "cattle", "wheat", "minister", "cost"]
    rng = np.random.default_rng(1)
    texts = {" ".join(rng.choice(words, 6)) for _ in range(2 * n)}
    return pl.DataFrame({"unit_id": np.arange(n), "text": sorted(texts)[:n]})


@pytest.mark.filterwarnings("ignore:.*more than chance")
@pytest.mark.parametrize(("every", "runtime"), [(10, "float32"), (10_000, "quick")])
def test_a_model_codes_by_what_proved_itself_on_its_texts(model, monkeypatch, capfd, every, runtime):
    quick = Runtime(False, lambda _: None, lambda network: engines.Engine(Upset(network, every)))
    monkeypatch.setattr(engines, "RUNTIMES", engines.RUNTIMES)
    for name in [name for name in engines.RUNTIMES if name != "float32"]:
        monkeypatch.delitem(engines.RUNTIMES, name)
    monkeypatch.setitem(engines.RUNTIMES, "quick", quick)
    monkeypatch.setattr(choices, "FEWEST", 400)
    monkeypatch.setattr(choices, "GAIN", 0.0)
    texts = many(500)
    choice = model.choose_runtime(texts)
    assert choice.runtime == runtime
    assert choice.why in capfd.readouterr().err
    coded = model.classify(texts, precision=choice)
    if runtime == "float32":
        assert coded.equals(model.classify(texts))
    else:
        assert (coded["label"] == model.classify(texts)["label"]).mean() >= 0.995
        assert not coded.equals(model.classify(texts)) or every > len(texts)


def test_words_that_are_no_precision(model):
    with pytest.raises(at.AnnotuneError, match=r"'bfloat' is unknown\. Did you mean 'bfloat16'"):
        model.classify(many(3), precision="bfloat")
    with pytest.raises(at.AnnotuneError, match="'fast' is unknown"):
        model.choose_runtime(many(3), "fast")
