"""The command line: one thin function per verb; whatever it does, Python can do by the same name."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from annotune import __version__
from annotune.errors import AnnotuneError, AnnotuneWarning

if TYPE_CHECKING:
    import polars as pl

    from annotune.study import Results

app = typer.Typer(
    help="From a codebook to a regression table.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
WIDE = 120  # columns that a line of figures with their intervals takes
errors = Console(stderr=True, soft_wrap=True, highlight=False)


def main() -> None:
    """Run a verb; what the user can mend is one sentence and exit code 2, never a traceback."""
    warnings.simplefilter("always", AnnotuneWarning)
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: object) -> None:
        if issubclass(category, AnnotuneWarning):
            errors.print("Note:", message, style="yellow", markup=False)
        else:
            show_other(message, category, *rest)  # type: ignore[arg-type]

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        app()
    except AnnotuneError as error:
        errors.print("Error:", error, style="bold red", markup=False)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written to
        what = f"{error.filename or 'A file'}: {error.strerror or error}. Check the path, the permissions and the disk."
        errors.print("Error:", what, style="bold red", markup=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of an interrupt
            errors.print("Stopped. What was finished is kept.", style="bold")
        raise


def _version(wanted: bool) -> None:
    if wanted:
        print(f"annotune {__version__}")
        raise typer.Exit


@app.callback()
def annotune(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a codebook to a regression table."""


@app.command()
def write(
    data: Annotated[Path, typer.Argument(help="The table: .parquet, .csv, .xlsx, .dta, .sav, .rds ...")],
    paths: Annotated[list[Path], typer.Argument(help="Where to: .dta, .rds, .parquet, .csv, .sav, .xlsx.")],
    codebook: Annotated[Path | None, typer.Option(help="Whose variables give columns their codes and labels.")] = None,
    note: Annotated[list[str] | None, typer.Option(help="Where the data come from; may be repeated.")] = None,
    title: Annotated[str | None, typer.Option(help="The data's label.")] = None,
    labelled: Annotated[bool, typer.Option("--labelled", help="In .rds: haven_labelled instead of factors.")] = False,
    regression: Annotated[
        list[str] | None, typer.Option(help="Such as \"topic == 'Health' ~ party\": for a do-file and an R script.")
    ] = None,
) -> None:
    """Write a table for Stata, R, SPSS, Python or a spreadsheet."""
    from annotune.codebook import read_codebook
    from annotune.export.write import write as write_table

    known = read_codebook(codebook) if codebook else None
    formulas = regression or None  # typer gives an empty list where there is none
    write_table(data, paths, codebook=known, notes=note, title=title, labelled=labelled, regressions=formulas)


