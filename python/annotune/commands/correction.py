"""After coding: predictions that a correction may rest on, shares, errors, and how much more to code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.columns import (
    AllCodings,
    Cluster,
    Coded,
    Coders,
    CodingsBook,
    Gold,
    Of,
    Pi,
    Predicted,
    Table,
    Wave,
    Write,
    answers_of,
    number_or_column,
    require_codings_for,
    rows_of,
)
from annotune.commands.options import (
    CutOffs,
    Drawn,
    Id,
    OfVariable,
    Prevalence,
    Text,
    category_by_column,
    listed,
    require_outputs,
    shares_by_label,
)
from annotune.commands.recording import recorded
from annotune.commands.screen import console, files, save
from annotune.errors import AnnotuneError


def crossfit(
    corpus: Annotated[Path, typer.Argument(help="The texts, with covariates, and pi where it is known.")],
    gold: Annotated[list[Path], typer.Argument(help="Files with one answer per unit.")],
    codebook: Annotated[Path, typer.Option(help="What was coded.")],
    out: Annotated[
        Path, typer.Option(help="The folder for folds, model and codings; what is there is not done again.")
    ],
    write: Annotated[list[Path], typer.Option(help="Where the table for regressions goes: .parquet, .dta, .rds ...")],
    variable: OfVariable = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    folds: Annotated[int, typer.Option(help="How many.")] = 5,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here are in one fold.")] = None,
    uncoded: Annotated[
        str,
        typer.Option(help="Who codes the texts that nobody coded: a fold's model each (folds), or the model of all."),
    ] = "folds",
    base: Annotated[str, typer.Option(help="minilm, multilingual, a folder, or a hub name.")] = "minilm",
    method: Annotated[str, typer.Option(help="auto, lora, full or probe.")] = "auto",
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    cutoffs: CutOffs = None,
    pi: Drawn = None,
    draws: Annotated[
        Path | None, typer.Option(help="The study's store (.annotune), or a table of draws: adds pi and wave.")
    ] = None,
    prevalence: Prevalence = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Code a corpus so that no hand-coded text is coded by a model that was tuned on it."""
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.corpus import read_corpus
    from annotune.data.wide import headings
    from annotune.export.write import write as write_table
    from annotune.models.shares import shares_of_all
    from annotune.network.machine import hardware
    from annotune.records.files import require_folder
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs
    from annotune.tuning.crossfit import crossfit as cross

    require_outputs(write, corpus, gold, codebook)
    require_folder(out)
    book = read_codebook(codebook)
    with reading(corpus, *gold) as fingerprints:
        coded = read_codings(list(gold), book, unit_id=unit_id, variable=variable)
        texts = read_corpus(corpus, unit_id, text)
    options: dict[str, Any] = {"method": method, "epochs": epochs, "device": device, "group": group, "folds": folds}
    options |= {"uncoded": uncoded, "base": base, "seed": seed, "cutoffs": cutoffs or "share"}
    options |= {"pi": pi, "prevalence": shares_by_label(prevalence), "draws": draws}
    predictions = cross(texts, coded, book, variable=variable, out=out, **options)
    which_texts = "texts" if uncoded == "folds" else "hand-coded texts"
    notes = [f"{predictions.model.name}: {which_texts} coded by models of {folds} folds that had not seen them."]
    data = predictions.data
    write_table(data, write, codebook=book, headings=headings(book, data.columns), notes=notes, say=print)
    record = make_record(
        "annotune crossfit",
        model=predictions.model.card,
        inputs={path.name: sha256 for path, sha256 in fingerprints.items()},
        codebook_sha256=book.sha256,
        settings={"folds": folds, "group": group, "uncoded": uncoded, "unit_id": unit_id, "text": text},
        evaluation=predictions.evaluation.measures.to_dicts(),
        hardware=hardware(device),
    )
    record_outputs(record, write)
    console.print(display.comparison(predictions.evaluation))
    console.print("[bold]The corpus as coded[/bold]")
    console.print(display.as_coded(predictions.codings, shares_of_all([predictions.model], predictions.codings)))
    files(write)


def error_model(
    data: Table,
    on: Annotated[str, typer.Option(help="Covariates as a,b, or a formula: 'party * year'.")],
    variable: Coded = None,
    label: Annotated[str | None, typer.Option(help="Look at errors about this label alone.")] = None,
    cluster: Cluster = None,
    gold: Gold = None,
    predicted: Predicted = None,
    pi: Pi = None,
    wave: Wave = None,
    write: Write = None,
) -> None:
    """Is the model's error related to the covariates?"""
    from annotune.commands import display
    from annotune.commands.read_covariates import note_on_covariates
    from annotune.correction.error_model import error_model as model

    columns: dict[str, Any] = {"gold": gold, "predicted": predicted, "pi": number_or_column(pi), "wave": wave}
    covariates = listed(on) if "," in on and "(" not in on else on
    require_outputs(write, data)
    result = model(rows_of(data), covariates or on, variable, label=label, cluster=cluster, **columns)
    if len(result.effects):
        console.print(display.effects(result.effects))
    save(result.effects, write)
    console.print(result.verdict, markup=False)
    if note := note_on_covariates(data, result.effects["covariate"].to_list()):
        console.print(note, markup=False)


