"""The passage that decided: shares of a text's passages sum to 1, and what is handed out is in the text."""

from __future__ import annotations

import dataclasses
import html
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.texts import Columns, Texts
from annotune.network.base import find_base, load_tokenizer
from annotune.network.batches import tokenize
from annotune.network.deciding import contributions, deciding, shares_of_passages
from annotune.network.logits import decide
from annotune.network.passages import passages_of, start_of
from annotune.study.file import read_study
from annotune.tables import read_table
from annotune.tuning.crossfit import in_corpus_order
from annotune.tuning.uncoded import FoldCoder

pytestmark = pytest.mark.filterwarnings("ignore:The corpus")  # of the missing text, which is said
TOKENIZER: Any = load_tokenizer(find_base("minilm"))
TOPICS = {
    "Health": ["Hospitals need more nurses.", "Waiting lists for a doctor are too long.", "Vaccines save lives."],
    "Farming": ["The harvest was poor.", "Milk prices fall, say farmers.", "Pesticides harm the fields."],
}
TALK = "Let me begin by thanking the chair and all of my colleagues for their patience this afternoon. "
NUMBERS = ["evidence_share", "evidence_start", "evidence_end"]
logits = arrays(np.float32, (7, 3), elements=st.floats(-30, 30, width=32))
STARTS, ENDS = np.array([0, 1, 4]), np.array([1, 4, 7])


@given(logits, st.sampled_from([None, [0.5, -1.0, 0.0], [0.4, 1.3]]), st.booleans())
def test_shares_sum_to_1_and_the_largest_is_handed_out(passages: np.ndarray, cutoffs: Any, sets: bool) -> None:
    """Whatever the logits are and however answers follow from them."""
    cutoffs = None if sets and cutoffs is not None and len(cutoffs) < 3 else cutoffs
    texts = np.stack([passages[a:b].mean(0) for a, b in zip(STARTS, ENDS, strict=True)])
    of = np.repeat(np.arange(3), ENDS - STARTS)
    added = contributions(passages, texts, of, sets, cutoffs)
    shares = shares_of_passages(added, STARTS)
    assert (shares >= 0).all()
    assert np.allclose(np.add.reduceat(shares, STARTS), 1)
    spans = [[(place, place + 1) for place in range(a, b)] for a, b in zip(STARTS, ENDS, strict=True)]
    numbers = deciding(passages, texts, spans, sets, cutoffs).reshape(3, -1, 3)
    for text, (a, b) in enumerate(zip(STARTS, ENDS, strict=True)):
        assert (numbers[text, :, 1] == a + shares[a:b].argmax(0)).all()
        assert (numbers[text, :, 0] == shares[a:b].max(0)).all()
    if sets or cutoffs is None:  # a mean margin is above 0 where the label is given, and then some passage is for it
        margins = np.add.reduceat(added, STARTS)
        given_labels = decide(texts, sets, cutoffs) if sets else np.ones((3, 1), dtype=bool)
        assert (margins[given_labels] > -1e-3).all()


def test_the_runner_up_is_that_of_the_whole_text() -> None:
    """Two passages for the first label: one against the second, and one against the third, which nobody believes."""
    passages = np.array([[4.0, 0.0, 3.0], [1.0, 2.0, -9.0]], dtype=np.float32)
    texts = passages.mean(0, keepdims=True)  # 2.5, 1.0, -3.0
    added = contributions(passages, texts, np.array([0, 0]), False, None)
    assert added.ravel().tolist() == [4.0, -1.0]
    assert deciding(passages, texts, [[(0, 9), (9, 20)]], False).tolist() == [[1.0, 0.0, 9.0]]


def test_where_no_passage_speaks_for_a_label_there_is_a_share_all_the_same() -> None:
    """It is counted from the one that speaks most against it; where all say the same, they are equal."""
    assert shares_of_passages(np.array([[-1.0], [-3.0], [-2.0]]), np.array([0])).ravel() == pytest.approx(
        [2 / 3, 0, 1 / 3]
    )
    assert shares_of_passages(np.array([[-1.0], [-1.0], [0.0]]), np.array([0, 2])).ravel().tolist() == [0.5, 0.5, 1.0]
    assert shares_of_passages(np.full((2, 1), np.nan), np.array([0])).ravel().tolist() == [0.5, 0.5]


