"""Learning from what the codebook calls a label, where texts are few."""

import numpy as np
import pytest

import annotune as at
from annotune.tuning.choices import Examples, Unseen, choose
from annotune.tuning.fit import MANY, candidates, probe_of
from annotune.tuning.probe import fit_probe, words_tell

LABELS, WIDTH = 12, 40


class Bare(Examples):
    """Texts without tokens, which a probe does not read."""

    def take(self, places):
        return Bare(None, self.embeddings[places], self.targets[places], self.n_labels, self.ordered, self.words)


def bare(n, words, seed):
    """n texts around the centres of their labels; words lie near the centres, or anywhere."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(LABELS, WIDTH))
    targets = np.arange(n) % LABELS
    texts = centres[targets] + rng.normal(0, 2.5, (n, WIDTH))
    named = centres + rng.normal(0, 0.5, centres.shape) if words == "telling" else rng.normal(size=centres.shape)
    return Bare(None, unit(texts), targets, LABELS, words=None if words == "none" else unit(named))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def chosen(seen):
    """The way to make a probe that wins on texts held out in five folds."""
    fold = np.arange(len(seen)) % 5
    parts = [(seen.take(np.flatnonzero(fold != i)), seen.take(np.flatnonzero(fold == i))) for i in range(5)]
    logits = {
        way: np.concatenate([probe_of(rest, *way).logits(out.embeddings) for rest, out in parts])
        for way in candidates(seen, "auto")
    }
    targets = np.concatenate([out.targets for _, out in parts])
    return choose(Unseen(targets, logits, None, np.ones(len(seen))), "share", 0)


def accuracy(words):
    seen, test = bare(60, words, 1), bare(3000, words, 3)
    choice = chosen(seen).probe
    probe = fit_probe(seen.embeddings, seen.targets, LABELS, choice[0], choice[1], seen.words if choice[2] else None)
    return (probe.logits(test.embeddings).argmax(1) == test.targets).mean(), choice[2]


def test_telling_words_help_and_others_are_left_aside():
    plain, _ = accuracy("none")
    helped, used = accuracy("telling")
    misled, _ = accuracy("anything")
    assert used
    assert helped > plain + 0.05
    assert misled >= plain - 0.01


def test_with_many_texts_words_are_not_asked():
    many = bare(MANY * LABELS, "telling", 1)
    assert not any(words for _, _, words in candidates(many, "none"))


def test_words_count_as_two_texts_would():
    few = bare(LABELS, "telling", 4)
    by_words = fit_probe(few.embeddings, few.targets, LABELS, 10.0, False, few.words)
    twice = np.concatenate([few.embeddings, few.words, few.words])
    by_texts = fit_probe(twice, np.concatenate([few.targets, np.tile(np.arange(LABELS), 2)]), LABELS, 10.0, False)
    assert by_words.weight == pytest.approx(by_texts.weight, abs=2e-3)


def test_words_of_sets_say_yes_to_their_label_and_no_to_the_others():
    few = bare(LABELS * 2, "telling", 5)
    sets = np.eye(LABELS, dtype=bool)[few.targets]
    probe = fit_probe(few.embeddings, sets, LABELS, 10.0, False, few.words)
    said = probe.logits(few.words)
    assert (said.argmax(1) == np.arange(LABELS)).all()


def test_words_are_name_and_definition_and_never_examples():
    label = at.Label(code=1, name="card_arrival", definition="When a card comes", examples=("Where is it?",))
    assert label.words == "card arrival: When a card comes"
    assert at.Label(code=2, name="Health").words == "Health"


def test_words_tell_something_when_they_are_nearest_to_their_own_texts():
    telling = [bare(36, "telling", seed) for seed in range(40)]
    anything = [bare(36, "anything", seed) for seed in range(200)]
    assert np.mean([words_tell(one.words, one.embeddings, one.targets) for one in telling]) > 0.95
    assert np.mean([words_tell(one.words, one.embeddings, one.targets) for one in anything]) < 0.05
    sets = np.eye(LABELS, dtype=bool)[telling[0].targets]
    assert words_tell(telling[0].words, telling[0].embeddings, sets)
