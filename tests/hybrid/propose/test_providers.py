"""Models in this process propose like any other: a dictionary, a tuned classifier, a decoder."""

import polars as pl
import pytest

import annotune as at

pytestmark = pytest.mark.filterwarnings("ignore:.*empty:annotune.AnnotuneWarning")


@pytest.fixture
def topics():
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"), at.Label(code=3, name="Farming"))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


def words(**columns):
    return pl.DataFrame(columns)


def labels_of(corpus, book, store, dictionary):
    return at.propose(corpus, book, dictionary, store=store).codings.select("label", "status").rows()


@pytest.fixture
def texts():
    sentences = ["Nurses and hospitals; a court.", "COURT of law", "the courtship of birds", "Farm, nurse, farm", None]
    return pl.DataFrame({"unit_id": list("abcde"), "text": sentences})


def test_a_dictionary_gives_the_label_of_which_most_is_found(texts, topics, store):
    dictionary = words(label=["Health", "Law", "Farming"], words=["nurse*, hospital*", "court", "farm"])
    assert labels_of(texts, topics, store, dictionary) == [
        ("Health", "ok"),
        ("Law", "ok"),
        (None, "none"),
        ("Farming", "ok"),
        (None, "missing"),
    ]


def test_a_dictionary_of_regular_expressions_from_a_file_codes_sets(texts, store, tmp_path):
    labels = (at.Label(code=1, name="Health"), at.Label(code=2, name="Law"))
    book = at.Codebook(variables=(at.Variable(name="areas", kind="multilabel", labels=labels),))
    path = tmp_path / "words.csv"
    path.write_text("label,regex\nHealth,nurses?|hospitals?\nLaw,\\bcourt\\b\n")
    proposals = at.propose(texts, book, path, store=store)
    assert proposals.coder.startswith("words-")
    assert proposals.codings.select("unit_id", "label").rows()[:3] == [("a", "Health"), ("a", "Law"), ("b", "Law")]
    assert proposals.ledger.is_empty()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"label": ["Helth"], "words": ["a"]}, r"row 1: 'Helth' is no label of 'topic'\. Did you mean 'Health'"),
        ({"label": ["Health"], "regex": ["(a"]}, "is no regular expression"),
        ({"label": ["Health"], "regex": ["a*"]}, "found in every text"),
        ({"label": ["Health"], "words": [" , "]}, "the cell is empty"),
        ({"label": ["Health"], "pattern": ["a"]}, "no column 'words' or 'regex'"),
    ],
)
def test_a_dictionary_is_checked(texts, topics, store, table, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.propose(texts, topics, words(**table), store=store)


def test_another_dictionary_is_another_coder(texts, topics, store):
    corpus = texts.drop_nulls()
    first = at.propose(corpus, topics, words(label=["Law"], words=["court"]), store=store)
    second = at.propose(corpus, topics, words(label=["Law"], words=["law"]), store=store)
    assert first.coder != second.coder
    assert len(at.read_codings(store)) == 8


def test_a_name_that_looks_like_no_file_is_a_model_behind_an_endpoint(texts, topics, store):
    plan = at.propose(texts.drop_nulls(), topics, "gpt-5-mini", store=store, dry_run=True).plan
    assert plan.host == "api.openai.com"
    for provider, model, says in [
        ("openai", words(label=["Law"], words=["a"]), "is named by its name there"),
        ("decoder", words(label=["Law"], words=["a"]), "A decoder is named"),
        ("tuned", words(label=["Law"], words=["a"]), "is a Classifier or the folder"),
        ("gpt", "x", "provider= cannot be 'gpt'"),
    ]:
        with pytest.raises(at.AnnotuneError, match=says):
            at.propose(texts.drop_nulls(), topics, model, store=store, provider=provider)
    with pytest.raises(at.AnnotuneError, match="in this process"):
        at.propose(texts.drop_nulls(), topics, words(label=["Law"], words=["a"]), store=store, redact="mails")
