"""What large language models add: codes from a codebook alone, and a tuned model in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.options import Id, Text, listed, require_outputs
from annotune.commands.screen import console, files


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
    from annotune.corpus import read_corpus
    from annotune.export.files import require_folder, require_writable
    from annotune.saved import load

    inputs = [model, *([texts] if texts else [])]
    if format == "gguf":
        require_writable([out], inputs)
    else:
        require_folder(out, inputs)
    compared = read_corpus(texts, unit_id, text) if texts else None
    options = {"tolerance": tolerance, "check": check, "quantization": quantization, "base": base}
    done = load(model).export(out, format, texts=compared, **options)  # type: ignore[arg-type]
    if done.parity is not None:
        found = done.parity
        console.print(
            f"Run by {found.runtime} on {found.texts:,} texts: another label for {found.changed:,}, "
            f"probabilities within {found.largest:.2g}."
        )
    console.print(f"The {format} export is in {out}.", markup=False)


def zero_shot(
    corpus: Annotated[Path, typer.Argument(help="The texts to code.")],
    paths: Annotated[list[Path], typer.Argument(help="Where to: .dta, .rds, .parquet, .csv ...")],
    codebook: Annotated[list[Path], typer.Option(help="What is coded; repeatable.")],
    base: Annotated[str, typer.Option(help="A decoder: a folder, or a hub name such as Qwen/Qwen3-0.6B.")],
    variable: Annotated[str | None, typer.Option(help="Which variables, with commas between; all by default.")] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    examples: Annotated[int, typer.Option(help="How many of the codebook's examples of each label to show.")] = 0,
    template: Annotated[str, typer.Option(help="chat, or plain for bases without a chat template.")] = "chat",
    calibrate: Annotated[bool, typer.Option(help="Divide by what labels get for texts without content.")] = True,
    max_tokens: Annotated[int, typer.Option(help="Longer texts are cut there.")] = 512,
    precision: Annotated[str, typer.Option(help="float32, or bfloat16 for speed.")] = "float32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Code texts with a decoder that was not tuned, by the codebook alone."""
    from annotune import display
    from annotune.codebook import read_codebook
    from annotune.corpus import read_corpus
    from annotune.export.write import write as write_table
    from annotune.record import file_sha256, make_record, write_records
    from annotune.results import attach, require_room
    from annotune.runtime import hardware, is_first
    from annotune.tuning.base import find_base
    from annotune.zeroshot import choose_variables
    from annotune.zeroshot import zero_shot as code

    require_outputs(paths, corpus, codebook)
    known = choose_variables([read_codebook(path) for path in codebook], listed(variable))
    texts = read_corpus(corpus, unit_id, text)
    require_room(texts, known.variables, gold=False)
    settings = {"examples": examples, "template": template, "calibrate": calibrate, "max_tokens": max_tokens}
    codings = code(texts, known, base, precision=precision, device=device, **settings)  # type: ignore[arg-type]
    if not is_first():
        return
    coder = codings["coder"][0]
    write_table(attach(texts, codings, codebook=known), paths, codebook=known, notes=[f"Coded by {coder}."])
    model = find_base(base)
    record = make_record(
        "annotune zero-shot",
        base={"name": model.name, "revision": model.revision},
        inputs={corpus.name: file_sha256(corpus)},
        codebook_sha256=known.sha256,
        settings={**settings, "precision": precision, "unit_id": unit_id, "text": text},
        hardware=hardware(),
    )
    write_records(record, paths)
    console.print(display.counts(codings))
    files(paths)
