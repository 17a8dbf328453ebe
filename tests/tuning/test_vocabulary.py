"""Whether a base suits a language: the first article of the Universal Declaration of Human Rights in several."""

import warnings

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import annotune as at
from annotune.network.base import find_base, load_tokenizer
from annotune.tuning.vocabulary import MANY, WORD, pieces_a_word

ENGLISH = (
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and "
    "should act towards one another in a spirit of brotherhood."
)
OTHERS = {
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
    "begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de "
    "conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
    "rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "Turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
    "birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью "
    "и должны поступать в отношении друг друга в духе братства.",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
}


@pytest.fixture(scope="module")
def minilm():
    return load_tokenizer(find_base("minilm"))


def made_for(text, family):
    """A tokenizer that has the words of a text: of bytes, as GPT-2's, or of pieces with their blanks, as XLM-R's."""
    words = WORD.findall(text)
    if family == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
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


def test_an_english_base_reads_english(minilm):
    assert pieces_a_word(minilm, [ENGLISH] * 10) == 1


@pytest.mark.parametrize("language", OTHERS)
def test_an_english_base_spells_other_languages(minilm, language):
    assert pieces_a_word(minilm, [OTHERS[language]] * 20) > MANY


@pytest.mark.parametrize("family", ["bytes", "pieces"])
@pytest.mark.parametrize("language", ["Polish", "Russian", "Chinese"])
def test_a_base_made_for_a_language_reads_it(family, language):
    tokenizer = made_for(OTHERS[language], family)
    assert pieces_a_word(tokenizer, [OTHERS[language]] * 20) < 1.1
    assert pieces_a_word(tokenizer, [OTHERS["Arabic"]] * 20) > MANY


@pytest.mark.parametrize("key", ["x" * 900, "qzjvkw" * 6])
def test_a_few_keys_among_words_are_no_language(minilm, key):
    assert 1 < pieces_a_word(minilm, [f"{key} {ENGLISH}"] * 20) < MANY


def test_what_is_no_word_does_not_count(minilm):
    shouted = ENGLISH.replace(" ", " 😀 12345678901 ... ")
    assert pieces_a_word(minilm, [shouted] * 20) == pieces_a_word(minilm, [ENGLISH] * 20)


@pytest.mark.parametrize("texts", [[], [""], ["\x00"], [OTHERS["Polish"]], ["7 😀"] * 500])
def test_few_words_say_nothing(minilm, texts):
    assert not pieces_a_word(minilm, texts) > 0


def test_tune_says_so(topics, book, gold, minilm):
    german = topics.with_columns(text=topics["text"] + " " + OTHERS["German"])
    with pytest.warns(at.AnnotuneWarning, match=r"splits a word of these texts into 1\.\d pieces.*base="):
        at.tune(german, gold, book(), method="probe", test=0, n_boot=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        at.tune(topics, gold, book(), method="probe", test=0, n_boot=50)
