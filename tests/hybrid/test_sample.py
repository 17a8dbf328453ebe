"""Which texts are drawn: exact designs, waves, people, sheets that are read back, and what is refused."""

import sqlite3
from pathlib import Path

import numpy as np
import openpyxl
import polars as pl
import pytest

import annotune as at
from annotune.hybrid.designs import Design, draw
from annotune.hybrid.store import open_store
from annotune.tables import read_table


@pytest.fixture
def corpus():
    """60 texts of 12 documents in three parties: A has 30, B 20, C 10."""
    rows = [(f"0{i:02}", f"Question {i}?", f"doc{i // 5}", "ABCABA"[i % 6], i / 60) for i in range(60)]
    return pl.DataFrame(rows, schema=["unit_id", "text", "doc", "party", "score"], orient="row")


@pytest.fixture
def topics():
    labels = (at.Label(code=1, name="Health", definition="Hospitals."), at.Label(code=2, name="Law"))
    marks = (at.Label(code=1, name="elite"), at.Label(code=2, name="people"))
    topic = at.Variable(name="topic", labels=labels, instruction="What is it about?")
    return at.Codebook(variables=(topic, at.Variable(name="marks", kind="multilabel", labels=marks)))


def fill(path, answers):
    """Fill a coding sheet as a person would, in a spreadsheet: {column: function of the row's unit}."""
    book = openpyxl.load_workbook(path)
    page = book.worksheets[0]
    head = [cell.value for cell in page[1]]
    for row in page.iter_rows(min_row=2):
        for column, answer in answers.items():
            row[head.index(column)].value = answer(row[head.index("unit_id")].value)
    book.save(path)


@pytest.mark.parametrize(
    ("options", "n_drawn", "probabilities"),
    [
        ({"n": 15}, 15, {0.25}),
        ({"n": 12, "design": "stratified", "strata": "party"}, 12, {0.2}),
        ({"n": 12, "design": "stratified", "strata": "party", "allocation": "equal"}, 12, {4 / 30, 4 / 20, 4 / 10}),
        ({"n": 3, "design": "cluster", "cluster": "doc"}, 15, {0.25}),
        ({"n": 3, "design": "cluster", "cluster": "doc", "pps": False}, 15, {0.25}),
    ],
)
def test_designs_draw_what_they_say(corpus, options, n_drawn, probabilities):
    draw = at.sample(corpus, **options)
    assert len(draw.texts) == n_drawn
    assert set(draw.draws["pi"].round(12)) == {round(pi, 12) for pi in probabilities}
    assert len(draw.draws) == len(corpus)
    assert draw.draws.filter("drawn")["unit_id"].sort().to_list() == draw.texts["unit_id"].sort().to_list()


def test_columns_may_be_named_otherwise(corpus, tmp_path):
    corpus.rename({"unit_id": "id", "text": "question"}).write_csv(tmp_path / "questions.csv")
    options = {"design": "stratified", "strata": "party"}
    drawn = at.sample(tmp_path / "questions.csv", 12, unit_id="id", text="question", **options)
    assert drawn.texts.equals(at.sample(corpus, 12, **options).texts)


def test_strata_have_their_numbers_and_clusters_are_whole(corpus):
    options = {"design": "stratified", "strata": ["party"], "allocation": "equal"}
    drawn = at.sample(corpus, 12, **options).texts
    assert drawn["stratum"].value_counts()["count"].to_list() == [4, 4, 4]
    whole = at.sample(corpus, 3, design="cluster", cluster="doc").texts
    assert whole["cluster"].value_counts()["count"].to_list() == [5, 5, 5]


def test_large_documents_are_drawn_more_often_by_size():
    corpus = pl.DataFrame({"unit_id": range(10), "text": ["..."] * 10, "doc": [*"aaaaaa", *"bbb", "c"]})
    draws = at.sample(corpus, 1, design="cluster", cluster="doc").draws
    by_doc = dict(
        draws.join(corpus.with_columns(pl.col("unit_id").cast(pl.String)), on="unit_id").select("doc", "pi").iter_rows()
    )
    assert by_doc == pytest.approx({"a": 0.6, "b": 0.3, "c": 0.1})


