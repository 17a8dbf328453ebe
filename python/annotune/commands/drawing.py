"""Which texts are to be coded, and what people coded of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.options import Id, OfVariable, Text, listed, pairs, require_outputs
from annotune.commands.screen import console, files, save
from annotune.errors import AnnotuneError

StoreFile = Annotated[Path, typer.Argument(help="The study's store, study.annotune.")]
Book = Annotated[Path | None, typer.Option(help="What is coded.")]


def sample(
    corpus: Annotated[Path, typer.Argument(help="The texts, with covariates.")],
    n: Annotated[int, typer.Option(help="How many texts; of whole documents (cluster) how many of these.")],
    design: Annotated[str, typer.Option(help="simple, stratified, cluster or active.")] = "simple",
    strata: Annotated[
        str | None, typer.Option(help="Columns, or a predicted variable, whose values make strata: party,year.")
    ] = None,
    allocation: Annotated[str, typer.Option(help="To strata: proportional, equal or neyman.")] = "proportional",
    cluster: Annotated[str | None, typer.Option(help="The column with each text's document.")] = None,
    pps: Annotated[bool, typer.Option(help="Whether large documents are drawn more often, by their size.")] = True,
    aim: Annotated[
        str | None,
        typer.Option("--for", help="Of active: tuning, share, a label's (topic == 'Health'), or a formula."),
    ] = None,
    scores: Annotated[str | None, typer.Option(help="Of active, in place of --for: a column with scores.")] = None,
    floor: Annotated[float | None, typer.Option(help="The least chance, as a part of that of a simple draw.")] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="What a model says: a table that crossfit wrote, or codings.")
    ] = None,
    variable: OfVariable = None,
    poisson: Annotated[bool, typer.Option("--poisson", help="Each text by itself: n on average.")] = False,
    coders: Annotated[str | None, typer.Option(help="Who codes: anna,ben.")] = None,
    overlap: Annotated[float, typer.Option(help="The share of texts that two of them code.")] = 0.0,
    blind: Annotated[float, typer.Option(help="The share of texts coded without a proposal.")] = 0.0,
    two: Annotated[float, typer.Option(help="The share shown with the proposals of two models.")] = 0.0,
    decoy: Annotated[float, typer.Option(help="The share shown with a label that no model proposed.")] = 0.0,
    store: Annotated[
        Path | None, typer.Option(help="The study's store (.annotune): a further wave if it has one.")
    ] = None,
    earlier: Annotated[Path | None, typer.Option(help="Draws of earlier waves, where there is no store.")] = None,
    write: Annotated[
        Path | None, typer.Option(help="A coding sheet per coder: coding_sheet.xlsx (or .csv, .parquet).")
    ] = None,
    out: Annotated[
        list[Path] | None, typer.Option(help="Also a table with every text's pi: .csv, .parquet ...; repeatable.")
    ] = None,
    codebook: Book = None,
    show: Annotated[str | None, typer.Option(help="Further columns that coders see: party,date.")] = None,
    before: Annotated[str | None, typer.Option(help="The column with the text before.")] = None,
    after: Annotated[str | None, typer.Option(help="The column with the text after.")] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
) -> None:
    """Draw texts for coding with known probabilities, and write coding sheets."""
    from annotune.data.codebook import read_codebook
    from annotune.data.corpus import read_corpus
    from annotune.hybrid.sample import sample as draw_texts
    from annotune.tables import read_table

    require_outputs(out, corpus, codebook, predictions, earlier, sheet=write)
    if store is None and not out:
        what = "The texts' probabilities of being drawn, which corrections rest on, would be kept nowhere."
        raise AnnotuneError(what, "Name a store (--store study.annotune), or a table (--out draws.csv).")
    options: dict[str, Any] = {"design": design, "strata": listed(strata) or (), "allocation": allocation}
    options |= {"cluster": cluster, "pps": pps, "for_": aim, "scores": scores, "floor": floor, "poisson": poisson}
    options |= {"coders": listed(coders) or (), "overlap": overlap, "blind": blind, "two": two, "decoy": decoy}
    options |= {"show": listed(show) or ()}
    options |= {"before": before, "after": after, "store": store, "earlier": earlier, "write": write, "seed": seed}
    options |= {"codebook": read_codebook(codebook) if codebook else None, "variable": variable}
    if predictions:
        options["predictions"] = read_table(predictions, strings=("unit_id",)).frame
    draw = draw_texts(read_corpus(corpus, unit_id, text), n, **options)
    save(draw.draws, out)
    console.print(repr(draw), markup=False, soft_wrap=True)
    if out:
        files(out)
    if store and write:
        sheets = " ".join(map(str, draw.files))
        console.print(f"When they are filled: annotune record {store} {sheets}", markup=False, soft_wrap=True)


def sheets(
    store: StoreFile,
    corpus: Annotated[Path, typer.Option(help="The texts.")],
    write: Annotated[Path, typer.Option(help="A sheet per coder: coding_sheet.xlsx (or .csv, .parquet).")],
    codebook: Book = None,
    coders: Annotated[str | None, typer.Option(help="For whom, by default for all with texts left: anna,ben.")] = None,
    show: Annotated[str | None, typer.Option(help="Further columns that coders see, by default as drawn.")] = None,
    before: Annotated[str | None, typer.Option(help="The column with the text before.")] = None,
    after: Annotated[str | None, typer.Option(help="The column with the text after.")] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
) -> None:
    """Write coding sheets of the texts that a study drew and that are still to be coded."""
    from annotune.data.codebook import read_codebook
    from annotune.data.corpus import read_corpus
    from annotune.hybrid.later_sheets import sheets as write_sheets

    require_outputs(None, store, corpus, codebook, sheet=write)
    options: dict[str, Any] = {"coders": listed(coders) or (), "show": listed(show), "before": before, "after": after}
    options |= {"codebook": read_codebook(codebook) if codebook else None}
    paths = list(write_sheets(store, read_corpus(corpus, unit_id, text), write, **options).values())
    files(paths)
    names = " ".join(map(str, paths))
    console.print(f"When they are filled: annotune record {store} {names}", markup=False, soft_wrap=True)


def record(
    store: StoreFile,
    codings: Annotated[list[Path], typer.Argument(help="Coding sheets that came back, or other files with codings.")],
    codebook: Book = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder_column: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    variable: OfVariable = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
) -> None:
    """Put what people coded into the study's store; what is there is not recorded twice."""
    import polars as pl

    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.exported_answers import is_export
    from annotune.hybrid.decisions import codebook_of
    from annotune.hybrid.decisions import record as record_codings
    from annotune.hybrid.store import open_store
    from annotune.readable import brief_table

    with open_store(store, create=False) as kept:
        book = read_codebook(codebook) if codebook else codebook_of(kept)
    layout: dict[str, Any] = {"variable": None if columns else variable, "columns": pairs(columns)}
    exports = [path for path in codings if is_export(path)]
    sheets = [path for path in codings if path not in exports]
    options: dict[str, Any] = {"unit_id": unit_id, "coder": coder_column, **layout}
    tables = [*([exports] if exports else []), *([read_codings(sheets, book, **options)] if sheets else [])]
    console.print(brief_table(pl.concat([record_codings(store, table, book) for table in tables])))


def draws(
    store: StoreFile,
    of: Annotated[str, typer.Option(help="texts: which were drawn, with pi; or people: who codes them.")] = "texts",
    write: Annotated[list[Path] | None, typer.Option(help="To a .csv, .parquet, .dta ...; repeatable.")] = None,
) -> None:
    """Show and write which texts a study drew, with their probabilities, or who is to code them."""
    import polars as pl

    from annotune.data.drawn import read_draws
    from annotune.readable import brief_table

    require_outputs(write, store)
    table = read_draws(store, of)  # type: ignore[arg-type]
    save(table, write)
    by, counts = ["wave"], [pl.len().alias("texts"), pl.col("drawn").sum(), pl.col("pi").min().alias("least pi")]
    if of == "people":
        by, counts = ["wave", "coder"], [pl.len().alias("texts"), pl.col("answered").sum()]
    console.print(brief_table(table.group_by(by, maintain_order=True).agg(counts)))
    if write:
        files(write)
