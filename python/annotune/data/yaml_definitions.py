"""Definitions put into a codebook's YAML file, of which everything else stays as people wrote it, comments as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from annotune.errors import AnnotuneError

Edit = tuple[int, int, str]  # the place in the text where something is replaced, its end, and by what


def with_definitions(text: str, definitions: Mapping[tuple[str, str], str]) -> str:
    r"""The text of a codebook's file with other definitions of these labels, by variable and label.

    Raises
    ------
    AnnotuneError
        Where a label has no place in it.

    Examples
    --------
    >>> text = "variables:\n- name: topic  # first\n  labels: [{code: 1, name: Health}]\n"
    >>> print(with_definitions(text, {("topic", "Health"): "Care: hospitals."}), end="")
    variables:
    - name: topic  # first
      labels: [{code: 1, name: Health, definition: "Care: hospitals."}]
    """
    labels = _labels(yaml.compose(text, Loader=yaml.SafeLoader))
    edits = []
    for (variable, label), words in definitions.items():
        if (variable, label) not in labels:
            raise AnnotuneError(f"The file has no label {label!r} of {variable!r}.", "Write its definition by hand.")
        edits.append(_edit(text, labels[variable, label], words))
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    return text


def _labels(document: yaml.Node | None) -> dict[tuple[str, str], yaml.MappingNode]:
    """The block of each label, by the names of its variable and itself."""
    blocks = {}
    for entry in _items(_values(document).get("variables")):
        name = _values(entry).get("name")
        for label in _items(_values(entry).get("labels")):
            own = _values(label).get("name")
            if isinstance(label, yaml.MappingNode) and name is not None and own is not None:
                blocks[str(name.value).strip(), str(own.value).strip()] = label
    return blocks


def _values(node: yaml.Node | None) -> dict[str, yaml.Node]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return {str(key.value): value for key, value in pairs}


def _items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    yield from node.value if isinstance(node, yaml.SequenceNode) else ()


def _edit(text: str, label: yaml.MappingNode, words: str) -> Edit:
    """What is replaced for a label to be so defined."""
    values, scalar = _values(label), quoted(words)
    if "definition" not in values:
        return _addition(text, label, values["name"], f"definition: {scalar}")
    start, end = (mark.index for mark in (values["definition"].start_mark, values["definition"].end_mark))
    old = text[start:end]
    before = "" if start == 0 or text[start - 1].isspace() else " "  # a key without a value ends with its colon
    return start, end, before + scalar + old[len(old.rstrip()) :]  # a block of lines ends with its line break


def _addition(text: str, label: yaml.MappingNode, name: yaml.Node, words: str) -> Edit:
    """A key more: behind the name, in braces on its line, else on a line of its own at the same depth."""
    if label.flow_style:
        return name.end_mark.index, name.end_mark.index, f", {words}"
    newline = "\r\n" if "\r\n" in text else "\n"
    place = text.find(newline, name.end_mark.index)
    place = len(text) if place < 0 else place
    return place, place, f"{newline}{' ' * label.value[0][0].start_mark.column}{words}"


def quoted(words: str) -> str:
    r"""Words as YAML in quotes, on one line.

    >>> print(quoted('1: "care"'))
    "1: \"care\""
    """
    return yaml.safe_dump(words, default_style='"', allow_unicode=True, width=float("inf")).strip()
