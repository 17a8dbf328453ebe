"""A model from codings, its codes, and how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.options import Id, OfVariable, Text, require_outputs, share_or_values
from annotune.commands.screen import console, files, save
from annotune.errors import AnnotuneError


def tune(
    corpus: Annotated[Path, typer.Argument(help="The texts.")],
    gold: Annotated[list[Path], typer.Argument(help="Files with one answer a unit.")],
    codebook: Annotated[Path, typer.Option(help="What was coded.")],
    out: Annotated[Path, typer.Option(help="The folder for the model.")],
    variable: OfVariable = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    base: Annotated[str, typer.Option(help="minilm, a folder, or a hub name.")] = "minilm",
    method: Annotated[str, typer.Option(help="lora, full or probe.")] = "lora",
    objective: Annotated[str, typer.Option(help="Of decoders: head, or label to show them the codebook too.")] = "head",
    test: Annotated[list[str] | None, typer.Option(help="A share, or column=value for the texts to hold out.")] = None,
    folds: Annotated[int | None, typer.Option(help="Cross-validate in so many folds instead.")] = None,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here stay together.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Tune a model on hand-coded texts, and measure it on texts it has not seen."""
    from annotune import display
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings
    from annotune.corpus import read_corpus
    from annotune.export.files import require_folder
    from annotune.runtime import is_first
    from annotune.saved import require_free
    from annotune.tuner import tune as tune_model

    require_folder(out, [corpus, *gold, codebook])
    require_free(out)
    known = read_codebook(codebook)
    coded = read_codings(list(gold), known, unit_id=unit_id, variable=variable)
    options: dict[str, Any] = {"base": base, "method": method, "objective": objective}
    options |= {"epochs": epochs, "seed": seed, "device": device}
    texts = read_corpus(corpus, unit_id, text)
    model = tune_model(texts, coded, known, variable, test=share_or_values(test), folds=folds, group=group, **options)
    if not is_first():
        return
    model.save(out)
    if model.evaluation is not None:
        console.print(display.comparison(model.evaluation))
        console.print(display.labels(model.evaluation))
    console.print(f"The model {model.name} is in {out}.", markup=False)


def classify(
    model: Annotated[Path, typer.Argument(help="The folder of a tuned model.")],
    corpus: Annotated[Path, typer.Argument(help="The texts to code.")],
    paths: Annotated[list[Path], typer.Argument(help="Where to: .dta, .rds, .parquet, .csv ...")],
    unit_id: Id = "unit_id",
    text: Text = "text",
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16 for speed where the processor has it.")
    ] = "float32",
) -> None:
    """Code texts with a tuned model, and write them with their covariates."""
    from annotune import display
    from annotune.codebook import Codebook
    from annotune.corpus import read_corpus
    from annotune.export.write import write as write_table
    from annotune.record import file_sha256, make_record, write_records
    from annotune.results import attach, require_room
    from annotune.runtime import hardware, is_first
    from annotune.saved import load

    require_outputs(paths, model, corpus)
    coder = load(model)
    texts = read_corpus(corpus, unit_id, text)
    require_room(texts, [coder.variable], gold=False)
    codings = coder.classify(texts, precision=precision)
    if not is_first():
        return
    known = Codebook(variables=(coder.variable,))
    write_table(attach(texts, codings, codebook=known), paths, codebook=known, notes=[f"Coded by {coder.name}."])
    record = make_record(
        "annotune classify",
        model=coder.card,
        inputs={corpus.name: file_sha256(corpus)},
        codebook_sha256=known.sha256,
        settings={"unit_id": unit_id, "text": text, "precision": precision},
        hardware=hardware(),
    )
    write_records(record, paths)
    console.print(display.counts(codings))
    files(paths)


def evaluate(
    truth: Annotated[Path, typer.Argument(help="The gold: one answer a unit.")],
    predicted: Annotated[Path | None, typer.Argument(help="The answers to measure; none with --cv.")] = None,
    codebook: Annotated[Path | None, typer.Option(help="The labels there are.")] = None,
    variable: OfVariable = None,
    unit_id: Annotated[str, typer.Option(help="The column with the identifier, in every file.")] = "unit_id",
    corpus: Annotated[Path | None, typer.Option(help="The texts, for the TF-IDF baseline and for --cv.")] = None,
    text: Text = "text",
    cluster: Annotated[str | None, typer.Option(help="A column of the corpus to resample by.")] = None,
    cv: Annotated[int | None, typer.Option(help="Tune models in so many folds, and measure what they predict.")] = None,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here are in one fold (--cv).")] = None,
    base: Annotated[str | None, typer.Option(help="minilm, a folder, or a hub name (--cv).")] = None,
    method: Annotated[str | None, typer.Option(help="lora, full or probe (--cv).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts (--cv).")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps (--cv).")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder for folds and models; what is there is not done again (--cv).")
    ] = None,
    n_boot: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap, and of every other draw.")] = 1,
    write: Annotated[list[Path] | None, typer.Option(help="Also write the measures to a .csv, .dta ...")] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Also write what was predicted, for correct and the others (--cv).")
    ] = None,
) -> None:
    """Compare predicted with true labels, beside what could be had without a model; or cross-validate one."""
    from annotune import display
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings
    from annotune.corpus import read_corpus
    from annotune.cross_validation import CrossValidation
    from annotune.cross_validation import evaluate as evaluate_codings
    from annotune.export.files import require_folder
    from annotune.export.write import write as write_table
    from annotune.record import file_sha256, make_record, write_records

    require_outputs([*(write or []), *(predictions or [])], truth, predicted, codebook, corpus)
    if out is not None:
        require_folder(out)
    if predictions and cv is None:
        raise AnnotuneError("--predictions are those that --cv makes.", "Leave it out, or cross-validate: --cv 5.")
    known = read_codebook(codebook) if codebook else None
    sides = [read_codings(path, known, unit_id=unit_id, variable=variable) for path in (truth, predicted) if path]
    texts = read_corpus(corpus, unit_id, text) if corpus else None
    options: dict[str, Any] = {"variable": variable, "codebook": known, "corpus": texts, "cluster": cluster}
    made = {"group": group, "base": base, "method": method, "epochs": epochs, "device": device, "out": out}
    options |= {name: value for name, value in made.items() if value is not None}
    found = evaluate_codings(*sides, cv=cv, n_boot=n_boot, seed=seed, **options)
    console.print(display.comparison(found, display.WRITTEN))
    console.print(display.labels(found))
    save(found.measures, write)
    if predictions and isinstance(found, CrossValidation):
        notes = [f"{found.model.name}: texts coded by models of {cv} folds that had not seen them."]
        write_table(found.data, predictions, codebook=known, notes=notes)
        record = make_record(
            "annotune evaluate",
            model=found.model.card,
            inputs={path.name: file_sha256(path) for path in (truth, corpus) if path},
            settings={"cv": cv, "group": group, "unit_id": unit_id, "text": text},
            evaluation=found.measures.to_dicts(),
        )
        write_records(record, predictions)
