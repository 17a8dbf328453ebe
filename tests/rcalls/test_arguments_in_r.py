"""What a verb can be asked in Python, its twin in R can be asked too: by the same name, and with the same choices."""

import inspect
import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

import annotune as at

PAGES = Path(__file__).parents[2] / "r-package" / "man"
READERS = {"read_codebook": "codebook", "read_corpus": "corpus", "read_codings": "codings", "read_draws": "draws"}
READERS |= {"rounds": "round"}  # at_round() does what is due of one
OF_R = {"bind", "widen", "to_r", "from_r"}
VERBS = sorted(name for name in at.__all__ if inspect.isfunction(getattr(at, name)) and not name.startswith("plot_"))
# What has another name in R, as R's own functions have it.
RENAMED = {
    "settings": "...",
    "out": "path",
    "paths": "path",
    ("tune", "keep"): "path",
    ("read_codebook", "path"): "x",
    ("read_corpus", "path"): "x",
    ("read_codings", "paths"): "x",
    ("classify", "path"): "corpus",
    ("classify", "out"): "out",
    ("classify", "options"): "...",
    ("status", "out"): "out",
    ("zero_shot", "columns"): "unit_id",
    ("sample", "columns"): "unit_id",
    ("sheets", "columns"): "unit_id",
    ("propose", "columns"): "unit_id",
}
# R reports progress in its own way, and a function that is called after each fold would be called from Python.
NOT_IN_R = {"say", "each_fold", "confirm"}


def usages():
    """The arguments of every function on the manual's pages, and their defaults."""
    found = {}
    for page in PAGES.glob("*.Rd"):
        usage = re.search(r"^\\usage\{\n(.*?)^\}", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        for call in re.finditer(r"(?:\\method\{(at_\w+)\}\{\w+\}|\b(at_\w+))\(", usage[1] if usage else ""):
            found.setdefault(call[1] or call[2], {}).update(arguments(usage[1][call.end() :]))
    return found


def arguments(text):
    """`x, type = c("a", "b"), ...)` as names and defaults, up to the bracket that ends the call."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            break
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    pairs = [part.partition("=")[::2] for part in parts]
    return {re.sub(r"\\dots", "...", name.strip()): default.strip() for name, default in pairs}


def test_a_usage_is_read():
    assert arguments('x, of = c("a", "b"), \\dots) and f(z)') == {"x": "", "of": 'c("a", "b")', "...": ""}


@pytest.mark.parametrize("verb", [name for name in VERBS if name not in OF_R])
def test_every_argument_has_its_twin_in_r(verb):
    twin = usages()[f"at_{READERS.get(verb, verb)}"]
    for name, parameter in inspect.signature(getattr(at, verb)).parameters.items():
        if name in NOT_IN_R:
            continue
        other = RENAMED.get((verb, name), RENAMED.get(name, name))
        assert other in twin, f"{verb}: {name} is not an argument of R's at_{verb}."
        choices = choices_of(getattr(at, verb), parameter)
        if choices and twin[other].startswith("c("):
            assert set(re.findall(r'"(\w+)"', twin[other])) == set(choices), f"{verb}: {name}"


def choices_of(function, parameter):
    """The words that a parameter takes, where its type names them."""
    try:
        hint = eval(str(parameter.annotation), {**vars(inspect.getmodule(function))})
    except NameError:  # a type that is there for type checkers alone
        return ()
    return get_args(hint) if get_origin(hint) is Literal else ()
