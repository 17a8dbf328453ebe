"""What goes wrong, in words: one family of errors, one of warnings."""

from __future__ import annotations

import difflib
import inspect
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST = 800  # characters of what is wrong


class AnnotuneError(Exception):
    """Something the user can mend: one sentence of what is wrong, one of what to do.

    The command line prints it without a traceback and exits with 2.

    Examples
    --------
    >>> raise AnnotuneError("The corpus has no column 'id'.", "Name it with unit_id=.")
    Traceback (most recent call last):
    annotune.errors.AnnotuneError: The corpus has no column 'id'. Name it with unit_id=.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        self.what, self.advice = _in_brief(what), advice
        super().__init__(f"{self.what} {advice}".strip())


class PeopleNeeded(AnnotuneError):
    """Nothing is wrong: it is people's turn, and the sentence says what they are to do and how to go on.

    A study raises it where texts that it drew are not coded yet. The command line prints it and exits with 0.

    Examples
    --------
    >>> raise PeopleNeeded("300 texts were drawn.", "Code them in coding_sheet.xlsx, then run the study again.")
    Traceback (most recent call last):
    annotune.errors.PeopleNeeded: 300 texts were drawn. Code them in coding_sheet.xlsx, then run the study again.
    """


def _in_brief(sentence: str) -> str:
    """The sentence; of one with a name or a cell without end in it, its beginning and its end."""
    return sentence if len(sentence) <= LONGEST else f"{sentence[: LONGEST // 2]} ... {sentence[-LONGEST // 4 :]}"


class AnnotuneWarning(UserWarning):
    """Work goes on, but something was left out or assumed, and how much is counted.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always", AnnotuneWarning)
    ...     warn("3 of 200 texts are empty.")
    >>> caught[0].category.__name__, str(caught[0].message)
    ('AnnotuneWarning', '3 of 200 texts are empty.')
    """


def warn(message: str) -> None:
    """Tell the user about it once, at the place where annotune was called."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("annotune."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, AnnotuneWarning, stacklevel=level)


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint such as "Did you mean 'topic'?", or the list of what there is."""
    names = list(choices)
    if not names:
        return "There is none."
    close = closest(name, names)
    return f"Did you mean {close!r}?" if close is not None else f"There are: {listing(names)}."


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The one that is written nearly alike; None where none is."""
    return next(iter(difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.6)), None)


def nearest_file(path: Path) -> str:
    """A hint on the file beside it that may be meant, or to check the path.

    Accents that macOS writes as two characters look the same.
    """
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()] if path.parent.is_dir() else []
    stem = closest(path.stem, [Path(name).stem for name in names])  # t.csv and none.csv are alike but for what counts
    near = closest(path.name, [name for name in names if Path(name).stem == stem])
    if near is None:
        return "Check the path."
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", path.name):
        return f"{near} is there, and only looks the same: its accents are other characters. Copy its name from there."
    return f"Did you mean {near!r}?"


def listing(items: Sequence[object], most: int = 8) -> str:
    """Up to `most` items in quotes, and how many more there are."""
    first = ", ".join(repr(item) for item in items[:most])
    return first + (f" and {len(items) - most:,} more" if len(items) > most else "")


def counted(n: int, one: str, more: str) -> str:
    """How many, with the words for one of them or for more.

    >>> counted(1, "text is", "texts are"), counted(1200, "text is", "texts are")
    ('1 text is', '1,200 texts are')
    """
    return f"{n:,} {one if n == 1 else more}"
