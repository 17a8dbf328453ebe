"""What large language models add: a tuned model in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.options import Id, Text
from annotune.commands.screen import console


def export(
    model: Annotated[Path, typer.Argument(help="The folder of a tuned model.")],
    out: Annotated[Path, typer.Argument(help="A new folder; for gguf a file.")],
    format: Annotated[str, typer.Option(help="adapter, merged, onnx or gguf.")] = "merged",
    texts: Annotated[Path | None, typer.Option(help="Texts to compare on, best held-out ones.")] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    tolerance: Annotated[float | None, typer.Option(help="The largest accepted difference of a probability.")] = None,
    check: Annotated[bool, typer.Option(help="Run the export and compare it with the model.")] = True,
    quantization: Annotated[str | None, typer.Option(help="Of gguf: f32, f16 or q8_0.")] = None,
    base: Annotated[str | None, typer.Option(help="Of an adapter: the folder of the base model.")] = None,
) -> None:
    """Export a tuned model for other programs, compared with the original on the way."""
    from annotune.classifier import load
    from annotune.corpus import read_corpus

    compared = read_corpus(texts, unit_id, text) if texts else None
    options = {"tolerance": tolerance, "check": check, "quantization": quantization, "base": base}
    done = load(model).export(out, format, texts=compared, **options)  # type: ignore[arg-type]
    if done.parity is not None:
        found = done.parity
        console.print(
            f"Run by {found.runtime} on {found.texts:,} texts: another label for {found.changed:,}, "
            f"probabilities within {found.largest:.2g}."
        )
    console.print(f"The {format} export is in {out}.")
