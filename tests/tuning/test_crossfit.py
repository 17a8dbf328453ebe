"""Cross-fitting: no model predicts what it was tuned on, and what was stopped goes on."""

import shutil
import signal
import subprocess
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import annotune as at
from annotune.models.classifier import Classifier
from annotune.progress import listening
from annotune.tuning import trials as trials_module


@pytest.fixture(scope="module")
def texts(topics):
    """The shared texts with the probability of being coded: 60 of 90."""
    return topics.drop("label").with_columns(pi=pl.lit(2 / 3))


@pytest.fixture(scope="module")
def crossfit(texts, gold, book, tiny_base):
    """`at.crossfit` on the shared texts, quickly, with anything overruled by name."""

    def quickly(**options):
        given = {"corpus": texts, "gold": gold[:60], "codebook": book(), "base": str(tiny_base), "method": "probe"}
        return at.crossfit(**(given | {"folds": 3, "n_boot": 10} | options))

    return quickly


@pytest.fixture(scope="module")
def done(crossfit):
    return crossfit(group="doc")


@pytest.fixture(scope="module")
def by_model(crossfit):
    """With the texts that nobody coded left to the model of all coded texts."""
    return crossfit(group="doc", uncoded="model")


@pytest.fixture(scope="module")
def by_lora(crossfit):
    """With networks that are tuned, by a run that nothing stopped."""
    return crossfit(method="lora", epochs=1)


