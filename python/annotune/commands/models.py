"""A model from codings, its codes, and its export; and what a decoder codes by the codebook alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.bulk import classify_folder, job_of, part_of
from annotune.commands.options import (
    CutOffs,
    Drawn,
    Id,
    OfVariable,
    Prevalence,
    Text,
    listed,
    require_outputs,
    share_or_values,
    shares_by_label,
)
from annotune.commands.screen import console, files
from annotune.errors import AnnotuneError

UNTUNED = (
    "With fewer than 300 coded texts, fine-tuning gained nothing in trials: the model is a logistic regression on the "
    "base's embeddings. --method lora tries both."
)


def tune(
    corpus: Annotated[Path, typer.Argument(help="The texts.")],
    gold: Annotated[list[Path], typer.Argument(help="Files with one answer per unit.")],
    codebook: Annotated[Path, typer.Option(help="What was coded.")],
    out: Annotated[Path, typer.Option(help="The folder for the model.")],
    variable: OfVariable = None,
    unit_id: Id = "unit_id",
    text: Annotated[
        str, typer.Option(help="The text's column; or before,text,after to read it with its neighbours.")
    ] = "text",
    target: Annotated[str | None, typer.Option(help="A column: what the text is judged about.")] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Columns of categories to read with the text, with commas between.")
    ] = None,
    base: Annotated[str, typer.Option(help="minilm, multilingual, a folder, or a hub name.")] = "minilm",
    method: Annotated[str, typer.Option(help="auto, lora, full or probe.")] = "auto",
    objective: Annotated[str, typer.Option(help="Of decoders: head, or label to show them the codebook too.")] = "head",
    test: Annotated[list[str] | None, typer.Option(help="A share, or column=value for the texts to hold out.")] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate in so many folds instead.")] = None,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here stay together.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of a text that are read at once.")] = 256,
    long_texts: Annotated[str, typer.Option(help="Longer texts: whole, in passages; cut; or auto.")] = "auto",
    cutoffs: CutOffs = None,
    pi: Drawn = None,
    prevalence: Prevalence = None,
    coders: Annotated[
        list[Path] | None, typer.Option(help="All coders' codings, to learn what each would say; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Tune a model on hand-coded texts, and measure it on texts it has not seen."""
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.corpus import read_corpus
    from annotune.data.inputs import text_and_neighbours
    from annotune.models.coder_words import in_words
    from annotune.models.folder import require_free
    from annotune.network.machine import is_first
    from annotune.records.files import require_folder
    from annotune.tuning.tuner import tune as tune_model

    require_folder(out, [corpus, *gold, *(coders or []), codebook])
    require_free(out)
    book = read_codebook(codebook)
    coded = read_codings(list(gold), book, unit_id=unit_id, variable=variable)
    options: dict[str, Any] = {"base": base, "method": method, "objective": objective}
    options |= {"epochs": epochs, "seed": seed, "device": device, "cutoffs": cutoffs or "share"}
    options |= {"max_tokens": max_tokens, "long_texts": long_texts}
    options |= {"pi": pi, "prevalence": shares_by_label(prevalence)}
    column, around = text_and_neighbours(listed(text) or ["text"])
    options |= {"text": around, "target": target, "inputs": listed(inputs) or ()}
    texts = read_corpus(corpus, unit_id, column)
    if coders:
        options["coders"] = read_codings(list(coders), book, unit_id=unit_id, variable=variable)
    model = tune_model(texts, coded, book, variable, test=share_or_values(test), folds=folds, group=group, **options)
    if not is_first():
        return
    model.save(out)
    if model.evaluation is not None:
        console.print(display.comparison(model.evaluation))
        console.print(display.labels(model.evaluation))
    if model.coder_scores is not None:
        console.print(in_words(model.coder_scores), markup=False)
    if method == "auto" and model.card["settings"]["method"] == "probe":
        console.print(UNTUNED, markup=False)
    console.print(f"The model {model.name} is in {out}.", markup=False)


