"""How likely each text was to be drawn for coding, and which wave drew it: what was recorded, beside the corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import polars as pl

from annotune.data.codings import Codings, sound_codings
from annotune.data.frames import as_frame, identifiers, require_columns
from annotune.errors import AnnotuneError, nearest, warn
from annotune.tables import read_table
from annotune.tables.store import DRAWS, SUFFIX, draws_in_store, people_in_store

ADDED = ("pi", "wave")  # the columns that draws add to a corpus
WHOM = ("texts", "people")


def read_draws(path: str | Path, of: Literal["texts", "people"] = "texts") -> pl.DataFrame:
    """Read which texts were drawn, each with its probability, out of a study's store; or who is to code them.

    Parameters
    ----------
    path
        A study's store (.annotune), or a table of draws that was written from one (.csv, .parquet, .xlsx ...).
    of
        "texts", or "people": who is to code which text, and whether there is an answer (of a store alone).

    Returns
    -------
    polars.DataFrame
        Of texts one row per wave and text that the wave could have drawn: `unit_id`, `wave` (1, 2, ...), `pi` (the
        probability of being drawn in this wave, above 0), `drawn`, `stratum`, `cluster`. Of people one row per wave,
        text and coder: `unit_id`, `wave`, `coder`, `place` (in the coder's order), `arm` (open, or blind: without
        proposals), `answered`.

    Raises
    ------
    AnnotuneError
        For a file that is no store, or a table without probabilities.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> store = Path(tempfile.mkdtemp()) / "study.annotune"
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b", "c", "d"], "text": ["...", "...", "...", "..."]})
    >>> draw = at.sample(corpus, 2, store=store)
    >>> at.read_draws(store).select("wave", "pi", "drawn").sum().rows()
    [(4, 2.0, 2)]
    """
    if of not in WHOM:
        raise AnnotuneError(f"There are no draws of {of!r}.", nearest(of, WHOM))
    path = Path(path)
    if path.suffix == SUFFIX:
        return draws_in_store(path) if of == "texts" else people_in_store(path)
    if of == "people":
        raise AnnotuneError(f"{path} is a table of texts.", f"Who codes them is in the store ({SUFFIX}).")
    return as_draws(read_table(path, strings=("unit_id", "stratum", "cluster")).frame)


def as_draws(table: Any) -> pl.DataFrame:
    """A table of draws in its columns and types; without a column `drawn` every row is a text that was drawn."""
    frame, name = as_frame(table), "The table of draws"
    require_columns(frame, ["unit_id", "wave", "pi"], name)
    if "drawn" not in frame.columns:
        frame = frame.with_columns(pl.lit(True).alias("drawn"))
    frame = frame.with_columns(identifiers(frame["unit_id"], name).alias("unit_id"))
    absent = [pl.lit(None, dtype).alias(column) for column, dtype in DRAWS.items() if column not in frame.columns]
    try:
        frame = frame.with_columns(absent).select(pl.col(column).cast(dtype) for column, dtype in DRAWS.items())
    except pl.exceptions.InvalidOperationError:
        what = f"{name} has words in place of numbers in 'wave', 'pi' or 'drawn'."
        raise AnnotuneError(what, "Give whole numbers, probabilities, and true or false.") from None
    sound = frame["pi"].is_between(0, 1, closed="right").fill_null(False) & frame["wave"].is_not_null()
    if not sound.all():
        unit = frame["unit_id"].filter(~sound)[0]
        what = f"{name}: the text {unit!r} has no wave, or a pi that is no probability above 0 and up to 1."
        raise AnnotuneError(what, "Leave out texts that could not be drawn.")
    return frame


def with_draws(corpus: pl.DataFrame, draws: Any) -> pl.DataFrame:
    """The corpus with each text's probability of being drawn, and its wave.

    Parameters
    ----------
    corpus
        n rows with `unit_id`.
    draws
        A store's path, a table's, or a table of draws as `read_draws` gives it.

    Returns
    -------
    polars.DataFrame
        n rows with two more columns. `wave`: the wave that drew the text, null where none did. `pi`: its probability of
        being drawn in that wave, among the texts that were left; of a text that no wave drew that of the last one, and
        null where none could draw it.

    Raises
    ------
    AnnotuneError
        Where the corpus has these columns already, has none of the texts that were drawn, or a text was drawn twice.

    Examples
    --------
    >>> draws = pl.DataFrame({"unit_id": ["a", "b", "b"], "wave": [1, 1, 2], "pi": [0.5, 0.5, 0.9]})
    >>> draws = draws.with_columns(drawn=pl.Series([True, False, False]))
    >>> with_draws(pl.DataFrame({"unit_id": ["a", "b", "c"]}), draws).rows()
    [('a', 0.5, 1), ('b', 0.9, None), ('c', None, None)]
    """
    table = read_draws(draws) if isinstance(draws, (str, Path)) else as_draws(draws)
    names_in_use = [name for name in ADDED if name in corpus.columns]
    if names_in_use:
        what = f"The corpus has a column {names_in_use[0]!r} already, which the draws are to fill."
        raise AnnotuneError(what, "Rename it, or leave it out (covariates).")
    drawn = table.filter("drawn")
    require_same_study(corpus, drawn)
    if (twice := drawn["unit_id"].is_duplicated()).any():
        what = f"The text {drawn['unit_id'].filter(twice)[0]!r} was drawn more than once."
        raise AnnotuneError(what, "A wave draws among the texts that those before it left: give their store.")
    rest = table.filter(~pl.col("drawn")).sort("wave", maintain_order=True).unique("unit_id", keep="last")
    rest = rest.join(drawn, on="unit_id", how="anti").with_columns(pl.lit(None, pl.Int64).alias("wave"))
    each = pl.concat([drawn, rest]).select("unit_id", "pi", "wave")
    return corpus.join(each, on="unit_id", how="left", maintain_order="left")


def drawn_only(corpus: pl.DataFrame, gold: Codings) -> Codings:
    """The gold of the texts that a wave drew; a warning counts the others, which no correction can count.

    `corpus` has the column `wave`, as `with_draws` makes it.
    """
    free = corpus.filter(pl.col("wave").is_null())["unit_id"]
    strange = gold.filter(pl.col("unit_id").is_in(free.implode()))["unit_id"].unique(maintain_order=True)
    if strange.is_empty():
        return gold
    what = f"{len(strange):,} coded texts were drawn by no wave, such as {strange[0]!r}: their gold is left out."
    warn(f"{what} Nobody knows how likely they were to be coded.")
    return sound_codings(gold.filter(~pl.col("unit_id").is_in(strange.implode())))


def require_same_study(corpus: pl.DataFrame, drawn: pl.DataFrame) -> None:
    """Stop where none of the texts that were drawn is in the corpus; where some are not, count them."""
    absent = drawn["unit_id"].filter(~drawn["unit_id"].is_in(corpus["unit_id"].implode()))
    if len(drawn) and len(absent) == len(drawn):
        what = f"None of the {len(drawn):,} texts that were drawn is in the corpus, such as {absent[0]!r}."
        raise AnnotuneError(what, "The draws are of another study: give this one's store.")
    if len(absent):
        of = f"{len(absent):,} of {len(drawn):,} texts that were drawn"
        warn(f"{of} are not in the corpus and are left out, such as {absent[0]!r}.")
