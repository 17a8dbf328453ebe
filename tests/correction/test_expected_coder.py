"""The share of coders who would give a label: of these, and of any, whose habits do not cancel out with texts."""

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.correction.crossed import Answers, crossed_shares

N, K, EACH = 400, 6, 3


@pytest.fixture(scope="module")
def crowd():
    """Predictions of 400 texts, half of them coded by three of six coders, who differ in how often they say war."""
    rng = np.random.default_rng(8)
    strength, habits = rng.normal(0, 1.5, N), np.linspace(-1, 1, K)
    likely = 1 / (1 + np.exp(-(strength + rng.normal(0, 0.5, N))))
    rows = []
    for i in range(0, N, 2):
        for coder in rng.choice(K, EACH, replace=False):
            war = rng.random() < 1 / (1 + np.exp(-(strength[i] + habits[coder])))
            rows.append((f"t{i}", "topic", f"coder{coder}", "war" if war else "trade"))
    codings = pl.DataFrame(rows, schema=["unit_id", "variable", "coder", "label"], orient="row")
    most = codings.group_by("unit_id").agg(topic_gold=pl.col("label").mode().first())
    frame = pl.DataFrame(
        {
            "unit_id": [f"t{i}" for i in range(N)],
            "topic": np.where(likely > 0.5, "war", "trade"),
            "topic_p_war": likely,
            "topic_p_trade": 1 - likely,
            "party": np.where(np.arange(N) % 4 < 2, "A", "B"),
        }
    )
    return frame.join(most, on="unit_id", how="left", maintain_order="left"), codings


def shares(crowd, **options):
    frame, codings = crowd
    return at.prevalence(frame, "topic", pi=0.5, codings=codings, **options)


def test_for_these_coders_it_is_the_regression_of_their_shares_on_a_constant(crowd):
    frame, codings = crowd
    own = codings.group_by("unit_id").agg(topic_share_war=(pl.col("label") == "war").mean())
    data = frame.join(own, on="unit_id", how="left", maintain_order="left")
    fit = at.correct("topic_share_war ~ 1", data, pi=0.5).tidy().filter(method="corrected").row(0, named=True)
    found = shares(crowd, methods="dsl", of="population").filter(label="war").row(0, named=True)
    assert found["estimate"] == pytest.approx(fit["estimate"], abs=0.01)  # weights add up to N there by design alone
    assert found["std_error"] == pytest.approx(fit["std_error"], rel=0.05)
    assert found["note"] == "of these 6 coders"


def test_any_coders_have_the_same_shares_and_wider_intervals(crowd):
    these, others = (shares(crowd, coders=coders) for coders in ("these", "any"))
    assert these["estimate"].to_list() == others["estimate"].to_list()
    assert (others["std_error"] > 1.5 * these["std_error"]).all()
    assert set(others["interval"]) == {"t, by text and coder"}
    assert others.group_by("method").agg(pl.sum("estimate"))["estimate"].to_list() == pytest.approx([1, 1])
    assert set(others["method"]) == {"hand", "dsl"}


def test_the_variance_of_any_coders_is_that_of_a_random_effect():
    """With every coder on every text and no predictions: the crossed mean's variance by analysis of variance.

    Its expectation is s2_text / n + s2_coder / K + s2_rest / (n K) (Searle, Casella and McCulloch 1992, chapter 4).
    """
    rng = np.random.default_rng(1)
    n, k, draws = 30, 8, 400
    text, coder = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
    means, variances = [], []
    for _ in range(draws):
        cells = rng.normal(0, 1, n)[text] + rng.normal(0, 0.7, k)[coder] + rng.normal(0, 0.5, n * k)
        found = crossed_shares(np.zeros((n, 1)), Answers(text, coder, cells[:, None]), np.ones(n))
        means.append(found.shares[0])
        variances.append(found.any[0])
    expected = 1 / n + 0.49 / k + 0.25 / (n * k)
    assert np.var(means) == pytest.approx(expected, rel=0.2)
    assert np.mean(variances) == pytest.approx(expected, rel=0.1)