def test_an_active_draw_follows_the_scores_above_the_floor(corpus):
    pi = at.sample(corpus, 12, design="active", scores="score", floor=0.5).draws["pi"].to_numpy()
    score = corpus["score"].to_numpy()
    np.testing.assert_allclose(pi, 12 / 60 * (0.5 + 0.5 * score / score.mean()))
    assert pi.min() == pytest.approx(0.5 * 12 / 60)


def test_an_active_draw_goes_by_what_the_model_does_not_know(corpus):
    likely = np.where(corpus["party"] == "A", 0.5, 0.02)
    predicted = corpus.select("unit_id", topic=pl.Series(np.where(likely >= 0.5, "Health", "Law")))
    predicted = predicted.with_columns(topic_p_Health=likely, topic_p_Law=1 - likely)
    options = {"design": "active", "predictions": predicted, "for_": "topic == 'Health'"}
    draws = at.sample(corpus, 12, floor=0.1, **options).draws.join(corpus, on="unit_id")
    means = dict(draws.group_by("party").agg(pl.col("pi").mean()).iter_rows())
    assert means["A"] > 2 * means["B"] == pytest.approx(2 * means["C"])
    assert draws["pi"].sum() == pytest.approx(12)


def test_strata_may_be_predicted_labels_and_neyman_draws_where_they_are_unsure(corpus, topics):
    sure = pl.Series(np.where(corpus["party"] == "A", 0.55, 0.99))
    label = pl.Series(np.where(corpus["party"] == "A", "Health", "Law"))
    said = corpus.select("unit_id", variable=pl.lit("topic"), coder=pl.lit("model"), label=label, prob=sure)
    options = {"design": "stratified", "strata": "topic", "predictions": said, "codebook": topics}
    drawn = at.sample(corpus, 12, allocation="neyman", **options).texts["stratum"].value_counts()
    weights = {"Health": 30 * np.sqrt(0.55 * 0.45), "Law": 30 * np.sqrt(0.99 * 0.01)}
    share = weights["Health"] / sum(weights.values())
    assert dict(drawn.iter_rows())["Health"] == round(12 * share)
    with pytest.raises(at.AnnotuneError, match="Neyman allocation needs"):
        at.sample(corpus, 12, design="stratified", strata="party", allocation="neyman")


def test_the_same_seed_draws_the_same_and_another_does_not(corpus):
    first, again, other = (at.sample(corpus, 15, seed=seed, coders=["a", "b"]) for seed in (1, 1, 2))
    assert first.texts.equals(again.texts)
    assert first.assignments.equals(again.assignments)
    assert set(first.texts["unit_id"]) != set(other.texts["unit_id"])


def test_poisson_draws_vary_in_size_and_keep_their_probability(corpus):
    sizes = [len(at.sample(corpus, 15, poisson=True, seed=seed).texts) for seed in range(20)]
    assert len(set(sizes)) > 3
    assert abs(np.mean(sizes) - 15) < 3


def test_a_further_wave_draws_among_the_texts_that_are_left(corpus, tmp_path):
    store = tmp_path / "study.annotune"
    first = at.sample(corpus, 15, store=store)
    second = at.sample(corpus, 9, store=store, design="stratified", strata="party")
    assert (first.wave, second.wave) == (1, 2)
    assert not set(first.texts["unit_id"]) & set(second.texts["unit_id"])
    assert len(second.draws) == 45
    draws = at.read_draws(store)
    assert draws.group_by("wave").agg(pl.col("pi").sum().round(9)).sort("wave").rows() == [(1, 15.0), (2, 9.0)]
    assert draws.equals(pl.concat([first.draws, second.draws]).sort("wave", "unit_id"))
    with open_store(store) as kept:
        assert kept.table("SELECT wave, design, size FROM waves").rows() == [(1, "simple", 60), (2, "stratified", 45)]


def test_waves_without_a_store_follow_a_table(corpus, tmp_path):
    first = at.sample(corpus, 15)
    path = tmp_path / "draws.csv"
    first.draws.write_csv(path)
    for earlier in (first.draws, path):
        second = at.sample(corpus, 15, earlier=earlier)
        assert second.wave == 2
        assert not set(first.texts["unit_id"]) & set(second.texts["unit_id"])


def test_waves_are_drawn_independently_of_each_other(corpus, tmp_path):
    """With the same seed, the places of the second draw are not those of the first."""
    first = at.sample(corpus, 15)
    second = at.sample(corpus, 15, earlier=first.draws)
    rest = at.sample(corpus.filter(~pl.col("unit_id").is_in(first.texts["unit_id"].implode())), 15)
    assert set(second.texts["unit_id"]) != set(rest.texts["unit_id"])


