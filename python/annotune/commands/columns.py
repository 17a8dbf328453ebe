"""What the commands after coding share: their columns, and how a table and all coders' answers are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl


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


def answers_of(paths: list[Path], table: pl.DataFrame, variables: list[str] | None, gold: str | None) -> pl.DataFrame:
    """All coders' answers; a sheet that does not say what was coded has a column for each variable."""
    from annotune.correction.coding_columns import only_variable
    from annotune.data.codings import bind, read_codings, sound_codings

    names = variables or [only_variable(table.columns, gold)]
    parts = [read_codings(list(paths), variable=name) for name in names]
    return sound_codings(bind(*parts).unique(maintain_order=True))  # a file that has all of them is read for each
