"""What leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.options import require_outputs
from annotune.commands.recording import recorded


def write(
    data: Annotated[Path, typer.Argument(help="The table: .parquet, .csv, .xlsx, .dta, .sav, .rds ...")],
    paths: Annotated[list[Path], typer.Argument(help="Where to: .dta, .rds, .parquet, .csv, .sav, .xlsx.")],
    codebook: Annotated[Path | None, typer.Option(help="Whose variables give columns their codes and labels.")] = None,
    note: Annotated[list[str] | None, typer.Option(help="Where the data come from; may be repeated.")] = None,
    title: Annotated[str | None, typer.Option(help="The data's label.")] = None,
    labelled: Annotated[bool, typer.Option("--labelled", help="In .rds: haven_labelled instead of factors.")] = False,
    regression: Annotated[
        list[str] | None, typer.Option(help="Such as \"topic == 'Health' ~ party\": for a do-file and an R script.")
    ] = None,
    guard_formulas: Annotated[
        bool,
        typer.Option("--guard-formulas", help="In .csv and .xlsx: texts such as =1+1 stay texts in a spreadsheet."),
    ] = False,
) -> None:
    """Write a table for Stata, R, SPSS, Python or a spreadsheet."""
    from annotune.data.codebook import read_codebook
    from annotune.export.write import write as write_table

    require_outputs(paths, data, codebook)
    book = read_codebook(codebook) if codebook else None
    formulas = regression or None  # typer gives an empty list where there is none
    options: dict[str, Any] = {"labelled": labelled, "regressions": formulas, "guard_formulas": guard_formulas}
    with recorded("write", paths, data, codebook, regression=formulas, note=note):
        write_table(data, paths, codebook=book, notes=note, title=title, say=print, **options)
