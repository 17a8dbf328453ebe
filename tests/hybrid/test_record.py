"""What people coded, in the store: nothing twice, nothing lost, and read with its wave, its arm and its kind."""

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.store import now, open_store

REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES (?, 'q', ?, ?, 'gpt', 'openai', 'gpt', 'p', '{}', 'ok')"
)


@pytest.fixture
def topics():
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
    marks = (at.Label(code=1, name="elite"), at.Label(code=2, name="people"))
    return at.Codebook(
        variables=(
            at.Variable(name="topic", labels=labels),
            at.Variable(name="marks", kind="multilabel", labels=marks),
        )
    )


@pytest.fixture
def corpus():
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(20)], "text": ["..."] * 20})


@pytest.fixture
def store(tmp_path, corpus, topics):
    """A store in which all 20 texts were drawn for anna and ben, half of them for both."""
    path = tmp_path / "study.annotune"
    at.sample(corpus, 20, store=path, coders=["anna", "ben"], overlap=0.5, blind=0.2, codebook=topics)
    return path


def codings(rows, topics):
    return at.read_codings(pl.DataFrame(rows, schema=["unit_id", "coder", "topic", "marks"], orient="row"), topics)


def propose(path, label="Health"):
    """A model's proposal for every text."""
    with open_store(path) as store, store.change() as connection:
        for i in range(20):
            connection.execute(REQUEST, [f"k{i}", now(), f"u{i}"])
            connection.execute("INSERT INTO proposals VALUES (?, 'topic', 0, ?, .9, 'ok', '')", [f"k{i}", label])


def test_answers_are_recorded_once_with_wave_and_arm(store, topics):
    rows = codings([("u1", "anna", "Law", "elite;people"), ("u2", "ben", None, "none")], topics)
    assert at.record(store, rows).select("coder", "new", "changed", "same").rows() == [
        ("anna", 2, 0, 0), ("ben", 1, 0, 0),
    ]  # fmt: skip
    assert at.record(store, rows).select("coder", "new", "changed", "same").rows() == [
        ("anna", 0, 0, 2), ("ben", 0, 0, 1),
    ]  # fmt: skip
    back = at.read_codings(store, topics)
    assert back.select("unit_id", "variable", "coder", "label", "status").rows() == [
        ("u1", "marks", "anna", "elite", "ok"),
        ("u1", "marks", "anna", "people", "ok"),
        ("u2", "marks", "ben", None, "none"),
        ("u1", "topic", "anna", "Law", "ok"),
    ]
    assert back["wave"].to_list() == [1] * 4
    assert back["kind"].unique().to_list() == ["person"]
    arms = dict(at.read_draws(store, of="people").filter(coder="anna").select("unit_id", "arm").iter_rows())
    assert back.filter(unit_id="u1")["arm"].unique().to_list() == [arms.get("u1")]


def test_a_changed_answer_is_added_and_an_empty_cell_takes_nothing_away(store, topics):
    at.record(store, codings([("u1", "anna", "Law", None)], topics))
    assert at.record(store, codings([("u1", "anna", "Health", None)], topics))["changed"].to_list() == [1]
    at.record(store, codings([("u1", "anna", None, "elite")], topics))
    assert at.read_codings(store, topics)["label"].to_list() == ["elite", "Health"]
    with open_store(store) as kept:
        assert kept.table("SELECT labels FROM decisions ORDER BY id")["labels"].to_list() == [
            '["Law"]', '["Health"]', '["elite"]',
        ]  # fmt: skip


def test_who_is_to_code_what_is_read_with_what_is_done(store, topics):
    people = at.read_draws(store, of="people")
    assert (people.columns, len(people)) == (["unit_id", "wave", "coder", "place", "arm", "answered"], 30)
    assert not people["answered"].any()
    mine = people.filter(coder="anna")["unit_id"][0]
    done = at.record(store, codings([(mine, "anna", "Law", None)], topics))
    assert done["open"].to_list() == [14]
    assert at.read_draws(store, of="people").filter("answered").select("unit_id", "coder").rows() == [(mine, "anna")]


def test_sheets_are_recorded_by_their_paths_and_the_codebook_of_the_draw(store, tmp_path):
    path = tmp_path / "coding_sheet_anna.csv"
    path.write_text("unit_id,coder,topic\nu1,anna,2\nu2,anna,\n")
    assert at.record(store, path).select("coder", "new").rows() == [("anna", 1)]
    assert at.record(store, str(path))["same"].to_list() == [1]
    assert at.read_codings(store)["label"].to_list() == ["Law"]


def test_everything_goes_out_as_a_plain_table_and_in_again(store, topics, tmp_path):
    at.record(store, codings([("u1", "anna", "Law", "elite;people"), ("u2", "ben", "Health", "none")], topics))
    codings_out = at.read_codings(store, topics)
    for suffix in (".csv", ".parquet", ".xlsx"):
        path = tmp_path / f"codings{suffix}"
        at.write(codings_out, path)
        other = tmp_path / f"again{suffix}.annotune"
        open_store(other).close()
        at.record(other, at.read_codings(path, topics, keep=["wave", "arm", "kind"]))
        again = at.read_codings(other, topics)
        assert again.select("unit_id", "variable", "coder", "label", "status").equals(
            codings_out.select("unit_id", "variable", "coder", "label", "status")
        )


