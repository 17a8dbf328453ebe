"""What the commands after coding share: their columns, and how a table and all coders' answers are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    import polars as pl

    from annotune.data.codebook import Codebook


Table = Annotated[
    Path, typer.Argument(help="One row per text: predictions, gold, pi, covariates, as crossfit writes it.")
]
Coded = Annotated[str | None, typer.Option(help="What was coded; not needed where one column ends in _gold.")]
Gold = Annotated[str | None, typer.Option(help="The column with the gold; <variable>_gold by default.")]
Predicted = Annotated[str | None, typer.Option(help="The column with the predictions; <variable> by default.")]
Pi = Annotated[str | None, typer.Option(help="The column, or number, with the probability of being hand coded.")]
Wave = Annotated[
    str | None, typer.Option(help="The column with each text's wave, where texts were drawn in waves; wave by default.")
]
Write = Annotated[list[Path] | None, typer.Option(help="Also to a .csv, .dta, .parquet, .xlsx ...; repeatable.")]
Cluster = Annotated[str | None, typer.Option(help="A column whose values (documents, authors) depend on each other.")]
AllCodings = Annotated[
    list[Path] | None, typer.Option(help="All coders' codings, for the share of coders; repeatable.")
]
CodingsBook = Annotated[
    Path | None, typer.Option(help="With --codings: what was coded, for cells with codes or sets (war;peace).")
]
Coders = Annotated[str, typer.Option(help="With --codings: the share of these coders, or of any like them.")]
Of = Annotated[str, typer.Option(help="Whose shares: corpus (these texts), or population (what they are a sample of).")]


def rows_of(path: Path) -> pl.DataFrame:
    """A table's rows; columns with value labels by their labels."""
    from annotune.tables import read_table

    return read_table(path).frame


def number_or_column(text: str | None) -> str | float | None:
    """A number where it is one, else the name of a column.

    >>> number_or_column("0.5"), number_or_column("pi")
    (0.5, 'pi')
    """
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def require_codings_for(codebook: Path | None, codings: list[Path] | None) -> None:
    """Stop where a codebook is named for codings that are not."""
    if codebook is not None and not codings:
        raise AnnotuneError(f"{codebook} says what codings= hold, and there are none.", "Name them, or leave it out.")


def answers_of(
    paths: list[Path], table: pl.DataFrame, variables: list[str] | None, gold: str | None, codebook: Path | None
) -> pl.DataFrame:
    """All coders' answers; a sheet that does not say what was coded has a column for each variable."""
    from annotune.correction.coding_columns import only_variable
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import bind, sound_codings

    book = None if codebook is None else read_codebook(codebook)
    names = variables or [only_variable(table.columns, gold)]
    parts = [_answers_in(paths, book, name) for name in (names if book is None else _variables_of(names, book))]
    return sound_codings(bind(*parts).unique(maintain_order=True))  # a file that has all of them is read for each


def _variables_of(names: list[str], book: Codebook) -> list[str]:
    """What was coded, where a table has a column for each label: `marks_war` is about `marks`."""
    known = [entry.name for entry in book.variables]
    own = [[one for one in known if name == one or name.startswith(f"{one}_")] for name in names]
    return list(dict.fromkeys(max(some, key=len) if some else name for name, some in zip(names, own, strict=True)))


def _answers_in(paths: list[Path], book: Codebook | None, variable: str) -> pl.DataFrame:
    """What files say of a variable; advice is about options that are here, where --coders is another one."""
    from annotune.data.codings import read_codings

    try:
        return read_codings(list(paths), book, variable=variable)
    except AnnotuneError as error:
        if "coders=" not in error.advice:
            raise
        sheet = "a sheet with the columns unit_id, coder and label."
        advice = f"Give {sheet}" if book is not None else f"Say what was coded with codebook=, or give {sheet}"
        raise AnnotuneError(error.what, advice) from None
