"""Whether a coding sheet's rows are as they were written: that no text stands beside another one's identifier.

People sort one column of a spreadsheet, or delete a cell and let those below move up. Each row therefore bears a few
letters of its identifier's and of its text's fingerprint. A row was moved in part where it has the identifier or the
text of another row; a text that was edited is nobody else's, and no matter.
"""

from __future__ import annotations

import unicodedata

import polars as pl

from annotune.errors import AnnotuneError, counted
from annotune.records.fingerprints import fingerprint

CHECK = "row_check"
COMPARED = 500  # letters and digits of a text: programs change blanks, quotes and line ends, and cut what is long
LETTERS = 8  # of each of the two fingerprints


def row_checks(units: pl.Series, texts: pl.Series) -> pl.Series:
    """What each row bears, (n,): no spreadsheet takes it for a number.

    Examples
    --------
    >>> checks = row_checks(pl.Series(["a", "b"]), pl.Series(["A text.", "a  text"])).str.split("-")
    >>> checks.list.first().n_unique(), checks.list.last().n_unique()  # two identifiers; blanks and case are no matter
    (2, 1)
    """
    pairs = zip(map(_short, units.cast(pl.String)), map(_short, map(_letters, texts.cast(pl.String))), strict=True)
    return pl.Series(CHECK, [f"r{unit}-{text}" for unit, text in pairs], dtype=pl.String)


def require_whole_rows(frame: pl.DataFrame, name: str, first: int, unit_id: str = "unit_id") -> None:
    """Stop where rows of a coding sheet were moved in part: codes would be other texts'.

    Parameters
    ----------
    frame
        One row per text; one without the columns of a sheet passes.
    name, first
        What messages call it, and the number of its first row.
    unit_id
        Its column with identifiers.

    Raises
    ------
    AnnotuneError
        Naming the first such row.
    """
    if not {unit_id, "text", CHECK} <= set(frame.columns):
        return
    noted, own = _halves(frame[CHECK].cast(pl.String)), _halves(row_checks(frame[unit_id], frame["text"]))
    moved = pl.Series([False]).new_from_index(0, len(frame))
    for was, now in zip(noted, own, strict=True):
        moved |= ((was != now) & now.is_in(was.implode())).fill_null(False)
    if moved.any():
        row = int(moved.arg_max() or 0)
        what = f"{name}, row {first + row}: the text beside {frame[unit_id][row]!r} is another one's"
        advice = f"Take a copy from before rows were moved in part; if the codes are right, empty {CHECK!r}."
        raise AnnotuneError(f"{what} ({counted(int(moved.sum()), 'such row', 'such rows')}).", advice)


def _short(words: str | None) -> str:
    return fingerprint(words or "")[:LETTERS]


def _letters(text: str | None) -> str:
    """A text's letters and digits, without accents, as programs write those in several ways."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text or "").lower()))[:COMPARED]


def _halves(checks: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The identifiers' part and the texts' part; null where a row bears none."""
    parts = checks.str.strip_chars().str.split_exact("-", 1).struct.unnest()
    return parts["field_0"], parts["field_1"]