def plan_sample(
    data: Table,
    variable: Coded = None,
    target: Annotated[float | None, typer.Option(help="The standard error that is wanted.")] = None,
    n: Annotated[int | None, typer.Option(help="Or: the number of hand codings there will be.")] = None,
    effect: Annotated[float | None, typer.Option(help="Or: the effect that is to be found, by a test at 5 %.")] = None,
    power: Annotated[float, typer.Option(help="With this probability.")] = 0.8,
    label: Annotated[str | None, typer.Option(help="Plan for this label's share.")] = None,
    formula: Annotated[str | None, typer.Option(help="Plan for a regression: \"topic == 'Health' ~ party\".")] = None,
    term: Annotated[str | None, typer.Option(help="And for this coefficient of it.")] = None,
    model: Annotated[str, typer.Option(help="Of the regression: linear, logit or poisson.")] = "linear",
    cluster: Annotated[str | None, typer.Option(help="A column for whose values standard errors allow.")] = None,
    method: Annotated[str, typer.Option(help="dsl or ppi.")] = "dsl",
    total: Annotated[int | None, typer.Option(help="Texts in the corpus, if not those of the table.")] = None,
    gold: Gold = None,
    predicted: Predicted = None,
    pi: Pi = None,
    wave: Wave = None,
    of: Of = "corpus",
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    write: Annotated[list[Path] | None, typer.Option(help="Also the curve to a .csv, .dta ...; repeatable.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg of the curve, by design.")] = None,
) -> None:
    """How many texts to code by hand for a standard error, or which one a number of them gives."""
    from annotune.commands import display
    from annotune.correction.plan_plot import plot_plan
    from annotune.correction.plan_sample import plan_sample as plan

    columns: dict[str, Any] = {"gold": gold, "predicted": predicted, "pi": number_or_column(pi), "wave": wave}
    options: dict[str, Any] = {"target": target, "n": n, "label": label, "formula": formula, "term": term, "of": of}
    options |= {"effect": effect, "power": power, "model": model, "cluster": cluster}
    require_outputs(write, data, plot=plot)
    needed = plan(rows_of(data), variable, method=method, total=total, seed=seed, **options, **columns)
    console.print(display.plan(needed.estimates))
    console.print(display.designs(needed.designs))
    save(needed.curve, write)
    if plot:
        plot_plan(needed, plot)
    console.print(needed.verdict, markup=False)


def correct(
    data: Table,
    formula: Annotated[str, typer.Argument(help="As in R: \"topic == 'Health' ~ party + year | district\".")],
    model: Annotated[str, typer.Option(help="linear, logit, poisson, multinomial or fixed_effects.")] = "linear",
    method: Annotated[str, typer.Option(help="dsl, ppi, auto or none.")] = "dsl",
    cluster: Annotated[
        str | None, typer.Option(help="A column whose values (authors) depend on each other, or two: author,paper.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="The column with survey weights.")] = None,
    prediction: Annotated[str, typer.Option(help="prob, label or recalibrated.")] = "prob",
    pi: Pi = None,
    wave: Wave = None,
    gold: Annotated[str | None, typer.Option(help="The column with the outcome's hand codings.")] = None,
    predicted: Annotated[
        str | None, typer.Option(help="The columns with its predictions, by one coder or several: tuned,gpt.")
    ] = None,
    coded: Annotated[str | None, typer.Option(help="The column that says which texts were drawn and coded.")] = None,
    fold: Annotated[str | None, typer.Option(help="The column filled where a prediction is out of fold.")] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="The category that others are compared with: party=Labour; repeatable.")
    ] = None,
    level: Annotated[float, typer.Option(help="Of the confidence intervals.")] = 0.95,
    codings: AllCodings = None,
    codebook: CodingsBook = None,
    coders: Coders = "these",
    small_sample: Annotated[
        bool | None,
        typer.Option(help="Variances and intervals as Stata's; or none corrected, however few clusters there are."),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="Are all coefficients of it 0: party, or several as a,b; repeatable.")
    ] = None,
    contrast: Annotated[
        list[str] | None, typer.Option(help="A difference: 'party[Con] - party[Lib]'; repeatable.")
    ] = None,
    margins: Annotated[bool, typer.Option(help="Of a logit, also the average marginal effects.")] = False,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg of the coefficients.")] = None,
    layout: Annotated[
        str, typer.Option(help="journal: errors in brackets below; stacked: a row per method with interval and p.")
    ] = "journal",
    write: Annotated[
        list[Path] | None, typer.Option(help="Also to a .csv, .dta, .rds, .tex, .docx, .html ...; repeatable.")
    ] = None,
) -> None:
    """Regress with machine labels, corrected by the hand-coded texts."""
    from annotune.commands import display
    from annotune.commands.read_covariates import note_on_covariates
    from annotune.correction.formulas import parse
    from annotune.correction.regression import correct as corrected
    from annotune.export.journal import require_layout
    from annotune.export.write import write as write_table

    require_layout(layout)
    options: dict[str, Any] = {"model": model, "method": method, "prediction": prediction}
    columns: dict[str, Any] = {"weights": weights, "gold": gold, "coded": coded, "fold": fold, "wave": wave}
    options |= {
        "predicted": _predictions_of_outcome(formula, gold, predicted),
        "cluster": listed(cluster),
        "reference": category_by_column(reference),
        "level": level,
        "small_sample": small_sample,
    }
    require_outputs(write, data, *(codings or []), codebook, correction=True, plot=plot)
    require_codings_for(codebook, codings)
    settings = options | {"coders": coders if codings else None}
    with recorded("correct", write, data, codebook, *(codings or []), formula=formula, pi=pi, **settings, **columns):
        table = rows_of(data)
        options["coders"] = coders
        if codings:
            explained = _variable_explained(formula, table.columns)
            if explained is None and codebook is not None:  # which knows that marks_war is about marks
                explained = _column_explained(formula)
            options["codings"] = answers_of(codings, table, explained, gold, codebook)
        correction = corrected(formula, table, pi=number_or_column(pi), **options, **columns)
        if note := note_on_covariates(data, parse(formula).columns):
            correction = replace(correction, notes=(note, *correction.notes))
        if write:
            write_table(correction, write, layout=layout, say=print)  # type: ignore[arg-type]
    together = [correction.joint_test(listed(terms) or terms) for terms in test or ()]
    apart = [correction.contrast(weights) for weights in contrast or ()]
    console.print(correction.summary(console.width, layout), markup=False, soft_wrap=True)  # type: ignore[arg-type]
    for table in together:
        console.print(display.joint_tests(table))
    for table in apart:
        console.print(display.contrasts(table))
    if margins:
        console.print(display.margins(correction))
    if plot:
        correction.plot(plot)