@given(st.text(st.sampled_from("ab é.!?\n 你。🙂\x00"), max_size=300), st.integers(8, 40))
def test_of_a_text_that_is_cut_the_start_is_what_is_read(text: str, limit: int) -> None:
    """Its tokens are those that the network is given."""
    start, end = start_of(TOKENIZER, text, limit)
    assert (start, 0 <= end <= len(text)) == (0, True)
    read = tokenize(TOKENIZER, [text], limit)
    assert tokenize(TOKENIZER, [text[:end]], limit).ids == read.ids or read.cut
    assert end == len(text.rstrip("\x00")) or read.cut or "\x00" in text


@pytest.fixture(scope="module")
def speeches() -> pl.DataFrame:
    """Speeches whose subject comes after much talk."""
    rng = np.random.default_rng(1)
    rows = [(f"s{i}", TALK * 5 + " ".join(rng.choice(TOPICS[name], 9)), name) for i, name in enumerate([*TOPICS] * 12)]
    return pl.DataFrame(rows, schema=["unit_id", "text", "label"], orient="row")


def book(kind: str = "nominal") -> at.Codebook:
    """Two topics."""
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(TOPICS, 1))
    return at.Codebook(variables=(at.Variable(name="topic", kind=kind, labels=labels),))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(speeches: pl.DataFrame) -> at.Classifier:
    """A model of these speeches, which reads them whole."""
    gold = speeches.select("unit_id", "label", variable=pl.lit("topic"))
    options: dict[str, Any] = {"method": "probe", "max_tokens": 64, "n_boot": 0, "folds": 2}
    return at.tune(speeches.select("unit_id", "text"), gold, book(), **options)


@pytest.fixture
def corpus(speeches: pl.DataFrame) -> pl.DataFrame:
    """A few of the speeches, a short text, a missing one, and one with characters of several bytes."""
    more = [
        ("short", "Nurses."),
        ("none", None),
        ("wide", "Ünser Spital 🙂 braucht Pflege. " * 12 + "Farmers sell milk."),
    ]
    rows = pl.DataFrame(more, schema={"unit_id": pl.String, "text": pl.String}, orient="row")
    return pl.concat([speeches.select("unit_id", "text").head(3), rows])


