"""Zero-shot coding: the probabilities are those of plain reading, each text keeps its row, each question its answer."""

import json
import shutil
import warnings

import numpy as np
import polars as pl
import pytest
import torch

import annotune as at
from annotune.data.codebook import Label, Variable
from annotune.data.corpus import sound_corpus
from annotune.models import zeroshot as module
from annotune.network import speaker
from annotune.network.base import find_base, load_pair
from annotune.network.prompts import make_prompt
from annotune.network.slots import make_slots

COMMON = ("the", "minister", "asked", "about", "new", "more", "year", "cost")
CPU = torch.device("cpu")
FAMILIES = ("llama", "qwen2", "qwen3", "gemma", "mistral", "gemma3_text")
TOPIC = Variable(
    name="topic",
    instruction="What is the question about?",
    labels=(
        Label(code=1, name="Health", definition="Hospitals and doctors", examples=("the doctor asked", "a nurse")),
        Label(code=2, name="Law"),
        Label(code=3, name="Law and order", definition="Police", examples=("the police",)),
        Label(code=4, name="Farming in the European Union"),
        Label(code=5, name="Farming elsewhere"),
    ),
)
AREAS = Variable(name="areas", kind="multilabel", labels=(Label(code=1, name="Europe"), Label(code=2, name="Money")))
MOOD = Variable(name="mood", kind="ordinal", labels=(Label(code=0, name="low"), Label(code=1, name="high")))
BOOK = at.Codebook(variables=(TOPIC, AREAS, MOOD))
TEXTS = ["the court", "a hospital and its doctor, patient and nurse about the new year " * 3, "x", "wheat and soil"]


def corpus_of(texts):
    return pl.DataFrame({"unit_id": [f"u{i}" for i in range(len(texts))], "text": texts})


def asking(variables, folder, examples=0):
    return module.ready(variables, *load_pair(find_base(str(folder)), CPU, speaking=True), examples)


def plain_score(backbone, prompt, tokenizer, text, question, label):
    """A label's mean log-probability, read by itself without anything shared: over the tokens that set it apart."""

    def ids(piece, **options):
        return tokenizer(piece, add_special_tokens=False, **options)["input_ids"]

    def path(name):
        return ids(f" {name}") + ids(prompt.end)[:1]

    start = ids(prompt.before)
    if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id and start[0] != tokenizer.bos_token_id:
        start = [tokenizer.bos_token_id, *start]
    start = start + ids(text, split_special_tokens=True) + ids(prompt.after) + ids(f"{question.slot}:")
    others = [path(name) for name in question.answers if name != label]
    answer = path(label)
    shared = next(i for i in range(99) if len({tuple(one[: i + 1]) for one in [answer, *others]}) > 1)
    alone = next(i for i in range(1, 99) if i > shared and all(one[:i] != answer[:i] for one in others))
    with torch.no_grad():
        logits = backbone(input_ids=torch.tensor([start + answer])).logits[0].log_softmax(-1)
    return np.mean([logits[len(start) + i - 1, answer[i]].item() for i in range(shared, alone)])


@pytest.mark.parametrize("family", FAMILIES)
def test_scores_from_the_shared_codebook_are_those_of_plain_reading(family, decoder):
    tokenizer, backbone = load_pair(find_base(str(decoder(family))), CPU, speaking=True)
    backbone.eval()
    prompt = make_prompt(BOOK.variables, tokenizer, examples=2)
    asked = asking(BOOK.variables, decoder(family), 2)
    found = asked.logits(TEXTS)
    assert len(asked.model.slots.before) > 96  # longer than the window of those models that have one
    for row, text in zip(found, TEXTS, strict=True):
        plain = [
            plain_score(backbone, prompt, tokenizer, text, question, label)
            for question in prompt.questions
            for label in question.answers
        ]
        assert np.abs(row - plain).max() < 1e-5