def classify(
    places: Annotated[
        list[Path],
        typer.Argument(help="MODEL TEXTS OUTPUT ... (.dta, .rds, .parquet, .csv); with --out, the texts alone."),
    ],
    unit_id: Id = "unit_id",
    text: Text = "text",
    precision: Annotated[
        str,
        typer.Option(
            help="float32; exact, the fastest in 32 bits; auto, the fastest that proves itself; or one by name, such "
            "as packed-bfloat16 or packed-int8 (docs/many-texts.md)."
        ),
    ] = "float32",
    coder: Annotated[
        str | None, typer.Option(help="Of a model tuned with --coders: what this coder would say.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Very many texts: the folder for their codes; a stopped run goes on there.")
    ] = None,
    model: Annotated[list[Path] | None, typer.Option(help="With --out: a tuned model's folder; repeatable.")] = None,
    base: Annotated[str | None, typer.Option(help="With --out: a decoder that codes by the codebook alone.")] = None,
    codebook: Annotated[list[Path] | None, typer.Option(help="With --base: what it codes; repeatable.")] = None,
    on: Annotated[str, typer.Option(help="With --out: local, ray or slurm.")] = "local",
    workers: Annotated[int | None, typer.Option(help="With --out: processes at a time.")] = None,
    threads: Annotated[int | None, typer.Option(help="With --out: threads of each.")] = None,
    shard: Annotated[str | None, typer.Option(help="With --out: one part of several, such as 3/100.")] = None,
    rows_per_shard: Annotated[int | None, typer.Option(help="With --out: larger files are several shards.")] = None,
    covariates: Annotated[str | None, typer.Option(help="With --out: columns to keep, with commas between.")] = None,
    probabilities: Annotated[bool, typer.Option(help="With --out: keep the probability of every label.")] = True,
    evidence: Annotated[bool, typer.Option("--evidence", help="Add the passage that decided.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --out: say what it takes, code nothing.")] = False,
    price_per_hour: Annotated[float | None, typer.Option(help="With --dry-run: of the machine.")] = None,
    address: Annotated[str | None, typer.Option(help="With --on ray: of a cluster; else one is started here.")] = None,
    cluster: Annotated[str | None, typer.Option(help="With --on slurm: its name in the file --clusters.")] = None,
    clusters: Annotated[Path | None, typer.Option(help="What jobs ask for on each cluster; a YAML file.")] = None,
    job: Annotated[
        list[str] | None, typer.Option(help="What a job asks for, such as partition=cpu or time=8:00:00; repeatable.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="With --on slurm: stay until the job has ended.")] = False,
    write_sbatch: Annotated[
        Path | None, typer.Option(help="With --on slurm: write the file for sbatch here, submit nothing.")
    ] = None,
) -> None:
    """Code texts with a tuned model, and write them with their covariates; or very many of them, into a folder."""
    if write_sbatch is not None:
        from annotune.records.files import require_writable

        require_writable(
            [write_sbatch], [*places, *(model or []), *(codebook or []), *([clusters] if clusters else [])]
        )
    if out is None:
        if model or base or dry_run or shard:
            raise AnnotuneError("There is no folder to code into.", "Name one with --out.")
        _classify_file(places, unit_id, text, precision, device, evidence, coder)
        return
    if coder is not None:
        raise AnnotuneError("--coder is for texts in one file.", "Leave out --out, and name the file to write.")
    options: dict[str, Any] = {"on": on, "unit_id": unit_id, "text": text, "covariates": listed(covariates) or ()}
    options |= {"workers": workers, "threads": threads, "shard": part_of(shard), "rows_per_shard": rows_per_shard}
    options |= {"probabilities": probabilities, "evidence": evidence, "precision": precision, "device": device}
    options |= {"base": base, "dry_run": dry_run, "price_per_hour": price_per_hour, "address": address}
    options |= {"cluster": cluster, "clusters": clusters}
    options |= {"wait": wait or None, "write_sbatch": write_sbatch, **job_of(job or [], on)}
    classify_folder([str(place) for place in places], model or [], out, codebook or [], **options)


def _classify_file(
    places: list[Path],
    unit_id: str,
    text: str,
    precision: str,
    device: str,
    evidence: bool,
    as_coder: str | None = None,
) -> None:
    """Code a corpus and write it: `places` are the model, the corpus, and the files to be written."""
    if len(places) < 3:
        what = f"There {'is' if len(places) == 1 else 'are'} {len(places)} of a model, texts and an output."
        raise AnnotuneError(what, "Write: annotune classify MODEL TEXTS OUTPUT; or name a folder with --out.")
    model, corpus, *paths = places
    from annotune.commands import display
    from annotune.data.codebook import Codebook
    from annotune.data.corpus import read_corpus
    from annotune.data.wide import attach, headings, require_room
    from annotune.export.write import write as write_table
    from annotune.models.classifier import load
    from annotune.models.shares import notes_of, shares_of_all
    from annotune.network.machine import hardware, is_first
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs

    require_outputs(paths, model, corpus)
    coder = load(model, device)
    if as_coder is not None:
        coder.offsets_of(as_coder)  # refused before anything is computed
    with reading(corpus) as fingerprints:
        texts = read_corpus(corpus, unit_id, text)
    require_room(texts, [coder.variable], gold=False, evidence=evidence)
    choice = coder.choose_runtime(texts, precision)
    codings = coder.classify(texts, precision=choice, evidence=evidence, coder=as_coder)
    if not is_first():
        return
    book = Codebook(variables=(coder.variable,))
    notes = notes_of(coder, codings, choice, as_coder)
    data = attach(texts, codings, codebook=book)
    write_table(data, paths, codebook=book, headings=headings(book, data.columns), notes=notes, say=print)
    record = make_record(
        "annotune classify",
        model=coder.card,
        inputs={corpus.name: fingerprints[corpus]},
        codebook_sha256=book.sha256,
        settings={
            "unit_id": unit_id,
            "text": text,
            "precision": precision,
            "evidence": evidence,
            "coder": as_coder,
        },
        runtime=choice.as_json(),
        hardware=hardware(device),
    )
    record_outputs(record, paths)
    console.print("[bold]The corpus as coded[/bold]")
    shares = shares_of_all([] if as_coder else [coder], codings)
    console.print(display.as_coded(codings, shares))
    files(paths)


def bases() -> None:
    """The base models that have a short name, with what was measured of each."""
    from annotune.commands import display
    from annotune.models.bases import bases as known_bases

    console.print(display.bases(known_bases()))


def export(
    model: Annotated[Path, typer.Argument(help="The folder of a tuned model.")],
    out: Annotated[Path, typer.Argument(help="A new folder; for gguf a file.")],
    format: Annotated[str, typer.Option(help="adapter, merged, onnx or gguf.")] = "merged",
    texts: Annotated[Path | None, typer.Option(help="Texts to compare on, best held-out ones.")] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    tolerance: Annotated[
        float | None, typer.Option(help="The largest accepted difference of a probability; of log-odds four times it.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Run the export and compare it with the model.")] = True,
    quantization: Annotated[str | None, typer.Option(help="Of gguf: f32, f16 or q8_0.")] = None,
    base: Annotated[str | None, typer.Option(help="Of an adapter: the folder of the base model.")] = None,
) -> None:
    """Export a tuned model for other programs, compared with the original on the way."""
    from annotune.data.corpus import read_corpus
    from annotune.models.classifier import load
    from annotune.records.files import require_folder, require_writable

    inputs = [model, *([texts] if texts else [])]
    if format == "gguf":
        require_writable([out], inputs)
    else:
        require_folder(out, inputs)
    compared = read_corpus(texts, unit_id, text) if texts else None
    options = {"tolerance": tolerance, "check": check, "quantization": quantization, "base": base}
    exported = load(model).export(out, format, texts=compared, **options)  # type: ignore[arg-type]
    if exported.parity is not None:
        parity = exported.parity
        console.print(
            f"Run by {parity.runtime} on {parity.texts:,} texts: another label for {parity.changed:,}, "
            f"probabilities within {parity.largest:.2g}, log-odds within {parity.log_odds:.2g}."
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
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.corpus import read_corpus
    from annotune.data.wide import attach, headings, require_room
    from annotune.export.write import write as write_table
    from annotune.models.zeroshot import choose_variables
    from annotune.models.zeroshot import zero_shot as code
    from annotune.network.base import find_base
    from annotune.network.machine import hardware, is_first
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs

    require_outputs(paths, corpus, codebook)
    book = choose_variables([read_codebook(path) for path in codebook], listed(variable))
    with reading(corpus) as fingerprints:
        texts = read_corpus(corpus, unit_id, text)
    require_room(texts, book.variables, gold=False)
    settings = {"examples": examples, "template": template, "calibrate": calibrate, "max_tokens": max_tokens}
    codings = code(texts, book, base, precision=precision, device=device, **settings)  # type: ignore[arg-type]
    if not is_first():
        return
    coder = codings["coder"][0]
    data, notes = attach(texts, codings, codebook=book), [f"Coded by {coder}."]
    write_table(data, paths, codebook=book, headings=headings(book, data.columns), notes=notes, say=print)
    model = find_base(base)
    record = make_record(
        "annotune zero-shot",
        base={"name": model.name, "revision": model.revision},
        inputs={corpus.name: fingerprints[corpus]},
        codebook_sha256=book.sha256,
        settings={**settings, "precision": precision, "unit_id": unit_id, "text": text},
        hardware=hardware(device),
    )
    record_outputs(record, paths)
    console.print(display.counts(codings))
    files(paths)
