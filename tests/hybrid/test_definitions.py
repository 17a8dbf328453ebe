"""Definitions that coders sharpened: who, when and why, and back into a codebook's file that else stays as it was."""

import sys

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import annotune as at
from annotune import cli
from annotune.data.yaml_definitions import with_definitions
from annotune.hybrid.page.launch import prepared
from annotune.hybrid.page.versions import bring_in, sharpen
from annotune.hybrid.store import open_store

FILE = """\
# The codebook of the pilot.
name: Questions   # in force since May
variables:
  - name: topic
    labels:
      # the first one is frequent
      - code: 1
        name: Health  # not sport
        definition: >
          Hospitals
          and medicines.

        examples: ["More nurses!"]
      - {code: 2, name: Law}   # short
      - code: 3
        name: "No: other"
        definition:
  - name: tone
    kind: ordinal
    labels: [{code: 0, name: calm, definition: 'plain, I''d say'}, {code: 1, name: angry}]
"""
KEYS = (("topic", "Health"), ("topic", "Law"), ("topic", "No: other"), ("tone", "calm"), ("tone", "angry"))


@pytest.fixture
def coded(tmp_path):
    """A codebook's file, and a store that is coded with it."""
    path = tmp_path / "codebook.yaml"
    path.write_text(FILE, encoding="utf-8")
    with open_store(tmp_path / "study.annotune") as store:
        bring_in(store, at.read_codebook(path))
    return tmp_path


def sharpened(folder, *changes):
    with open_store(folder / "study.annotune") as store:
        for key, words, reason in changes:
            sharpen(store, "anna", *key, words, reason)


def definition_of(book, key):
    return next(label.definition for label in book.variable(key[0]).labels if label.name == key[1])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]))))
def test_any_words_go_into_any_layout_and_all_else_stays(words):
    """Blocks, braces, quotes and keys without a value: what YAML reads is changed there alone, and so is the text."""
    words = {key: text for key, text in words.items() if yaml.reader.Reader.NON_PRINTABLE.search(text) is None}
    for file in (FILE, FILE.replace("\n", "\r\n")):
        changed = with_definitions(file, words)
        content = yaml.safe_load(changed)
        original = yaml.safe_load(file)
        for entry in original["variables"]:
            for label in entry["labels"]:
                if (entry["name"], label["name"]) in words:
                    label["definition"] = words[entry["name"], label["name"]]
        assert content == original
        kept = [line for line in file.splitlines() if "#" in line]
        assert all(any(line.split("#")[1] in new for new in changed.splitlines()) for line in kept)


def test_they_come_back_into_the_file_with_who_and_why(coded):
    store, path = coded / "study.annotune", coded / "codebook.yaml"
    sharpened(coded, (KEYS[0], "Care.", "Was vague."), (KEYS[0], 'Care: "all" of it.', "Still vague."))
    sharpened(coded, (KEYS[1], "Courts.", "No definition\nat all."))
    table = at.definitions(store, path)
    assert table.select("version", "author", "variable", "label", "was", "definition", "in_file").rows() == [
        (2, "anna", "topic", "Health", "Hospitals and medicines.", "Care.", False),
        (3, "anna", "topic", "Health", "Care.", 'Care: "all" of it.', False),
        (4, "anna", "topic", "Law", "", "Courts.", False),
    ]
    assert at.definitions(store)["in_file"].null_count() == 3
    updated = at.definitions(store, path, update=True)
    assert updated["in_file"].to_list() == [False, True, True]
    book, text = at.read_codebook(path), path.read_text("utf-8")
    assert [definition_of(book, key) for key in KEYS[:2]] == ['Care: "all" of it.', "Courts."]
    assert book.variable("topic").labels[0].examples == ("More nurses!",)
    for comment in (
        "# The codebook of the pilot.",
        "# in force since May",
        "# not sport",
        "# short",
        "# the first one",
    ):
        assert comment in text
    assert text.count("# version") == 3
    assert r'anna, topic: Law: "No definition\nat all." (was: "")' in text
    assert at.definitions(store, path, update=True).equals(updated)
    assert path.read_text("utf-8") == text
    with open_store(store) as opened:
        assert bring_in(opened, book) == 4  # what is coded with already is no new version


def test_words_that_nobody_coded_with_are_not_written_over(coded):
    path = coded / "codebook.yaml"
    sharpened(coded, (KEYS[1], "Courts.", "Vague."))
    own = FILE.replace("{code: 2, name: Law}", "{code: 2, name: Law, definition: Trials.}")
    path.write_text(own, encoding="utf-8")
    with pytest.raises(at.AnnotuneError, match=r"defines 'Law' of 'topic' in words that were never coded with"):
        at.definitions(coded / "study.annotune", path, update=True)
    assert path.read_text("utf-8") == own


def test_what_cannot_be_is_refused(coded):
    store = coded / "study.annotune"
    with pytest.raises(at.AnnotuneError, match=r"No codebook's file is named to be updated. Give a \.yaml"):
        at.definitions(store, update=True)
    with pytest.raises(at.AnnotuneError, match=r"book\.csv cannot be updated"):
        at.definitions(store, coded / "book.csv", update=True)
    with open_store(coded / "empty.annotune"), pytest.raises(at.AnnotuneError, match="has no codebook"):
        at.definitions(coded / "empty.annotune")
    with pytest.raises(at.AnnotuneError, match="There is no store"):
        at.definitions(coded / "none.annotune")


def test_the_page_says_where_the_file_lacks_what_is_coded_with(coded):
    corpus = at.read_corpus(pl.DataFrame({"unit_id": ["a"], "text": ["Why?"]}))
    book = at.read_codebook(coded / "codebook.yaml")
    sharpened(coded, (KEYS[1], "Courts.", "Vague."))
    with (
        open_store(coded / "study.annotune") as store,
        pytest.warns(at.AnnotuneWarning, match="1 label is defined oth"),
    ):
        prepared(store, corpus, book, ["anna"], None, 1)


def test_its_command(coded, monkeypatch, capsys):
    monkeypatch.chdir(coded)
    sharpened(coded, (KEYS[1], "Courts.", "Vague"))
    monkeypatch.setattr(sys, "argv", ["annotune", "definitions", "study.annotune", "codebook.yaml", "--update"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    told = " ".join(capsys.readouterr().out.split())
    assert "topic: Law Courts. was: (none) why: Vague. In the file." in told