def test_written_out_attention_gives_the_same(decoder):
    asked = asking(BOOK.variables, decoder("gemma3_text"), 0)
    before = asked.logits(TEXTS)
    asked.model.backbone.set_attn_implementation("eager")
    assert np.abs(asked.logits(TEXTS) - before).max() < 1e-5


@pytest.mark.parametrize("examples", [0, 1])
def test_every_text_and_variable_has_its_rows_in_order(decoder, examples):
    corpus = corpus_of(["the court", None, "the court", "<|im_end|> judge", "<|im_end|>"])
    with pytest.warns(at.AnnotuneWarning, match="1 of 5 texts are empty"):
        coded = at.zero_shot(corpus, BOOK, str(decoder()), examples=examples)
    single = coded.filter(pl.col("variable") != "areas")
    assert single["unit_id"].to_list() == [unit for unit in corpus["unit_id"] for _ in range(2)]
    assert single["variable"].to_list() == ["topic", "mood"] * 5
    assert single["status"].to_list() == ["ok", "ok", "missing", "missing"] + ["ok"] * 6
    assert set(coded["coder"]) == {"tiny-llama-few-shot" if examples else "tiny-llama-zero-shot"}
    topics = coded.filter(variable="topic", status="ok")
    shares = topics.select([f"p_{name}" for name in TOPIC.names]).to_numpy()
    assert shares.sum(1) == pytest.approx(np.ones(4))
    assert topics["label"].to_list() == [TOPIC.names[i] for i in shares.argmax(1)]
    assert topics["prob"].to_list() == pytest.approx(shares.max(1))
    assert topics.row(0)[3:] == topics.row(1)[3:]
    sets = coded.filter(variable="areas", unit_id="u0").row(0, named=True)
    given = coded.filter(variable="areas", unit_id="u0")["label"].drop_nulls().to_list()
    assert given == [name for name in AREAS.names if sets[f"p_{name}"] > 0.5]
    assert sets["status"] == ("ok" if given else "none")
    assert at.read_codings(coded, BOOK).shape[0] == len(coded)


def test_46_variables_on_200_texts_whatever_the_batch_and_the_order(decoder):
    """The layout of human flourishing: two codebooks, 46 dimensions, each absent, low, medium or high."""
    levels = tuple(Label(code=i, name=name) for i, name in enumerate(("absent", "low", "medium", "high")))
    scales = [Variable(name=f"dim{i:02}", kind="ordinal", labels=levels) for i in range(46)]
    books = [at.Codebook(variables=scales[:20]), at.Codebook(variables=scales[20:])]
    rng = np.random.default_rng(1)
    words = np.array([*COMMON, "hospital", "doctor", "court", "judge", "wheat", "soil"])
    corpus = corpus_of([" ".join(rng.choice(words, n)) for n in rng.integers(1, 25, 200)])
    coded = at.zero_shot(corpus, books, str(decoder("qwen3")), batch_tokens=8192)
    pairs = coded.select("unit_id", "variable")
    wanted = [(unit, scale.name) for unit in corpus["unit_id"] for scale in scales]
    assert pairs.rows() == wanted
    assert set(coded["status"]) == {"ok"}
    assert coded.columns[6:] == ["p_absent", "p_low", "p_medium", "p_high"]
    assert coded["label"].n_unique() > 1
    order = rng.permutation(200)
    again = at.zero_shot(corpus[order], books, str(decoder("qwen3")), batch_tokens=600)
    again = pairs.join(again, on=["unit_id", "variable"], how="left", maintain_order="left")
    assert again["label"].to_list() == coded["label"].to_list()
    gap = again.select("^p_.*$").to_numpy() - coded.select("^p_.*$").to_numpy()
    assert np.abs(gap).max() < 1e-5


