"""Long texts are read whole: passages are the text, none is too long, and what is computed of a text is their mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.bulk.coders import load_model, tuned_spec
from annotune.measures.baselines import TF_IDF
from annotune.network.base import find_base, load_pair, load_tokenizer
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import build, outputs
from annotune.network.packed import Packed, why_not_packed
from annotune.network.passages import passages_of, read_whole
from annotune.network.steady import steady_logits
from annotune.tuning.loop import MOST_PASSAGES

CPU = torch.device("cpu")
TOKENIZER: Any = load_tokenizer(find_base("minilm"))
TOPICS = {
    "Health": ["Hospitals need more nurses.", "Waiting lists for a doctor are too long.", "Vaccines save lives."],
    "Farming": ["The harvest was poor.", "Milk prices fall, say farmers.", "Pesticides harm the fields."],
}
TALK = "Let me begin by thanking the chair and all of my colleagues for their patience this afternoon. "


def speeches(n: int, talk: int = 6) -> pl.DataFrame:
    """Speeches whose subject comes after much talk, so that their start says nothing of it."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(n):
        topic = str(rng.choice(list(TOPICS)))
        matter = " ".join(rng.choice(TOPICS[topic], 12))
        rows.append((f"s{number}", TALK * talk + matter, topic))
    return pl.DataFrame(rows, schema=["unit_id", "text", "label"], orient="row")


def book() -> at.Codebook:
    """Two topics."""
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(TOPICS, 1))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


def tuned(frame: pl.DataFrame, **settings: Any) -> at.Classifier:
    """A model of these speeches."""
    gold = frame.select("unit_id", "label", variable=pl.lit("topic"))
    return at.tune(frame.select("unit_id", "text"), gold, book(), max_tokens=64, n_boot=0, **settings)


def accuracy(model: at.Classifier) -> float:
    """On held-out texts."""
    assert model.held_out is not None
    assert model.gold is not None
    both = model.held_out.join(model.gold, on="unit_id", suffix="_gold")
    return float((both["label"] == both["label_gold"]).mean())  # type: ignore[arg-type]


words = st.text(st.sampled_from("ab é.!?\n 你。🙂"), max_size=400)


@given(words, st.integers(8, 40))
def test_passages_are_the_text_and_none_is_too_long(text: str, limit: int) -> None:
    """One behind the other they are the text, and each fits with what stands around it."""
    spans = passages_of(TOKENIZER, text, limit)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == len(text)
    assert read_whole(TOKENIZER, [text], limit).cut == 0


def test_passages_end_with_sentences() -> None:
    """Where there are any near the end of the room."""
    text = "The cat sat on the mat. " * 40
    spans = passages_of(TOKENIZER, text, 64)
    assert len(spans) > 3
    assert all(text[start:end].endswith(". ") for start, end in spans)


def test_a_text_that_fits_is_read_as_it_always_was() -> None:
    """The same tokens, and the same numbers to the last bit, beside a long one."""
    short = ["A short text.", "Another one, no longer."]
    whole, cut = read_whole(TOKENIZER, [*short, "long " * 200], 32), tokenize(TOKENIZER, short, 32)
    assert [list(ids) for ids in whole.ids[:2]] == cut.ids
    network = build(load_pair(find_base("minilm"), CPU)[1], 3)
    assert np.array_equal(steady_logits(network, whole)[:2], steady_logits(network, cut))


def test_every_way_to_compute_gives_the_mean_of_a_texts_passages() -> None:
    """In whatever company, and after texts are taken out."""
    network = build(load_pair(find_base("minilm"), CPU)[1], 3)
    texts = ["Short.", " ".join(f"Sentence {i} is here." for i in range(60)), "Of medium length, that is. " * 9]
    tokens = read_whole(TOKENIZER, texts, 32)
    rows = outputs(network, tokens.passages)
    expected = np.stack([rows[start:end].mean(0) for start, end in zip(tokens.starts, tokens.ends, strict=True)])
    assert np.allclose(outputs(network, tokens), expected, atol=1e-5)
    steady = steady_logits(network, tokens)
    assert np.allclose(steady, expected, atol=1e-5)
    assert np.array_equal(steady_logits(network, tokens.take(np.array([2, 1]))), steady[[2, 1]])
    if why_not_packed(network) is None:
        packed = Packed(network, torch.float32).logits(tokens)
        assert np.allclose(packed, expected, atol=1e-4)
        assert np.array_equal(Packed(network, torch.float32).logits(tokens.take(np.array([1]))), packed[[1]])


def test_lengths_are_those_of_whole_texts() -> None:
    """And of no texts there are none."""
    tokens = Tokens([[1, 2], [3], [4, 5, 6]], 0, 8, 0, np.array([1, 3]))
    assert tokens.lengths.tolist() == [2, 4]
    assert tokens.starts.tolist() == [0, 1]
    assert tokens.take(np.array([1])).ids == [[3], [4, 5, 6]]
    none = tokens.take(np.array([], dtype=int))
    assert (len(none), none.lengths.tolist()) == (0, [])
    assert none.pooled(np.zeros((0, 2))).shape == (0, 2)


