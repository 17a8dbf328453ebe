"""What a model reads beside the text: neighbours, a target, covariates."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import annotune as at
from annotune.data.inputs import Inputs, with_inputs
from annotune.data.marked import Parts, parts_of
from annotune.network.batches import tokenize

AROUND = ["text_before", "text", "text_after"]
BOOK = at.Codebook(
    variables=(at.Variable(name="topic", labels=(at.Label(code=1, name="Health"), at.Label(code=2, name="Wolves"))),)
)


def replies(n: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Answers that say nothing of their topic, each after a question that does; and their gold."""
    topics = ["Health" if number % 2 else "Wolves" for number in range(n)]
    about = {"Health": "Should hospitals get more money?", "Wolves": "May wolves be shot?"}
    corpus = pl.DataFrame(
        {
            "unit_id": [f"r{number}" for number in range(n)],
            "text_before": [about[topic] for topic in topics],
            "text": ["I agree."] * n,
            "text_after": [None if number % 3 else "Thank you." for number in range(n)],
            "party": ["Left" if topic == "Health" else "Right" for topic in topics],
        }
    )
    gold = corpus.select("unit_id", variable=pl.lit("topic"), label=pl.Series(topics))
    return corpus, gold


def tuned(**settings: object) -> at.Classifier:
    corpus, gold = replies()
    return at.tune(corpus, gold, BOOK, test=0, method="probe", n_boot=0, **settings)


def answers(model: at.Classifier) -> list[str]:
    return model.classify(replies()[0])["label"].to_list()


@pytest.mark.parametrize("settings", [{"text": AROUND}, {"target": "text_before"}])
def test_what_stands_beside_a_text_tells_equal_texts_apart(settings: dict[str, object]) -> None:
    assert answers(tuned(**settings)) == replies()[1]["label"].to_list()


def test_a_covariate_is_read_and_its_price_is_told(tmp_path: Path) -> None:
    with pytest.warns(at.AnnotuneWarning, match="related to 'party' by construction"):
        model = tuned(inputs="party")
    assert answers(model) == replies()[1]["label"].to_list()
    loaded = at.load(model.save(tmp_path / "model"))
    assert loaded.inputs == Inputs(covariates=("party",))
    with pytest.raises(at.AnnotuneError, match="reads the column 'party' beside the text"):
        loaded.classify(replies()[0].drop("party"))
    with pytest.raises(at.AnnotuneError, match="exports read texts alone"):
        loaded.export(tmp_path / "merged")


def test_long_texts_with_neighbours_are_cut_around_the_text() -> None:
    corpus, gold = replies()
    long = corpus.with_columns(text=pl.lit("I agree with what was said about it. " * 10) + pl.col("unit_id"))
    options = {"text": AROUND, "method": "probe", "n_boot": 0, "max_tokens": 64}
    with pytest.warns(at.AnnotuneWarning, match="only the start is read"):
        model = at.tune(long, gold, BOOK, **options)
    assert model.card["settings"]["long_texts"] == "cut"
    with pytest.raises(at.AnnotuneError, match="are read whole where they are all that is read"):
        at.tune(long, gold, BOOK, long_texts="whole", **options)


def test_stray_control_characters_are_a_part_of_the_text() -> None:
    strays = ["\x1e", "\x1ehello", "\x1e0,5\x1fhello", "\x1e2,1\x1fa\x1fb\x1fc", "a\x1fb", "I agree."]
    assert [parts_of(text) for text in strays] == [Parts((), (), text, ()) for text in strays]
    corpus, gold = replies()
    asked = corpus.select("unit_id", text=pl.col("text_before") + pl.col("unit_id"))
    model = at.tune(asked, gold, BOOK, test=0, method="probe", n_boot=0)
    texts = pl.DataFrame({"unit_id": [f"s{number}" for number in range(len(strays))], "text": strays})
    with pytest.warns(at.AnnotuneWarning, match="1 of 6 texts are empty"):
        assert model.classify(texts)["status"].to_list() == ["missing"] + ["ok"] * 5
    read = with_inputs(texts.with_columns(bill=pl.lit("The bill")), Inputs(target="bill"))
    assert [parts_of(text).ahead for text in read["text"]] == [("The bill",)] * len(strays)


def test_a_model_that_reads_neighbours_in_an_earlier_way_is_refused(tmp_path: Path) -> None:
    model = tuned(text=AROUND)
    assert model.card["vector_of"] == "own tokens"
    model.card["vector_of"] = "all tokens"
    with pytest.raises(at.AnnotuneError, match="was read in another way"):
        at.load(model.save(tmp_path / "model"))


def test_an_empty_text_stays_missing_whatever_stands_beside_it() -> None:
    corpus, _ = replies()
    model = tuned(text=AROUND)
    emptied = corpus.with_columns(text=pl.when(pl.col("unit_id") != "r1").then("text"))
    with pytest.warns(at.AnnotuneWarning, match="1 of 40 texts are empty"):
        codings = model.classify(emptied)
    assert codings.filter(status="missing")["unit_id"].to_list() == ["r1"]


