"""Regressions on the expected coder, of these or of any: what coders have in common over texts is in the variance."""

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app

N, K = 240, 8


def simulated(rng, by_party=0.8, habit=0.8, coders=K, each=2):
    """Texts of two parties, half of them coded by some coders, who differ in their readiness, and more so in one."""
    strength, party = rng.normal(0, 1.5, N), rng.permutation(N) % 2
    habits = rng.normal(size=(2, coders)) * [[habit], [by_party]]
    likely = 1 / (1 + np.exp(-(strength + rng.normal(0, 0.5, N))))
    drawn, rows = rng.permutation(N)[: N // 2], []
    for place, i in enumerate(drawn):
        for coder in (place + np.arange(each) * (1 + place % 3)) % coders:
            odds = strength[i] + habits[0, coder] + habits[1, coder] * party[i]
            war = rng.random() < 1 / (1 + np.exp(-odds))
            rows.append((f"t{i}", "topic", f"coder{coder}", "war" if war else "trade"))
    codings = pl.DataFrame(rows, schema=["unit_id", "variable", "coder", "label"], orient="row")
    most = codings.group_by("unit_id").agg(topic_gold=pl.col("label").mode().sort().first())
    texts = {
        "unit_id": [f"t{i}" for i in range(N)],
        "topic": np.where(likely > 0.5, "war", "trade"),
        "topic_p_war": likely,
        "topic_p_trade": 1 - likely,
        "party": party,
        "fold": 1,
    }
    return pl.DataFrame(texts).join(most, on="unit_id", how="left", maintain_order="left"), codings


@pytest.fixture(scope="module")
def crowd():
    return simulated(np.random.default_rng(3), by_party=0.2)


def corrected(crowd, formula="topic == 'war' ~ party", **options):
    frame, codings = crowd
    return at.correct(formula, frame, **{"pi": 0.5, "codings": codings, "coders": "any", **options})


def row(fit, term="party", method="corrected"):
    return fit.tidy().filter(term=term, method=method).row(0, named=True)


@pytest.mark.parametrize("coders", ["these", "any"])
def test_without_covariates_it_is_the_share_that_prevalence_gives(crowd, coders):
    fit = corrected(crowd, "topic == 'war' ~ 1", coders=coders)
    frame, codings = crowd
    shares = at.prevalence(frame, "topic", pi=0.5, codings=codings, coders=coders, of="population")
    for method, name in (("hand", "hand-coded only"), ("dsl", "corrected")):
        share, found = shares.filter(label="war", method=method).row(0, named=True), row(fit, "Intercept", name)
        assert found["estimate"] == pytest.approx(share["estimate"], abs=1e-9)
        for column in ("std_error", "conf_low", "conf_high"):
            assert found[column] == pytest.approx(share[column], rel=0.01)


def as_numbers(crowd):
    """The same with 3 for war and 0 for trade: numbers, in place of labels."""
    frame, codings = crowd
    number = 3 * (pl.col("label") == "war").cast(pl.Int8)
    gold = 3.0 * (pl.col("topic_gold") == "war").cast(pl.Int8)
    data = frame.select("unit_id", "party", "fold", war_hat=3 * pl.col("topic_p_war"), war_gold=gold)
    return data, codings.with_columns(variable=pl.lit("war"), label=number.cast(pl.String))


def test_where_each_coder_codes_one_text_it_is_clustered_by_text():
    frame, codings = as_numbers(simulated(np.random.default_rng(5), each=1))
    alone = codings.with_columns(coder="unit_id")
    few = frame.filter(pl.col("war_gold").is_not_null()).head(49)
    fit = at.correct("war ~ party", few, pi=0.9, codings=alone, coders="any")
    by_text = at.correct("war ~ party", few, pi=0.9, cluster="unit_id", method="none")
    name = "hand-coded only"
    assert fit.covariance[name] == pytest.approx(by_text.covariance[name])
    assert fit.df[name] == pytest.approx(by_text.df[name])
    whole = at.correct("war ~ party", frame, pi=0.5, codings=alone, coders="any")
    plain = at.correct("war ~ party", frame, pi=0.5)
    assert row(whole)["estimate"] == pytest.approx(row(plain)["estimate"])
    assert row(whole)["std_error"] == pytest.approx(row(plain)["std_error"], rel=0.02)


def test_a_slope_that_coders_differ_in_is_held_by_intervals_about_any_of_them():
    """95 % intervals by text and coder hold what all such coders would say; those by text hold it too rarely."""
    rng, held = np.random.default_rng(12), {"these": [], "any": []}
    for _ in range(30):
        sample = simulated(rng, by_party=1.5, habit=0.3, each=4)
        for coders, hits in held.items():
            found = row(corrected(sample, coders=coders))
            hits.append(found["conf_low"] < 0 < found["conf_high"])  # by symmetry parties do not differ on average
    assert np.mean(held["any"]) >= 0.9
    assert np.mean(held["these"]) <= 0.75


def test_estimates_are_those_of_the_shares_and_of_these_coders_as_well(crowd):
    frame, codings = crowd
    shares = codings.group_by("unit_id").agg(topic_share_war=(pl.col("label") == "war").mean())
    data = frame.join(shares, on="unit_id", how="left", maintain_order="left")
    plain = at.correct("topic_share_war ~ party", data, pi=0.5)
    for fit in (corrected(crowd, coders="these"), corrected((data, codings), "topic_share_war ~ party")):
        assert row(fit)["estimate"] == pytest.approx(row(plain)["estimate"])
    assert row(corrected(crowd, coders="these"))["std_error"] == pytest.approx(row(plain)["std_error"])
    assert row(corrected(crowd))["std_error"] != pytest.approx(row(plain)["std_error"], rel=0.01)
    negated = row(corrected(crowd, "topic != 'war' ~ party"))
    assert negated["estimate"] == pytest.approx(-row(corrected(crowd))["estimate"])
    assert negated["std_error"] == pytest.approx(row(corrected(crowd))["std_error"])


@pytest.mark.parametrize("options", [{"method": "ppi"}, {"prediction": "recalibrated"}, {"cluster": "document"}])
def test_other_ways_to_correct_have_coders_too(crowd, options):
    frame = crowd[0].with_columns(document=pl.int_range(N) // 2)
    these, others = (corrected((frame, crowd[1]), coders=coders, **options) for coders in ("these", "any"))
    assert row(others)["estimate"] == pytest.approx(row(these)["estimate"])
    assert row(others, "Intercept")["std_error"] > 1.2 * row(these, "Intercept")["std_error"]
    assert (others.df["corrected"] < 40).all()


def test_groups_whose_effects_are_absorbed_are_as_if_named(crowd):
    frame = crowd[0].with_columns(district=pl.int_range(N) % 5)
    absorbed = row(corrected((frame, crowd[1]), "topic == 'war' ~ party | district"))
    named = row(corrected((frame, crowd[1]), "topic == 'war' ~ party + factor(district)"))
    assert absorbed["estimate"] == pytest.approx(
        named["estimate"], abs=0.01
    )  # which absorbs within corrected equations
    assert absorbed["std_error"] == pytest.approx(named["std_error"], rel=0.05)


def test_a_multinomial_of_two_labels_is_the_logit(crowd):
    logit, several = corrected(crowd, model="logit"), corrected(crowd, "topic ~ party", model="multinomial")
    assert row(several)["estimate"] == pytest.approx(row(logit)["estimate"])
    assert row(several)["std_error"] == pytest.approx(row(logit)["std_error"])
    assert several.df["corrected"] == pytest.approx(logit.df["corrected"])
    assert logit.margins is not None


def test_of_numbers_it_is_the_mean_over_coders_and_of_sets_whether_they_gave_the_label(crowd):
    frame, codings = crowd
    found, single = row(corrected(as_numbers(crowd), "war ~ party")), row(corrected(crowd))
    assert found["estimate"] == pytest.approx(3 * single["estimate"])
    assert found["std_error"] == pytest.approx(3 * single["std_error"])
    status = pl.when(pl.col("label") == "war").then(pl.lit("ok")).otherwise(pl.lit("none"))
    sets = codings.with_columns(variable=pl.lit("marks"), status=status).with_columns(
        label=pl.when(pl.col("status") == "ok").then("label")
    )
    data = frame.select(
        "unit_id",
        "party",
        "fold",
        marks_war=(pl.col("topic") == "war").cast(pl.Int8),
        marks_war_gold=(pl.col("topic_gold") == "war").cast(pl.Int8),
        marks_p_war="topic_p_war",
    )
    assert row(corrected((data, sets), "marks_war ~ party"))["std_error"] == pytest.approx(single["std_error"])


def test_it_says_whose_outcome_is_explained(crowd):
    fit = corrected(crowd)
    assert fit.notes[0].startswith(
        "What is explained is the share of coders who would say so, of all coders like these 8"
    )
    assert (fit.coders, fit.n_coders) == ("any", 8)
    assert "8 coders" in repr(fit)
    assert "what coders have in common over" in repr(fit)
    assert corrected(crowd, coders="these").notes[0].endswith("of these 8.")


def test_the_command_line_reads_the_codings_of_all(crowd, tmp_path):
    frame, codings = crowd
    frame.write_csv(tmp_path / "results.csv")
    codings.write_csv(tmp_path / "codings.csv")
    out = tmp_path / "table.csv"
    asked = [
        "correct",
        str(tmp_path / "results.csv"),
        "topic == 'war' ~ party",
        "--codings",
        str(tmp_path / "codings.csv"),
    ]
    result = CliRunner().invoke(app, [*asked, "--pi", "0.5", "--coders", "any", "--write", str(out)])
    assert result.exit_code == 0, result.output
    found = pl.read_csv(out).filter(pl.col("method") == "corrected")
    assert found["conf_high"].to_list() == pytest.approx(
        corrected(crowd).tidy().filter(method="corrected")["conf_high"].to_list()
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coders": "some"}, "no shares of the coders 'some'"),
        ({"codings": None}, "needs each coder's answers"),
        ({"method": "auto"}, "weighs estimates by their variance by text"),
        ({"cluster": ["party", "topic_p_war"]}, "three kinds of clusters"),
        ({"formula": "party ~ topic == 'war'"}, "what it explains is not a coded column"),
        ({"formula": "topic == 'war' ~ party", "data": "anonymous"}, "no column 'unit_id'"),
        ({"formula": "topic == 'war' ~ party", "data": "lacking"}, "1 of 120 hand-coded texts have no answer"),
        ({"formula": "topic == 'war' ~ party", "data": "few"}, "4 coders say too little"),
    ],
)
def test_what_cannot_be_is_a_sentence(crowd, options, words):
    frame, codings = crowd
    first = codings["unit_id"][0]
    data = {
        "anonymous": (frame.drop("unit_id"), codings),
        "lacking": (frame, codings.filter(pl.col("unit_id") != first)),
        "few": (
            frame,
            codings.with_columns(pl.col("coder").str.replace_all("[4-7]$", "3")).unique(["unit_id", "coder"]),
        ),
    }
    with pytest.raises(at.AnnotuneError, match=words):
        corrected(data.get(options.get("data"), crowd), **{k: v for k, v in options.items() if k != "data"})
