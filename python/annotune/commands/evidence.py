"""How good, with how many labels, compared to what; what to code by hand, and what to look at again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.options import (
    CutOffs,
    Drawn,
    Id,
    OfVariable,
    Prevalence,
    Text,
    coded_texts,
    require_outputs,
    share_or_values,
    shares_by_label,
)
from annotune.commands.report import PAGES, pages
from annotune.commands.screen import console, files, save, say
from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from annotune.data.codebook import Codebook
    from annotune.data.codings import Codings

Gold = Annotated[list[Path], typer.Argument(help="Files with one hand coding per text.")]
Book = Annotated[Path | None, typer.Option(help="The labels there are.")]
Write = Annotated[list[Path] | None, typer.Option(help="Also to a .csv, .dta, .rds, .xlsx ...")]
Boot = Annotated[int, typer.Option(help="Bootstrap replicates.")]
Key = Annotated[str, typer.Option(help="The column with the identifier, in every file.")]
HeldOut = Annotated[Path, typer.Argument(help="A tuned model's folder, or predictions for texts it was not tuned on.")]


def evaluate(
    truth: Annotated[Path, typer.Argument(help="The gold: one answer per unit.")],
    predicted: Annotated[Path | None, typer.Argument(help="The answers to measure; none with --cv.")] = None,
    codebook: Annotated[Path | None, typer.Option(help="The labels there are.")] = None,
    variable: OfVariable = None,
    unit_id: Annotated[str, typer.Option(help="The column with the identifier, in every file.")] = "unit_id",
    corpus: Annotated[Path | None, typer.Option(help="The texts, for the TF-IDF baseline and for --cv.")] = None,
    text: Text = "text",
    cluster: Annotated[str | None, typer.Option(help="A column of the corpus to resample by.")] = None,
    cv: Annotated[int | None, typer.Option(help="Tune models in so many folds, and measure what they predict.")] = None,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here are in one fold (--cv).")] = None,
    base: Annotated[str | None, typer.Option(help="minilm, multilingual, a folder, or a hub name (--cv).")] = None,
    method: Annotated[str | None, typer.Option(help="auto, lora, full or probe (--cv).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts (--cv).")] = None,
    cutoffs: CutOffs = None,
    pi: Drawn = None,
    prevalence: Prevalence = None,
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
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.coder_shares import PREFIX
    from annotune.data.codings import read_codings
    from annotune.data.corpus import read_corpus
    from annotune.evidence.evaluate import CrossValidation
    from annotune.evidence.evaluate import evaluate as evaluate_codings
    from annotune.export.write import write as write_table
    from annotune.records.files import require_folder
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs

    require_outputs([*(write or []), *(predictions or [])], truth, predicted, codebook, corpus)
    if out is not None:
        require_folder(out)
    if predictions and cv is None:
        raise AnnotuneError("--predictions are those that --cv makes.", "Leave it out, or cross-validate: --cv 5.")
    book = read_codebook(codebook) if codebook else None
    with reading(*(path for path in (truth, corpus) if path)) as fingerprints:
        sides = [read_codings(path, book, unit_id=unit_id, variable=variable) for path in (truth, predicted) if path]
        if predicted and any(name.startswith(PREFIX) for name in sides[0].columns):
            sides[1] = _with_stated(sides[1], predicted, unit_id, book, variable)
        texts = read_corpus(corpus, unit_id, text) if corpus else None
    options: dict[str, Any] = {"variable": variable, "codebook": book, "corpus": texts, "cluster": cluster}
    tuning: dict[str, Any] = {"group": group, "base": base, "method": method, "epochs": epochs, "device": device}
    tuning |= {"out": out, "cutoffs": cutoffs, "pi": pi, "prevalence": shares_by_label(prevalence)}
    options |= {name: value for name, value in tuning.items() if value is not None}
    evaluation = evaluate_codings(*sides, cv=cv, n_boot=n_boot, seed=seed, **options)
    console.print(display.comparison(evaluation, display.WRITTEN))
    console.print(display.labels(evaluation))
    save(evaluation.measures, write)
    if predictions and isinstance(evaluation, CrossValidation):
        notes = [f"{evaluation.model.name}: texts coded by models of {cv} folds that had not seen them."]
        write_table(evaluation.data, predictions, codebook=book, notes=notes, say=print)
        record = make_record(
            "annotune evaluate",
            model=evaluation.model.card,
            inputs={path.name: sha256 for path, sha256 in fingerprints.items()},
            settings={"cv": cv, "group": group, "unit_id": unit_id, "text": text},
            evaluation=evaluation.measures.to_dicts(),
        )
        record_outputs(record, predictions)


def _with_stated(codings: Codings, path: Path, unit_id: str, book: Codebook | None, variable: str | None) -> Codings:
    """The codings with the probabilities in their file, which are called `p_<label>` or `<variable>_p_<label>`."""
    import polars as pl

    from annotune.data.codings import sound_codings
    from annotune.data.columns_of_sets import label_columns

    frame = coded_texts(path, unit_id)
    columns = {name: name for name in frame.columns if name.startswith("p_")}
    if book is not None:
        entry = book.variable(variable)
        named = {f"p_{label}": name for label, name in label_columns(entry, f"{entry.name}_p").items()}
        columns |= {new: name for new, name in named.items() if name in frame.columns}
    stated = [pl.col(name).alias(new) for new, name in columns.items()]
    probabilities = frame.unique("unit_id", keep="first").select("unit_id", *stated)
    return sound_codings(codings.join(probabilities, on="unit_id", how="left", maintain_order="left"))


def curve(
    corpus: Annotated[Path, typer.Argument(help="The texts.")],
    gold: Gold,
    codebook: Annotated[Path, typer.Option(help="What was coded.")],
    out: Annotated[Path, typer.Option(help="A folder for finished runs: what was stopped goes on from there.")],
    variable: OfVariable = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    sizes: Annotated[str | None, typer.Option(help="Numbers of labels, as 50,100,200.")] = None,
    seeds: Annotated[int, typer.Option(help="How many sets of each size.")] = 3,
    test: Annotated[list[str] | None, typer.Option(help="A share, or column=value for the texts to hold out.")] = None,
    group: Annotated[str | None, typer.Option(help="Texts with the same value here stay together.")] = None,
    measure: Annotated[str | None, typer.Option(help="What the curve is of; macro_f1 when left out.")] = None,
    budget: Annotated[str | None, typer.Option(help="Such as 30min or 2h; the first run is done in any case.")] = None,
    more: Annotated[int, typer.Option(min=1, help="How many more labels to ask about.")] = 500,
    base: Annotated[
        list[str] | None, typer.Option(help="minilm, multilingual, a folder, or a hub name; may be repeated.")
    ] = None,
    method: Annotated[str, typer.Option(help="auto, lora, full or probe.")] = "auto",
    cutoffs: CutOffs = None,
    pi: Drawn = None,
    prevalence: Prevalence = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    write: Write = None,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg.")] = None,
) -> None:
    """How good with how many labels, and what more of them would add."""
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.corpus import read_corpus
    from annotune.evidence.curve import learning_curve
    from annotune.evidence.curve_plot import plot_learning_curve
    from annotune.records.files import require_folder

    require_outputs(write, corpus, gold, codebook, plot=plot, more=PAGES)
    require_folder(out)
    book = read_codebook(codebook)
    part = share_or_values(test)
    options: dict[str, Any] = {} if part is None else {"test": part}
    learned = learning_curve(
        read_corpus(corpus, unit_id, text),
        read_codings(list(gold), book, unit_id=unit_id, variable=variable),
        book,
        variable=variable,
        sizes=_numbers(sizes),
        seeds=seeds,
        group=group,
        measure=measure,
        budget=budget,
        out=out,
        say=say,
        seed=seed,
        base=base or "minilm",
        method=method,
        device=device,
        cutoffs=cutoffs or "share",
        pi=pi,
        prevalence=shares_by_label(prevalence),
        **options,
    )
    console.print(display.curve(learned))
    save(learned.table, pages(write, curve=learned))
    if plot:
        plot_learning_curve(learned, plot)
    console.print(learned.in_words(more), markup=False)


def compare(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings: models', dictionaries', people's.")],
    gold: Annotated[Path, typer.Option(help="One answer per text.")],
    codebook: Book = None,
    variable: OfVariable = None,
    unit_id: Key = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name; else the file's name.")] = None,
    people: Annotated[
        list[str] | None, typer.Option(help="A group of people, as students=s1,s2; may be repeated.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Test only pairs with this coder.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="The texts, for the TF-IDF baseline.")] = None,
    text: Text = "text",
    cluster: Annotated[str | None, typer.Option(help="A column of the corpus to resample by.")] = None,
    measure: Annotated[str, typer.Option(help="What the sentences are about.")] = "macro_f1",
    costs: Annotated[Path | None, typer.Option(help="A table: model, cost and seconds per thousand texts.")] = None,
    n_boot: Boot = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    write: Write = None,
) -> None:
    """Compare any number of coders with the gold, on the same texts."""
    from annotune.commands import display
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.data.corpus import read_corpus
    from annotune.evidence.comparison import compare as compare_coders
    from annotune.tables import read_table

    require_outputs(write, codings, gold, codebook, corpus, costs, more=PAGES)
    book = read_codebook(codebook) if codebook else None
    options: dict[str, Any] = {"unit_id": unit_id, "variable": variable}
    comparison = compare_coders(
        read_codings(list(codings), book, coder=coder, **options),
        read_codings(gold, book, **options),
        variable=variable,
        codebook=book,
        people=_groups(people),
        reference=reference,
        corpus=read_corpus(corpus, unit_id, text) if corpus else None,
        costs=read_table(costs).frame if costs else None,
        cluster=cluster,
        n_boot=n_boot,
        seed=seed,
    )
    console.print(display.compared(comparison))
    save(comparison.measures, pages(write, compare=comparison))
    for sentence in comparison.in_words(measure):
        console.print(sentence, markup=False)


def calibration(
    predicted: HeldOut,
    gold: Gold,
    codebook: Book = None,
    variable: OfVariable = None,
    unit_id: Key = "unit_id",
    bins: Annotated[int, typer.Option(help="Of equal width.")] = 10,
    n_boot: Boot = 1000,
    write: Write = None,
    plot: Annotated[Path | None, typer.Option(help="A reliability diagram: .png, .pdf or .svg.")] = None,
) -> None:
    """Do stated probabilities come true?"""
    from annotune.commands import display
    from annotune.evidence.calibrated import calibration as calibrate
    from annotune.evidence.calibrated import plot_calibration

    require_outputs(write, predicted, gold, codebook, plot=plot)
    book, model, hand_codings = _both(predicted, gold, codebook, variable, unit_id)
    result = calibrate(model, hand_codings, variable=variable, codebook=book, bins=bins, n_boot=n_boot)
    console.print(display.scores(result.scores))
    console.print(result.in_words(), markup=False)
    save(result.bins, write)
    if plot:
        plot_calibration(result, plot)


def abstain(
    codings: Annotated[Path, typer.Argument(help="The model's codings of the texts to divide.")],
    held_out: HeldOut,
    gold: Gold,
    out: Annotated[Path, typer.Option(help="The codings with the columns confidence and by_hand.")],
    risk: Annotated[float, typer.Option(help="The share of wrong answers that is acceptable.")] = 0.05,
    confidence: Annotated[float, typer.Option(help="That the risk is held.")] = 0.95,
    codebook: Book = None,
    variable: OfVariable = None,
    by_level: Annotated[
        bool, typer.Option("--by-level", help="Where labels have parents: the lowest level at which the risk holds.")
    ] = False,
    unit_id: Key = "unit_id",
) -> None:
    """Which texts to code by hand, so that few of the others are wrong."""
    from annotune.evidence.abstain import abstain as divide
    from annotune.export.write import write as write_table

    require_outputs(out, codings, held_out, gold, codebook)
    book, model, hand_codings = _both(held_out, gold, codebook, variable, unit_id)
    texts = coded_texts(codings, unit_id)
    division = divide(
        texts,
        held_out=model,
        gold=hand_codings,
        risk=risk,
        confidence=confidence,
        variable=variable,
        codebook=book,
        by_level=by_level,
    )
    if by_level:
        write_table(division.codings, out, say=print)
    else:
        divided = division.codings.select("unit_id", "confidence", "by_hand").unique(maintain_order=True)
        beside = texts.drop("confidence", "by_hand", strict=False)
        write_table(beside.join(divided, on="unit_id", how="left", maintain_order="left"), out, say=print)
    console.print(division.in_words(), markup=False)
    files([out])


def shares(
    model: Annotated[Path, typer.Argument(help="The folder of a tuned model.")],
    coded: Annotated[list[Path], typer.Argument(help="Texts that it coded, as classify writes them, or codings.")],
    unit_id: Key = "unit_id",
    write: Write = None,
) -> None:
    """How often a model gives each label to a corpus, beside people and the model on held-out texts."""
    from annotune.commands import display
    from annotune.models.classifier import load
    from annotune.models.share_check import in_words
    from annotune.models.shares import shares as share_of_labels

    require_outputs(write, model, coded)
    coder = load(model)
    table = share_of_labels(coder, coded_texts(coded, unit_id))
    console.print(display.shares_of_corpus(table, coder.variable.name))
    sentence = in_words(table)
    if sentence:
        console.print(sentence, markup=False)
    save(table, write)


def label_errors(
    predicted: HeldOut,
    gold: Gold,
    codebook: Book = None,
    variable: OfVariable = None,
    corpus: Annotated[Path | None, typer.Option(help="The texts, to show beside.")] = None,
    unit_id: Key = "unit_id",
    text: Text = "text",
    n: Annotated[int, typer.Option("-n", "--n", help="How many to list.")] = 50,
    write: Write = None,
) -> None:
    """The hand codings most worth a second look."""
    from annotune.commands import display
    from annotune.data.corpus import read_corpus
    from annotune.evidence.second_look import label_errors as rank

    require_outputs(write, predicted, gold, codebook, corpus)
    book, model, hand_codings = _both(predicted, gold, codebook, variable, unit_id)
    texts = read_corpus(corpus, unit_id, text) if corpus else None
    ranking = rank(model, hand_codings, corpus=texts, variable=variable, codebook=book, n=n)
    console.print(display.second_look(ranking))
    save(ranking, write)


def _both(predicted: Path, gold: list[Path], codebook: Path | None, variable: str | None, unit_id: str) -> Any:
    """The codebook, the model or its codings, and the hand codings."""
    from annotune.data.codebook import Codebook, read_codebook
    from annotune.data.codings import read_codings
    from annotune.models.classifier import load

    model = load(predicted) if predicted.is_dir() else coded_texts(predicted, unit_id)
    book = read_codebook(codebook) if codebook else None
    if book is None and predicted.is_dir():
        book = Codebook(variables=(model.variable,))  # type: ignore[union-attr]
    return book, model, read_codings(list(gold), book, unit_id=unit_id, variable=variable)


def _groups(people: list[str] | None) -> dict[str, list[str]]:
    """`students=s1,s2` as a group."""
    groups: dict[str, list[str]] = {}
    for words in people or []:
        name, equals, members = words.partition("=")
        if not equals or not name.strip():
            raise AnnotuneError(f"--people {words!r} is not group=coder,coder.", "Such as students=s1,s2.")
        groups.setdefault(name.strip(), []).extend(member.strip() for member in members.split(","))
    return groups


def _numbers(text: str | None) -> list[int] | None:
    try:
        return [int(word) for word in text.split(",")] if text else None
    except ValueError:
        raise AnnotuneError(f"--sizes {text!r} are not whole numbers.", "Such as 50,100,200.") from None
