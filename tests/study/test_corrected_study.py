"""A study with a corrected regression: what the steps by hand give, in every file that leaves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

import annotune as at
import annotune.study.corrected
import annotune.study.run
from annotune.cli import app
from annotune.models.classifier import Classifier
from annotune.records.fingerprints import file_sha256
from annotune.study.coded import corrected_regressions, kept_corpus
from annotune.study.corrected import with_sampling
from annotune.study.file import read_study
from annotune.study.inputs import read_inputs
from annotune.study.sampling import SamplePart
from annotune.tables import read_table

N, CODED = 700, 280
FORMULAS = "[\"topic == 'Health' ~ party\", \"topic == 'Health' ~ log(year)\"]"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, at.study.run.Results]:
    """A small simulated study, run once, its outcome written in every way."""
    study = at.demo(tmp_path_factory.mktemp("study"), n=N, n_coded=CODED).study
    assert study is not None
    text = study.read_text(encoding="utf-8").replace("seed: 1", "seed: 1, method: probe, folds: 2")
    study.write_text(text, encoding="utf-8")
    return study, at.run(study)


def test_the_estimates_are_those_of_the_steps_by_hand(ran) -> None:
    study, results = ran
    codebook, corpus = at.read_codebook(study.parent / "codebook.yaml"), at.read_corpus(study.parent / "questions.csv")
    done = at.crossfit(corpus, results.gold, codebook, folds=2, method="probe")
    by_hand = at.correct("topic == 'Health' ~ party", done.data, pi=CODED / N)
    (found,) = results.corrections
    assert found.n_coded == CODED
    assert found.estimates.drop("n").equals(by_hand.estimates.drop("n"), null_equal=True)
    assert results.errors[0] is not None
    assert results.errors[0].n_coded == CODED


def test_the_naive_estimate_is_further_from_the_truth_than_the_corrected(ran) -> None:
    found = ran[1].corrections[0].tidy().filter(pl.col("term") == "party[opposition]")
    off = dict(found.select("method", (pl.col("estimate") - 0.12).abs()).iter_rows())
    assert off["naive"] > 0.03
    assert off["corrected"] < off["naive"]


def test_every_text_is_coded_by_a_fold_that_left_it_out(ran) -> None:
    data = ran[1].data
    assert sorted(data["topic_fold"].unique()) == [1, 2]
    shares = data.filter(~pl.col("topic_coded"))["topic_fold"].value_counts()["count"]
    assert shares.sum() == N - CODED
    assert abs(shares[0] - shares[1]) < 20  # but for questions that equal a coded one
    assert data["topic_coded"].sum() == data["topic_gold"].count() == CODED
    assert data["topic_pi"].unique().to_list() == [CODED / N]


@pytest.fixture
def copied(ran, tmp_path) -> Path:
    """The study as it was run, in a folder of its own."""
    return Path(shutil.copytree(ran[0].parent, tmp_path / "study")) / ran[0].name


def test_the_model_of_all_coded_texts_may_code_the_others(ran, copied) -> None:
    told = copied.read_text(encoding="utf-8").replace("  write: [regression", "  uncoded: model\n  write: [regression")
    copied.write_text(told, encoding="utf-8")
    data = at.run(copied).data
    assert (data["topic_fold"].is_not_null() >= data["topic_coded"]).all()
    assert data["topic_fold"].null_count() > (N - CODED) / 2
    same = ["unit_id", "topic", "topic_p_Health", "topic_fold"]
    coded = pl.col("topic_coded")
    assert_frame_equal(data.filter(coded).select(same), ran[1].data.filter(coded).select(same))


def test_the_expected_coder_of_those_who_coded_or_of_any_like_them(ran, copied) -> None:
    plain = copied.read_text(encoding="utf-8")
    whose = plain.replace("  write: [regression", "  coders: any\n  write: [regression")
    copied.write_text(whose, encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="coders: is for gold with its coders' shares"):
        at.run(copied)
    shares = re.sub(r"(?m)^gold:.*$", "gold: {rule: shares, coders: [anna, ben]}", whose)
    copied.write_text(shares, encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="2 coders say too little of what any such coders would"):
        at.run(copied)
    usual = read_study(ran[0])
    coded = kept_corpus(usual, read_inputs(usual, print))
    assert coded is not None
    copied.write_text(shares.replace("coders: any", "coders: these"), encoding="utf-8")
    file = read_study(copied)
    outcome = corrected_regressions(file, read_inputs(file, print), coded, print)
    (found,) = outcome.corrections
    assert found.notes[0] == "What is explained is the share of coders who would say so, of these 2."
    assert (found.coders, found.n_coders, found.n_coded) == ("these", 2, CODED)
    assert outcome.regressions == ()
    assert "topic_dsl_Health" not in outcome.data.columns  # which is of most coders


def test_a_study_that_was_stopped_while_a_fold_coded_ends_the_same(ran, copied, monkeypatch) -> None:
    shutil.rmtree(copied.parent / "annotune-work")
    real, asked = Classifier.classify, []

    def stop_at_the_second(model, share, **options):
        asked.append(share)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(model, share, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "classify", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            at.run(copied)
    assert_frame_equal(at.run(copied).data, ran[1].data)


def test_a_study_whose_folds_were_thrown_away_says_what_to_do(copied) -> None:
    work = copied.parent / "annotune-work" / "topic"
    shutil.rmtree(work / "folds")
    assert at.run(copied).done["classify topic"] == "up to date"
    (work / "codings.parquet").unlink()
    with pytest.raises(at.AnnotuneError, match=r"no longer holds what the folds' models coded.*--again"):
        at.run(copied)


def test_a_text_that_could_not_be_drawn_has_no_probability_and_not_one_that_is_no_number() -> None:
    table = pl.DataFrame({"unit_id": ["a", "b"], "pi": [0.5, None]})
    folds = pl.DataFrame({"unit_id": ["a", "b"], "coded": [True, False]})
    sampled = with_sampling(table, at.Variable(name="topic", labels=()), SamplePart(pi="pi"), folds)
    assert sampled["topic_pi"].to_list() == [0.5, None]


def test_r_runs_the_script_and_finds_the_same_to_1e_8(ran) -> None:
    folder = ran[0].parent
    script = (
        folder / "results.R"
    ).read_text() + "cat(sprintf('%.17g', unlist(robust(corrected_1)[1:2])), file = 'r.txt')"
    done = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = ran[1].corrections[0].tidy().filter(pl.col("method") == "corrected")
    wanted = [*found["estimate"], *found["std_error"]]
    np.testing.assert_allclose(np.array((folder / "r.txt").read_text().split(), float), wanted, rtol=1e-8)


def test_the_corrected_column_says_that_it_is_for_linear_models(ran) -> None:
    folder = ran[0].parent
    with pd.io.stata.StataReader(folder / "results.dta") as reader:
        labels = reader.variable_labels()
        assert "linear models only" in labels["topic_dsl_Health"]
        assert "probability" in labels["topic_pi"]
        np.testing.assert_allclose(reader.read()["topic_dsl_Health"], ran[1].data["topic_dsl_Health"])
    script = (
        "x <- readRDS('results.rds'); y <- haven::read_dta('results.dta'); notes <- attr(x, 'notes');"
        "stopifnot(grepl('linear models only', attr(x$topic_dsl_Health, 'label')),"
        "grepl('linear models only', attr(y$topic_dsl_Health, 'label')),"
        "any(grepl('a logit misreads it', notes)), any(grepl('topic == .Health.', notes)))"
    )
    done = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "regress topic_dsl_Health i.party_factor, vce(robust)" in (folder / "results.do").read_text()


def test_the_table_and_b_and_v_are_written_with_a_record(ran) -> None:
    folder, found = ran[0].parent, ran[1].corrections[0]
    table = pl.read_csv(folder / "regression.csv")
    assert table["method"].to_list() == ["hand-coded only", "naive", "corrected"] * 2
    np.testing.assert_allclose(table["estimate"], found.estimates["estimate"], rtol=1e-12)
    record = json.loads(ran[1].record.read_text(encoding="utf-8"))
    assert {"file": "regression.do", "sha256": file_sha256(folder / "regression.do")} in record["outputs"]
    assert list(record["corrections"]) == ["topic == 'Health' ~ party"]


def test_a_second_run_with_other_formulas_tunes_nothing(ran) -> None:
    study = ran[0]
    before = study.read_text(encoding="utf-8")
    given = FORMULAS + "\n  cluster: district\n  model: logit"
    study.write_text(before.replace("[\"topic == 'Health' ~ party\"]", given), encoding="utf-8")
    try:
        again = at.run(study)
    finally:
        study.write_text(before, encoding="utf-8")
    assert again.done["tune topic"] == again.done["classify topic"] == "up to date"
    assert [found.n_clusters for found in again.corrections] == [40, 40]
    assert (study.parent / "regression_2.do").exists()
    lines = (study.parent / "results.do").read_text()
    assert "gmm (topic_dsl_Health - invlogit(" in lines
    assert "log(year)" not in lines  # which only b and V can carry


@pytest.fixture(scope="module")
def coded_texts() -> pl.DataFrame:
    """900 texts with predictions and gold of a label set and a nominal variable, as in a study."""
    rng = np.random.default_rng(4)
    n = 900
    side = rng.choice(["left", "right"], n)
    truth = rng.random(n) < 0.3 + 0.2 * (side == "left")
    said = truth ^ (rng.random(n) < 0.2)
    pi = np.where(side == "left", 0.6, 0.3)
    drawn = rng.random(n) < pi
    words = np.array(["no", "yes"])
    return pl.DataFrame(
        {
            "unit_id": [str(i) for i in range(n)],
            "side": side,
            "chance": pi,
            "tags_good": said.astype(np.int8),
            "tags_gold_good": [int(t) if d else None for t, d in zip(truth, drawn, strict=True)],
            "vote": pl.Series(words[said.astype(int)], dtype=pl.Enum(["no", "yes"])),
            "vote_gold": pl.Series([w if d else None for w, d in zip(words[truth.astype(int)], drawn, strict=True)]),
            "fold": [1 if d else None for d in drawn],
        },
        schema_overrides={"tags_gold_good": pl.Int8},
    )


def at_once(
    frame: pl.DataFrame, reads: dict[str, tuple[str, ...]] | None = None, **part: object
) -> at.study.corrected.Corrected:
    from annotune.study.corrected import corrected
    from annotune.study.parts import CorrectPart
    from annotune.study.sampling import SamplePart

    good = at.Label(code=1, name="good")
    book = at.Codebook(
        variables=(
            at.Variable(name="tags", kind="multilabel", labels=(good,)),
            at.Variable(name="vote", labels=(at.Label(code=0, name="no"), at.Label(code=1, name="yes"))),
        )
    )
    known = frame.select("unit_id", "fold", coded=pl.col("fold").is_not_null())
    folds = dict.fromkeys(["tags", "vote"], known)
    data = frame.drop("fold").with_columns(pl.col("vote_gold").cast(pl.Enum(["no", "yes"])))
    return corrected(CorrectPart(**part), SamplePart(pi="chance"), data, book, ["tags", "vote"], folds, None, reads)


def test_a_column_of_a_label_set_is_corrected_as_the_label_is(coded_texts, tmp_path) -> None:
    found = at_once(coded_texts, formulas=["tags_good ~ side", "vote == 'yes' ~ side"])
    one, other = found.corrections
    np.testing.assert_allclose(one.estimates["estimate"], other.estimates["estimate"], rtol=1e-10)
    assert found.data["tags_dsl_good"].equals(found.data["vote_dsl_yes"].alias("tags_dsl_good"))
    assert [entry.corrected for entry in found.regressions] == ["tags_dsl_good", "vote_dsl_yes"]
    at.write(found.data, tmp_path / "r.rds", regressions=found.regressions[:1], headings=found.headings)
    assert "`tags_dsl_good` ~ `side`" in (tmp_path / "r.R").read_text()


@pytest.mark.parametrize(
    "part",
    [
        {"formulas": "vote ~ side", "model": "multinomial"},
        {"formulas": "vote != 'yes' ~ side"},
        {"formulas": "chance ~ vote"},
        {"formulas": "vote == 'yes' ~ side", "model": "poisson"},
        {"formulas": "vote == 'yes' ~ 1 | side", "model": "fixed_effects"},
    ],
)
def test_what_no_column_can_carry_is_left_to_b_and_v(coded_texts, part, tmp_path) -> None:
    if part.get("model") == "fixed_effects":
        coded_texts = coded_texts.with_columns(year=pl.int_range(pl.len()) % 7)
        part = {**part, "formulas": "vote == 'yes' ~ year | side"}
    found = at_once(coded_texts, **part)
    assert found.regressions == ()
    assert "corrected" in found.corrections[0].estimates["method"].to_list()
    at.write(found.corrections[0], [tmp_path / "b.do", tmp_path / "b.rds"])
    assert "ereturn post b V" in (tmp_path / "b.do").read_text()


def test_a_study_weighs_and_recalibrates(coded_texts) -> None:
    found = at_once(coded_texts, formulas="vote == 'yes' ~ side", method="auto", prediction="recalibrated")
    notes = " ".join(found.corrections[0].notes)
    assert found.corrections[0].method == "auto"
    assert "Weights of DSL's estimates" in notes
    assert "Predictions were recalibrated" in notes
    assert found.regressions == ()  # what no column carries
    assert at_once(coded_texts, formulas="vote == 'yes' ~ side", prediction="label").regressions == ()


def test_a_regression_on_what_the_model_read_says_so(coded_texts) -> None:
    formulas = ["vote == 'yes' ~ side", "vote == 'yes' ~ chance"]
    of_side, of_chance = at_once(coded_texts, {"vote": ("side",)}, formulas=formulas).corrections
    assert "a regression of its codes on that needs the correction" in of_side.notes[0]
    assert not any("by construction" in note for note in of_chance.notes)


@pytest.mark.parametrize(
    ("formula", "model", "said"),
    [
        ("vote == 'yes' ~ vote", "linear", "'vote' would explain itself"),
        ("vote == 'yes' ~ vote_gold", "linear", "'vote_gold' would explain itself"),
        ("vote ~ side", "linear", "'vote' is no number"),
        ("vote == 'yes' ~ side | vote", "linear", "would explain itself|'vote' was predicted"),
    ],
)
def test_formulas_without_sense_are_refused_before_anything_is_tuned(formula, model, said) -> None:
    from annotune.study.corrected import require_formulas
    from annotune.study.parts import CorrectPart

    vote = at.Variable(name="vote", labels=(at.Label(code=0, name="no"), at.Label(code=1, name="yes")))
    table = pl.DataFrame({"side": [], "vote": [], "vote_gold": []})
    part = CorrectPart(formulas=[formula], model=model)
    with pytest.raises(at.AnnotuneError, match=said):
        require_formulas(part, table, at.Codebook(variables=(vote,)), ["vote"])


def test_few_codings_of_a_label_are_told_before_anything_is_tuned_and_few_in_all_refused() -> None:
    from annotune.study.corrected import require_codings
    from annotune.study.parts import CorrectPart

    vote = at.Variable(name="vote", labels=(at.Label(code=0, name="no"), at.Label(code=1, name="yes")))
    gold = pl.DataFrame({"variable": "vote", "label": ["no"] * 30 + ["yes"] * 12})
    part = CorrectPart(formulas=["vote ~ side"], model="multinomial")
    with pytest.warns(at.AnnotuneWarning, match=r"fewer than 20 texts are coded by hand as vote yes \(12\)"):
        require_codings(part, gold, at.Codebook(variables=(vote,)), ["vote"])
    with pytest.raises(at.AnnotuneError, match="19 texts are coded by hand for vote; that is too few"):
        require_codings(part, gold.tail(19), at.Codebook(variables=(vote,)), ["vote"])
    part = CorrectPart(formulas=["vote == 'yes' ~ side"])
    with pytest.raises(at.AnnotuneError, match="No text is coded by hand as vote == 'yes'"):
        require_codings(part, gold.head(30), at.Codebook(variables=(vote,)), ["vote"])


def test_a_label_that_looks_like_a_formula_is_no_part_of_one(coded_texts) -> None:
    odd = coded_texts.with_columns(pl.col("side").replace({"left": "a ~ b | c"}))
    found = at_once(odd, formulas=["vote == 'yes' ~ side == 'a ~ b | c'"])
    assert found.errors[0] is not None
    assert found.errors[0].n_coded == found.corrections[0].n_coded
    assert found.regressions == ()


def test_a_study_chooses_the_reference_category_for_its_tables_and_scripts(ran, copied) -> None:
    told = copied.read_text(encoding="utf-8")
    assert "  write: [regression" in told
    copied.write_text(told.replace("  write: [regression", "  reference: {party: opposition}\n  write: [regression"))
    results = at.run(copied)
    (found,) = results.corrections
    assert found.references == {"party": "opposition"}
    assert results.errors[0] is not None
    assert results.errors[0].effects.select("level", "reference").rows() == [("government", "opposition")]
    opposite = ran[1].corrections[0].coefficients()["party[opposition]"]
    assert found.coefficients()["party[government]"] == pytest.approx(-opposite, rel=1e-9)
    assert 'ref = "opposition")' in (copied.parent / "results.R").read_text()
    for wrong, sentence in (
        ("party: oposition", "Did you mean 'opposition'"),
        ("land: UK", "no formula has the column"),
    ):
        copied.write_text(told.replace("  write: [regression", f"  reference: {{{wrong}}}\n  write: [regression"))
        with pytest.raises(at.AnnotuneError, match=sentence):
            at.run(copied)


def test_a_reversed_formula_is_refused_before_anything_is_tuned(copied) -> None:
    told = copied.read_text(encoding="utf-8")
    assert "topic == 'Health' ~ party" in told
    copied.write_text(told.replace("topic == 'Health' ~ party", "party ~ topic == 'Health'"), encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match="wrong way round"):
        at.run(copied)


@pytest.mark.parametrize("file", ["results.dta", "results.parquet"])
def test_the_verbs_know_what_a_study_wrote_about_its_draw(ran, file, recwarn) -> None:
    study, results = ran
    written = str(study.parent / file)
    done = CliRunner().invoke(app, ["correct", written, "topic == 'Health' ~ party"])
    assert done.exit_code == 0, done.output
    assert "was not tuned on" not in done.output
    table = read_table(study.parent / file).frame
    again = at.correct("topic == 'Health' ~ party", table)
    assert again.notes == results.corrections[0].notes
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(again.estimates[name], results.corrections[0].estimates[name], rtol=1e-6)
    shares = at.prevalence(table, "topic", methods=["dsl"])
    columns = {role: f"topic_{role}" for role in ("pi", "coded", "fold")}
    plain = table.rename({name: role for role, name in columns.items()})
    assert_frame_equal(shares, at.prevalence(plain, "topic", methods=["dsl"]))
    dsl = at.dsl_columns(table.drop("topic_dsl_Health"), "topic", label="Health")["dsl_y"]
    np.testing.assert_allclose(dsl, results.data["topic_dsl_Health"], rtol=1e-6)
    without = at.correct("topic == 'Health' ~ party", table.drop("topic_fold"))
    assert "holds if the model was not tuned on" in without.notes[0]
    assert "a column 'fold'" in without.advice[0]