def test_empty_texts_are_told_of_and_not_drawn(corpus):
    blank = corpus.with_columns(pl.when(pl.col("party") == "A").then(None).otherwise("text").alias("text"))
    with (
        pytest.warns(at.AnnotuneWarning, match="30 of 60 texts are empty"),
        pytest.warns(match="30 texts are empty and"),
    ):
        draw = at.sample(blank, 30)
    assert len(draw.draws) == 30
    assert (draw.draws["pi"] == 1).all()


def test_sheets_are_read_back_as_they_are(corpus, topics, tmp_path):
    corpus = corpus.with_columns(
        pl.when(pl.col("unit_id") == "007").then(pl.lit("=1+1")).otherwise("text").alias("text"), late=pl.lit("after")
    )
    store = tmp_path / "study.annotune"
    people = {"coders": ["anna", "ben"], "overlap": 0.5, "blind": 0.25}
    sheet = {
        "write": tmp_path / "coding_sheet.xlsx",
        "codebook": topics,
        "before": "doc",
        "after": "late",
        "show": "party",
    }
    draw = at.sample(corpus, 60, store=store, **people, **sheet)
    anna, ben = draw.files
    assert (anna.name, ben.name) == ("coding_sheet_anna.xlsx", "coding_sheet_ben.xlsx")
    table = read_table(anna)
    assert table.notes == ()
    assert table.frame.columns == [
        "unit_id", "coder", "party", "doc", "text", "late", "row_check", "topic", "marks_elite", "marks_people",
    ]  # fmt: skip
    assert table.frame["unit_id"].to_list() == draw.assignments.filter(coder="anna").sort("place")["unit_id"].to_list()
    fill(anna, {"topic": lambda unit: "Law" if unit < "030" else "Health"})
    fill(ben, {"topic": lambda unit: "Health", "marks_elite": lambda unit: "1", "marks_people": lambda unit: 0})
    codings = at.read_codings([anna, ben], topics)
    assert set(codings["coder"]) == {"anna", "ben"}
    mine = codings.filter((pl.col("variable") == "topic") & (pl.col("coder") == "anna"))
    assert all((label == "Law") == (unit < "030") for unit, label in mine.select("unit_id", "label").iter_rows())
    assert codings.filter(variable="marks", coder="ben")["label"].unique().to_list() == ["elite"]
    assert codings.filter(variable="marks", coder="anna")["status"].unique().to_list() == ["missing"]
    by_two = mine.join(codings.filter(variable="topic", coder="ben"), on="unit_id")
    assert len(by_two) == 30


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".parquet"])
def test_a_sheet_of_which_one_column_was_sorted_is_refused(corpus, topics, tmp_path, suffix):
    (path,) = at.sample(corpus, 9, write=tmp_path / f"sheet{suffix}", codebook=topics).files
    sheet = read_table(path, strings=("unit_id",)).frame.with_columns(topic=pl.lit("Law"))
    assert len(at.read_codings(sheet.sort("text"), topics)) == 18  # whole rows may go anywhere
    moved = sheet.with_columns(pl.col("text").sort())
    at.write(moved, path.with_stem("moved"))
    with pytest.raises(at.AnnotuneError, match=rf"moved\{suffix}, row \d+: the text beside '0\d\d' is another one's"):
        at.read_codings(path.with_stem("moved"), topics)
    assert len(at.read_codings(moved.with_columns(row_check=None), topics)) == 18


def test_a_sheet_is_read_beside_a_corpus_that_names_its_identifiers_otherwise(corpus, topics, tmp_path):
    named = corpus.rename({"unit_id": "id"})
    drawn = at.sample(at.read_corpus(named, unit_id="id"), 9, write=tmp_path / "sheet.csv", codebook=topics)
    sheet = read_table(drawn.files[0], strings=("unit_id",)).frame.with_columns(topic=pl.lit("Law"))
    codings = at.read_codings(sheet, topics, unit_id="id")
    assert set(codings["unit_id"]) == set(drawn.texts["unit_id"])
    with pytest.raises(at.AnnotuneError, match=r"the text beside '0.*' is another one's"):
        at.read_codings(sheet.with_columns(pl.col("text").sort()), topics, unit_id="id")