def test_gold_is_of_people_and_not_of_what_a_model_proposed(store, topics):
    at.record(store, codings([(f"u{i}", "anna", "Law", None) for i in range(10)], topics))
    propose(store)
    both = at.read_codings(store, topics)
    assert set(both["kind"]) == {"person", "model"}
    with pytest.warns(at.AnnotuneWarning, match=r"20 proposals by 'gpt' are no gold and are left out"):
        gold = at.resolve(both, codebook=topics)
    assert gold.select("unit_id", "label").rows() == [(f"u{i}", "Law") for i in range(10)]
    assert set(at.resolve(both, codebook=topics, coders=["gpt"])["label"]) == {"Health"}
    assert set(at.resolve(both, "coder", coder="gpt", codebook=topics)["label"]) == {"Health"}
    tied = at.resolve(both, codebook=topics, coders=["anna", "gpt"], ties="first")
    assert len(tied) == 20
    with pytest.raises(at.AnnotuneError, match=r"There is no coder 'gtp'. Did you mean 'gpt'"):
        at.resolve(both, coders=["gtp"])
    with pytest.raises(at.AnnotuneError, match="All codings are proposals by models: 'gpt'"):
        at.resolve(both.filter(pl.col("kind") == "model"))


def test_a_models_codings_are_no_decisions(store, topics):
    said = pl.DataFrame({"unit_id": ["u1"], "variable": "topic", "coder": "gpt", "label": "Law", "prob": [0.9]})
    with pytest.raises(at.AnnotuneError, match=r"'gpt' have probabilities.*are not people's decisions"):
        at.record(store, said.with_columns(status=pl.lit("ok")))
    propose(store)
    with pytest.raises(at.AnnotuneError, match="No text has an answer"):
        at.record(store, at.read_codings(store, topics))


def test_codings_of_another_study_are_refused_and_strangers_told_of(store, topics):
    with pytest.raises(at.AnnotuneError, match=r"drew none of the 1 texts that were coded, such as 'x1'"):
        at.record(store, codings([("x1", "anna", "Law", None)], topics))
    with pytest.warns(at.AnnotuneWarning, match="1 text was coded that no wave drew, such as 'x1'"):
        at.record(store, codings([("x1", "anna", "Law", None), ("u1", "anna", "Law", None)], topics))
    assert at.read_codings(store).select("unit_id", "wave").rows() == [("u1", 1), ("x1", None)]


def test_two_answers_of_which_one_can_hold_are_refused(store, topics):
    twice = codings([("u1", "anna", "Law", "elite"), ("u2", "anna", "Law", None)], topics)
    again = codings([("u1", "anna", "Health", "people"), ("u2", "anna", "Law", None)], topics)
    complaint = r"'anna' coded 'topic' of the text 'u1' twice, as 'Law', 'Health' \(1 such answer\)"
    with pytest.raises(at.AnnotuneError, match=complaint):
        at.record(store, at.bind(twice, again))
    with open_store(store) as kept:
        assert kept.value("SELECT count(*) FROM decisions") == 0
    at.record(store, twice)
    assert at.record(store, again).select("new", "changed", "same").rows() == [(0, 2, 1)]


def test_coders_who_were_given_no_text_are_told_of(store, topics):
    said = "'Ben' coded and had been given no text; those who had are 'anna', 'ben'"
    with pytest.warns(at.AnnotuneWarning, match=said):
        at.record(store, codings([("u1", "Ben", "Law", None)], topics))
    assert at.read_codings(store, topics)["coder"].to_list() == ["Ben"]


def test_there_must_be_a_store_and_something_to_record(store, topics, tmp_path):
    with pytest.raises(at.AnnotuneError, match="no store"):
        at.record(tmp_path / "other.annotune", codings([("u1", "anna", "Law", None)], topics))
    with pytest.raises(at.AnnotuneError, match=r"2 cells are empty.*Where no label applies, write none"):
        at.record(store, codings([("u1", "anna", None, None)], topics))
    with pytest.raises(at.AnnotuneError, match=r"no draws of 'poeple'. Did you mean 'people'"):
        at.read_draws(store, of="poeple")


def test_gold_of_texts_that_no_wave_drew_counts_in_no_correction(corpus, topics, tmp_path):
    path = tmp_path / "study.annotune"
    drawn = set(at.sample(corpus, 10, store=path).texts["unit_id"])
    every = pl.DataFrame({"unit_id": corpus["unit_id"], "variable": "topic", "label": "Law"})
    said = every.with_columns(coder=pl.lit("model"))
    with pytest.warns(at.AnnotuneWarning, match="10 coded texts were drawn by no wave"):
        table = at.attach(corpus, said, codebook=topics, gold=every, draws=path)
    assert table["pi"].to_list() == [0.5] * 20
    assert set(table.filter(pl.col("topic_gold").is_not_null())["unit_id"]) == drawn
    assert set(table.filter(pl.col("wave") == 1)["unit_id"]) == drawn
