"""Does a coder read the codebook, and what did coders change in it?"""

# ruff: noqa: PT028  (test_codebook is a verb of annotune, and no test of pytest)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.options import Id, OfVariable, Text, require_outputs
from annotune.commands.screen import console, files, save


def test_codebook(
    corpus: Annotated[Path, typer.Argument(help="Texts; they need not be coded.")],
    codebook: Annotated[Path, typer.Option(help="What is coded.")],
    base: Annotated[str, typer.Option(help="A decoder: a folder, or a hub name such as Qwen/Qwen3-0.6B.")],
    variable: OfVariable = None,
    paraphrase: Annotated[Path | None, typer.Option(help="The codebook in other words, with the same codes.")] = None,
    n: Annotated[int, typer.Option(help="How many texts are coded, drawn at random.")] = 100,
    orders: Annotated[int, typer.Option(help="In how many other orders the labels are given.")] = 3,
    ablation: Annotated[bool, typer.Option(help="Whether each sentence is left out in turn.")] = True,
    template: Annotated[str, typer.Option(help="chat, or plain for bases without a chat template.")] = "chat",
    precision: Annotated[str, typer.Option(help="float32, or bfloat16 for speed.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    unit_id: Id = "unit_id",
    text: Text = "text",
    seed: Annotated[int, typer.Option(help="Of the draw and the orders.")] = 1,
    write: Annotated[
        list[Path] | None,
        typer.Option(help="The share of codes that change in each test, as .csv, .dta ...; repeatable."),
    ] = None,
    sentences: Annotated[
        list[Path] | None, typer.Option(help="The same for each sentence of the codebook; repeatable.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture of both: .png, .pdf or .svg.")] = None,
) -> None:
    """Test whether a decoder reads the codebook: other orders, names and words, and without each sentence."""
    from annotune.data.codebook import read_codebook
    from annotune.hybrid.codebook_tests import test_codebook as tested

    require_outputs([*(write or []), *(sentences or [])], corpus, codebook, paraphrase, plot=plot)
    result = tested(
        corpus,
        read_codebook(codebook),
        base,
        variable=variable,
        paraphrase=paraphrase,
        n=n,
        orders=orders,
        ablation=ablation,
        seed=seed,
        unit_id=unit_id,
        text=text,
        options={"template": template, "precision": precision, "device": device},
    )
    console.print(repr(result), markup=False, soft_wrap=True)
    save(result.tests, write)
    save(result.sentences, sentences)
    if plot:
        result.plot(plot)
        files([plot])


def levels(
    codebook: Annotated[Path, typer.Argument(help="A codebook whose labels have parents.")],
    write: Annotated[
        list[Path] | None, typer.Option(help="The codebook of its levels, a row per label: .csv, .xlsx; repeatable.")
    ] = None,
) -> None:
    """Make a codebook with a variable for each level of its hierarchies, for codings of roll-up."""
    from annotune.data.codebook import read_codebook
    from annotune.data.hierarchy import levels as of_levels
    from annotune.hybrid.sheets import codebook_rows

    require_outputs(write or [], codebook)
    book = of_levels(read_codebook(codebook))
    for entry in book.variables:
        console.print(f"{entry.name}: {len(entry.labels)} labels", markup=False)
    save(codebook_rows(book), write)


def roll_up(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings.")],
    codebook: Annotated[Path, typer.Option(help="A codebook whose labels have parents.")],
    out: Annotated[Path, typer.Option(help="Where the codings of each level go: .csv, .parquet, .dta ...")],
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
) -> None:
    """Turn codings by labels of a hierarchy into codings of each of its levels: people's, or a model's."""
    import polars as pl

    from annotune.commands.options import coded_texts
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.rolled_up import roll_up as rolled_up
    from annotune.data.wide import detach

    require_outputs(out, codings, codebook)
    book, frame = read_codebook(codebook), coded_texts(codings, unit_id)
    coded = [entry for entry in book.variables if f"{entry.name}_status" in frame.columns]
    if coded:
        table = pl.concat([detach(frame, entry) for entry in coded], how="diagonal_relaxed")
    elif any(name.startswith("p_") for name in frame.columns) and "label" in frame.columns:
        table = frame
    else:
        table = read_codings(list(codings), book, unit_id=unit_id, coder=coder)
    save(rolled_up(table, book), [out])


def definitions(
    store: Annotated[Path, typer.Argument(help="The study's store (.annotune).")],
    codebook: Annotated[Path | None, typer.Argument(help="The codebook's file, which is compared.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Put the definitions that it lacks into the file.")] = False,
    write: Annotated[list[Path] | None, typer.Option(help="The table, as .csv, .xlsx ...; repeatable.")] = None,
) -> None:
    """Show which definitions changed while people coded, by whom and why, and put them into the codebook's file."""
    from annotune.hybrid.definitions import definitions as changed

    require_outputs(write or [], store, codebook)
    table = changed(store, codebook, update=update)
    for row in table.iter_rows(named=True):
        who = f"{row['author'] or 'from a file'}, {row['at'][:10]}"
        place = {None: "", True: " In the file.", False: " Not in the file."}[row["in_file"]]
        console.print(f"Version {row['version']} ({who}): {row['variable']}: {row['label']}", markup=False)
        console.print(f"  {row['definition']}", markup=False, soft_wrap=True)
        console.print(f"  was: {row['was'] or '(none)'}", markup=False, soft_wrap=True)
        why = " ".join(row["reason"].split())
        console.print(f"  why: {why}{'' if why.endswith('.') else '.'}{place}", markup=False, soft_wrap=True)
    if table.is_empty():
        console.print("No definition was changed.")
    save(table, write)
