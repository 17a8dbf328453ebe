"""Do the coders agree, and what do they say together?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.options import OfVariable, identified, listed, pairs, require_outputs
from annotune.commands.recording import recorded
from annotune.commands.screen import console
from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from annotune.data.codebook import Codebook
    from annotune.data.codings import Codings

TEX = (".tex",)  # which tables of agreement have beside the formats of all tables


def reliability(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings: .xlsx, .csv, .dta, .parquet ...")],
    codebook: Annotated[Path | None, typer.Option(help="Categories, their order, and what is multi-label.")] = None,
    variable: Annotated[str | None, typer.Option(help="What to look at; each variable when left out.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    coders: Annotated[str | None, typer.Option(help="In the wide layout: the coders' columns, as a,b,c.")] = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
    of: Annotated[
        str, typer.Option(help="all, pairs, categories, coders (each against the rest), or replacement.")
    ] = "all",
    model: Annotated[str | None, typer.Option(help="Compare people with these models, as m1,m2.")] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="For replacement: by how much worse a model may be (default 0.15).")
    ] = None,
    level: Annotated[str | None, typer.Option(help="nominal, ordinal, interval, ratio, masi, jaccard ...")] = None,
    metrics: Annotated[str | None, typer.Option(help="Such as alpha,weighted_percent,icc.")] = None,
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

    require_outputs(write, codings, codebook, plot=plot, more=TEX)
    keep = [*(listed(by) or []), *([cluster] if cluster not in (None, "coder") else [])]
    book, rows = _read(codings, codebook, variable, unit_id, coder, coders, columns, keep)
    options: dict[str, Any] = {"variable": variable, "level": level, "epsilon": epsilon, "ci": ci}
    options |= {"metrics": listed(metrics), "by": listed(by)}
    table = view(of, listed(model), rows, codebook=book, n_boot=n_boot, cluster=cluster, seed=seed, **options)
    several, one_coder = present.with_several_coders(table)
    if len(several):
        console.print(present.screen(several))
    for sentence in [*one_coder, *present.notes(several), *(present.in_words(several) if of == "all" else [])]:
        console.print(sentence, markup=False)
    for path in write or []:
        present.write_reliability(table, path, print)
    if plot:
        (plot_coders if of == "pairs" else plot_reliability)(table, plot)


def reliability_regression(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings: .xlsx, .csv, .dta, .parquet ...")],
    on: Annotated[str, typer.Option(help="Columns of the codings (coder is one) or the corpus, as a,b.")],
    corpus: Annotated[Path | None, typer.Option(help="Texts with further columns.")] = None,
    codebook: Annotated[Path | None, typer.Option(help="Says what is multi-label.")] = None,
    variable: Annotated[str | None, typer.Option(help="What was coded; not needed where there is one.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    coders: Annotated[str | None, typer.Option(help="In the wide layout: the coders' columns, as a,b,c.")] = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
    cluster: Annotated[
        str, typer.Option(help="Whose codings depend on each other: unit_id, coder or a column.")
    ] = "unit_id",
    write: Annotated[list[Path] | None, typer.Option(help="Also to a .dta, .rds, .csv, .xlsx or .tex.")] = None,
) -> None:
    """Does agreement depend on who coded, when, or on the text?"""
    from annotune.agreement import present
    from annotune.agreement.regression import reliability_regression as regression
    from annotune.data.codings import SCHEMA

    require_outputs(write, codings, codebook, corpus, more=TEX)
    names = listed(on) or []
    texts = identified(corpus, unit_id) if corpus else None
    elsewhere = {*SCHEMA, *(texts.columns if texts is not None else [])}
    keep = [name for name in dict.fromkeys([*names, cluster]) if name not in elsewhere]
    book, table = _read(codings, codebook, variable, unit_id, coder, coders, columns, keep)
    fit = regression(table, names, variable, book, texts, cluster)
    console.print(present.screen(fit.table))
    counts = f"{fit.n_codings:,} codings of {fit.n_units:,} texts in {fit.n_clusters:,} clusters."
    console.print(counts, fit.verdict, markup=False)
    for path in write or []:
        present.write_reliability(fit.table, path, print)


def resolve(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings.")],
    out: Annotated[Path, typer.Option(help="Where the gold goes: .csv, .parquet, .dta ...")],
    codebook: Annotated[Path | None, typer.Option(help="The labels there are.")] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="majority (the default), unanimous, any, coder, adjudicated, dawid_skene or shares."),
    ] = None,
    at_least: Annotated[
        int | None, typer.Option(help="In place of a rule: the labels that as many coders gave.")
    ] = None,
    ties: Annotated[str, typer.Option(help="drop, first, or the label that wins ties.")] = "drop",
    decisive_coder: Annotated[str | None, typer.Option("--coder", help="For the rules coder and adjudicated.")] = None,
    coders: Annotated[str | None, typer.Option(help="Whose codings count, such as anna,ben: all people's.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder_column: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
    variable: OfVariable = None,
) -> None:
    """Make one answer per unit from several coders' answers."""
    from annotune.agreement.gold import require_answers
    from annotune.agreement.gold import resolve as resolve_codings
    from annotune.data.codings import ANSWERED, of_variable
    from annotune.export.write import write as write_table

    if rule is not None and at_least is not None:
        raise AnnotuneError("--rule and --at-least exclude each other.", "Leave out one of the two.")
    require_outputs(out, codings, codebook)
    chosen: Any = (rule or "majority") if at_least is None else {"at_least": at_least}
    options: dict[str, Any] = {"ties": ties, "coder": decisive_coder, "coders": listed(coders)}
    with recorded("resolve", [out], *codings, codebook, rule=chosen, **options):
        book, table = _read(codings, codebook, variable, unit_id, coder_column, None, columns, [])
        table = table if variable is None else of_variable(table, variable)
        gold = resolve_codings(table, chosen, codebook=book, **options)
        require_answers(gold, chosen)
        write_table(gold, out, say=print)
    n_answered = gold.filter(gold["status"].is_in(ANSWERED))["unit_id"].n_unique()
    console.print(
        f"{n_answered:,} of {gold['unit_id'].n_unique():,} units have an answer; written to {out}.", markup=False
    )


def _read(
    codings: list[Path],
    codebook: Path | None,
    variable: str | None,
    unit_id: str,
    coder: str | None,
    coders: str | None,
    columns: list[str] | None,
    keep: list[str],
) -> tuple[Codebook | None, Codings]:
    """The codebook, and the codings of all files with the columns to `keep`."""
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings

    book = read_codebook(codebook) if codebook else None
    layout: Any = {"variable": None if columns else variable, "columns": pairs(columns), "coders": listed(coders)}
    return book, read_codings(list(codings), book, unit_id=unit_id, coder=coder, keep=keep, **layout)