@app.command()
def reliability(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings: .xlsx, .csv, .dta, .parquet ...")],
    codebook: Annotated[Path | None, typer.Option(help="Categories, their order, and what is multi-label.")] = None,
    variable: Annotated[str | None, typer.Option(help="What to look at; each variable when left out.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    coders: Annotated[str | None, typer.Option(help="In the wide layout: the coders' columns, as a,b,c.")] = None,
    columns: Annotated[list[str] | None, typer.Option(help="variable=column, where named differently.")] = None,
    of: Annotated[str, typer.Option(help="all, pairs, categories, or coders (each against the rest).")] = "all",
    model: Annotated[str | None, typer.Option(help="Compare people with these models, as m1,m2.")] = None,
    level: Annotated[str | None, typer.Option(help="nominal, ordinal, interval, ratio, masi, jaccard ...")] = None,
    metrics: Annotated[str | None, typer.Option(help="Such as alpha,fleiss_kappa,icc.")] = None,
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
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings

    known = read_codebook(codebook) if codebook else None
    table = read_codings(
        list(codings),
        known,
        unit_id=unit_id,
        coder=coder,
        variable=None if columns else variable,
        columns=_columns(columns),
        coders=_words(coders),
        keep=[*(_words(by) or []), *([cluster] if cluster not in (None, "coder") else [])],
    )
    wanted = {"variable": variable, "level": level, "metrics": _words(metrics), "by": _words(by), "ci": ci}
    found = view(of, _words(model), table, codebook=known, n_boot=n_boot, cluster=cluster, seed=seed, **wanted)
    Console(highlight=False, width=None if sys.stdout.isatty() else 250).print(present.screen(found))
    for sentence in [*present.notes(found), *(present.in_words(found) if of == "all" else [])]:
        print(sentence)
    for path in write or []:
        present.write(found, path)
    if plot:
        (plot_coders if of == "pairs" else plot_reliability)(found, plot)


def _words(text: str | None) -> list[str] | None:
    """`a,b` as a list; nothing where there is nothing."""
    return [word.strip() for word in text.split(",")] if text else None


def _columns(pairs: list[str] | None) -> dict[str, str] | None:
    """`variable=column` as a dictionary; nothing where there is nothing."""
    return {name: column or name for name, _, column in (pair.partition("=") for pair in pairs or [])} or None


Id = Annotated[str, typer.Option(help="The corpus column with the identifier.")]
Text = Annotated[str, typer.Option(help="The corpus column with the text.")]
OfVariable = Annotated[str | None, typer.Option(help="Which variable of the codebook; not needed where there is one.")]


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file, study.yaml.")],
    again: Annotated[
        bool, typer.Option("--again", help="Do every step again, also those that are up to date.")
    ] = False,
) -> None:
    """Run a study: from codebook, corpus and codings to a tuned model, the coded corpus and its files."""
    from annotune.study import run as run_study

    _show_results(run_study(study, again=again, say=_say))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder for the simulated data and its results.")] = Path("demo-output"),
) -> None:
    """Simulate a study and run it: questions to a parliament, two coders, and a known truth."""
    from annotune.simulation import demo as simulate
    from annotune.study import run as run_study

    data = simulate(out)
    assert data.study is not None
    console.print(f"Simulated {len(data.corpus):,} questions, {len(data.coders['anna']):,} of them coded, in {out}.")
    results = run_study(data.study, say=_say)
    _show_results(results)
    _show_effect(results.data, data.effect)
    console.print("\n[bold]What to type next[/bold]")
    console.print(f"  annotune run {data.study}      (nothing has changed: every step is up to date)")
    console.print(f"  annotune reliability {out}/coder_anna.xlsx {out}/coder_ben.dta --codebook {out}/codebook.yaml")
    console.print(f"  annotune classify {out}/annotune-work/topic/model YOUR_TEXTS.csv coded.dta")


@app.command()
def resolve(
    codings: Annotated[list[Path], typer.Argument(help="Files with codings.")],
    out: Annotated[Path, typer.Option(help="Where the gold goes: .csv, .parquet, .dta ...")],
    codebook: Annotated[Path | None, typer.Option(help="The labels there are.")] = None,
    rule: Annotated[str, typer.Option(help="majority, unanimous, coder, adjudicated or dawid_skene.")] = "majority",
    ties: Annotated[str, typer.Option(help="drop, first, or the label that wins ties.")] = "drop",
    chosen: Annotated[str | None, typer.Option("--coder", help="For the rules coder and adjudicated.")] = None,
    unit_id: Annotated[str, typer.Option(help="The column with the text's identifier.")] = "unit_id",
    coder_column: Annotated[str | None, typer.Option(help="The column with the coder's name.")] = None,
    variable: OfVariable = None,
) -> None:
    """Make one answer a unit from several coders' answers."""
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings
    from annotune.codings import resolve as resolve_codings
    from annotune.export.write import write as write_table

    known = read_codebook(codebook) if codebook else None
    table = read_codings(list(codings), known, unit_id=unit_id, coder=coder_column, variable=variable)
    gold = resolve_codings(table, rule, codebook=known, ties=ties, coder=chosen)  # type: ignore[arg-type]
    write_table(gold, out)
    answered = gold.filter(gold["status"].is_in(["ok", "none"]))["unit_id"].n_unique()
    console.print(f"{answered:,} of {gold['unit_id'].n_unique():,} units have an answer; written to {out}.")


@app.command()
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
    from annotune.tuner import tune as tune_model

    known = read_codebook(codebook)
    coded = read_codings(list(gold), known, unit_id=unit_id, variable=variable)
    options: dict[str, Any] = {"base": base, "method": method, "epochs": epochs, "seed": seed, "device": device}
    texts = read_corpus(corpus, unit_id, text)
    model = tune_model(texts, coded, known, variable, test=_test_part(test), folds=folds, group=group, **options)
    model.save(out)
    if model.evaluation is not None:
        console.print(display.comparison(model.evaluation, console.width < WIDE))
        console.print(display.labels(model.evaluation))
    console.print(f"The model {model.name} is in {out}.")


@app.command()
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
    from annotune.classifier import load
    from annotune.codebook import Codebook
    from annotune.corpus import read_corpus
    from annotune.export.files import require_writable
    from annotune.export.write import require_writer
    from annotune.export.write import write as write_table
    from annotune.record import file_sha256, make_record, write_record
    from annotune.results import attach, require_room
    from annotune.runtime import hardware

    for path in paths:
        require_writer(path)
    require_writable(paths, [corpus])
    coder = load(model)
    texts = read_corpus(corpus, unit_id, text)
    require_room(texts, [coder.variable], gold=False)
    codings = coder.classify(texts, precision=precision)
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
    for path in paths:
        write_record({**record, "output": {"file": path.name, "sha256": file_sha256(path)}}, path)
    console.print(display.counts(codings))
    console.print("Written: " + ", ".join(str(path) for path in paths))


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Argument(help="The gold: one answer a unit.")],
    predicted: Annotated[Path, typer.Argument(help="The answers to measure.")],
    codebook: Annotated[Path | None, typer.Option(help="The labels there are.")] = None,
    variable: OfVariable = None,
    unit_id: Annotated[str, typer.Option(help="The column with the identifier, in every file.")] = "unit_id",
    corpus: Annotated[Path | None, typer.Option(help="The texts, for the TF-IDF baseline.")] = None,
    text: Text = "text",
    cluster: Annotated[str | None, typer.Option(help="A column of the corpus to resample by.")] = None,
    n_boot: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    write: Annotated[list[Path] | None, typer.Option(help="Also write the measures to a .csv, .dta ...")] = None,
) -> None:
    """Compare predicted with true labels, beside what could be had without a model."""
    from annotune import display
    from annotune.codebook import read_codebook
    from annotune.codings import read_codings
    from annotune.corpus import read_corpus
    from annotune.evaluation import evaluate as evaluate_codings
    from annotune.export.write import write as write_table

    known = read_codebook(codebook) if codebook else None
    sides = [read_codings(path, known, unit_id=unit_id, variable=variable) for path in (truth, predicted)]
    texts = read_corpus(corpus, unit_id, text) if corpus else None
    options: dict[str, Any] = {"variable": variable, "codebook": known, "corpus": texts, "cluster": cluster}
    found = evaluate_codings(*sides, n_boot=n_boot, seed=seed, **options)
    console.print(display.comparison(found, console.width < WIDE))
    console.print(display.labels(found))
    if write:
        write_table(found.measures, write)


