"""The codebook as a model is asked by it: the instruction, and the JSON schema that lets no answer be off the list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from annotune.data.codebook import Variable
from annotune.network.prompts import TASK

Message = dict[str, str]
SCALE = " (an ordered scale, from {} to {})"
SETS = " (every label that applies; there may be none)"


def instruction(variables: Sequence[Variable], examples: int = 0, reasons: bool = False) -> str:
    """What the model is told before each text: the codebook, and how to answer.

    >>> vote = Variable(name="vote", labels=({"code": 1, "name": "yes"}, {"code": 0, "name": "no"}))
    >>> print(instruction([vote]))
    Code the text by the codebook. Each answer is one of the labels listed there, written as it is there.
    <BLANKLINE>
    vote
    - yes
    - no
    <BLANKLINE>
    Answer with JSON alone, such as {"vote": "yes"}.
    """
    sample: dict[str, Any] = {entry.name: _sample(entry) for entry in variables}
    more = ""
    if reasons:
        sample[reasons_key(variables)] = {entry.name: "..." for entry in variables}
        more = " Each reason is one short sentence."
    how = f"Answer with JSON alone, such as {json.dumps(sample, ensure_ascii=False)}.{more}"
    return "\n\n".join([TASK, *(_entry(entry, examples) for entry in variables), how])


def messages(prompt: str, text: str, system: bool = True) -> list[Message]:
    """The turns of one question; a model that knows no system's turn has all in one."""
    if system:
        return [{"role": "system", "content": prompt}, {"role": "user", "content": text}]
    return [{"role": "user", "content": f"{prompt}\n\nText:\n{text}"}]


def answer_schema(variables: Sequence[Variable], reasons: bool = False) -> dict[str, Any]:
    """The JSON schema of an answer, in the part of the language that endpoints enforce.

    >>> vote = Variable(name="vote", labels=({"code": 1, "name": "yes"}, {"code": 0, "name": "no"}))
    >>> answer_schema([vote])["properties"]
    {'vote': {'type': 'string', 'enum': ['yes', 'no']}}
    """
    properties: dict[str, Any] = {entry.name: _kind(entry) for entry in variables}
    if reasons:
        properties[reasons_key(variables)] = _object({entry.name: {"type": "string"} for entry in variables})
    return _object(properties)


def reasons_key(variables: Sequence[Variable]) -> str:
    """Under which key the reasons stand, apart from the labels: no variable's name.

    >>> reasons_key([Variable(name="reasons", labels=())])
    'reasons_'
    """
    key = "reasons"
    while key in {entry.name for entry in variables}:
        key += "_"
    return key


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _kind(entry: Variable) -> dict[str, Any]:
    label = {"type": "string", "enum": entry.names}
    return {"type": "array", "items": label} if entry.kind == "multilabel" else label


def _sample(entry: Variable) -> str | list[str]:
    return [entry.names[0]] if entry.kind == "multilabel" else entry.names[0]


def _entry(entry: Variable, examples: int) -> str:
    """A variable as coders see it, each label on a line, with its definition and so many of its examples."""
    kind = {"multilabel": SETS, "ordinal": SCALE.format(entry.names[0], entry.names[-1])}.get(entry.kind, "")
    head = f"{entry.name}{kind}: {entry.instruction}".removesuffix(": ")
    lines = [head]
    for label in entry.labels:
        lines.append(f"- {label.name}: {label.definition}".removesuffix(": "))
        lines += [f"  such as: {' '.join(text.split())}" for text in label.examples[:examples]]
    return "\n".join(lines)
