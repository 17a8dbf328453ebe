"""Tuning: parts that are never mixed, figures from texts looked at once, and one sentence for each fault."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import annotune as at
from annotune.measures.baselines import NO_INFORMATION, TF_IDF
from annotune.progress import listening
from annotune.tuning import choices as choices_module
from annotune.tuning import held_out
from annotune.tuning import trials as trials_module
from annotune.tuning.coded_texts import join


@pytest.fixture(scope="module")
def tune(topics, gold, book, tiny_base):
    """`at.tune` on the shared texts, quickly, with anything overruled by name."""

    def quickly(**options):
        given = {"corpus": topics, "gold": gold, "codebook": book(), "base": str(tiny_base), "epochs": 2, "n_boot": 20}
        return at.tune(**(given | options))

    return quickly


def test_few_texts_are_cross_validated_and_every_text_is_predicted(tune, topics):
    model = tune()
    assert model.card["parts"] == {"coded": 90, "held_out": 90, "folds": 5, "validation_share": 0.15}
    assert sorted(model.held_out["unit_id"]) == sorted(topics["unit_id"])
    assert not model.card["choices"]["epochs"]  # so few texts give the probe, which is not beside itself
    assert model.evaluation.models == [model.name, TF_IDF, NO_INFORMATION]
    assert model.evaluation.measures["n_units"].unique().to_list() == [90]
    assert model.evaluation.get("accuracy") > 0.8 > model.evaluation.get("accuracy", NO_INFORMATION)


def test_a_network_stands_beside_the_probe(tune, monkeypatch):
    choose = held_out.choose
    monkeypatch.setattr(held_out, "choose", lambda *how: replace(choose(*how), epochs=1))
    model = tune(method="lora", folds=2, epochs=1)
    assert model.evaluation.models == [model.name, held_out.PROBE, TF_IDF, NO_INFORMATION]


@pytest.mark.parametrize("options", [{"test": 0.2}, {"folds": 3}, {"test": {"doc": ["doc3", "DOC7"]}}])
def test_the_figures_are_those_of_the_held_out_predictions(tune, gold, book, options):
    model = tune(**options)
    truth = gold.filter(pl.col("unit_id").is_in(model.held_out["unit_id"].implode()))
    again = at.evaluate(truth, model.held_out, codebook=book(), n_boot=0)
    for name in ("accuracy", "macro_f1", "kappa"):
        assert again.get(name) == pytest.approx(model.evaluation.get(name))


def test_no_held_out_text_is_ever_fitted_or_chosen_on(tune, monkeypatch, topics):
    """What probes and networks are made from never has a token of the test part, nor what is decided on."""
    seen = []
    probe_of, tuned, try_out = trials_module.probe_of, trials_module.tuned, trials_module.try_out

    def note(examples):
        seen.extend(tuple(ids) for ids in examples.tokens.ids)

    def spy_probe(examples, *way):
        return note(examples) or probe_of(examples, *way)

    def spy_tuned(backbone, start, examples, *how, **more):
        return note(examples) or tuned(backbone, start, examples, *how, **more)

    def spy_try(task, rest, out, *how, **more):
        return note(task.examples.take(out)) or try_out(task, rest, out, *how, **more)

    for name, spy in (("probe_of", spy_probe), ("tuned", spy_tuned), ("try_out", spy_try)):
        monkeypatch.setattr(trials_module, name, spy)
    monkeypatch.setattr(held_out, "tuned", spy_tuned)
    unlike = topics.with_columns(text=pl.col("text") + pl.Series([" harvest" * (i % 9) for i in range(90)]))
    model = tune(corpus=unlike, test=0.2)
    tokens = model.tokenizer(
        unlike.filter(pl.col("unit_id").is_in(model.held_out["unit_id"].implode()))["text"].to_list()
    )
    assert len(model.held_out) == 18
    assert not {tuple(ids) for ids in tokens["input_ids"]} & set(seen)
    assert len(set(seen)) == 72


def test_named_texts_are_the_test_part(tune, topics):
    model = tune(test={"doc": ["doc3", "DOC7"]})
    there = topics.filter(pl.col("doc").is_in(["doc3", "doc7"]))["unit_id"]
    assert model.held_out["unit_id"].to_list() == there.to_list()


def test_one_value_and_numbers_name_a_part_too(tune, topics):
    years = topics.with_columns(year=pl.Series(np.arange(90) // 30 + 2000))
    model = tune(corpus=years, test={"year": 2002, "doc": ["doc14", "doc13"]})
    assert model.held_out["unit_id"].to_list() == topics["unit_id"][78:].to_list()


@pytest.fixture
def trials(monkeypatch):
    """Of each trial, the texts that were learnt from and those held out."""
    seen, real = [], trials_module.try_out

    def spy(task, rest, out, *how, **more):
        seen.append((task.coded.frame[rest], task.coded.frame[out]))
        return real(task, rest, out, *how, **more)

    monkeypatch.setattr(trials_module, "try_out", spy)
    return seen


@pytest.mark.parametrize("options", [{"test": 0.3}, {"folds": 3}])
def test_groups_stay_together(tune, trials, options, topics):
    model = tune(group="doc", **options)
    assert len(trials) == 3
    for rest, held in trials:
        assert not set(rest["doc"]) & set(held["doc"])
    if "test" in options:
        tested = topics.filter(pl.col("unit_id").is_in(model.held_out["unit_id"].implode()))
        assert not set(tested["doc"]) & {doc for rest, held in trials for doc in (*rest["doc"], *held["doc"])}


def test_equal_texts_are_never_in_two_parts(tune, topics, trials):
    doubled = topics.with_columns(text=pl.Series((topics["text"][:30].to_list()) * 3), label="label")
    model = tune(corpus=doubled, test=0.2)
    tested = doubled.filter(pl.col("unit_id").is_in(model.held_out["unit_id"].implode()))
    for rest, held in trials:
        assert len(held) > 0
        assert not set(rest["text"]) & set(held["text"])
        assert not set(tested["text"]) & {*rest["text"], *held["text"]}


def test_without_a_test_part_there_are_no_figures(tune):
    model = tune(test=0)
    assert (model.evaluation, model.held_out) == (None, None)
    assert model.card["parts"]["held_out"] == 0


@pytest.mark.parametrize("method", ["lora", "full", "probe"])
def test_all_methods_give_a_working_model(tune, topics, method):
    model = tune(method=method, test=0.2)
    assert (model.classify(topics)["label"] == topics["label"]).mean() > 0.9
    assert set(model.card["choices"]["losses"]) == ({"probe"} if method == "probe" else {"probe", "tuned"})


def test_a_network_that_went_astray_is_not_handed_out(tune):
    for rate, epochs in ((1e-3, {0, 2}), (5.0, {0})):
        choices = tune(test=0, method="full", learning_rate=rate).card["choices"]
        assert choices["epochs"] in epochs
        assert choices["epochs"] == 0 or choices["losses"]["tuned"] < choices["losses"]["probe"]


def test_an_ordinal_variable_keeps_its_order(tune, gold, book):
    names = {"Farming": "low", "Law": "medium", "Health": "high"}
    model = tune(
        gold=gold.with_columns(pl.col("label").replace(names)), codebook=book("ordinal", list(names.values())), test=0.2
    )
    assert model.labels == ("low", "medium", "high")
    assert model.evaluation.get("kappa_quadratic") > 0.5


def test_sets_of_labels(tune, topics, book):
    """Half of the texts are about two things; some about none."""
    about = [[], ["Law"], ["Health"], ["Health", "Law"]]
    words = {"Law": "court judge crime", "Health": "hospital doctor nurse"}
    texts = [" ".join([*(words[label] for label in about[i % 4]), "the year cost"]) for i in range(80)]
    corpus = topics[:80].with_columns(text=pl.Series([f"{text} {'new ' * (i % 5)}" for i, text in enumerate(texts)]))
    rows = [(f"q{i:03}", label) for i in range(80) for label in (about[i % 4] or [None])]
    gold = pl.DataFrame(rows, schema=["unit_id", "label"], orient="row").with_columns(
        variable=pl.lit("topic"), status=pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok"))
    )
    model = tune(corpus=corpus, gold=gold, codebook=book("multilabel", ["Health", "Law"]), test=0.25, epochs=4)
    assert model.evaluation.get("exact_set") > 0.8
    coded = model.classify(corpus)
    assert coded["unit_id"].n_unique() == 80
    said = coded.join(gold.select("unit_id", "label"), on=["unit_id", "label"], nulls_equal=True)
    assert len(said) > 0.8 * len(gold)


def test_the_same_tune_twice_gives_the_same_bytes(tune, tmp_path, topics):
    torch.manual_seed(123)
    first = tune(test=0.2).save(tmp_path / "first")
    torch.manual_seed(456)  # what was drawn before does not matter
    second = tune(test=0.2).save(tmp_path / "second")
    cards = []
    for path in sorted(path for path in first.rglob("*") if path.is_file()):
        name = path.relative_to(first)
        if path.name == "annotune.json":
            cards = [at.load(folder).card for folder in (first, second)]
        else:
            assert path.read_bytes() == (second / name).read_bytes(), name
    times = [card.pop("time") for card in cards]
    assert cards[0] == cards[1]
    assert all(time["seconds"] > 0 for time in times)


def test_another_seed_gives_another_split(tune):
    held = [tune(test=0.2, seed=seed, method="probe").held_out["unit_id"].to_list() for seed in (1, 2)]
    assert held[0] != held[1]


def test_gold_without_text_is_counted_and_left_out(tune, topics, gold):
    blank = topics.with_columns(text=pl.when(pl.col("unit_id") != "q003").then("text"))
    more = pl.concat([gold, gold[:4].with_columns(unit_id=pl.col("unit_id") + "x")])
    with pytest.warns(at.AnnotuneWarning) as caught:
        model = tune(corpus=blank, gold=more, method="probe", test=0.2)
    assert any("5 of 94 coded units have no text" in str(warning.message) for warning in caught)
    assert model.card["parts"]["coded"] == 89


def test_labels_that_were_never_coded_are_named_and_not_given(tune, book, topics):
    with pytest.warns(at.AnnotuneWarning, match="One label of 'topic' never occur.*'Defence'"):
        model = tune(codebook=book(names=["Defence", "Health", "Law", "Farming"]), method="probe", test=0.2)
    assert model.labels == ("Health", "Law", "Farming")
    assert "p_Defence" not in model.classify(topics).columns


def test_long_texts_are_counted(tune, topics):
    long = topics.with_columns(text=pl.col("text") + " year" * 70)
    with pytest.warns(at.AnnotuneWarning, match="90 coded texts are longer than 64 tokens"):
        assert tune(corpus=long, method="probe", test=0.2, long_texts="cut").card["cut_texts"] == 90


def test_the_card_tells_what_the_model_was_made_of(tune):
    model = tune(test=0.2)
    card = model.card
    assert card["base"]["name"] == card["settings"]["base"] == "tiny"
    assert card["settings"]["seed"] == 1
    assert len(card["coded_sha256"]) == len(card["model_sha256"]) == 64
    assert card["versions"]["torch"] == torch.__version__
    assert model.name == f"tiny-{card['model_sha256'][:4]}"


def test_progress_is_told_to_who_listens(tune):
    told = []
    with listening(lambda what, done, total: told.append((what, done, total))):
        tune(test=0.2)
    assert {"Reading the texts", "Part 1 of 3: Tuning", "Testing"} <= {what for what, _, _ in told}
    assert all(0 < done <= total for _, done, total in told)


def test_the_default_base_tells_topics_apart_from_few_examples(topics, gold, book):
    model = at.tune(topics, gold, book(), test=0.3, epochs=1, n_boot=20)
    assert model.evaluation.get("accuracy") > 0.9
    fresh = pl.DataFrame({"unit_id": ["a", "b"], "text": ["She broke her leg and had an operation.", "He was fined."]})
    assert model.classify(fresh)["label"].to_list() == ["Health", "Law"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epoch": 3}, "no setting 'epoch'.*Did you mean 'epochs'"),
        ({"epochs": 0}, "setting 'epochs' cannot be 0.*greater than or equal to 1"),
        ({"method": "qlora"}, "setting 'method' cannot be 'qlora'"),
        ({"seed": -1}, "setting 'seed'"),
        ({"base": ""}, "setting 'base'"),
        ({"device": "gpu"}, "no device 'gpu'.*'cuda'"),
        ({"variable": "topics"}, "no variable 'topics'.*Did you mean 'topic'"),
        ({"group": "dok"}, "no column 'dok' to group by.*Did you mean 'doc'"),
        ({"test": {"dok": ["doc1"]}}, "no column 'dok' to take the test part by.*Did you mean 'doc'"),
        ({"test": {"doc": ["doc99"]}}, "No coded text has the doc 'doc99'.*Did you mean"),
        ({"test": {"doc": [f"doc{i}" for i in range(15)]}}, "holds all coded texts"),
        ({"test": {"doc": "doc1", "unit_id": "q080"}}, "holds no coded texts"),
        ({"test": {}}, "holds all coded texts"),
        ({"test": 1.5}, "test=1.5 cannot be held out"),
        ({"test": -0.1}, "test=-0.1 cannot be held out"),
        ({"validation": 0.0}, "validation=0.0 cannot be held out"),
        ({"test": 0.2, "folds": 3}, "Both test= and folds="),
        ({"folds": 1}, "cannot be put into 1 folds"),
        ({"folds": 200}, "different texts cannot be put into 200 folds"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(tune, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        tune(**options)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda gold: gold[:5], "Only 5 texts have both"),
        (lambda gold: gold.with_columns(label=pl.lit("Law")), "All 90 coded texts have the same answer.*'Law'"),
        (lambda gold: pl.concat([gold, gold.with_columns(label=pl.lit("Law"))]), "several answers.*resolve"),
        (lambda gold: gold.with_columns(label=pl.lit("Defence")), "'Defence' is not in the variable"),
        (lambda gold: gold.with_columns(variable=pl.lit("tone")), "'topic'"),
        (lambda gold: gold.with_columns(unit_id="z" + pl.col("unit_id")), "Only 0 texts"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*coded units have no text")
def test_gold_that_cannot_be_learnt_from_is_one_sentence(tune, gold, change, says):
    with pytest.raises(at.AnnotuneError, match=says):
        tune(gold=change(gold))


def test_a_group_column_with_holes_is_refused(tune, topics):
    holes = topics.with_columns(doc=pl.when(pl.col("doc") != "doc1").then("doc"))
    with pytest.raises(at.AnnotuneError, match="'doc', is empty for 6 coded texts"):
        tune(corpus=holes, group="doc")


def test_the_rarest_label_of_a_set_is_its_stratum(topics, book):
    gold = pl.DataFrame({"unit_id": topics["unit_id"], "label": ["Health"] * 90}).with_columns(variable=pl.lit("topic"))
    extra = gold[:30].with_columns(label=pl.lit("Law"))
    coded = join(topics, pl.concat([gold, extra]), book("multilabel", ["Health", "Law"]))
    assert coded.strata.tolist() == [1] * 30 + [0] * 60
    assert_frame_equal(coded.frame, topics)


def test_rare_labels_are_decided_on_in_folds(tune, monkeypatch, trials):
    """Seventy texts of three labels: a validation part of fifteen in a hundred would have three of each."""
    monkeypatch.setattr(held_out, "FEW", 50)
    tune(test=0.2)
    assert [len(held) for _, held in trials] == [24, 24, 24]
    trials.clear()
    monkeypatch.setattr(held_out, "UNSURE", 1.0)
    tune(test=0.2)
    assert [len(held) for _, held in trials] == [11]


def test_with_many_texts_the_model_that_was_tried_is_the_one_handed_out(tune, monkeypatch, topics):
    monkeypatch.setattr(held_out, "FEW", 50)
    monkeypatch.setattr(held_out, "UNSURE", 1.0)
    networks, real = [], trials_module.tuned
    for module in (trials_module, held_out):
        monkeypatch.setattr(module, "tuned", lambda *how, **more: networks.append(real(*how, **more)) or networks[-1])
    model = tune(test=0.2, method="full")
    assert len(networks) == 1
    assert model.model is networks[0].model or model.card["choices"]["epochs"] == 0


@pytest.mark.parametrize("method", ["probe", "lora"])
def test_with_many_texts_a_probe_learns_from_all_of_them(tune, monkeypatch, method):
    """What it is made of, and on what it is decided: 72 texts, and folds in which each of them was left out once."""
    monkeypatch.setattr(held_out, "FEW", 50)
    monkeypatch.setattr(held_out, "UNSURE", 1.0)
    monkeypatch.setattr(choices_module, "HARDLY_WORSE", 1e6)  # the probe is taken, however much better a network is
    learnt, decided = [], []
    fit, decide = held_out.probe_for, held_out.chosen
    monkeypatch.setattr(held_out, "probe_for", lambda task, seen, way: learnt.append(len(seen)) or fit(task, seen, way))
    monkeypatch.setattr(held_out, "chosen", lambda task, trials: decided.append(trials) or decide(task, trials))
    model = tune(test=0.2, method=method)
    assert model.card["choices"]["epochs"] == 0
    assert learnt == [72]
    assert sorted(np.concatenate([trial.out for trial in decided[-1]]).tolist()) == list(range(72))
    assert all(trial.tuned is None for trial in decided[-1])
    assert set(model.card["choices"]["losses"]) == ({"probe"} if method == "probe" else {"probe", "tuned"})


def test_folds_models_are_handed_on_as_they_were_measured(tune, topics):
    """Each fold's model codes the texts that it has not seen just as the figures have it."""
    models = {}
    whole = tune(folds=3, each_fold=lambda number, model: models.update({number: model}))
    for number, model in models.items():
        rows = whole.held_out.filter(fold=number).drop("fold", "coder")
        again = model.classify(topics.join(rows.select("unit_id"), on="unit_id", how="semi", maintain_order="left"))
        assert_frame_equal(again.drop("coder"), rows, abs_tol=1e-4, check_row_order=False)


def test_a_test_part_keeps_the_folds_in_which_choices_are_made(tune, tmp_path, monkeypatch):
    real, tried = trials_module.try_out, []

    def counted(*arguments, **options):
        tried.append(arguments)
        if len(tried) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    whole = tune(test=0.2)
    monkeypatch.setattr(trials_module, "try_out", counted)
    with pytest.raises(KeyboardInterrupt):
        tune(test=0.2, keep=tmp_path)
    again = tune(test=0.2, keep=tmp_path)
    assert len(tried) == 2 + held_out.INNER_FOLDS - 1
    assert again.card["model_sha256"] == whole.card["model_sha256"]
    assert_frame_equal(again.held_out, whole.held_out)


def test_it_is_said_before_how_many_networks_are_tuned(tune, monkeypatch, capsys):
    monkeypatch.setattr("annotune.progress.SHORT", 0.0)
    tune(folds=3, method="lora")
    assert "Tuning 3 networks for 3 folds, and one for all 90 coded texts: about 10 seconds." in capsys.readouterr().err
    tune(test=0.2, method="lora")
    assert "Tuning 3 networks to decide on, and one for 90 coded texts" in capsys.readouterr().err
    tune(folds=3, method="probe")
    assert "Tuning" not in capsys.readouterr().err
