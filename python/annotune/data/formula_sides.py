"""The two sides of a formula, as they are written."""

from __future__ import annotations

import re

from annotune.errors import AnnotuneError

HELP = "Write it as: topic == 'Health' ~ party + year."
DOUBLED = "A comparison is written ==, with the label in quotes, as in topic == 'Health'."
BARE = r"[^\W\d](?:\w|\.(?=\w))*"
NAME = rf"(?:`[^`]+`|{BARE})"
TEXT = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
KEYWORD = rf"(?:,|\b(?!I\b)\w+\()\s*{BARE}\s*=(?!=)"  # of a function, such as df in bs(year, df = 4)
EQUALS = re.compile(r"(?<![=!<>])=(?!=)")
NUMBER = r"(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)"


def sides_of(text: str) -> tuple[str, str]:
    """What is explained, and what explains it, as they are written."""
    places = _places(text, "~") if text.count("~") > 1 else [text.find("~")]  # a label may hold the sign
    sides = [text[: places[0]].strip(), text[places[0] + 1 :].strip()] if len(places) == 1 else [""]
    if "~" not in text or not all(sides):
        raise AnnotuneError(f"{text!r} is no formula.", HELP)
    if re.match(rf"(?:I\(\s*)?{NAME}\s*=(?!=)", sides[0]) or _compares_by_one_sign(sides[1]):
        raise AnnotuneError(f"{text!r} has a single =, which is no comparison.", DOUBLED)
    return sides[0], sides[1]


def _compares_by_one_sign(side: str) -> bool:
    """Whether a single equals sign stands where it names no argument of a function."""
    return EQUALS.search(re.sub(KEYWORD, ",", re.sub(rf"{TEXT}|`[^`]*`", "x", side))) is not None


def right_side(text: str) -> str:
    """What explains, of a formula or of its right side alone, as it is written.

    Examples
    --------
    >>> right_side("topic == 'a ~ b' ~ party + source == 'c ~ d' | district")
    "party + source == 'c ~ d' | district"
    """
    places = _places(text, "~")
    return (text[places[-1] + 1 :] if places else text).strip()


def grouped(right: str) -> tuple[str, tuple[str, ...]]:
    """The terms, and the columns after a `|`."""
    places = _places(right, "|")
    if not places:
        return right, ()
    names = tuple(plain(name.strip()) for name in right[places[0] + 1 :].split("+"))
    if len(places) > 1 or not all(names):
        raise AnnotuneError(f"{right!r} cannot be read.", "Name groups once, as in: ~ party | district + year.")
    return right[: places[0]].strip() or "1", names


def _places(text: str, sign: str) -> list[int]:
    """Where a sign stands outside quotes."""
    matches = re.finditer(rf"{TEXT}|`[^`]*`|{re.escape(sign)}", text)
    return [match.start() for match in matches if match.group() == sign]


def plain(name: str) -> str:
    """A name without the backticks around it."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name


def value_of(text: str) -> str:
    r"""A label or a number of a formula, as it stands in a column.

    >>> value_of(r"'don\'t know'"), value_of("1990")
    ("don't know", '1990')
    """
    return unescaped(text[1:-1]) if text[0] in "'\"" else text


def unescaped(label: str) -> str:
    """What stands between the quotes of a label, without the backslashes before quotes."""
    return re.sub(r"\\(['\"\\])", r"\1", label)