def test_coders_see_no_checks_and_sort_rows_as_wholes(corpus, topics, tmp_path):
    (path,) = at.sample(corpus, 9, write=tmp_path / "sheet.xlsx", codebook=topics).files
    page = openpyxl.load_workbook(path).worksheets[0]
    hidden = [cell.value for cell in page[1] if page.column_dimensions[cell.column_letter].hidden]
    assert hidden == ["row_check"]
    assert page.auto_filter.ref == page.dimensions
    (plain,) = at.sample(corpus, 9, write=tmp_path / "sheet.csv", codebook=topics).files
    assert pl.read_csv(plain).columns[-1] == "row_check"


def test_a_text_that_begins_with_an_equals_sign_is_no_formula(topics, tmp_path):
    texts = ["=1+1", '=HYPERLINK("http://x")', "+49 30", "@me", "https://a.b", "0071"]
    corpus = pl.DataFrame({"unit_id": [f"=u{i}" for i in range(6)], "text": texts})
    (path,) = at.sample(corpus, 6, write=tmp_path / "sheet.xlsx", codebook=topics).files
    page = openpyxl.load_workbook(path).worksheets[0]
    cells = {row[0].value: row[1] for row in page.iter_rows(min_row=2)}
    assert {cell.data_type for cell in cells.values()} == {"s"}
    assert [cells[f"=u{i}"].value for i in range(6)] == texts
    with pytest.raises(at.AnnotuneError, match="takes the identifier '=u"):
        at.sample(corpus, 6, write=tmp_path / "sheet.csv", codebook=topics)
    plain = corpus.with_columns(unit_id=pl.Series([f"00{i}" for i in range(6)]))
    (path,) = at.sample(plain, 6, write=tmp_path / "sheet.csv", codebook=topics).files
    cells = pl.read_csv(path, infer_schema=False)["text"].to_list()
    assert sorted(cells) == sorted(["'=1+1", '\'=HYPERLINK("http://x")', "'+49 30", "'@me", "https://a.b", "0071"])
    assert (
        at.read_codings(path, topics).filter(variable="topic")["unit_id"].sort().to_list() == plain["unit_id"].to_list()
    )


def test_answers_are_chosen_from_the_codebook(topics, corpus, tmp_path):
    (path,) = at.sample(corpus, 6, write=tmp_path / "sheet.xlsx", codebook=topics).files
    book = openpyxl.load_workbook(path)
    page, about = book["texts"], book["codebook"]
    rules = {
        rule.sqref.coord if hasattr(rule.sqref, "coord") else str(rule.sqref): rule
        for rule in page.data_validations.dataValidation
    }
    column = next(cell.column_letter for cell in page[1] if cell.value == "topic")
    rule = rules[f"{column}2:{column}7"]
    assert rule.formula1 == "codebook!$C$2:$C$3"
    assert [about[cell].value for cell in ("C2", "C3", "F2")] == ["Health", "Law", "Hospitals."]
    assert rule.errorStyle in (None, "stop")
    assert {rule.formula1 for rule in rules.values()} == {"codebook!$C$2:$C$3", '"1,0"'}


def test_a_sheet_is_never_written_over_and_nothing_is_drawn_then(corpus, topics, tmp_path):
    store, write = tmp_path / "study.annotune", tmp_path / "sheet.xlsx"
    (tmp_path / "sheet_ben.xlsx").write_bytes(b"precious")
    with pytest.raises(at.AnnotuneError, match=r"sheet_ben\.xlsx is there already"):
        at.sample(corpus, 6, store=store, write=write, codebook=topics, coders=["anna", "ben"])
    assert (tmp_path / "sheet_ben.xlsx").read_bytes() == b"precious"
    assert not store.exists()
    assert not (tmp_path / "sheet_anna.xlsx").exists()


