"""Codebook tests of coders whose habits are known: those who read definitions, names, the order, or nothing at all."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.hybrid.codebook_variants import INSTRUCTION, sentences, variants
from annotune.models import zeroshot

WAR = at.Label(code=1, name="War", definition="About tanks and armies. Not about police.", examples=("the tanks came",))
TRADE = at.Label(code=2, name="Trade", definition="About tariffs. Includes ports.", examples=("a tariffs list",))
LAW = at.Label(code=5, name="Law", definition="Courts")
TOPIC = at.Variable(name="topic", instruction="What is it about? Choose one.", labels=(WAR, TRADE, LAW))
BOOK = at.Codebook(variables=(TOPIC,))
TEXTS = pl.DataFrame(
    {
        "unit_id": [f"u{i}" for i in range(8)],
        "text": ["tanks", "armies", "tariffs", "ports", "courts", "war", "trade", "law"],
    }
)


def words(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def coder(choose, name="made"):
    """A coder that gives each text the label (or set of labels) that `choose(text, variable)` names."""

    def code(corpus, book):
        entry = book.variables[0]
        rows = [
            {"unit_id": unit, "variable": entry.name, "coder": name, "label": label, "status": status_of(label, entry)}
            for unit, text in corpus.select("unit_id", "text").iter_rows()
            for label in choose(text, entry) or [None]
        ]
        return pl.DataFrame(rows, schema=dict.fromkeys(("unit_id", "variable", "coder", "label", "status"), pl.String))

    return code


def status_of(label, entry):
    """A set may be empty; one label is given, or missing."""
    return "ok" if label is not None else "none" if entry.kind == "multilabel" else "missing"


def by_definition(text, entry):
    """The label whose definition shares a word with the text, Law in its first code where none does."""
    shared = {label.code: len(words(text) & words(label.definition)) for label in entry.labels}
    best = max(shared.values())
    names = {label.code: label.name for label in entry.labels}
    return [next(names[code] for code in sorted(shared) if shared[code] == best)]


def by_name(text, entry):
    return [next((label.name for label in entry.labels if label.name.lower() in words(text)), entry.labels[-1].name)]


def share(found, variant):
    return found.tests.filter(variant=variant)["share"].item()


def test_a_coder_that_reads_definitions_is_seen_to_do_so():
    found = at.test_codebook(TEXTS, BOOK, coder(by_definition), orders=5)
    assert [share(found, f"other order {k}") for k in range(1, 6)] == [0] * 5
    assert share(found, "neutral names") == 0
    assert share(found, "no definitions") == pytest.approx(3 / 8)  # tariffs, ports and courts go to the first
    assert found.recognized.select("label", "part", "right").rows() == [
        ("War", "definition", True), ("Trade", "definition", True), ("Law", "definition", True),
        ("War", "example", True), ("Trade", "example", True),
    ]  # fmt: skip


def test_swapped_definitions_tell_who_follows_names_from_who_follows_definitions():
    texts = TEXTS.filter(pl.col("text").is_in(["tanks", "tariffs", "courts"]))
    assert share(at.test_codebook(texts, BOOK, coder(by_definition)), "swapped definitions") == 0
    named = TEXTS.filter(pl.col("text").is_in(["war", "trade", "law"]))
    found = at.test_codebook(named, BOOK, coder(by_name))
    assert share(found, "swapped definitions") == 1
    assert share(found, "no definitions") == 0
    assert share(found, "neutral names") == pytest.approx(2 / 3)  # the last label stays the last
    moves = found.moves.filter(variant="swapped definitions").select("before", "after").rows()
    assert set(moves) == {("War", "Trade"), ("Trade", "Law"), ("Law", "War")}


def test_a_coder_that_takes_the_first_label_depends_on_their_order_alone():
    found = at.test_codebook(TEXTS, BOOK, coder(lambda _, entry: entry.names[:1]))
    firsts = [way.variable.names[0] != "War" for way in variants(TOPIC) if way.kind == "other order"]
    assert [share(found, f"other order {k}") for k in (1, 2, 3)] == [float(first) for first in firsts]
    assert share(found, "other order 1") == 1
    assert (found.sentences["changed"] == 0).all()
    assert "No single sentence moves any code." in found.in_words()
    assert found.recognized["right"].sum() == 2  # the definition and the example of War


def test_the_sentence_that_moves_codes_is_named_with_its_move():
    found = at.test_codebook(TEXTS, BOOK, coder(by_definition))
    changed = {(row["part"], row["sentence"]): row["changed"] for row in found.sentences.iter_rows(named=True)}
    assert changed == {
        (INSTRUCTION, "What is it about?"): 0, (INSTRUCTION, "Choose one."): 0,
        ("War", "About tanks and armies."): 0, ("War", "Not about police."): 0,
        ("Trade", "About tariffs."): 1, ("Trade", "Includes ports."): 1, ("Law", "Courts"): 1,
    }  # fmt: skip
    leading = found.sentences.row(0, named=True)
    assert (leading["part"], leading["move"]) == ("Trade", "Trade → War (1)")
    assert leading["share"] == 1 / 8
    assert leading["ci_low"] < 1 / 8 < leading["ci_high"]


def test_each_sentence_is_left_out_once_and_nothing_else_changes():
    texts = {INSTRUCTION: TOPIC.instruction, **{label.name: label.definition for label in TOPIC.labels}}
    ways = [way for way in variants(TOPIC) if way.sentence]
    assert [way.sentence for way in ways] == [each for text in texts.values() for each in sentences(text)]
    for way in ways:
        instruction, definitions = way.variable.instruction, [label.definition for label in way.variable.labels]
        left = dict(zip(texts, [instruction, *definitions], strict=True))
        rest = [each for each in sentences(texts[way.part]) if each != way.sentence]
        assert left == {**texts, way.part: " ".join(rest)}
    one = coder(lambda _, entry: entry.names[2 if "Choose one" in entry.instruction else 0 :][:1])
    found = at.test_codebook(TEXTS, BOOK, one).sentences.row(0, named=True)
    assert (found["part"], found["sentence"], found["share"]) == (INSTRUCTION, "Choose one.", 1.0)


def test_a_paraphrase_is_compared_by_code(tmp_path):
    other = at.Label(code=2, name="Commerce", definition="About tariffs only.")
    labels = [WAR.model_copy(update={"name": "Armed conflict"}), other, LAW]
    book = at.Codebook(variables=(at.Variable(name="subject", labels=tuple(labels)),))
    found = at.test_codebook(TEXTS, BOOK, coder(by_definition), paraphrase=book, orders=0, ablation=False)
    assert found.tests.filter(test="paraphrase")["changed"].item() == 1  # ports
    assert set(found.codings["label"]) <= {"War", "Trade", "Law"}
    path = tmp_path / "other.yaml"
    path.write_text(
        "variables: [{name: topic, labels: [{code: 1, name: a, definition: tanks armies}, "
        "{code: 2, name: b, definition: tariffs ports}, {code: 5, name: c, definition: courts}]}]"
    )
    again = at.test_codebook(TEXTS, BOOK, coder(by_definition), paraphrase=path)
    assert share(again, "paraphrase") == 0
    with pytest.raises(at.AnnotuneError, match="has other codes: '5'"):
        at.test_codebook(TEXTS, BOOK, coder(by_definition), paraphrase=at.Codebook(
            variables=(at.Variable(name="topic", labels=(WAR, TRADE)),)))  # fmt: skip


def test_sets_of_labels_are_compared_as_sets():
    entry = at.Variable(name="topic", kind="multilabel", labels=TOPIC.labels)

    def choose(text, variable):
        return [label.name for label in variable.labels if words(text) & words(label.definition)]

    texts = pl.DataFrame({"unit_id": ["a", "b", "c"], "text": ["tanks and tariffs", "tanks", "nothing here"]})
    found = at.test_codebook(texts, at.Codebook(variables=(entry,)), coder(choose))
    assert share(found, "other order 1") == 0
    assert share(found, "swapped definitions") == 0
    moves = found.moves.filter(variant="no definitions").select("before", "after").rows()
    assert set(moves) == {("Trade; War", "(none)"), ("War", "(none)")}
    assert found.recognized["right"].all()


def test_answers_that_are_lost_are_counted_apart():
    found = at.test_codebook(
        TEXTS, BOOK, coder(lambda text, entry: [entry.names[0]] if entry.names[0] == "War" or text == "law" else None)
    )
    row = found.tests.filter(variant="neutral names").row(0, named=True)
    assert (row["n_units"], row["changed"], row["unanswered"]) == (1, 0, 7)


def test_texts_are_drawn_by_the_seed_and_empty_ones_are_left_out():
    with pytest.warns(at.AnnotuneWarning, match="1 of 9 texts"):
        texts = at.read_corpus(pl.concat([TEXTS, pl.DataFrame({"unit_id": ["e"], "text": [" "]})]))
    found = at.test_codebook(texts, BOOK, coder(by_definition), n=3, ablation=False)
    assert found.codings["unit_id"].n_unique() == 3
    again = at.test_codebook(texts, BOOK, coder(by_definition), n=3, ablation=False)
    other = at.test_codebook(texts, BOOK, coder(by_definition), n=3, ablation=False, seed=4)
    assert found.codings.equals(again.codings)
    assert set(other.codings["unit_id"]) != set(found.codings["unit_id"])
    assert at.test_codebook(texts, BOOK, coder(by_definition), n=None).codings["unit_id"].n_unique() == 8


def test_codings_of_all_variants_are_coders_like_any_other():
    found = at.test_codebook(TEXTS, BOOK, coder(by_definition), ablation=False)
    truth = found.codings.filter(coder="made, as written")
    swapped = found.codings.filter(coder="made, neutral names")
    assert at.evaluate(truth, swapped, codebook=BOOK, n_boot=0).measures.filter(measure="accuracy")["estimate"][0] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"corpus": TEXTS.head(0)}, "no text|no rows|empty"),
        ({"n": 0}, "0 texts cannot be coded"),
        ({"orders": -1}, "-1 orders"),
        ({"options": {"template": "plain"}}, "the coder is a function"),
        (
            {"coder": lambda corpus, book: coder(by_name)(corpus.with_columns(unit_id="z" + pl.col("unit_id")), book)},
            "no codings of",
        ),
        ({"coder": coder(lambda *_: ["Peace"])}, "Peace"),
        ({"coder": coder(lambda *_: ["War"]), "variable": "tone"}, "no variable 'tone'"),
        ({"coder": "no-such/folder-of-a-decoder/x"}, "no base model|could it be fetched|There is no"),
    ],
)
def test_bad_input_is_one_sentence(arguments, told):
    call = {"corpus": TEXTS, "codebook": BOOK, "coder": coder(by_definition), **arguments}
    with pytest.raises(at.AnnotuneError, match=told):
        at.test_codebook(**call)


def test_a_decoder_is_read_once_and_its_codes_are_those_of_zero_shot(decoder, monkeypatch):
    calls = []
    load = zeroshot.load_pair
    monkeypatch.setattr(zeroshot, "load_pair", lambda *args, **options: calls.append(1) or load(*args, **options))
    base = str(decoder("llama"))
    found = at.test_codebook(TEXTS, BOOK, base, orders=2)
    assert len(calls) == 1
    assert found.coder == "tiny-llama-zero-shot"
    for way in variants(TOPIC, orders=2)[:5]:
        alone = at.zero_shot(TEXTS, way.codebook, base)["label"].replace_strict(way.original).to_list()
        assert found.codings.filter(coder=f"{found.coder}, {way.name}")["label"].to_list() == alone
    assert len(found.recognized) == 5
    assert len(found.sentences) == 7


def test_the_command_line_prints_writes_and_draws(decoder, tmp_path):
    TEXTS.write_csv(tmp_path / "texts.csv")
    (tmp_path / "book.yaml").write_text(
        "variables: [{name: topic, labels: [{code: 1, name: War, definition: Tanks. Armies.}, {code: 2, name: Law}]}]"
    )
    paths = {name: str(tmp_path / name) for name in ("texts.csv", "book.yaml", "tests.csv", "sentences.csv", "t.png")}
    call = ["test-codebook", paths["texts.csv"], "--codebook", paths["book.yaml"], "--base", str(decoder("llama"))]
    call += ["--n", "4", "--write", paths["tests.csv"], "--sentences", paths["sentences.csv"], "--plot", paths["t.png"]]
    run = CliRunner().invoke(app, call, catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert "Codebook test of topic, by tiny-llama-zero-shot" in run.output
    assert pl.read_csv(paths["tests.csv"])["variant"].to_list() == ["other order 1", "neutral names", "no definitions"]
    assert pl.read_csv(paths["sentences.csv"])["part"].to_list() == ["War", "War"]
    assert (tmp_path / "t.png").stat().st_size > 5000


def test_the_picture_has_a_row_for_each_test_and_sentence():
    found = at.test_codebook(TEXTS, BOOK, coder(by_definition))
    (axes,) = found.plot().axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert "swapped definitions" in names
    assert "Trade: Includes ports." in names
    assert len(names) == 2 + len(found.tests) + len(found.sentences)


NAMES = st.text("abcdef ", min_size=1, max_size=6).map(str.strip).filter(bool)


@given(st.lists(NAMES, min_size=2, max_size=7, unique=True), st.text("ab. ?", max_size=20), st.integers(0, 6))
def test_every_variant_is_sound_and_knows_what_its_labels_stand_for(names, definition, orders):
    labels = tuple(at.Label(code=i, name=name, definition=definition * (i % 2)) for i, name in enumerate(names))
    entry = at.Variable(name="v", labels=labels, instruction=definition)
    ways = variants(entry, orders=orders)
    assert ways[0].variable == entry
    written = [way.variable.names for way in ways if way.kind == "other order"]
    assert len({tuple(order) for order in written} | {tuple(names)}) == len(written) + 1
    assert len(written) == orders or len(names) < 4
    for way in ways:
        assert at.Codebook.model_validate(way.codebook.model_dump()) == way.codebook
        assert list(way.original) == way.variable.names
        assert sorted(way.original.values()) == sorted(names)
    assert sum(way.kind == "without a sentence" for way in ways) == len(sentences(definition)) * (1 + len(names) // 2)


@given(st.text("abc .?!;", max_size=40))
def test_sentences_lose_nothing(text):
    assert " ".join(sentences(text)).split() == text.split()
