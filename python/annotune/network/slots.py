"""A prompt as tokens: what stands before every text, and the answers that can follow it, as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotune.errors import AnnotuneError, listing
from annotune.network.prompts import Prompt, Question

Ids = list[int]
LEAST_TEXT = 32  # tokens of a text that must fit beside the prompt


@dataclass(frozen=True)
class Tree:
    """What follows a text: tokens of which branches share the beginning and do not see each other.

    Attributes
    ----------
    ids
        Shape (nodes,): the tokens.
    depth
        Shape (nodes,): how many tokens of its branch stand before each.
    sees
        Shape (nodes, nodes): row i has the tokens that token i sees, itself among them.
    """

    ids: np.ndarray
    depth: np.ndarray
    sees: np.ndarray


@dataclass(frozen=True)
class Slots:
    """A prompt as tokens.

    Attributes
    ----------
    before
        The codebook and the examples, with the token that begins texts where the model has one, once.
    paths
        A list a question, with a list an answer: the tokens from the text's end to the answer's.
    stems
        For each question how many of those tokens stand before its answers.
    """

    before: Ids
    paths: list[list[Ids]]
    stems: list[int]

    @property
    def sizes(self) -> list[int]:
        """How many answers each question has."""
        return [len(answers) for answers in self.paths]

    @property
    def longest(self) -> int:
        """The tokens of the longest path."""
        return max(len(path) for answers in self.paths for path in answers)


def make_slots(prompt: Prompt, tokenizer: Any) -> Slots:
    """The prompt as tokens.

    Raises
    ------
    AnnotuneError
        When two labels are the same tokens, or the codebook leaves no room for a text.
    """
    after, end = _ids(tokenizer, prompt.after), _ids(tokenizer, prompt.end)[:1]
    paths, stems = [], []
    for question in prompt.questions:
        stem = after + _ids(tokenizer, f"{question.slot}:")
        answers = [_ids(tokenizer, f" {answer}") + end for answer in question.answers]
        _require_distinct(question, answers)
        paths.append([stem + answer for answer in answers])
        stems.append(len(stem))
    slots = Slots(_begun(tokenizer, _ids(tokenizer, prompt.before)), paths, stems)
    room = int(tokenizer.model_max_length) - len(slots.before) - slots.longest
    if room < LEAST_TEXT:
        raise AnnotuneError(
            f"The codebook takes {len(slots.before):,} tokens, and the model reads no more than "
            f"{tokenizer.model_max_length:,} with the text.",
            "Ask for fewer variables at a time, show fewer examples, or shorten the definitions.",
        )
    return slots


def room_for_text(slots: Slots, tokenizer: Any, max_tokens: int) -> int:
    """The tokens of a text that are read: as many as asked for, or as the model's context leaves."""
    return min(max_tokens, int(tokenizer.model_max_length) - len(slots.before) - slots.longest)


def grow(paths: Sequence[Ids]) -> tuple[Tree, list[list[int]]]:
    """Paths as one tree, and the nodes of each path.

    >>> tree, nodes = grow([[5, 6], [5, 7]])
    >>> tree.ids.tolist(), tree.depth.tolist(), nodes
    ([5, 6, 7], [0, 1, 1], [[0, 1], [0, 2]])
    >>> tree.sees.astype(int).tolist()
    [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    """
    known: dict[tuple[int, int], int] = {}
    parents: list[int] = []
    walked = []
    for path in paths:
        nodes: list[int] = []
        for token in path:
            step = (nodes[-1] if nodes else -1, token)
            if step not in known:
                known[step] = len(parents)
                parents.append(step[0])
            nodes.append(known[step])
        walked.append(nodes)
    sees, depth = np.eye(len(parents), dtype=bool), np.zeros(len(parents), dtype=np.int64)
    for node, parent in enumerate(parents):  # parents come before their children
        if parent >= 0:
            sees[node] |= sees[parent]
            depth[node] = depth[parent] + 1
    return Tree(np.array([token for _, token in known], dtype=np.int64), depth, sees), walked


def deciding(answers: Sequence[Ids], stem: int) -> list[range]:
    """The places in each path whose tokens tell the answers apart: from where they part to where each stands alone.

    What all answers begin with says nothing about which it is, and neither does what follows when only one is left.

    >>> deciding([[9, 1, 2, 0], [9, 1, 3, 0], [9, 4, 0]], stem=1)
    [range(1, 3), range(1, 3), range(1, 2)]
    >>> deciding([[9, 1, 0], [9, 1, 2, 0]], stem=1)
    [range(2, 3), range(2, 3)]
    """
    shared = stem
    while len({answer[shared] for answer in answers if len(answer) > shared}) == 1 < len(answers):
        shared += 1
    found = []
    for i, answer in enumerate(answers):
        others = [other for j, other in enumerate(answers) if j != i]
        alone = shared + 1
        while any(other[:alone] == answer[:alone] for other in others):
            alone += 1
        found.append(range(shared, alone))
    return found


def _ids(tokenizer: Any, piece: str) -> Ids:
    return list(tokenizer(piece, add_special_tokens=False)["input_ids"])


def _begun(tokenizer: Any, ids: Ids) -> Ids:
    """With the token that begins texts, where the tokenizer puts it there, and never twice."""
    begin = tokenizer.bos_token_id
    wanted = begin is not None and tokenizer("a")["input_ids"][:1] == [begin]
    return [begin, *ids] if wanted and ids[:1] != [begin] else ids


def _require_distinct(question: Question, answers: Sequence[Ids]) -> None:
    seen: dict[tuple[int, ...], str] = {}
    for name, ids in zip(question.answers, answers, strict=True):
        if tuple(ids) in seen:
            raise AnnotuneError(
                f"To this model's tokenizer the labels {listing([seen[tuple(ids)], name])} of {question.variable!r} "
                "are the same.",
                "Rename one of them, or choose another base.",
            )
        seen[tuple(ids)] = name