def test_labels_and_probabilities_are_the_same_to_the_last_bit(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """And the passage is the text's own, from start to end; one that is short is whole."""
    plain, coded = model.classify(corpus), model.classify(corpus, evidence=True)
    assert coded.select(plain.columns).equals(plain)
    assert coded.columns == [*plain.columns, "evidence", *NUMBERS]
    text_of = dict(corpus.iter_rows())
    for unit, passage, share, start, end in coded.select("unit_id", "evidence", *NUMBERS).iter_rows():
        if unit == "none":
            assert (passage, share, start, end) == (None, None, None, None)
            continue
        assert text_of[unit][start:end] == passage
        assert (start, end) in passages_of(TOKENIZER, text_of[unit], 64)
        assert 0 < share <= 1
    rows = {row["unit_id"]: row for row in coded.iter_rows(named=True)}
    assert (rows["short"]["evidence"], rows["short"]["evidence_share"]) == ("Nurses.", 1.0)
    assert all("thanking" not in rows[unit]["evidence"].split(".")[0] for unit in ("s0", "s1", "s2"))


def test_of_sets_each_label_has_its_own_passage(model: at.Classifier) -> None:
    """And a set without labels has none."""
    card: Any = {**model.card, "choices": {**model.card["choices"], "cutoffs": [-5.0, -5.0]}}
    sets = dataclasses.replace(model, variable=book("multilabel").variables[0], card=card)
    text = " ".join(TOPICS["Health"] * 5 + TOPICS["Farming"] * 5)
    corpus = pl.DataFrame({"unit_id": ["a"], "text": [text]})
    coded = sets.classify(corpus, evidence=True)
    passage = dict(coded.select("label", "evidence").iter_rows())
    assert "nurses" in passage["Health"]
    assert "Pesticides" in passage["Farming"]
    wide = at.attach(corpus, coded, codebook=book("multilabel"))
    assert wide["topic_evidence_Health"].to_list() == [passage["Health"]]
    assert wide["topic_evidence_start_Farming"][0] == text.index(passage["Farming"])
    card["choices"]["cutoffs"] = [99.0, 99.0]
    none = dataclasses.replace(sets, card=card).classify(corpus, evidence=True)
    assert none.select("status", "label", "evidence", *NUMBERS).row(0) == ("none", *[None] * 5)


def test_every_runtime_names_the_same_passage(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """Those that compute in 32 bits and that this machine has."""
    from annotune.runtimes.choice import Choice
    from annotune.runtimes.engines import RUNTIMES, runtimes_here

    coded = model.classify(corpus, evidence=True)
    for name in [name for name in runtimes_here(model.model) if RUNTIMES[name].exact]:
        other = model.classify(corpus, precision=Choice(name, name, ""), evidence=True)
        assert other.select("unit_id", "label", "evidence").equals(coded.select("unit_id", "label", "evidence"))
        assert np.allclose(other["evidence_share"].drop_nulls(), coded["evidence_share"].drop_nulls(), atol=1e-4)


def test_openvino_reads_passages(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """To the same numbers as torch, within what its sums in another order change."""
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    from annotune.runtimes.engines import engine

    tokens = model.tokens(corpus["text"].drop_nulls().to_list())
    assert tokens.ends is not None
    openvino, torch = (engine(name, model.model).logits(tokens) for name in ("openvino-float32", "float32"))
    assert np.allclose(openvino, torch, atol=1e-3)


def test_files_and_data_files_hold_the_passages(model: at.Classifier, corpus: pl.DataFrame, tmp_path: Path) -> None:
    """What is coded into a folder, and what Stata and R open."""
    coded = model.classify(corpus, evidence=True)
    model.save(tmp_path / "model")
    corpus.write_parquet(tmp_path / "texts.parquet")
    options: dict[str, Any] = {"shard": (1, 1), "threads": 1}
    at.classify(tmp_path / "texts.parquet", tmp_path / "model", tmp_path / "out", evidence=True, **options)
    filed = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert filed.select("unit_id", "label", "evidence").equals(coded.select("unit_id", "label", "evidence"))
    assert np.allclose(filed["evidence_share"].drop_nulls(), coded["evidence_share"].drop_nulls(), atol=1e-4)
    with pytest.raises(at.AnnotuneError, match="was begun with evidence=True"):
        at.classify(tmp_path / "texts.parquet", tmp_path / "model", tmp_path / "out", **options)
    wide = at.attach(corpus, coded, codebook=book())
    targets = [tmp_path / "coded.dta", tmp_path / "coded.rds"]
    at.write(wide, targets, codebook=book())
    for target in targets:
        back = read_table(target).frame
        assert back["topic_evidence"].replace("", None).to_list() == wide["topic_evidence"].to_list()
        assert back["topic_evidence_start"].to_list() == wide["topic_evidence_start"].to_list()


def test_models_of_which_no_passage_decides_say_so(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """Those that read more than the text, or the text in a prompt; and a corpus must have room for the columns."""
    for change, reason in (({"target": "bill"}, "reads 'bill' beside"), ({"objective": "label"}, "within a prompt")):
        card: Any = {**model.card, "settings": {**model.card["settings"], **change}}
        with pytest.raises(at.AnnotuneError, match=reason):
            dataclasses.replace(model, card=card).classify(corpus, evidence=True)
    coded, taken = model.classify(corpus, evidence=True), corpus.with_columns(topic_evidence_share=1)
    with pytest.raises(at.AnnotuneError, match="'topic_evidence_share' already"):
        at.attach(taken, coded, codebook=book())


def test_of_texts_that_are_cut_the_start_is_handed_out(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """With a share of 1: nothing else was read."""
    card: Any = {**model.card, "settings": {**model.card["settings"], "long_texts": "cut"}}
    cut = dataclasses.replace(model, card=card)
    with pytest.warns(at.AnnotuneWarning, match="only the start is read"):
        coded = cut.classify(corpus, evidence=True)
    assert coded["evidence_share"].drop_nulls().unique().to_list() == [1.0]
    assert coded["evidence_start"].drop_nulls().unique().to_list() == [0]
    assert coded["evidence_end"][0] < len(corpus["text"][0])
    assert coded["evidence"][0] == corpus["text"][0][: coded["evidence_end"][0]]


def test_the_report_has_the_passages_of_the_surest_and_the_least_sure_text(
    model: at.Classifier, corpus: pl.DataFrame, tmp_path: Path
) -> None:
    """Of codings and of coded texts, only where they were asked for, and never as HTML."""
    text = "<script>alert(1)</script> " + " ".join(TOPICS["Farming"] * 2)
    texts = pl.concat([corpus, pl.DataFrame({"unit_id": ["x"], "text": [text]})])
    coded = model.classify(texts, evidence=True)
    passages = coded.filter(pl.col("label") == "Farming").sort("prob", descending=True)["evidence"].to_list()
    wide = at.attach(texts, coded, codebook=book())
    for said in (coded, wide):
        page = at.report(tmp_path / "page.html", model=model, coded=said, n_boot=100).read_text("utf-8")
        assert "Passages that decided" in page
        assert all(html.escape(" ".join(passage.split())[:60]) in page for passage in (passages[0], passages[-1]))
        assert "<script>alert" not in page
    page = at.report(tmp_path / "page.html", model=model, coded=model.classify(texts), n_boot=100).read_text("utf-8")
    assert "Passages that decided" not in page
    assert "Pesticides" not in page


def test_the_coding_page_marks_the_passage(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """By its columns beside the corpus, also where characters take several bytes, or its words come twice."""
    twice = pl.DataFrame({"unit_id": ["twice"], "text": [(TALK * 3 + TOPICS["Health"][0] * 20 + " ") * 3]})
    corpus = pl.concat([corpus, twice])
    coded = model.classify(corpus, evidence=True)
    beside = at.attach(corpus, coded, codebook=book(), text=True)
    texts = Texts(read_corpus(beside), Columns(mark="topic_evidence"))
    for unit, start, end in coded.select("unit_id", "evidence_start", "evidence_end").drop_nulls().iter_rows():
        shown = texts.shown(unit)
        assert shown["mark"] == [start, end]


def test_of_folds_only_texts_that_nobody_coded_have_passages(model: at.Classifier, corpus: pl.DataFrame) -> None:
    """Predictions out of fold have none, and the folds' models hand theirs out."""
    texts = read_corpus(corpus)
    coder = FoldCoder(corpus.tail(3).with_columns(fold=pl.lit(1, pl.Int64)), evidence=True)
    coder(1, model)
    for by in (None, coder):
        codings = in_corpus_order(model, texts, "float32", by, evidence=True)
        assert codings["unit_id"].to_list() == corpus["unit_id"].to_list()
        assert codings["evidence"].is_null().to_list() == [True, True, True, False, True, False]
    assert "evidence" not in in_corpus_order(model, texts, "float32").columns
    assert in_corpus_order(model, read_corpus(corpus.head(3)), "float32", evidence=True)["evidence"].is_null().all()


def test_a_study_whose_model_reads_more_than_the_text_is_refused(tmp_path: Path) -> None:
    """Before anything is computed; one that reads the text alone is not."""
    study = {"codebook": "book.yaml", "corpus": "texts.csv", "codings": "anna.csv", "classify": {"evidence": True}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study), "utf-8")
    assert read_study(path).study.classify.evidence
    path.write_text(yaml.safe_dump({**study, "tune": {"text": ["before", "text"]}}), "utf-8")
    with pytest.raises(at.AnnotuneError, match="reads 'before' beside a text"):
        read_study(path)
