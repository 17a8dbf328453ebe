"""Does a coder read the codebook?"""

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