def test_coders_who_code_the_same_count_as_their_number():
    text, coder = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    habits = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # no text differs from another: the variance is that of coders alone
    found = crossed_shares(np.zeros((40, 1)), Answers(text, coder, habits[coder][:, None]), np.ones(40))
    assert found.any[0] == pytest.approx(habits.var(ddof=1) / 5)
    assert found.freedom[0] == pytest.approx(4)
    assert found.these[0] == pytest.approx(0)


def test_other_names_and_another_order_change_nothing(crowd):
    frame, codings = crowd
    renamed = codings.with_columns(coder=pl.format("{}-x", pl.col("coder").str.slice(5))).sample(
        fraction=1, shuffle=True, seed=1
    )
    plain = shares(crowd, coders="any", by="party")
    again = at.prevalence(frame, "topic", pi=0.5, codings=renamed, coders="any", by="party")
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        assert again[column].to_numpy() == pytest.approx(plain[column].to_numpy())


def test_a_label_of_a_set_has_the_share_of_coders_who_would_give_it(crowd):
    frame, codings = crowd
    single = shares(crowd, coders="any", methods="dsl").filter(label="war").row(0, named=True)
    status = pl.when(pl.col("label") == "war").then(pl.lit("ok")).otherwise(pl.lit("none"))
    sets = codings.with_columns(variable=pl.lit("marks"), status=status).with_columns(
        label=pl.when(pl.col("status") == "ok").then("label")
    )
    data = frame.select(
        "unit_id",
        marks_war=(pl.col("topic") == "war").cast(pl.Int8),
        marks_war_gold=(pl.col("topic_gold") == "war").cast(pl.Int8),
        marks_p_war="topic_p_war",
    )
    found = at.prevalence(data, "marks_war", pi=0.5, codings=sets, coders="any", methods="dsl").filter(label="1")
    assert found.row(0, named=True)["estimate"] == pytest.approx(single["estimate"])
    assert found.row(0, named=True)["std_error"] == pytest.approx(single["std_error"])


def test_documents_are_what_was_drawn(crowd):
    frame, codings = crowd
    data = frame.with_columns(document=pl.int_range(N) // 8)
    found = at.prevalence(data, "topic", pi=0.5, codings=codings, cluster="document", methods="hand")
    alone = shares(crowd, methods="hand")
    assert found["estimate"].to_list() == alone["estimate"].to_list()
    assert found["std_error"].to_list() != alone["std_error"].to_list()


def test_the_command_line_reads_the_codings_of_all(crowd, tmp_path):
    frame, codings = crowd
    frame.write_csv(tmp_path / "results.csv")
    codings.write_csv(tmp_path / "codings.csv")
    files = [str(tmp_path / "results.csv"), "--codings", str(tmp_path / "codings.csv")]
    out = tmp_path / "shares.csv"
    result = CliRunner().invoke(app, ["prevalence", *files, "--pi", "0.5", "--coders", "any", "--write", str(out)])
    assert result.exit_code == 0, result.output
    found = shares(crowd, coders="any")
    assert pl.read_csv(out)["conf_high"].to_list() == pytest.approx(found["conf_high"].to_list())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"coders": "some"}, "no shares of the coders 'some'"),
        ({"coders": "any", "codings": None}, "needs each coder's answers"),
        ({"methods": ["count"]}, "'count' knows no coders"),
        ({"pi": None}, "not known with which probability"),
    ],
)
def test_what_cannot_be_is_a_sentence(crowd, options, words):
    frame, codings = crowd
    with pytest.raises(at.AnnotuneError, match=words):
        at.prevalence(frame, "topic", **{"pi": 0.5, "codings": codings, **options})


def test_a_handful_of_coders_is_no_sample_of_any(crowd):
    frame, codings = crowd
    four = codings.with_columns(coder=pl.col("coder").replace({"coder5": "coder0", "coder4": "coder1"}))
    four = four.unique(["unit_id", "coder"], maintain_order=True)
    with pytest.raises(at.AnnotuneError, match="4 coders say too little of what any such coders would"):
        at.prevalence(frame, "topic", pi=0.5, codings=four, coders="any")
    lacking = codings.filter(pl.col("unit_id") != "t0")
    with pytest.raises(at.AnnotuneError, match="1 of 200 hand-coded texts have no answer in codings=, such as 't0'"):
        at.prevalence(frame, "topic", pi=0.5, codings=lacking)