def _say(step: str) -> None:
    errors.print(f"{step} ...", style="dim", markup=False)


def _test_part(test: list[str] | None) -> float | dict[str, list[str]] | None:
    """A share, or the columns and values of `column=value`."""
    if not test:
        return None
    if len(test) == 1 and "=" not in test[0]:
        try:
            return float(test[0])
        except ValueError:
            raise AnnotuneError(f"--test {test[0]!r} is neither a share nor column=value.", "Such as 0.2.") from None
    part: dict[str, list[str]] = {}
    for pair in test:
        column, equals, value = pair.partition("=")
        if not equals:
            raise AnnotuneError(f"--test {pair!r} is not column=value.", "Such as party=Greens; it may be repeated.")
        part.setdefault(column, []).append(value)
    return part


def _show_results(results: Results) -> None:
    from annotune import display
    from annotune.agreement import present

    console.print("\n[bold]Agreement of the coders[/bold]")
    console.print(present.screen(results.reliability))
    for sentence in [*present.notes(results.reliability), *present.in_words(results.reliability)]:
        console.print(sentence, markup=False)
    for variable, evaluation in results.evaluations.items():
        console.print(f"\n[bold]The model for {variable}, on texts it was not tuned on[/bold]")
        console.print(display.comparison(evaluation, console.width < WIDE))
        console.print()
        console.print(display.labels(evaluation))
    console.print("\n[bold]The corpus as coded[/bold]")
    console.print(display.counts(results.codings))
    console.print("\n[bold]Files[/bold]")
    for path in results.files:
        console.print(
            f"  {path}  ({path.stat().st_size / 1e3:,.0f} kB, record in {path.name}.record.json)", markup=False
        )
    current = [step for step, state in results.done.items() if state == "up to date"]
    if current:
        console.print(f"Up to date and not done again: {', '.join(current)}.")


def _show_effect(data: pl.DataFrame, effect: float) -> None:
    """What the codes say about the effect that was simulated."""
    from annotune.simulation import health_gap

    console.print("\n[bold]The opposition's share of questions on health, minus the government's[/bold]")
    console.print(f"  in truth {effect:.3f}, by the model's codes {health_gap(data, 'topic'):.3f}, ", end="")
    console.print(f"by the {data['topic_gold'].count():,} hand-coded questions {health_gap(data, 'topic_gold'):.3f}")


@app.command()
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
    from annotune.codebook import read_codebook
    from annotune.codings import SCHEMA, read_codings

    known, names = read_codebook(codebook) if codebook else None, _words(on) or []
    texts = _identified(corpus, unit_id) if corpus else None
    elsewhere = {*SCHEMA, *(texts.columns if texts is not None else [])}
    table = read_codings(
        list(codings),
        known,
        unit_id=unit_id,
        coder=coder,
        variable=None if columns else variable,
        columns=_columns(columns),
        coders=_words(coders),
        keep=[name for name in dict.fromkeys([*names, cluster]) if name not in elsewhere],
    )
    fit = regression(table, names, variable, known, texts, cluster)
    console.print(present.screen(fit.table))
    print(f"{fit.n_codings:,} codings of {fit.n_units:,} texts in {fit.n_clusters:,} clusters.", fit.verdict)
    for path in write or []:
        present.write(fit.table, path)


def _identified(path: Path, unit_id: str) -> pl.DataFrame:
    """A table of texts, the identifiers as text in the column unit_id."""
    from annotune.corpus import identifiers, require_columns
    from annotune.tables import read_table

    frame = read_table(path, strings=(unit_id,)).frame
    require_columns(frame, [unit_id], str(path))
    return frame.with_columns(identifiers(frame[unit_id], str(path)).alias("unit_id"))
