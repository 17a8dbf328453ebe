"""Options that several verbs share, and what their words mean."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotune.errors import AnnotuneError, warn

if TYPE_CHECKING:
    import polars as pl

Id = Annotated[str, typer.Option(help="The corpus column with the identifier.")]
Text = Annotated[str, typer.Option(help="The corpus column with the text.")]
CutOffs = Annotated[
    str | None, typer.Option(help="How labels follow from probabilities: share (by default), f1 or likeliest.")
]
Drawn = Annotated[
    str | None, typer.Option("--pi", help="A column of the corpus: the probability with which a text was drawn.")
]
Prevalence = Annotated[
    list[str] | None,
    typer.Option(help="Where texts were picked by label: how frequent one is, as label=share; may be repeated."),
]
OfVariable = Annotated[str | None, typer.Option(help="Which variable of the codebook; not needed where there is one.")]


Paths = Path | Sequence[Path] | None


def require_outputs(
    write: Paths,
    *inputs: Paths,
    plot: Path | None = None,
    sheet: Path | None = None,
    correction: bool = False,
    more: Collection[str] = (),
) -> None:
    """Before anything is read: formats that there are, places that can be written to, and none of them an input's.

    A `correction` and a coding `sheet` have formats of their own; `more` are suffixes that a verb writes itself.
    """
    from annotune.export.write import require_writer
    from annotune.hybrid.sheets import require_format
    from annotune.pictures import require_picture
    from annotune.records.files import require_writable

    for path in _flat(write):
        require_writer(path, correction, more)
    if sheet is not None:
        require_format(sheet)
    require_writable(_flat(write, plot, sheet), _flat(*inputs))
    if plot is not None:
        require_picture(plot)


def _flat(*paths: Paths) -> list[Path]:
    parts = [[path_or_paths] if isinstance(path_or_paths, Path) else path_or_paths or [] for path_or_paths in paths]
    return [path for part in parts for path in part]


def listed(text: str | None) -> list[str] | None:
    """`a,b` as a list; nothing where there is nothing."""
    return [word.strip() for word in text.split(",")] if text else None


def pairs(words: list[str] | None) -> dict[str, str] | None:
    """`variable=column` as a dictionary; nothing where there is nothing."""
    return {name: column or name for name, _, column in (pair.partition("=") for pair in words or [])} or None


def shares_by_label(prevalence: list[str] | None) -> dict[str, float] | None:
    """The shares of `label=share`; nothing where there is nothing."""
    shares: dict[str, float] = {}
    for pair in prevalence or []:
        label, equals, share = pair.rpartition("=")  # a label may have the sign in its name
        if label in shares:
            raise AnnotuneError(f"--prevalence names {label!r} twice.", "Give each label one share.")
        try:
            shares[label] = float(share)
        except ValueError:
            equals = ""
        if not equals or not label:
            what = f"--prevalence {pair!r} is not label=share."
            raise AnnotuneError(what, "Such as immigration=0.07; it may be repeated.")
    return shares or None


def category_by_column(reference: list[str] | None) -> dict[str, str] | None:
    """The reference categories of `column=category`; nothing where there is nothing."""
    bases: dict[str, str] = {}
    for pair in reference or []:
        column, equals, category = pair.partition("=")
        if not (column and equals and category):
            what = f"--reference {pair!r} is not column=category."
            raise AnnotuneError(what, "Such as party=Labour; it may be repeated.")
        if column in bases:
            raise AnnotuneError(f"--reference names {column!r} twice.", "Give each column one reference category.")
        bases[column] = category
    return bases or None


def share_or_values(test: list[str] | None) -> float | dict[str, list[str]] | None:
    """A share, or the columns and values of `column=value`."""
    if not test:
        return None
    if len(test) == 1 and "=" not in test[0]:
        try:
            return float(test[0])
        except ValueError:
            raise AnnotuneError(f"--test {test[0]!r} is neither a share nor column=value.", "Such as 0.2.") from None
    part: dict[str, list[str]] = {}
    for pair in test:
        column, equals, value = pair.partition("=")
        if not equals:
            raise AnnotuneError(f"--test {pair!r} is not column=value.", "Such as party=Greens; it may be repeated.")
        part.setdefault(column, []).append(value)
    return part


def coded_texts(paths: Path | Sequence[Path], unit_id: str) -> pl.DataFrame:
    """Tables of codings, or of coded texts, with all their columns: a reader of codings leaves probabilities out."""
    import polars as pl

    frames = [identified(path, unit_id) for path in _flat(paths)]
    frame = pl.concat(frames, how="diagonal_relaxed")
    return frame if unit_id == "unit_id" else frame.drop(unit_id)


def identified(path: Path, unit_id: str) -> pl.DataFrame:
    """A table of texts, the identifiers as text in the column unit_id."""
    from annotune.data.frames import identifiers, require_own_columns
    from annotune.tables import read_table

    table = read_table(path, strings=(unit_id,))
    for note in table.notes:
        warn(note)
    frame = table.frame
    require_own_columns(frame, {"unit_id": unit_id}, str(path))
    return frame.with_columns(identifiers(frame[unit_id], str(path)).alias("unit_id"))