@pytest.fixture(scope="module")
def kept(crossfit, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("kept")
    crossfit(out=folder)
    return folder


@pytest.fixture
def fits(monkeypatch):
    """A list that grows with each fold that is tried."""
    seen, real = [], trials_module.try_out
    monkeypatch.setattr(trials_module, "try_out", lambda *parts, **more: seen.append(parts) or real(*parts, **more))
    return seen


def test_coded_texts_have_a_fold_and_the_others_the_full_model(by_model, texts, gold):
    done, data = by_model, by_model.data
    assert data["unit_id"].to_list() == done.codings["unit_id"].to_list() == texts["unit_id"].to_list()
    coded = data["unit_id"].is_in(gold[:60]["unit_id"].implode())
    assert (data["coded"] == coded).all()
    assert (data["fold"].is_not_null() == coded).all()
    assert data["topic_gold"].drop_nulls().to_list() == gold["label"][:60].to_list()
    rest = done.codings.filter(pl.col("fold").is_null()).drop("fold", "pi")
    again = done.model.classify(texts.filter(~coded))
    assert_frame_equal(rest, again)
    held = done.codings.filter(pl.col("fold").is_not_null())
    assert_frame_equal(held.drop("pi"), done.model.held_out)


def test_every_text_is_coded_by_a_fold_s_model_that_has_not_seen_it(done, by_model, texts, gold, book, tiny_base):
    """The models that tuning in the same folds makes, each asked about all texts."""
    said, held = {}, {}

    def ask(number, model):
        said[number], held[number] = model.classify(texts), model.held_out

    options = {"base": str(tiny_base), "method": "probe", "folds": 3, "group": "doc", "n_boot": 10}
    whole = at.tune(texts, gold[:60], book(), each_fold=ask, **options)
    assert sorted(said) == sorted(done.codings["fold"].unique()) == [1, 2, 3]
    assert done.codings["coder"].unique().to_list() == [whole.name]
    assert done.codings["unit_id"].to_list() == texts["unit_id"].to_list()
    for number in said:
        rows = done.codings.filter(pl.col("fold") == number).drop("coder", "pi", "fold")
        wanted = said[number].drop("coder").filter(pl.col("unit_id").is_in(rows["unit_id"].implode()))
        assert_frame_equal(rows, wanted, rel_tol=1e-4)
        assert set(held[number]["unit_id"]) == set(done.data.filter(coded=True, fold=number)["unit_id"])
        assert_frame_equal(held[number].drop("coder"), whole.held_out.filter(fold=number).drop("coder"))
    assert_frame_equal(done.model.held_out, by_model.model.held_out)
    assert done.model.card["model_sha256"] == by_model.model.card["model_sha256"]


def test_a_document_that_was_coded_in_part_has_one_fold(crossfit, texts, gold):
    """A model that learnt from some of its texts would code the others better than those that it was measured on."""
    half = gold.filter(pl.Series([i % 3 > 0 for i in range(90)]))
    data = crossfit(gold=half, group="doc").data
    assert data["coded"].sum() == 60
    assert data.group_by("doc").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 15


def test_the_order_of_the_texts_does_not_matter(crossfit, done, texts):
    turned = crossfit(corpus=texts.sample(fraction=1, shuffle=True, seed=3), group="doc")
    assert_frame_equal(turned.data.sort("unit_id"), done.data.sort("unit_id"))


def test_a_text_without_words_is_missing_whoever_codes_it(crossfit, texts):
    empty = texts.with_columns(text=pl.when(pl.col("unit_id") == "q080").then(None).otherwise("text"))
    with pytest.warns(at.AnnotuneWarning, match="empty") as notes:  # once, of the corpus, and not of a fold's texts too
        codings = crossfit(corpus=empty).codings
    assert [str(note.message).partition(";")[0] for note in notes if "empty" in str(note.message)] == [
        "The corpus: 1 of 90 texts are empty"
    ]
    row = codings.filter(unit_id="q080").row(0, named=True)
    assert row["status"] == "missing"
    assert row["fold"] in (1, 2, 3)


def test_the_sampling_probability_is_carried_through(done, texts):
    assert done.data["pi"].to_list() == done.codings["pi"].to_list() == texts["pi"].to_list()


def test_a_group_is_in_one_fold(done):
    folds = done.data.filter("coded").group_by("doc").agg(pl.col("fold").n_unique())
    assert folds["fold"].to_list() == [1] * 10
    assert sorted(done.data["fold"].drop_nulls().unique()) == [1, 2, 3]


def test_the_evaluation_is_of_the_out_of_fold_predictions(done, gold, book):
    held = done.codings.join(gold[:60], on="unit_id", how="semi")
    again = at.evaluate(gold[:60], held, codebook=book(), n_boot=0)
    assert done.evaluation.get("accuracy") == pytest.approx(again.get("accuracy"))
    assert done.evaluation.measures["n_units"].unique().to_list() == [60]


def test_no_model_has_seen_an_equal_text_whatever_its_group(crossfit, texts, fits):
    """Every text stands in two documents: were a copy in the training part, prediction would be memory."""
    texts = texts.with_columns(text=pl.concat([texts["text"][:30]] * 3))
    assert texts.group_by("text").agg(pl.col("doc").n_unique())["doc"].min() > 1
    done = crossfit(corpus=texts, group="doc")
    tokenize = done.model.tokenizer
    for number, (task, rest, *_) in enumerate(fits, start=1):
        held = done.data.filter(pl.col("fold") == number).join(texts.select("unit_id", "text"), on="unit_id")
        known = {tuple(ids) for ids in task.examples.take(rest).tokens.ids}
        assert known
        assert not known & {tuple(ids) for ids in tokenize(held["text"].to_list())["input_ids"]}


def test_a_text_that_equals_a_coded_one_has_its_prediction(crossfit, texts):
    """The full model was tuned on its twin."""
    twins = texts.with_columns(
        text=pl.when(pl.col("unit_id") == "q080").then(pl.lit(texts["text"][7])).otherwise("text")
    )
    codings = crossfit(corpus=twins).codings
    columns = ["label", "fold", "p_Health", "p_Law", "p_Farming"]
    twin, coded = (codings.filter(unit_id=name).select(columns) for name in ("q080", "q007"))
    assert coded["fold"][0] is not None
    assert_frame_equal(twin, coded)


def test_what_was_stopped_goes_on_and_ends_the_same(crossfit, by_lora, fits, tmp_path, monkeypatch):
    options = {"method": "lora", "epochs": 1}
    real = trials_module.outputs

    def stop_at_the_third(*parts, **more):
        if len(fits) == 3:
            raise KeyboardInterrupt
        return real(*parts, **more)

    with monkeypatch.context() as patch:
        patch.setattr(trials_module, "outputs", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            crossfit(out=tmp_path, **options)
    assert len(fits) == 3
    again = crossfit(out=tmp_path, **options)
    assert len(fits) == 4  # one fold, the other two were kept
    assert_frame_equal(again.codings, by_lora.codings)
    assert_frame_equal(again.evaluation.measures, by_lora.evaluation.measures)
    third = crossfit(out=tmp_path, **options)
    assert len(fits) == 4
    assert_frame_equal(third.data, by_lora.data)
    assert_frame_equal(third.codings, by_lora.codings)


def test_what_was_stopped_while_it_coded_is_not_tuned_again(crossfit, by_lora, fits, tmp_path, monkeypatch):
    real, coded = Classifier.classify, []

    def stop_at_the_second(model, share, **options):
        coded.append(1)
        if len(coded) == 2:
            raise KeyboardInterrupt
        return real(model, share, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "classify", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            crossfit(out=tmp_path, method="lora", epochs=1)
    assert len(fits) == 3
    again = crossfit(out=tmp_path, method="lora", epochs=1)
    assert len(fits) == 3
    assert_frame_equal(again.codings, by_lora.codings)


def test_a_share_that_is_gone_is_coded_again(crossfit, kept, fits, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    share, codings = tmp_path / "topic" / "uncoded-2.parquet", tmp_path / "topic" / "codings.parquet"
    whole = pl.read_parquet(codings)
    share.unlink()
    crossfit(out=tmp_path)
    assert len(fits) == 0  # all that it is for is there
    codings.unlink()
    assert_frame_equal(crossfit(out=tmp_path).codings, whole)
    assert len(fits) == 0  # the fold's model is made again from what was kept of it
    codings.unlink()
    share.write_bytes(b"half")
    with pytest.warns(at.AnnotuneWarning, match="uncoded-2.parquet is damaged"):
        assert_frame_equal(crossfit(out=tmp_path).codings, whole)
    assert len(fits) == 0


def test_folds_serve_both_ways_of_coding_the_rest(crossfit, kept, fits, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    other = crossfit(out=tmp_path, uncoded="model")
    assert len(fits) == 0
    assert other.codings["fold"].null_count() == 30
    assert crossfit(out=tmp_path).codings["fold"].null_count() == 0
    assert len(fits) == 0  # what the folds coded is still there


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"group": "doc"},
        {"class_weights": "balanced"},
        {"gold": lambda gold: gold[:60].with_columns(label=pl.col("label").shuffle(seed=1))},
        {"corpus": lambda texts: texts.with_columns(text=pl.col("text") + " new")},
    ],
)
def test_folds_of_other_inputs_or_settings_are_not_used(crossfit, kept, fits, tmp_path, change, gold, texts):
    inputs = {"gold": gold, "corpus": texts}
    change = {name: value(inputs[name]) if callable(value) else value for name, value in change.items()}
    shutil.copytree(kept, tmp_path / "kept")
    crossfit(out=tmp_path / "kept")
    assert len(fits) == 0
    crossfit(out=tmp_path / "kept", **change)
    assert len(fits) == 3


def test_a_damaged_fold_is_done_again(crossfit, kept, fits, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (tmp_path / "topic" / ".model.basis").unlink()
    (tmp_path / "topic" / "fold-2.npz").write_bytes(b"half")
    with pytest.warns(at.AnnotuneWarning, match="fold-2.npz is damaged"):
        crossfit(out=tmp_path)
    assert len(fits) == 1


KILLED = """
import os, signal, sys
import polars as pl
import annotune as at
from annotune.progress import listening
folder, base = sys.argv[1:]
def listen(what, done, total):
    if what.startswith("Fold 3 of 3") and "Tuning" in what:
        os.kill(os.getpid(), signal.SIGKILL)
with listening(listen):
    texts, gold = (pl.read_parquet(f"{folder}/{name}.parquet") for name in ("texts", "gold"))
    labels = [at.Label(code=i, name=name) for i, name in enumerate(["Health", "Law", "Farming"], start=1)]
    book = at.Codebook(variables=(at.Variable(name="topic", labels=tuple(labels)),))
    at.crossfit(texts, gold, book, base=base, folds=3, epochs=1, n_boot=10, out=f"{folder}/out")
"""


def test_a_kill_costs_one_fold(crossfit, by_lora, texts, gold, tiny_base, tmp_path, fits):
    texts.write_parquet(tmp_path / "texts.parquet")
    gold[:60].write_parquet(tmp_path / "gold.parquet")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(tiny_base)], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    done = crossfit(out=tmp_path / "out", method="lora", epochs=1)
    assert len(fits) == 1
    assert_frame_equal(done.codings, by_lora.codings)


def test_progress_names_the_fold(crossfit):
    told = set()
    with listening(lambda what, done, total: told.add(what)):
        crossfit(method="lora", epochs=1)
    assert {f"Fold {i} of 3: {what}" for i in (1, 2, 3) for what in ("Tuning", "Coding topic")} <= told
    with listening(lambda what, done, total: told.add(what)):
        crossfit(uncoded="model")
    assert "Texts that nobody coded: Coding topic" in told


def test_sets_of_labels_are_cross_fitted(crossfit, texts, book):
    about = [[], ["Law"], ["Health"], ["Health", "Law"]]
    words = {"Law": "court judge crime", "Health": "hospital doctor nurse"}
    said = [" ".join([*(words[label] for label in about[i % 4]), "new " * (i % 7), "the year"]) for i in range(90)]
    rows = [(f"q{i:03}", label) for i in range(60) for label in (about[i % 4] or [None])]
    gold = pl.DataFrame(rows, schema=["unit_id", "label"], orient="row").with_columns(
        variable=pl.lit("topic"), status=pl.when(pl.col("label").is_null()).then(pl.lit("none")).otherwise(pl.lit("ok"))
    )
    book = book("multilabel", ["Health", "Law"])
    done = crossfit(corpus=texts.with_columns(text=pl.Series(said)), gold=gold, codebook=book)
    assert done.codings["unit_id"].unique(maintain_order=True).to_list() == texts["unit_id"].to_list()
    coded = done.data.filter("coded")
    assert len(coded) == coded["fold"].count() == done.data["topic_gold_Law"].count() == 60


def test_everything_may_be_coded(crossfit, gold):
    assert crossfit(gold=gold).data["fold"].null_count() == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pi": pl.lit(0.0)}, "'pi' is not a probability above 0"),
        ({"pi": pl.lit(1.5)}, "'pi' is not a probability above 0"),
        ({"pi": pl.lit(None)}, "'pi' is not a probability above 0"),
        ({"pi": pl.lit("all")}, "'pi' is not a probability above 0"),
        ({"fold": pl.lit(1)}, "has a column 'fold' already"),
        ({"topic": pl.lit("Law")}, "has a column 'topic' already"),
    ],
)
def test_columns_that_cannot_be_are_refused_before_anything_is_fitted(crossfit, texts, fits, change, says):
    with pytest.raises(at.AnnotuneError, match=says):
        crossfit(corpus=texts.with_columns(**change))
    assert not fits


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"folds": 1}, "cannot be put into 1 folds"),
        ({"folds": 99}, "cannot be put into 99 folds"),
        ({"group": "dok"}, "no column 'dok'.*Did you mean 'doc'"),
        ({"variable": "tone"}, "no variable 'tone'"),
        ({"test": 0.2}, "Both test= and folds="),
        ({"epoch": 1}, "Did you mean 'epochs'"),
        ({"uncoded": "fold"}, "uncoded='fold' is unknown.*Did you mean 'folds'"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(crossfit, options, says):
    with pytest.raises(at.AnnotuneError, match=says):
        crossfit(**options)


def test_a_folder_that_cannot_be_is_refused_at_once(crossfit, fits, tmp_path):
    (tmp_path / "file").write_text("here already")
    with pytest.raises(at.AnnotuneError, match=r"The folder .* cannot be made"):
        crossfit(out=tmp_path / "file")
    assert not fits


def test_folds_are_told_of_only_where_there_are_folds(texts, gold, book, tiny_base):
    with pytest.raises(at.AnnotuneError, match="nothing is cross-validated"):
        at.tune(texts, gold, book(), test=0.2, base=str(tiny_base), each_fold=lambda number, model: None)


def test_prevalence_takes_the_place_of_the_column_pi_and_pi_may_have_another_name(texts, gold, book, tiny_base):
    unequal = texts.with_columns(pi=pl.Series([0.2, 0.8] * 45))
    options = {"base": str(tiny_base), "method": "probe", "folds": 3, "uncoded": "model", "n_boot": 0}
    by_column = at.crossfit(unequal, gold[:60], book(), **options)
    by_label = at.crossfit(unequal, gold[:60], book(), **options, prevalence={"Law": 0.1})
    named = at.crossfit(unequal.rename({"pi": "chance"}), gold[:60], book(), **options, pi="chance")
    drawn = [done.model.card["drawn"] for done in (by_column, by_label, named)]
    assert [told["pi"] for told in drawn] == ["pi", None, "chance"]
    assert drawn[1]["prevalence"] == {"Law": 0.1}
    assert by_label.model.card["shares"]["people"][1] == pytest.approx(0.1)
    assert named.model.card["shares"] == by_column.model.card["shares"]
    assert "pi" in by_label.data.columns


def test_draws_say_how_likely_texts_were_to_be_coded_and_which_were(crossfit, texts, gold, tmp_path):
    store = tmp_path / "study.annotune"
    corpus = texts.drop("pi")
    drawn = set(at.sample(corpus, 60, store=store).texts["unit_id"])
    with pytest.warns(at.AnnotuneWarning, match="30 coded texts were drawn by no wave"):
        data = crossfit(corpus=corpus, gold=gold, draws=store).data
    assert set(data.filter("coded")["unit_id"]) == set(data.filter(pl.col("wave") == 1)["unit_id"]) == drawn
    assert data["pi"].unique().to_list() == [2 / 3]
    assert data["topic_gold"].count() == 60
