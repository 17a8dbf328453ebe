"""Models in this process propose like any other: a dictionary, a tuned classifier, a decoder."""

import polars as pl
import pytest

import annotune as at

pytestmark = pytest.mark.filterwarnings("ignore:.*empty:annotune.AnnotuneWarning")


@pytest.fixture
def three():
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


def test_a_dictionary_gives_the_label_of_which_most_is_found(texts, three, store):
    dictionary = words(label=["Health", "Law", "Farming"], words=["nurse*, hospital*", "court", "farm"])
    assert labels_of(texts, three, store, dictionary) == [
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
def test_a_dictionary_is_checked(texts, three, store, table, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.propose(texts, three, words(**table), store=store)


def test_another_dictionary_is_another_coder(texts, three, store):
    corpus = texts.drop_nulls()
    first = at.propose(corpus, three, words(label=["Law"], words=["court"]), store=store)
    second = at.propose(corpus, three, words(label=["Law"], words=["law"]), store=store)
    assert first.coder != second.coder
    assert len(at.read_codings(store)) == 8


def test_a_name_that_looks_like_no_file_is_a_model_behind_an_endpoint(texts, three, store):
    plan = at.propose(texts.drop_nulls(), three, "gpt-5-mini", store=store, dry_run=True).plan
    assert plan.host == "api.openai.com"
    for provider, model, says in [
        ("openai", words(label=["Law"], words=["a"]), "is named by its name there"),
        ("decoder", words(label=["Law"], words=["a"]), "A decoder is named"),
        ("tuned", words(label=["Law"], words=["a"]), "is a Classifier or the folder"),
        ("gpt", "x", "provider= cannot be 'gpt'"),
    ]:
        with pytest.raises(at.AnnotuneError, match=says):
            at.propose(texts.drop_nulls(), three, model, store=store, provider=provider)
    with pytest.raises(at.AnnotuneError, match="in this process"):
        at.propose(texts.drop_nulls(), three, words(label=["Law"], words=["a"]), store=store, redact="mails")


def test_a_decoder_proposes_what_zero_shot_codes(three, store, decoder, monkeypatch):
    monkeypatch.setattr("annotune.hybrid.propose.decoder.AT_ONCE", 4)
    sentences = ["court judge", "nurse", "wheat", "court judge", "doctor", "police prison"]
    corpus = pl.DataFrame({"unit_id": list("abcdef"), "text": sentences})
    proposals = at.propose(corpus, three, str(decoder()), provider="decoder", store=store)
    coded = at.zero_shot(corpus, three, str(decoder()))
    assert proposals.codings["label"].to_list() == coded["label"].to_list()
    assert proposals.codings["prob"].to_list() == pytest.approx(coded["prob"].to_list(), abs=1e-5)
    assert proposals.codings["prob"][0] == proposals.codings["prob"][3]
    assert proposals.ledger.is_empty()


def test_what_a_decoder_coded_is_kept_before_it_goes_on(three, store, decoder, monkeypatch):
    from annotune.models.zeroshot import Asked

    code, calls = Asked.code, []

    def stopped(asked, texts, *rest, **options):
        calls.append(len(texts))
        if len(calls) == 3:
            raise SystemError("killed")
        return code(asked, texts, *rest, **options)

    monkeypatch.setattr(Asked, "code", stopped)
    corpus = pl.DataFrame({"unit_id": [str(i) for i in range(120)], "text": [f"nurse {i}" for i in range(120)]})
    with pytest.raises(SystemError):
        at.propose(corpus, three, str(decoder()), provider="decoder", store=store)
    assert len(at.read_codings(store)) == 100
    codings = at.propose(corpus, three, str(decoder()), provider="decoder", store=store).codings
    assert (codings["status"] == "ok").all()
    assert calls == [50, 50, 20, 20]


@pytest.mark.filterwarnings("ignore::annotune.AnnotuneWarning")  # labels of 30 texts are not those of all
def test_a_tuned_classifier_proposes_what_it_classifies(store, questions, tiny_base, tmp_path):
    corpus, coded = questions
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(["Health", "Law", "Farming"], 1))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    model = at.tune(corpus, coded, book, base=str(tiny_base), method="probe", test=0.2)
    model.save(tmp_path / "model")
    proposals = at.propose(corpus.head(30), book, tmp_path / "model", store=store)
    expected = model.classify(corpus.head(30))
    assert proposals.coder == model.name
    assert proposals.codings["label"].to_list() == expected["label"].to_list()
    again = at.propose(corpus.head(30), book, model, store=store, evidence=True)
    whole = model.classify(corpus.head(30), evidence=True)
    columns = ["unit_id", "label", "evidence", "evidence_share", "evidence_start", "evidence_end"]
    assert again.codings.select(columns).equals(whole.select(columns))
    complete = at.propose(corpus.head(30), book, model, store=store, evidence=True)  # nothing is left to ask
    assert complete.codings.select(columns).equals(whole.select(columns))
    assert again.coder == model.name  # passages are no other model's answers
    assert at.read_codings(store).height == 30
    with pytest.raises(at.AnnotuneError, match="evidence= is for tuned models"):
        at.propose(corpus, book, words(label=["Law"], words=["a"]), store=store, evidence=True)
    other = at.Codebook(variables=(at.Variable(name="tone", labels=labels),))
    with pytest.raises(at.AnnotuneError, match="codes 'topic', which is not asked for"):
        at.propose(corpus, other, model, store=store)
