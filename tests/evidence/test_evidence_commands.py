"""The verbs about evidence, from files to the screen and to files."""

import sys

import polars as pl
import pytest
import yaml

import annotune as at
from annotune import cli
from annotune.commands.evidence import _groups


@pytest.fixture
def annotune(monkeypatch, capsys):
    """The command line: `annotune("verb", ...)` gives its exit code and what it printed."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, " ".join((printed.out + printed.err).split())

    return run


@pytest.fixture(scope="module")
def files(topics, gold, book, tiny_base, tmp_path_factory):
    """Texts, gold, codebook, a model and another coder, as files."""
    folder = tmp_path_factory.mktemp("evidence")
    topics.select("unit_id", "text", "doc").write_csv(folder / "texts.csv")
    gold.write_csv(folder / "gold.csv")
    variable = book().variables[0]
    labels = [{"code": label.code, "name": label.name} for label in variable.labels]
    (folder / "book.yaml").write_text(yaml.safe_dump({"variables": [{"name": "topic", "labels": labels}]}))
    at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=3, n_boot=0).save(folder / "model")
    gold[:80].with_columns(coder=pl.lit("hosted")).write_csv(folder / "hosted.csv")
    return folder


def test_compare(annotune, files):
    code, told = annotune(
        "compare", files / "model/held_out.parquet", files / "hosted.csv", "--gold", files / "gold.csv",
        "--coder", "coder", "--codebook", files / "book.yaml", "--n-boot", 100, "--write", files / "compared.csv",
    )  # fmt: skip
    assert code == 0, told
    assert "hosted left out 10 of 90 units" in told
    assert {"hosted", "most frequent label"} <= set(pl.read_csv(files / "compared.csv")["model"])


def test_evaluate_knows_from_a_file_that_predictions_were_made_in_folds(annotune, files, gold, tmp_path):
    """A unit of the gold whose text is empty has no row there: it is told, and not counted as wrong."""
    more = pl.concat([gold, gold[:1].with_columns(unit_id=pl.lit("textless"))])
    more.write_csv(tmp_path / "gold.csv")
    held_out = pl.read_parquet(files / "model/held_out.parquet")
    held_out.write_csv(tmp_path / "held_out.csv")
    for predictions in (files / "model/held_out.parquet", tmp_path / "held_out.csv"):
        words = ["evaluate", tmp_path / "gold.csv", predictions, "--codebook", files / "book.yaml", "--n-boot", 0]
        code, told = annotune(*words)
        assert code == 0, told
        assert "1 unit of the truth has no text, or no row among predictions made in folds, such as 'textless'" in told
        assert "coverage" not in told


def test_curve(annotune, files, tiny_base, twenty_words):
    code, told = annotune(
        "curve", files / "texts.csv", files / "gold.csv", "--codebook", files / "book.yaml", "--out", files / "runs",
        "--sizes", "25,40,60", "--seeds", 1, "--base", tiny_base, "--base", twenty_words, "--method", "probe",
        "--more", 40, "--plot", files / "curve.png",
    )  # fmt: skip
    assert code == 0, told
    for base in ("tiny", "twenty"):
        assert f"{base}: 3 models to tune on 25 to 60 texts" in told
        assert f"Tuned model, {base}: 40 more labels" in told
    assert (files / "curve.png").exists()


def test_calibration(annotune, files):
    code, told = annotune("calibration", files / "model", files / "gold.csv", "--plot", files / "diagram.svg")
    assert code == 0, told
    assert "before calibration" in told
    assert (files / "diagram.svg").exists()


def test_shares(annotune, files):
    code, told = annotune("classify", files / "model", files / "texts.csv", files / "coded.parquet")
    assert code == 0, told
    assert "The corpus as coded variable: topic label texts corpus held out people" in told
    code, told = annotune("shares", files / "model", files / "coded.parquet", "--write", files / "shares.csv")
    assert code == 0, told
    assert "held out people" in told
    model = at.load(files / "model")
    known = at.shares(model, model.classify(files / "texts.csv"))
    written = pl.read_csv(files / "shares.csv")
    assert written["corpus"].to_list() == pytest.approx(known["corpus"].to_list())
    health = known.row(0, named=True)
    assert f"Health {round(90 * health['corpus'])} {health['corpus']:.1%} {health['held_out']:.1%} 50.0%" in told
    one_kind = pl.read_csv(files / "texts.csv").with_columns(text=pl.lit("court judge crime police"))
    one_kind.write_csv(files / "law.csv")
    code, told = annotune("classify", files / "model", files / "law.csv", files / "law.parquet")
    assert code == 0, told
    assert "Note: 'Health' is given to 0.0%" in told or "Note: 'Law' is given to 100.0%" in told
    assert "Law 90 100.0% *" in told
    code, told = annotune("shares", files / "model", files / "coded.parquet", files / "law.parquet")
    assert code == 0, told
    assert "than chance. Where these texts are of another kind" in told
    code, told = annotune("shares", files / "model", files / "hosted.csv", "--write", files / "hosted.csv")
    assert (code, "is read, and would be replaced" in told) == (2, True), told


def test_curve_is_about_the_corpus_where_it_is_said_how_texts_were_drawn(annotune, files, tiny_base):
    texts = pl.read_csv(files / "texts.csv")
    texts.with_columns(pi=pl.int_range(90) % 9 / 9 + 0.1).write_csv(files / "drawn.csv")
    code, told = annotune(
        "curve", files / "drawn.csv", files / "gold.csv", "--codebook", files / "book.yaml", "--out", files / "drawn",
        "--sizes", "40", "--seeds", 1, "--base", tiny_base, "--method", "probe", "--pi", "pi", "--cutoffs", "f1",
        "--write", files / "drawn-curve.csv",
    )  # fmt: skip
    assert code == 0, told
    plain = at.learning_curve(
        texts.with_columns(pi=pl.lit(1.0)), pl.read_csv(files / "gold.csv"), at.read_codebook(files / "book.yaml"),
        sizes=[40], seeds=1, base=str(tiny_base), method="probe", cutoffs="f1", n_boot=0, pi="pi",
    )  # fmt: skip
    wanted = (pl.col("model") == "most frequent label") & (pl.col("measure") == "accuracy")
    weighted = pl.read_csv(files / "drawn-curve.csv").filter(wanted)["estimate"][0]
    assert weighted != pytest.approx(plain.table.filter(wanted)["estimate"][0], abs=1e-6)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["Law"], "--prevalence 'Law' is not label=share. Such as immigration=0.07"),
        (["Law=many"], "--prevalence 'Law=many' is not label=share"),
        (["=0.2"], "--prevalence '=0.2' is not label=share"),
        (["Law=0.1", "Law=0.2"], "--prevalence names 'Law' twice"),
        (["Lav=0.1"], "--prevalence names 'Lav', which no coded text of 'topic' has. Did you mean 'Law'"),
        (["Law=7"], "The prevalence of 'Law' is 7.0. Give a share between 0 and 1"),
    ],
)
def test_a_prevalence_that_is_none_is_one_sentence(annotune, files, tiny_base, words, says):
    given = [part for word in words for part in ("--prevalence", word)]
    known = ["--codebook", files / "book.yaml", "--base", tiny_base, "--method", "probe"]
    code, told = annotune("tune", files / "texts.csv", files / "gold.csv", *known, "--out", files / "none", *given)
    assert (code, says in told) == (2, True), told
    assert not (files / "none").exists()


def test_tune_crossfit_and_evaluate_take_what_is_known_of_the_draw(annotune, files, tiny_base):
    texts = pl.read_csv(files / "texts.csv").with_columns(chance=pl.int_range(90) % 9 / 9 + 0.1)
    texts.write_csv(files / "chance.csv")
    known = [files / "chance.csv", files / "gold.csv", "--codebook", files / "book.yaml", "--base", tiny_base]
    known += ["--method", "probe"]
    prevalence = ["--prevalence", "Law=0.2", "--prevalence", "Health=0.6", "--cutoffs", "likeliest"]
    code, told = annotune("tune", *known, "--out", files / "weighted", *prevalence)
    assert code == 0, told
    card = at.load(files / "weighted").card
    assert card["drawn"] == {"pi": None, "prevalence": {"Law": 0.2, "Health": 0.6}}
    assert card["shares"]["people"] == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    assert (card["choices"]["rule"], card["choices"]["cutoffs"]) == ("likeliest", None)
    code, told = annotune("tune", *known, "--out", files / "both", "--pi", "chance", *prevalence)
    assert (code, "Both --pi and --prevalence are given" in told) == (2, True), told
    out = ["--out", files / "folds", "--folds", 2, "--write", files / "crossfit.csv"]
    code, told = annotune("crossfit", *known, *out, "--pi", "chance")
    assert code == 0, told
    assert "The corpus as coded" in told
    record = (files / "crossfit.csv.record.json").read_text()
    assert '"pi": "chance"' in record
    code, told = annotune(
        "evaluate", files / "gold.csv", "--corpus", *known[0:1], *known[2:], "--cv", 2, "--pi", "chanse"
    )
    assert (code, "no column 'chanse'. Did you mean 'chance'" in told) == (2, True), told
    code, told = annotune("evaluate", files / "gold.csv", files / "hosted.csv", "--cutoffs", "f1")
    assert (code, "--cutoffs is for models tuned in folds" in told) == (2, True), told


def test_abstain(annotune, files):
    code, told = annotune(
        "abstain", files / "model/held_out.parquet", files / "model", files / "gold.csv", "--out", files / "divided.csv"
    )
    assert code == 0, told
    assert "by hand" in told
    assert pl.read_csv(files / "divided.csv")["by_hand"].len() == 90


def test_label_errors(annotune, files):
    hand = pl.read_csv(files / "gold.csv").with_row_index("row")
    swapped = pl.when(pl.col("row") == 7).then(pl.lit("Farming")).otherwise(pl.col("label")).alias("label")
    hand.with_columns(swapped).drop("row").write_csv(files / "hand.csv")
    code, told = annotune(
        "label-errors", files / "model", files / "hand.csv", "--corpus", files / "texts.csv", "-n", 3,
        "--write", files / "again.csv",
    )  # fmt: skip
    assert code == 0, told
    assert pl.read_csv(files / "again.csv")["unit_id"][0] == "q007"


def test_what_classify_writes_can_be_divided(annotune, files):
    """Coded texts with their covariates, as the documentation has it; what was beside the codes stays."""
    code, told = annotune("classify", files / "model", files / "texts.csv", files / "coded.parquet")
    assert code == 0, told
    code, told = annotune(
        "abstain", files / "coded.parquet", files / "model", files / "gold.csv", "--out", files / "both.csv"
    )
    assert code == 0, told
    columns = pl.read_csv(files / "both.csv").columns
    assert {"doc", "topic", "confidence", "by_hand"} <= set(columns)


def test_a_curve_of_two_sizes_says_why_there_is_no_forecast(annotune, files, tiny_base):
    words = ("--codebook", files / "book.yaml", "--out", files / "c2", "--sizes", "22,40", "--seeds", 1)
    given = ("curve", files / "texts.csv", files / "gold.csv", *words, "--base", tiny_base, "--method", "probe")
    code, told = annotune(*given)
    assert code == 0, told
    assert "No forecast: a curve needs three sizes, and 2 were measured." in told
    code, told = annotune(*given, "--test", 0)
    assert (code, "Nothing is held out" in told) == (2, True), told


def test_a_group_of_people_may_be_named_twice():
    assert _groups(["p=anna", "p=ben,cem"]) == {"p": ["anna", "ben", "cem"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("compare", "hosted.csv", "--gold", "gold.csv", "--people", "=anna"), "is not group=coder,coder"),
        (("compare", "hosted.csv", "--gold", "gold.csv", "--people", "crowd"), "is not group=coder,coder"),
        (("calibration", "nothing.csv", "gold.csv"), "nothing.csv"),
        (("abstain", "hosted.csv", "hosted.csv", "gold.csv", "--out", "x.csv"), "No unit of the gold has an answer"),
        (("label-errors", "hosted.csv", "gold.csv"), "No unit of the gold has an answer and a probability"),
        (
            ("curve", "texts.csv", "gold.csv", "--codebook", "book.yaml", "--out", "c", "--sizes", "many"),
            "whole numbers",
        ),
    ],
)
def test_mistakes_are_one_sentence(annotune, files, words, says):
    given = [files / word if (files / word).exists() or "." in word else word for word in words]
    code, told = annotune(*given)
    assert code == 2, told
    assert says in told


@pytest.mark.parametrize(
    ("verb", "told", "spelt"),
    [
        ("evaluate", "Add cv=5.", "Add --cv 5."),
        ("evaluate", "n_boot=-1 replicates; give unit_id=.", "--n-boot -1 replicates; give --unit-id."),
        ("evaluate", "Give predicted=, or folds=3.", "Give predicted=, or folds=3."),
        ("curve", "test=0.3 is too much (method='lora').", "--test 0.3 is too much (--method lora)."),
        ("classify", "With covariates=['party', 'day'], or a[1].", "With --covariates party,day, or a[1]."),
        ("sample", "Name it: unit_id='letter no.'.", "Name it: --unit-id 'letter no.'."),
        ("sample", "Give for_= ('share'), or scores=.", "Give --for ('share'), or --scores."),
        ("evaluate", "Make them one with resolve().", "Make them one with annotune resolve."),
        ("run", "Roll codings up with roll_up(), or tidy().", "Roll codings up with annotune roll-up, or tidy()."),
        ("curve", "Such as party=Greens; column=value.", "Such as party=Greens; column=value."),
    ],
)
def test_messages_have_the_words_of_the_command_line(monkeypatch, verb, told, spelt):
    """Where the verb has no such option, or there is no such verb, the words stay."""
    monkeypatch.setattr(sys, "argv", ["annotune", verb])
    assert cli.in_options(told) == spelt


@pytest.mark.parametrize("wide", [True, False])
def test_probabilities_in_a_file_are_measured_against_all_coders(wide, files, annotune, tmp_path, gold, book):
    labels = dict(zip(("Health", "Law", "Farming"), ("Law", "Farming", "Health"), strict=True))
    other = gold.with_columns(
        coder=pl.lit("ben"),
        label=pl.when(pl.int_range(90) % 3 == 0).then(pl.col("label").replace(labels)).otherwise("label"),
    )
    both = pl.concat([gold.with_columns(coder=pl.lit("ann")), other])
    both.write_csv(tmp_path / "both.csv")
    asked = ("resolve", tmp_path / "both.csv", "--codebook", files / "book.yaml", "--rule", "shares")
    assert annotune(*asked, "--out", tmp_path / "gold.csv")[0] == 0
    said = at.load(files / "model").held_out
    predicted = at.attach(pl.read_csv(files / "texts.csv"), said, codebook=book()) if wide else said
    predicted.write_csv(tmp_path / "said.csv")
    measured = ("evaluate", tmp_path / "gold.csv", tmp_path / "said.csv", "--codebook", files / "book.yaml")
    code, printed = annotune(*measured, "--n-boot", 0, "--write", tmp_path / "figures.csv")
    assert code == 0
    assert "Against the shares of coders its log score is" in printed
    figures = pl.read_csv(tmp_path / "figures.csv").filter(measure="log_score")
    truth = at.resolve(at.read_codings(tmp_path / "both.csv", book()), "shares", codebook=book())
    expected = at.evaluate(truth, said, codebook=book(), n_boot=0).get("log_score")
    assert figures["estimate"][0] == pytest.approx(expected, abs=1e-4)
    assert figures["model"].to_list()[-1] == "overall shares"
