"""One strict parse of an answer: what the codebook has is taken as it stands, and everything else is `unparsed`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from annotune.data.codebook import Variable
from annotune.hybrid.propose.prompt import reasons_key
from annotune.hybrid.propose.provider import Proposal, without_label

DECODER = json.JSONDecoder()
BLANK = " \t\n\r"
Tokens = Sequence[tuple[str, float]]  # the answer's pieces in order, each with its log-probability


@dataclass(frozen=True)
class Value:
    """A value of a JSON object, and where in the answer it stands; of a list also its elements."""

    content: Any
    start: int
    end: int
    elements: tuple[Value, ...] = ()


def parse(raw: str, variables: Sequence[Variable], tokens: Tokens = (), reasons: bool = False) -> tuple[Proposal, ...]:
    """The proposals in an answer: one row per variable, or per label of a set.

    Parameters
    ----------
    raw
        The answer as it came.
    variables
        What was asked for, with the labels that there are.
    tokens
        Pieces of the answer with log-probabilities, where the endpoint gives them; a label's probability is the
        product of its pieces'. Where the pieces are not the answer, there is none.
    reasons
        Whether reasons were asked for.

    Examples
    --------
    >>> vote = Variable(name="vote", labels=({"code": 1, "name": "yes"}, {"code": 0, "name": "no"}))
    >>> parse('{"vote": "no"}', [vote], tokens=[('{"vote": "', 0.0), ("no", -0.5), ('"}', 0.0)])
    (Proposal(variable='vote', label='no', prob=0.6065306597126334, status='ok', reason='', passage=None),)
    >>> parse('{"vote": "No"}', [vote])
    (Proposal(variable='vote', label=None, prob=None, status='unparsed', reason="'No' is no label", passage=None),)
    """
    try:
        values = _values(raw)
    except ValueError as error:
        return without_label(variables, "unparsed", str(error))
    extra = set(values) - {entry.name for entry in variables} - ({reasons_key(variables)} if reasons else set())
    if extra:
        return without_label(variables, "unparsed", f"the key {min(extra)!r} was not asked for")
    why = values[reasons_key(variables)].content if reasons and reasons_key(variables) in values else {}
    tokens = _pieces_of(raw, tokens)
    rows: list[Proposal] = []
    for entry in variables:
        reason = why.get(entry.name) if isinstance(why, dict) else None
        rows += _of_variable(entry, values.get(entry.name), tokens, reason if isinstance(reason, str) else "")
    return tuple(rows)


def _of_variable(entry: Variable, value: Value | None, tokens: Tokens, reason: str) -> list[Proposal]:
    """The rows about one variable; a set is taken whole or not at all."""
    if value is None:
        return list(without_label([entry], "unparsed", "there is no answer"))
    sets = entry.kind == "multilabel"
    if sets and not isinstance(value.content, list):
        return list(without_label([entry], "unparsed", "the answer is no list"))
    labels = value.elements if sets else (value,)
    for label in labels:
        if not isinstance(label.content, str) or label.content not in entry.names:
            return list(without_label([entry], "unparsed", f"{str(label.content)[:60]!r} is no label"))
    if not labels:
        return list(without_label([entry], "none", reason))
    once = {label.content: label for label in labels}  # a set names a label once, however often it is written
    ordered = (once[name] for name in entry.names if name in once)
    return [Proposal(entry.name, label.content, _probability(label, tokens), "ok", reason) for label in ordered]


def _pieces_of(raw: str, tokens: Tokens) -> Tokens:
    """The pieces that the answer is made of: servers cut what stands around it, such as blanks and fences of code.

    >>> list(_pieces_of("{}", [("`", -0.1), (" {", -0.2), ("}", -0.3), ("` ", -0.4)]))
    [('{', -0.2), ('}', -0.3), ('` ', -0.4)]
    """
    whole = "".join(piece for piece, _ in tokens)
    place = -whole.find(raw)
    if whole.count(raw) != 1:
        return ()
    pieces = []
    for piece, logprob in tokens:
        if place + len(piece) > 0:
            pieces.append((piece[max(-place, 0) :], logprob))
        place += len(piece)
    return pieces


def _probability(label: Value, tokens: Tokens) -> float | None:
    """The product over all pieces that hold a letter of the label, its quotation marks left out."""
    if not tokens:
        return None
    total, place = 0.0, 0
    for piece, logprob in tokens:
        if place < label.end - 1 and place + len(piece) > label.start + 1:
            total += logprob
        place += len(piece)
    return min(math.exp(total), 1.0)


def _values(raw: str) -> dict[str, Value]:
    """The values of a JSON object by their keys.

    Raises
    ------
    ValueError
        For anything else than one object, and for a key that is there twice; it says what is wrong.
    """
    start = _blank(raw, 0)
    if raw[start : start + 1] != "{":
        raise ValueError("the answer is no JSON object")
    values: dict[str, Value] = {}
    place = _blank(raw, start + 1)
    while raw[place : place + 1] != "}":
        key, place = _decoded(raw, place)
        place = _expect(raw, place, ":")
        value, place = _value(raw, place)
        if not isinstance(key, str) or key in values:
            raise ValueError(f"the key {key!r} is there twice")
        values[key] = value
        place = _next(raw, place, "}")
    if _blank(raw, place + 1) != len(raw):
        raise ValueError("there is more than one JSON object")
    return values


def _value(raw: str, place: int) -> tuple[Value, int]:
    content, end = _decoded(raw, place)
    return Value(content, place, end, tuple(_elements(raw, place, content))), end


def _elements(raw: str, place: int, content: Any) -> Iterator[Value]:
    """The elements of a list, which was read already, so that nothing can be wrong with it."""
    if not isinstance(content, list):
        return
    for _ in content:
        place = _blank(raw, place + 1)
        element, end = _decoded(raw, place)
        yield Value(element, place, end)
        place = _blank(raw, end)


def _decoded(raw: str, place: int) -> tuple[Any, int]:
    try:
        return DECODER.raw_decode(raw, place)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("the answer is no JSON object, or breaks off") from None


def _expect(raw: str, place: int, sign: str) -> int:
    place = _blank(raw, place)
    if raw[place : place + 1] != sign:
        raise ValueError("the answer is no JSON object, or breaks off")
    return _blank(raw, place + 1)


def _next(raw: str, place: int, end: str) -> int:
    """After a value: on to the next key, or to the end; a comma before the end is an error."""
    place = _blank(raw, place)
    if raw[place : place + 1] == end:
        return place
    place = _expect(raw, place, ",")
    if raw[place : place + 1] == end:
        raise ValueError("the answer is no JSON object, or breaks off")
    return place


def _blank(raw: str, place: int) -> int:
    while place < len(raw) and raw[place] in BLANK:
        place += 1
    return place
