"""Why cells are missing: Stata's .a to .z and SPSS's user-missing codes, kept as words beside the cells they explain.

In `income_missing` stands ".a refused" or "99 refused": the code in the file and its label. So the reasons
survive every format and every step that keeps columns, and can become codes again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from string import ascii_lowercase

import polars as pl

from annotune.errors import listing

# why a coded cell is missing, by its status: the letter of Stata's extended missing value, and its label
REASONS = {
    "missing": ("a", "not coded"),
    "none": ("b", "no label applies"),
    "unparsed": ("c", "answer not parsed"),
    "error": ("d", "call failed"),
}
SUFFIX = "_missing"
FORM = re.compile(r"(?:\.(?P<letter>[a-z])|(?P<code>-?\d{1,15}(?:\.\d{1,15})?))(?: (?P<label>.*))?", re.DOTALL)
FREE = [letter for letter in ascii_lowercase if letter not in "ni"]  # .n is not-a-number, .i infinity


def reason(code: str | float, label: str | None) -> str:
    """The words for a missing code: `.a refused`, `99 refused`, or the bare code where it has no label."""
    shown = code if isinstance(code, str) else f"{code:.15g}"
    return f"{shown} {label}" if label else shown


def beside(frame: pl.DataFrame, reasons: Mapping[str, pl.Series], source: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The frame with a column of reasons behind each column that has some, and notes that say so."""
    kept, notes = [], []
    for name, why in reasons.items():
        column = name + SUFFIX
        if _told(frame, name, why):
            continue
        if column in frame.columns:
            told = f"{source}, {name!r}: {why.count():,} cells are missing for a reason, which was left out, because "
            notes.append(f"{told}{column!r} is another column. Rename that one.")
            continue
        frame = frame.insert_column(frame.get_column_index(name) + 1, why.alias(column))
        kept.append(column)
    if kept:
        notes.append(f"{source}: why cells are missing (.a to .z, user-missing codes) is kept in {listing(kept)}.")
    return frame, tuple(notes)


def explains(column: str, columns: Collection[str]) -> bool:
    """Whether a column says, by its name, why cells of another one are missing."""
    return column.endswith(SUFFIX) and column.removesuffix(SUFFIX) in columns


def _told(frame: pl.DataFrame, name: str, why: pl.Series) -> bool:
    """Whether a column of the file says the same already, as in files that annotune has written."""
    beside = frame[name + SUFFIX] if name + SUFFIX in frame.columns else None
    if beside is not None and beside.dtype in (pl.String, pl.Enum):
        return bool(((beside.cast(pl.String).fill_null("") != "") == why.is_not_null()).all())
    status = frame[f"{name}_status"] if f"{name}_status" in frame.columns else None
    if status is None or status.dtype not in (pl.String, pl.Enum):
        return False
    letters = {word: f".{letter} {label}" for word, (letter, label) in REASONS.items()}
    said = status.cast(pl.String).replace_strict(letters, default=None, return_dtype=pl.String)
    return said.set(frame[name].is_not_null(), None).equals(why, check_names=False)


def letters(reasons: Iterable[str]) -> dict[str, tuple[str, str]]:
    """For each reason its letter and label; codes take the letters that are free, and "" where none is left.

    Empty when a reason is not of the form that `reason` gives: such a column is something else.

    >>> letters([".b", "99 refused", "98"])
    {'.b': ('b', ''), '98': ('a', '98'), '99 refused': ('c', 'refused')}
    """
    parts = {text: FORM.fullmatch(text) for text in sorted(reasons)}
    found = {text: match for text, match in parts.items() if match}
    if len(found) < len(parts):
        return {}
    known = {text: (match["letter"], match["label"] or "") for text, match in found.items() if match["letter"]}
    codes = sorted((text for text in found if text not in known), key=lambda text: float(found[text]["code"]))
    taken = {letter for letter, _ in known.values()}
    free = [*(letter for letter in FREE if letter not in taken), *([""] * len(codes))]
    return known | {text: (letter, found[text]["label"] or text) for text, letter in zip(codes, free, strict=False)}


def codes(reasons: Iterable[str]) -> dict[str, float]:
    """The reasons that are SPSS's codes, as numbers."""
    found = {text: FORM.fullmatch(text) for text in reasons}
    return {text: float(match["code"]) for text, match in found.items() if match and match["code"]}
