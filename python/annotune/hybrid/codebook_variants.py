"""A codebook written in other ways that should not matter, or that show what matters: the variants of `test_codebook`.

After Halterman and Keith (2025), "Codebook LLMs: Evaluating LLMs as Measurement Tools for Political Science Concepts",
Political Analysis: labels in another order, without meaning, with each other's definitions; and, beyond theirs,
without each sentence of each definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import factorial

import numpy as np

from annotune.data.codebook import Codebook, Label, Variable
from annotune.errors import AnnotuneError, listing

AS_WRITTEN, ORDER, NEUTRAL = "as written", "other order", "neutral names"
UNDEFINED, SWAPPED, PARAPHRASE, SENTENCE = "no definitions", "swapped definitions", "paraphrase", "without a sentence"
INSTRUCTION = "the instruction"
END_OF_SENTENCE = re.compile(r"(?<=[.!?;])\s+")


@dataclass(frozen=True)
class Variant:
    """One way in which a variable is written.

    Attributes
    ----------
    kind, name
        Which of the tests it belongs to, and what it is called among all variants.
    variable
        The variable so written.
    original
        The name in the codebook of each label's name in the variant.
    part, sentence
        Of "without a sentence": whose definition lacks it (a label, or "the instruction"), and the sentence.
    """

    kind: str
    name: str
    variable: Variable
    original: dict[str, str] = field(default_factory=dict)
    part: str = ""
    sentence: str = ""

    @property
    def codebook(self) -> Codebook:
        """The variable as a codebook of its own."""
        return Codebook(variables=(self.variable,))


def variants(
    variable: Variable, paraphrase: Variable | None = None, orders: int = 3, ablation: bool = True, seed: int = 1
) -> list[Variant]:
    """The variable as written, and in all other ways.

    Parameters
    ----------
    paraphrase
        The same variable in other words: its labels have the same codes.
    orders
        How many other orders of the labels: the reverse one, then random ones.
    ablation
        Whether each sentence of each definition, and of the instruction, is left out in turn.

    Examples
    --------
    >>> law = Label(code=2, name="Law", definition="Courts. Crime.")
    >>> topic = Variable(name="topic", labels=(Label(code=1, name="Health", definition="Care."), law))
    >>> for variant in variants(topic): print(variant.name, "|", variant.variable.names)
    as written | ['Health', 'Law']
    other order 1 | ['Law', 'Health']
    neutral names | ['L1', 'L2']
    no definitions | ['Health', 'Law']
    swapped definitions | ['Health', 'Law']
    without sentence 1 of Health | ['Health', 'Law']
    without sentence 1 of Law | ['Health', 'Law']
    without sentence 2 of Law | ['Health', 'Law']
    """
    ways = [_variant(AS_WRITTEN, AS_WRITTEN, variable, variable.labels), *_orders(variable, orders, seed)]
    numbered = [_with(label, name=f"L{place}") for place, label in enumerate(variable.labels, start=1)]
    ways.append(_variant(NEUTRAL, NEUTRAL, variable, numbered))
    if any(label.definition for label in variable.labels):
        ways.append(
            _variant(UNDEFINED, UNDEFINED, variable, [_with(entry, definition="") for entry in variable.labels])
        )
    ways += _swapped(variable)
    if paraphrase is not None:
        ways.append(_paraphrased(variable, paraphrase))
    return [*ways, *(_ablations(variable) if ablation else ())]


def sentences(text: str) -> list[str]:
    """The sentences of a definition.

    >>> sentences("Growth, e.g. of wages; budgets. Not trade.")
    ['Growth, e.g. of wages;', 'budgets.', 'Not trade.']
    """
    pieces: list[str] = []
    for piece in END_OF_SENTENCE.split(text.strip()):
        if pieces and (re.search(r"\b(?:[a-z]|e\.g|i\.e|cf|etc|vs)\.$", pieces[-1], re.IGNORECASE) or not piece):
            pieces[-1] = f"{pieces[-1]} {piece}".strip()  # an abbreviation ends no sentence
        else:
            pieces += [piece] if piece else []
    return pieces


def _with(label: Label, **changes: object) -> Label:
    return label.model_copy(update=changes)


def _variant(
    kind: str, name: str, variable: Variable, labels: Sequence[Label], means: Sequence[str] | None = None
) -> Variant:
    """A variant with these labels; what they mean are the labels of the same codes, unless said otherwise."""
    by_code = {label.code: label.name for label in variable.labels}
    original = dict(
        zip([label.name for label in labels], means or [by_code[label.code] for label in labels], strict=True)
    )
    return Variant(kind, name, variable.model_copy(update={"labels": tuple(labels)}), original)


def _orders(variable: Variable, orders: int, seed: int) -> Iterator[Variant]:
    labels, k = variable.labels, len(variable.labels)
    most = factorial(k) - 1 if k < 6 else orders
    seen = [tuple(range(k))]
    rng = np.random.default_rng(seed)
    every = list(permutations(range(k))) if k < 6 else []
    while len(seen) <= min(orders, most):
        order = tuple(range(k))[::-1] if len(seen) == 1 else tuple(int(place) for place in rng.permutation(k))
        if order in seen:  # of few labels, the next one that is left
            order = next((other for other in every if other not in seen), order)
        if order not in seen:
            seen.append(order)
            name = f"{ORDER} {len(seen) - 1}"
            yield _variant(ORDER, name, variable, [labels[place] for place in order])


def _swapped(variable: Variable) -> list[Variant]:
    """Each label with the definition and examples of the next one that has a definition, whose meaning it takes."""
    defined = [label for label in variable.labels if label.definition]
    if len(defined) < 2:
        return []
    following = dict(zip([label.name for label in defined], [*defined[1:], defined[0]], strict=True))
    changed, means = [], []
    for label in variable.labels:
        source = following.get(label.name, label)
        changed.append(_with(label, definition=source.definition, examples=source.examples))
        means.append(source.name)
    return [_variant(SWAPPED, SWAPPED, variable, changed, means)]


def _paraphrased(variable: Variable, paraphrase: Variable) -> Variant:
    ours, theirs = {label.code for label in variable.labels}, {label.code for label in paraphrase.labels}
    if ours != theirs or paraphrase.kind != variable.kind:
        what = f"The paraphrase of {variable.name!r} has other codes: {listing(sorted(map(str, ours ^ theirs)))}."
        if ours == theirs:
            what = f"The paraphrase of {variable.name!r} is {paraphrase.kind}, not {variable.kind}."
        raise AnnotuneError(what, "Give the same labels the same codes, in other words.")
    by_code = {label.code: label.name for label in variable.labels}
    original = {label.name: by_code[label.code] for label in paraphrase.labels}
    return Variant(PARAPHRASE, PARAPHRASE, paraphrase.model_copy(update={"name": variable.name}), original)


def _ablations(variable: Variable) -> Iterator[Variant]:
    """The variable without each sentence of its instruction and of its labels' definitions in turn."""
    texts = [(INSTRUCTION, variable.instruction), *((label.name, label.definition) for label in variable.labels)]
    for place, (part, text) in enumerate(texts):
        pieces = sentences(text)
        for number, sentence in enumerate(pieces):
            rest = " ".join(pieces[:number] + pieces[number + 1 :])
            labels = [
                _with(label, definition=rest) if place == position else label
                for position, label in enumerate(variable.labels, start=1)
            ]
            changed = variable.model_copy(
                update={"labels": tuple(labels)} | ({"instruction": rest} if not place else {})
            )
            name = f"without sentence {number + 1} of {part}"
            yield Variant(SENTENCE, name, changed, {label: label for label in variable.names}, part, sentence)
