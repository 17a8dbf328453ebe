"""Column names that are valid and unique in Stata and SPSS."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from annotune.export.sheet import Sheet
from annotune.export.storable import Change

STATA_RESERVED = {
    *("_all", "_b", "_coef", "_cons", "_n", "_N", "_pi", "_pred", "_rc", "_se", "_skip"),
    *("byte", "double", "float", "if", "in", "int", "long", "strL", "using", "with"),
}
SPSS_RESERVED = {"all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"}


def stata_names(names: Sequence[str]) -> tuple[list[str], list[Change]]:
    """At most 32 letters, digits and underscores, no digit first, no reserved word; case-sensitive."""
    return _unique(names, _stata, lambda name: name, lambda name: name[:32])


def names_in_stata(sheet: Sheet) -> dict[str, str]:
    """The name in Stata of every column of a sheet."""
    originals = [column.name for column in sheet.columns]
    return dict(zip(originals, stata_names(originals)[0], strict=True))


def spss_names(names: Sequence[str]) -> tuple[list[str], list[Change]]:
    """At most 64 bytes, a letter first, no full stop last, no reserved word; not case-sensitive."""
    return _unique(names, _spss, str.lower, lambda name: cut(name, 64))


def cut(text: str, most: int) -> str:
    """The beginning of a text, in at most `most` bytes of UTF-8 and in whole characters."""
    return text.encode()[:most].decode(errors="ignore")


def _stata(name: str) -> str:
    clean = "".join(sign if sign.isalpha() or sign in "0123456789_" else "_" for sign in name)
    if not clean or clean[0].isdigit() or clean in STATA_RESERVED or re.fullmatch(r"str\d+", clean):
        clean = f"v{clean}" if clean[:1].isdigit() or not clean else f"{clean}_"
    return clean


def _spss(name: str) -> str:
    clean = re.sub(r"[^\w.$#@]", "_", name).rstrip(".")
    return clean if clean[:1].isalpha() and clean.lower() not in SPSS_RESERVED else f"v_{clean}"


def _unique(
    names: Sequence[str], clean: Callable[[str], str], key: Callable[[str], str], shorten: Callable[[str], str]
) -> tuple[list[str], list[Change]]:
    """Every name cleaned and shortened; of two equal names the later one gets a number."""
    fine = [name for name in names if shorten(clean(name)) == name]
    taken = set()
    for name in fine:  # a valid name is kept, wherever its column is
        taken.add(key(name))
    result, changes, used = [], [], set()
    for name in names:
        new = shorten(clean(name))
        if new != name or key(new) in used:
            new = _free(new, taken, key, shorten)
            taken.add(key(new))
            changes.append(Change(name, "renamed", f"is called {new}"))
        used.add(key(new))
        result.append(new)
    return result, changes


def _free(name: str, taken: set[str], key: Callable[[str], str], shorten: Callable[[str], str]) -> str:
    new, number = name, 1
    while key(new) in taken:
        number += 1
        tail, stem = f"_{number}", name
        while shorten(stem + tail) != stem + tail:
            stem = stem[:-1]
        new = stem + tail
    return new
