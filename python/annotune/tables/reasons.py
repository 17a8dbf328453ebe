"""Reasons for missing cells: Stata's .a to .z and SPSS's user-missing codes, as words in a column beside the cells.

The column `income_missing` holds ".a refused" or "99 refused": the code in the file and its label. So the reasons
are kept by every format and every step that keeps columns, and can become codes again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from string import ascii_lowercase

import polars as pl

from annotune.errors import listing

# by the status of a missing coded cell: the letter of Stata's extended missing value, and its label
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
    """The words for a missing code: `.a refused`, `99 refused`, or the code alone where it has no label."""
    shown = code if isinstance(code, str) else f"{code:.15g}"
    return f"{shown} {label}" if label else shown


def with_reasons_beside(
    frame: pl.DataFrame, reasons: Mapping[str, pl.Series], source: str
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The frame with a column of reasons after each column that has some, and notes about them."""
    added, notes = [], []
    for name, why in reasons.items():
        column = name + SUFFIX
        if _has_reasons_already(frame, name, why):
            continue
        if column in frame.columns:
            what = f"{source}, {name!r}: {why.count():,} cells are missing for a reason, which was left out, because "
            notes.append(f"{what}{column!r} is another column. Rename that one.")
            continue
        frame = frame.insert_column(frame.get_column_index(name) + 1, why.alias(column))
        added.append(column)
    if added:
        notes.append(f"{source}: why cells are missing (.a to .z, user-missing codes) is kept in {listing(added)}.")
    return frame, tuple(notes)


def explains(column: str, columns: Collection[str]) -> bool:
    """Whether a column has, by its name, the reasons for missing cells of another one."""
    return column.endswith(SUFFIX) and column.removesuffix(SUFFIX) in columns


def _has_reasons_already(frame: pl.DataFrame, name: str, why: pl.Series) -> bool:
    """Whether a column of the file has these reasons already, as in files written by annotune."""
    column = frame[name + SUFFIX] if name + SUFFIX in frame.columns else None
    if column is not None and column.dtype in (pl.String, pl.Enum):
        return bool(((column.cast(pl.String).fill_null("") != "") == why.is_not_null()).all())
    status = frame[f"{name}_status"] if f"{name}_status" in frame.columns else None
    if status is None or status.dtype not in (pl.String, pl.Enum):
        return False
    letters = {word: f".{letter} {label}" for word, (letter, label) in REASONS.items()}
    words = status.cast(pl.String).replace_strict(letters, default=None, return_dtype=pl.String)
    return words.set(frame[name].is_not_null(), None).equals(why, check_names=False)


def letters(reasons: Iterable[str]) -> dict[str, tuple[str, str]]:
    """For each reason its letter and label; codes get the free letters, and "" where none is left.

    Empty if a reason does not have the form of `reason`: such a column holds something else.

    >>> letters([".b", "99 refused", "98"])
    {'.b': ('b', ''), '98': ('a', '98'), '99 refused': ('c', 'refused')}
    """
    parts = {text: FORM.fullmatch(text) for text in sorted(reasons)}
    matches = {text: match for text, match in parts.items() if match}
    if len(matches) < len(parts):
        return {}
    lettered = {text: (match["letter"], match["label"] or "") for text, match in matches.items() if match["letter"]}
    codes = sorted((text for text in matches if text not in lettered), key=lambda text: float(matches[text]["code"]))
    taken = {letter for letter, _ in lettered.values()}
    free = [*(letter for letter in FREE if letter not in taken), *([""] * len(codes))]
    return lettered | {
        text: (letter, matches[text]["label"] or text) for text, letter in zip(codes, free, strict=False)
    }


def codes(reasons: Iterable[str]) -> dict[str, float]:
    """The reasons that are SPSS's codes, as numbers."""
    matches = {text: FORM.fullmatch(text) for text in reasons}
    return {text: float(match["code"]) for text, match in matches.items() if match and match["code"]}
