"""The command line: one thin function per verb; whatever it does, Python can do by the same name."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from annotune import __version__
from annotune.errors import AnnotuneError, AnnotuneWarning

app = typer.Typer(
    help="From a codebook to a regression table.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def main() -> None:
    """Run a verb; what the user can mend is one sentence and exit code 2, never a traceback."""
    warnings.simplefilter("always", AnnotuneWarning)
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: object) -> None:
        if issubclass(category, AnnotuneWarning):
            errors.print("Note:", message, style="yellow", markup=False)
        else:
            show_other(message, category, *rest)  # type: ignore[arg-type]

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        app()
    except AnnotuneError as error:
        errors.print("Error:", error, style="bold red", markup=False)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written to
        what = f"{error.filename or 'A file'}: {error.strerror or error}. Check the path, the permissions and the disk."
        errors.print("Error:", what, style="bold red", markup=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of an interrupt
            errors.print("Stopped. What was finished is kept.", style="bold")
        raise


def _version(wanted: bool) -> None:
    if wanted:
        print(f"annotune {__version__}")
        raise typer.Exit


@app.callback()
def annotune(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a codebook to a regression table."""


@app.command()
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
) -> None:
    """Write a table for Stata, R, SPSS, Python or a spreadsheet."""
    from annotune.codebook import read_codebook
    from annotune.export.write import write as write_table

    known = read_codebook(codebook) if codebook else None
    formulas = regression or None  # typer gives an empty list where there is none
    write_table(data, paths, codebook=known, notes=note, title=title, labelled=labelled, regressions=formulas)


@app.command()
def reliability(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings: .xlsx, .csv, .dta, .parquet ...")],
    codebook: Annotated[Path | None, typer.Option(help="Categories, their order, and what is multi-label.")] = None,
    variable: Annotated[str | None, typer.Option(help="What to look at; each variable when left out.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    coders: Annotated[str | None, typer.Option(help="In the wide layout: the coders' columns, as a,b,c.")] = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
    of: Annotated[str, typer.Option(help="all, pairs, categories, or coders (each against the rest).")] = "all",
    model: Annotated[str | None, typer.Option(help="Compare people with these models, as m1,m2.")] = None,
    level: Annotated[str | None, typer.Option(help="nominal, ordinal, interval, ratio, masi, jaccard ...")] = None,
    metrics: Annotated[str | None, typer.Option(help="Such as alpha,fleiss_kappa,icc.")] = None,
    by: Annotated[str | None, typer.Option(help="Columns to divide the codings by, as a,b.")] = None,
    ci: Annotated[str, typer.Option(help="bootstrap, analytic or gwet.")] = "bootstrap",
    n_boot: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    cluster: Annotated[str | None, typer.Option(help="A column to resample by, or coder.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    write: Annotated[list[Path] | None, typer.Option(help="Also to a .dta, .rds, .csv, .xlsx or .tex.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg; a heat map with --of pairs.")] = None,
) -> None:
    """How far coders agree, with intervals."""
    from annotune.agreement import present
    from annotune.agreement.plots import plot_coders, plot_reliability
    from annotune.agreement.views import view
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings

    known = read_codebook(codebook) if codebook else None
    table = read_codings(
        list(codings),
        known,
        unit_id=unit_id,
        coder=coder,
        variable=None if columns else variable,
        columns=dict(pair.partition("=")[::2] for pair in columns or []) or None,
        coders=_words(coders),
        keep=[*(_words(by) or []), *([cluster] if cluster not in (None, "coder") else [])],
    )
    wanted = {"variable": variable, "level": level, "metrics": _words(metrics), "by": _words(by), "ci": ci}
    found = view(of, _words(model), table, codebook=known, n_boot=n_boot, cluster=cluster, seed=seed, **wanted)
    screen = Console(highlight=False)
    screen.print(present.screen(found), width=None if screen.is_terminal else 250)
    for sentence in [*present.notes(found), *present.in_words(found)]:
        print(sentence)
    for path in write or []:
        present.write(found, path)
    if plot:
        (plot_coders if of == "pairs" else plot_reliability)(found, plot)


def _words(text: str | None) -> list[str] | None:
    """`a,b` as a list; nothing where there is nothing."""
    return [word.strip() for word in text.split(",")] if text else None