def _predictions_of_outcome(formula: str, gold: str | None, predicted: str | None) -> dict[str, Any] | None:
    """The columns with the outcome's hand codings and predictions, where the latter are named."""
    from annotune.correction.formulas import parse

    if predicted is None:
        return None
    explained = parse(formula).explained
    if explained is None:
        raise AnnotuneError(
            f"{formula!r} explains a function of columns.", "Leave out --predicted, and name the columns."
        )
    return {explained.column: (gold or f"{explained.column}_gold", listed(predicted) or [])}


def _column_explained(formula: str) -> list[str] | None:
    """The column that a regression explains; None where it is a function of several."""
    from annotune.correction.formulas import parse

    explained = parse(formula).explained
    return None if explained is None else [explained.column]


def _variable_explained(formula: str, columns: Sequence[str]) -> list[str] | None:
    """The coded variable that a regression explains; None where the names of columns do not tell.

    >>> _variable_explained("topic_tone_p ~ year", ["topic_gold", "topic_tone_gold", "year"])
    ['topic_tone']
    """
    from annotune.correction.formulas import parse

    explained = parse(formula).explained
    names = sorted((name.removesuffix("_gold") for name in columns if name.endswith("_gold")), key=len)
    column = "" if explained is None else f"{explained.column}_"
    return [name for name in names if column.startswith(f"{name}_")][-1:] or None


def dsl_columns(
    data: Table,
    write: Annotated[list[Path], typer.Argument(help="Where to: .dta, .rds, .parquet, .csv ...")],
    variable: Coded = None,
    label: Annotated[str | None, typer.Option(help="Correct for this label alone (dsl_y).")] = None,
    gold: Gold = None,
    predicted: Predicted = None,
    pi: Pi = None,
    wave: Wave = None,
    coded: Annotated[str | None, typer.Option(help="The column that says which texts were drawn and coded.")] = None,
    fold: Annotated[str | None, typer.Option(help="The column filled where a prediction is out of fold.")] = None,
    prediction: Annotated[str, typer.Option(help="prob or label.")] = "prob",
    codebook: Annotated[Path | None, typer.Option(help="The labels and their order.")] = None,
) -> None:
    """Add the corrected outcome for linear regressions in any program: dsl_y, or dsl_<label> for each label."""
    from annotune.correction.dsl import dsl_columns as columns_of
    from annotune.data.codebook import read_codebook
    from annotune.export.write import write as write_table

    require_outputs(write, data, codebook)
    book = read_codebook(codebook) if codebook else None
    columns: dict[str, Any] = {"gold": gold, "predicted": predicted, "pi": number_or_column(pi), "wave": wave}
    sampling: dict[str, Any] = {"coded": coded, "fold": fold, "prediction": prediction}
    with recorded("dsl-columns", write, data, codebook, variable=variable, label=label, **columns, **sampling):
        data_with_columns = columns_of(rows_of(data), variable, label=label, codebook=book, **columns, **sampling)
        write_table(data_with_columns, write, codebook=book, say=print)