def test_sheets_of_a_run_that_was_killed_before_its_wave_counted_are_taken_up(corpus, topics, tmp_path):
    """Their wave would never be drawn otherwise; what somebody changed in them is left alone."""
    store, options = tmp_path / "study.annotune", {"codebook": topics, "coders": ["anna", "ben"]}
    draw = at.sample(corpus, 6, write=tmp_path / "sheet.xlsx", **options)  # as if the store had not kept the wave
    open_store(store).close()
    again = at.sample(corpus, 6, store=store, write=tmp_path / "sheet.xlsx", **options)
    assert again.files == draw.files
    assert again.draws.equals(at.read_draws(store))
    (tmp_path / "other.annotune").write_bytes(b"")
    fill(draw.files[1], {"topic": lambda _: "Health"})
    filled = draw.files[1].read_bytes()
    with pytest.raises(at.AnnotuneError, match=r"sheet_ben\.xlsx is there already"):
        at.sample(corpus, 6, store=tmp_path / "other.annotune", write=tmp_path / "sheet.xlsx", **options)
    assert draw.files[1].read_bytes() == filled
    assert draw.files[0].exists()
    assert len(at.read_draws(tmp_path / "other.annotune")) == 0


def test_no_sheet_stays_where_its_wave_does_not_count(corpus, topics, tmp_path, monkeypatch):
    store = tmp_path / "study.annotune"

    def full(store, draws, assignments, about, codebook, write_all):
        write_all()
        raise at.AnnotuneError("The disk is full.")

    monkeypatch.setattr("annotune.hybrid.sample.record_wave", full)
    with pytest.raises(at.AnnotuneError, match="disk is full"):
        at.sample(corpus, 6, store=store, write=tmp_path / "sheet.xlsx", codebook=topics)
    assert not (tmp_path / "sheet.xlsx").exists()