def test_crossfit_keeps_the_corpus_as_it_was() -> None:
    corpus, gold = replies()
    done = at.crossfit(corpus, gold.head(30), BOOK, folds=2, method="probe", n_boot=0, text=AROUND)
    assert done.data.select(corpus.columns[:1] + AROUND[::2]).equals(corpus.select(corpus.columns[:1] + AROUND[::2]))
    assert done.codings["label"].to_list() == gold["label"].to_list()


def test_very_many_texts_are_coded_as_in_memory(tmp_path: Path) -> None:
    corpus, _ = replies()
    model = tuned(text=AROUND)
    corpus.write_parquet(tmp_path / "texts.parquet")
    with pytest.raises(at.AnnotuneError, match="Name all that it reads in covariates="):
        at.classify(tmp_path / "texts.parquet", model, tmp_path / "bare")
    beside = ["text_before", "text_after"]
    at.classify(tmp_path / "texts.parquet", model, tmp_path / "coded", covariates=beside, workers=1, shard=(1, 1))
    coded = pl.read_parquet(tmp_path / "coded" / "*.parquet")
    assert coded["label"].to_list() == model.classify(corpus)["label"].to_list()
    assert at.verify(tmp_path / "coded").is_sound
    asked = corpus["text_before"].reverse()
    other = corpus.with_columns(text_before=asked)
    other.write_parquet(tmp_path / "texts.parquet")
    files = at.verify(tmp_path / "coded").files
    assert files.filter(state="changed")["file"].str.ends_with("texts.parquet").to_list() == [True]
    at.classify(tmp_path / "texts.parquet", model, tmp_path / "coded", covariates=beside, workers=1, shard=(1, 1))
    again = pl.read_parquet(tmp_path / "coded" / "*.parquet")
    assert again["label"].to_list() == coded["label"].reverse().to_list()


@pytest.mark.parametrize("columns", [["text_before", "text_after"], ["text", "text"]])
def test_the_text_is_once_among_what_is_read(columns: list[str]) -> None:
    with pytest.raises(at.AnnotuneError, match="'text'"):
        tuned(text=columns)


def words(tmp: dict[str, int]) -> PreTrainedTokenizerFast:
    """A tokenizer of whole words, with the frame of BERT's."""
    inner = Tokenizer(models.WordLevel(tmp, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    named = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=512, **named)


NUMBERS = words({"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "b": 4, "t": 5, "a": 6})


@given(before=st.integers(0, 30), own=st.integers(1, 30), after=st.integers(0, 30), limit=st.integers(8, 60))
def test_neighbours_are_cut_around_the_text(before: int, own: int, after: int, limit: int) -> None:
    cells = {"unit_id": ["u"], "text_before": ["b " * before], "text": ["t " * own], "text_after": ["a " * after]}
    texts = with_inputs(pl.DataFrame(cells), Inputs(tuple(AROUND)))["text"].to_list()
    tokens = tokenize(NUMBERS, texts, limit)
    ids = tokens.ids[0]
    assert [token for token, own in zip(ids, tokens.own_of(0), strict=True) if own] == [5] * ids.count(5)
    assert len(ids) == min(limit, before + own + after + 4)
    assert ids.count(5) == min(own, limit - 2)
    assert tokens.cut == (own > limit - 2)
    left, right = ids.count(4), ids.count(6)
    if left < before and right < after:
        assert abs(left - right) <= 1
    whole = [1, *[4] * left, 2, *[5] * own, 2, *[6] * right, 2]
    assert tokens.cut or left + right == 0 or ids in (whole, [one for one in whole if one])


def test_a_vector_is_of_the_text_and_of_what_it_is_judged_with() -> None:
    row = {"unit_id": ["u"], "text_before": ["b b"], "text": ["t t t"], "text_after": ["a"], "bill": ["b"]}
    texts = with_inputs(pl.DataFrame(row), Inputs(tuple(AROUND), "bill"))["text"].to_list()
    tokens = tokenize(NUMBERS, texts, 60)
    assert tokens.ids == [[1, 4, 2, 4, 4, 2, 5, 5, 5, 2, 6, 2]]
    assert list(tokens.own_of(0)) == [0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_parts_come_back_as_they_went_in() -> None:
    row = {"unit_id": ["u"], "text": ["Why\x1f?"], "next": [None], "bill": ["On wolves"], "party": ["Greens"]}
    frame = pl.DataFrame(row, schema_overrides={"next": pl.String})
    marked = with_inputs(frame, Inputs(("text", "next"), "bill", ("party",)))["text"][0]
    parts = parts_of(marked)
    assert (parts.ahead, parts.before, parts.text, parts.after) == (("party: Greens", "On wolves"), (), "Why ?", ("",))