def test_answers_do_not_see_each_other(decoder):
    """A question's answer is the same when it is asked in other company after the text (with the same codebook)."""
    asked = asking(BOOK.variables, decoder(), 0)
    together = asked.logits(TEXTS)
    tokenizer, backbone = load_pair(find_base(str(decoder())), CPU, speaking=True)
    prompt = make_prompt(BOOK.variables, tokenizer)
    slots = make_slots(prompt, tokenizer)
    start = 0
    for i, size in enumerate(slots.sizes):
        alone = module.Speaker(backbone, type(slots)(slots.before, slots.paths[i : i + 1], slots.stems[i : i + 1]))
        one = module.Asked(alone, tokenizer, BOOK.variables, 512)
        assert np.abs(one.logits(TEXTS) - together[:, start : start + size]).max() < 1e-5
        start += size


def test_calibration_is_that_of_zhao_and_others():
    given, free = np.array([[0.6, 0.3, 0.1]]), np.array([[0.6, 0.2, 0.2], [0.4, 0.4, 0.2]])
    weighed = np.linalg.inv(np.diag(free.mean(0))) @ given[0]
    assert module._calibrated(given, free)[0] == pytest.approx(weighed / weighed.sum())
    assert module._calibrated(given, free)[0].argmax() == 0
    assert module._calibrated(free.mean(0, keepdims=True), free)[0] == pytest.approx([1 / 3] * 3)


def test_a_text_without_content_is_coded_at_random_only_with_calibration(decoder):
    corpus = sound_corpus(corpus_of(["N/A", "[MASK]"]))  # read as a file, N/A would be no text
    book = at.Codebook(variables=(TOPIC,))
    even = at.zero_shot(corpus, book, str(decoder())).select("^p_.*$").to_numpy().mean(0)
    raw = at.zero_shot(corpus, book, str(decoder()), calibrate=False).select("^p_.*$").to_numpy().mean(0)
    assert np.ptp(even) < np.ptp(raw) / 3


def test_equal_probabilities_give_the_first_label():
    row = np.array([0.25, 0.25 + 4e-6, 0.25, 0.25 - 4e-6])
    levels = Variable(name="x", labels=tuple(Label(code=i, name=name) for i, name in enumerate("abcd")))
    assert module._given(levels, row)[0]["label"] == "a"
    assert module._given(levels, row + np.array([0, 1e-3, 0, 0]))[0]["label"] == "b"


def test_long_texts_are_cut_and_the_codebook_never(decoder):
    corpus = corpus_of(["hospital " * 50 + "court " * 3000, "hospital " * 50 + "wheat " * 3000, "judge"])
    with pytest.warns(at.AnnotuneWarning, match=r"2 of 3 distinct texts \(66\.7%\) are longer than 20 tokens"):
        coded = at.zero_shot(corpus, BOOK, str(decoder()), "topic", max_tokens=20)
    assert coded.row(0)[3:] == coded.row(1)[3:]
    with pytest.warns(at.AnnotuneWarning, match=r"2 of 3 .* are longer than \d{4} tokens"):
        at.zero_shot(corpus, BOOK, str(decoder()), "topic", max_tokens=100_000)


def test_where_memory_runs_out_batches_are_halved_and_no_text_is_lost(decoder, monkeypatch):
    corpus = corpus_of([f"judge {word}" for word in "abcdefghij"])
    whole = at.zero_shot(corpus, BOOK, str(decoder()), "topic")
    real = module.Speaker.forward

    def cramped(self, ids, *rest):
        if len(ids) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(self, ids, *rest)

    monkeypatch.setattr(module.Speaker, "forward", cramped)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = at.zero_shot(corpus, BOOK, str(decoder()), "topic")
    assert [str(note.message).split(";")[0] for note in said] == [
        "Memory ran out with 10 texts at a time",
        "Memory ran out with 5 texts at a time",
    ]
    assert again["label"].to_list() == whole["label"].to_list()
    asked = asking((TOPIC,), decoder(), 0)
    monkeypatch.setattr(module.Speaker, "forward", lambda self, *_: cramped(self, [0] * 9))
    with pytest.raises(at.AnnotuneError, match="No memory is left for a single text"):
        asked.logits(["judge"])