def test_where_a_sheet_cannot_be_written_nothing_is_recorded(corpus, topics, tmp_path, monkeypatch):
    store = tmp_path / "study.annotune"

    def fail(path, *_):
        if "ben" in path.name:
            raise at.AnnotuneError("The disk is full.")
        path.write_bytes(b"sheet")

    monkeypatch.setattr("annotune.hybrid.sample.write_sheet", fail)
    with pytest.raises(at.AnnotuneError, match="disk is full"):
        at.sample(corpus, 6, store=store, write=tmp_path / "sheet.xlsx", codebook=topics, coders=["anna", "ben"])
    assert len(at.read_draws(store)) == 0
    assert [path.name for path in tmp_path.glob("*.xlsx")] == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"n": 61}, "n=61: so many texts cannot be drawn from the 60"),
        ({"n": 0}, "n=0 is no number of texts"),
        ({"n": 5, "design": "stratified"}, "strata= and design='stratified' go together"),
        ({"n": 5, "strata": "party"}, "strata= and design='stratified' go together"),
        ({"n": 5, "design": "stratified", "strata": "party"}, "n=5 texts are too few for 3 strata"),
        ({"n": 60, "design": "stratified", "strata": "unit_id"}, "60 strata have one text only"),
        ({"n": 5, "design": "stratified", "strata": "partei"}, "no column 'partei'. Did you mean 'party'"),
        ({"n": 13, "design": "cluster", "cluster": "doc"}, "n=13: so many clusters .doc. cannot be drawn from the 12"),
        ({"n": 5, "design": "aktive"}, "no design 'aktive'. Did you mean 'active'"),
        ({"n": 5, "design": "active"}, "needs to know what it is for"),
        ({"n": 5, "design": "active", "for_": "topic == 'Health' ~ party"}, "no predictions to sample from"),
        ({"n": 5, "design": "active", "scores": "party"}, "holds no numbers"),
        ({"n": 5, "design": "active", "scores": "score", "floor": 0}, "floor=0 cannot be"),
        ({"n": 5, "for_": "share"}, "are of design='active'"),
        ({"n": 5, "coders": ["anna", "anna"]}, "two coders are called 'anna'"),
        ({"n": 5, "write": "sheet.xlsx"}, "needs to know what is coded"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(corpus, options, complaint):
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.sample(corpus, **options)


def test_scores_that_are_none_are_refused_by_name(corpus):
    for bad in (-1.0, None, float("nan"), float("inf")):
        table = corpus.with_columns(pl.when(pl.col("unit_id") == "017").then(bad).otherwise("score").alias("score"))
        with pytest.raises(at.AnnotuneError, match="score of the text '017'"):
            at.sample(table, 5, design="active", scores="score")


def test_a_store_of_another_study_is_refused(corpus, tmp_path):
    store = tmp_path / "study.annotune"
    at.sample(corpus, 10, store=store)
    other = corpus.with_columns(unit_id="x" + pl.col("unit_id"))
    with pytest.raises(
        at.AnnotuneError, match=r"study\.annotune: the corpus lacks 10 texts that it drew.*another study"
    ):
        at.sample(other, 10, store=store)
    assert at.read_draws(store)["wave"].max() == 1


def test_a_store_that_another_process_holds_is_left_as_it_is(corpus, tmp_path, monkeypatch):
    store = tmp_path / "study.annotune"
    at.sample(corpus, 10, store=store)
    monkeypatch.setattr("annotune.hybrid.store.PATIENCE", 0.1)
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(at.AnnotuneError, match="in use by another process"):
        at.sample(corpus, 10, store=store)
    holder.execute("ROLLBACK")
    assert at.read_draws(store)["wave"].max() == 1


def test_two_who_draw_the_same_wave_at_once_are_told(corpus, tmp_path, monkeypatch):
    store = tmp_path / "study.annotune"
    at.sample(corpus, 10, store=store)
    monkeypatch.setattr("annotune.hybrid.sample.last_wave", lambda _: 0)  # as it was when the other one looked
    with pytest.raises(at.AnnotuneError, match="Another process drew wave 1"):
        at.sample(corpus, 10, store=store)


def test_the_probabilities_of_all_texts_come_beside_the_corpus(corpus, tmp_path):
    from annotune.data.drawn import with_draws

    store = tmp_path / "study.annotune"
    first = at.sample(corpus, 20, store=store)
    table = with_draws(corpus, store)
    assert table["unit_id"].to_list() == corpus["unit_id"].to_list()
    assert table["pi"].to_list() == pytest.approx([1 / 3] * 60)
    assert table["wave"].count() == 20
    at.sample(corpus, 10, store=store)
    table = with_draws(corpus, store)
    chance = dict(table.group_by("wave").agg(pl.col("pi").mean()).iter_rows())
    assert chance == pytest.approx({1: 1 / 3, 2: 0.25, None: 0.25})
    drawn = first.draws.filter("drawn").select("unit_id", "wave", "pi")  # a plain table of what was drawn does as well
    assert with_draws(corpus, drawn)["pi"].count() == 20
    with pytest.raises(at.AnnotuneError, match="None of the 30 texts that were drawn is in the corpus"):
        with_draws(corpus.with_columns(unit_id="x" + pl.col("unit_id")), store)
    with pytest.raises(at.AnnotuneError, match="has a column 'wave' already"):
        with_draws(corpus.with_columns(wave=1), store)
    with pytest.raises(at.AnnotuneError, match="was drawn more than once"):
        with_draws(corpus, pl.concat([drawn, drawn]))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
def test_draws_go_out_and_in_as_plain_tables(corpus, tmp_path, suffix):
    draw = at.sample(corpus, 12, design="stratified", strata="party")
    path = Path(tmp_path / f"draws{suffix}")
    at.write(draw.draws, path)
    back = at.read_draws(path)
    assert back.drop("pi").equals(draw.draws.drop("pi"))
    np.testing.assert_allclose(back["pi"], draw.draws["pi"], rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"n": 12},
        {"n": 12, "poisson": True},
        {"n": 12, "design": "stratified", "strata": ("party",), "allocation": "equal"},
        {"n": 3, "design": "cluster", "cluster": "doc"},
        {"n": 3, "design": "cluster", "cluster": "doc", "pps": False, "poisson": True},
        {"n": 12, "design": "active", "floor": 0.2},
    ],
)
def test_what_is_drawn_stands_for_all_texts_without_bias(corpus, options):
    """Weighted by 1 / pi, totals of the drawn texts are on average those of all: Horvitz and Thompson (1952)."""
    corpus = corpus.filter(~pl.col("doc").is_in(["doc3", "doc4"]) | (pl.col("unit_id") < "018"))  # documents differ
    y = corpus["score"].to_numpy() ** 2 + (corpus["party"] == "C").to_numpy()
    scores = corpus["score"].to_numpy() if options.get("design") == "active" else None
    rng, totals = np.random.default_rng(1), []
    for _ in range(1500):
        table = draw(corpus, Design(**options), rng, scores)
        chosen = table["drawn"].to_numpy()
        totals.append((y[chosen] / table["pi"].to_numpy()[chosen]).sum())
    assert abs(np.mean(totals) - y.sum()) < 4 * np.std(totals) / np.sqrt(len(totals))