def test_a_document_of_100_000_words_is_read_in_bounded_memory() -> None:
    """Of all its passages, in batches that are no larger than others."""
    text = "The quick brown fox jumps over the lazy dog again. " * 10_000
    tokens = read_whole(TOKENIZER, [text], 256)
    assert tokens.lengths[0] > 100_000
    assert max(map(len, tokens.ids)) <= 256
    assert all(row.itemsize == 4 for row in tokens.ids)  # type: ignore[attr-defined]
    seen: list[int] = []

    class Counting(torch.nn.Module):
        """Adds up to the first token, and notes how many tokens it was given at a time."""

        device, n_outputs, overhead, most_texts = CPU, 1, 0, 256

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            seen.append(ids.numel())
            return mask.sum(1, keepdim=True).float()

    logits = outputs(Counting(), tokens)  # type: ignore[arg-type]
    assert logits[0, 0] == pytest.approx(tokens.lengths[0] / len(tokens.ids))
    assert max(seen) <= 4096


def test_speeches_that_are_cut_are_not_learnt_and_whole_ones_are(tmp_path: Path) -> None:
    """By default they are read whole; the model is saved with that, and codes files in the same way."""
    frame = speeches(60)
    whole = tuned(frame, method="probe")
    with pytest.warns(at.AnnotuneWarning, match="60 coded texts are longer than 64 tokens; only the start is read"):
        cut = tuned(frame, method="probe", long_texts="cut")
    assert (whole.card["settings"]["long_texts"], cut.card["settings"]["long_texts"]) == ("whole", "cut")
    assert whole.card["cut_texts"] == 0
    assert cut.card["cut_texts"] == 60
    assert accuracy(whole) > 0.95 > 0.75 > accuracy(cut)
    codings = whole.classify(frame.select("unit_id", "text"))
    whole.save(tmp_path / "model")
    assert at.load(tmp_path / "model").classify(frame.select("unit_id", "text")).equals(codings)
    reader = load_model(tuned_spec(tmp_path / "model"), "cpu").reader("float32")
    filed, n_cut = reader.code(frame["unit_id"], frame["text"], lambda _: None)
    assert (filed["label"].to_list(), n_cut) == (codings["label"].to_list(), 0)
    with pytest.raises(at.AnnotuneError, match="reads long texts whole"):
        whole.export(tmp_path / "merged")


def test_where_counting_words_does_better_with_long_texts_these_are_named_and_no_language(tmp_path: Path) -> None:
    with pytest.warns(at.AnnotuneWarning, match="only the start is read"):
        cut = tuned(speeches(60), method="probe", long_texts="cut")
    cut.save(tmp_path / "model")
    kept = at.load(tmp_path / "model").evaluation
    assert cut.evaluation is not None
    assert kept is not None
    _, counted, *_ = cut.evaluation.in_words()
    assert "The model reads the start alone of 100% of the texts, as they are longer than 64 tokens. Count" in counted
    assert "language" not in counted
    assert kept.in_words() == cut.evaluation.in_words()
    whole = tuned(speeches(60), method="probe").evaluation
    assert whole is not None
    notes = whole.measures.filter(model=TF_IDF)["note"]
    assert notes.str.contains("reads 100% of the texts in passages, and takes their mean").all()
    with pytest.warns(at.AnnotuneWarning, match="may hardly read these texts"):
        strange = tuned(speeches(60).with_columns(pl.col("text").str.replace_all("[a-z]", "ж")), method="probe")
    assert strange.evaluation is not None
    assert not strange.evaluation.measures.filter(model=TF_IDF)["note"].str.contains("passages").any()


def test_a_few_long_texts_are_cut_and_said() -> None:
    """One in twenty is too few to change what is read, unless that is asked for."""
    frame = speeches(60, talk=0).with_columns(text=pl.col("text").str.slice(0, 90))
    longer = pl.when(pl.int_range(60) == 0).then(pl.col("text") + " more" * 90).otherwise("text")
    frame = frame.with_columns(text=longer)
    with pytest.warns(at.AnnotuneWarning, match="One coded text is|1 coded text is longer than 64 tokens"):
        model = tuned(frame, method="probe")
    assert model.card["settings"]["long_texts"] == "cut"
    assert tuned(frame, method="probe", long_texts="whole").card["settings"]["long_texts"] == "whole"


def test_a_network_is_tuned_on_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    """On some of a text's, up to a fixed number a step; afterwards it reads all of them."""
    monkeypatch.setattr("annotune.tuning.loop.MOST_PASSAGES", 3)
    frame = speeches(24)
    model = tuned(frame, method="lora", epochs=2, folds=2, rank=4)
    assert model.card["settings"]["long_texts"] == "whole"
    assert MOST_PASSAGES > 3
    assert accuracy(model) > 0.8


def test_a_model_of_before_cuts_its_texts() -> None:
    """Its card does not say, and that is what was done."""
    from annotune.models.card import up_to_date

    card = {"settings": {"base": "minilm"}, "choices": {}}
    assert up_to_date(card, 2)["settings"]["long_texts"] == "cut"