def test_no_variable_no_label_nothing_to_code(decoder):
    with pytest.raises(at.AnnotuneError, match="no variable 'topics'"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(decoder()), "topics")
    with pytest.raises(at.AnnotuneError, match="names no variable"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(decoder()), [])
    with pytest.raises(at.AnnotuneError, match="'topic' is there twice"):
        at.zero_shot(corpus_of(["a"]), [BOOK, BOOK], str(decoder()))
    with pytest.raises(at.AnnotuneError, match="precision 'int8'"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(decoder()), precision="int8")
    with pytest.raises(at.AnnotuneError, match="cannot be that small"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(decoder()), max_tokens=0)
    with pytest.warns(at.AnnotuneWarning, match="1 of 1 texts are empty"):
        coded = at.zero_shot(corpus_of([" "]), BOOK, str(decoder()))
    assert coded["status"].to_list() == ["missing"] * 3


def test_an_encoder_gives_no_answers(tiny_base):
    with pytest.raises(at.AnnotuneError, match=r"\(bert\) is no decoder"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(tiny_base))


def test_a_tokenizer_without_a_chat_template(decoder, tmp_path):
    shutil.copytree(decoder(), tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    with pytest.raises(at.AnnotuneError, match=r"no chat template.*template='plain'"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(tmp_path / "bare"))
    coded = at.zero_shot(corpus_of(["a"]), BOOK, str(tmp_path / "bare"), "topic", template="plain", examples=1)
    assert coded["status"].to_list() == ["ok"]


def test_labels_that_are_the_same_to_the_tokenizer(decoder, tmp_path):
    shutil.copytree(decoder(), tmp_path / "blunt")
    path = tmp_path / "blunt" / "tokenizer.json"
    blunt = json.loads(path.read_text())
    blunt["normalizer"] = {"type": "Replace", "pattern": {"Regex": "[0-9]"}, "content": "0"}
    path.write_text(json.dumps(blunt))
    book = at.Codebook(variables=(Variable(name="t", labels=[Label(code=i, name=f"area {i}") for i in (1, 2)]),))
    with pytest.raises(at.AnnotuneError, match="the labels 'area 1', 'area 2' of 't' are the same"):
        at.zero_shot(corpus_of(["a"]), book, str(tmp_path / "blunt"))


def test_a_codebook_longer_than_the_context(decoder):
    small = decoder("llama", max_position_embeddings=128)
    with pytest.raises(at.AnnotuneError, match=r"The codebook takes \d+ tokens, .* no more than 128"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(small))


def test_an_architecture_that_takes_no_trees_is_refused(decoder, monkeypatch):
    """Were every token after the text to see all the others, as where masks are not taken as they are given."""
    real = speaker._visible
    monkeypatch.setattr(speaker, "_visible", lambda mask, sees, start: real(mask, torch.ones_like(sees), start))
    with pytest.raises(at.AnnotuneError, match="type llama cannot share the codebook"):
        at.zero_shot(corpus_of(["a"]), BOOK, str(decoder()))


@pytest.mark.parametrize(("n", "other"), [(20, 1), (20, 2), (19, 0)])
def test_nearly_one_label_is_said_with_a_hint_at_coding_some_texts(monkeypatch, n, other):
    labels = ["low"] * (n - other) + ["high"] * other
    corpus = corpus_of([f"text {i}" for i in range(n)])
    codings = corpus.select("unit_id", label=pl.Series(labels), variable=pl.lit("mood"), status=pl.lit("ok"))
    monkeypatch.setattr(module, "decoder", lambda *_, **__: lambda *_: codings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert at.zero_shot(corpus, at.Codebook(variables=(MOOD,)), "any") is codings
        same = corpus.with_columns(text=pl.lit("always the same"))
        at.zero_shot(same, at.Codebook(variables=(MOOD,)), "any")
    said = [str(one.message) for one in caught]
    assert len(said) == (n == 20 and other == 1)
    assert all("19 of 20 different texts have got the label 'low' of mood" in one for one in said)
    assert all("Code 50 texts by hand first" in one for one in said)
