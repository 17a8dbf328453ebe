"""The whole way, in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotune.commands.screen import console, say

if TYPE_CHECKING:
    from annotune.correction.multiverse import Multiverse
    from annotune.study.run import Results


def run(
    study: Annotated[Path, typer.Argument(help="The study file, study.yaml.")],
    again: Annotated[
        bool, typer.Option("--again", help="Do every step again, also those that are up to date.")
    ] = False,
    allow_upload: Annotated[
        list[str] | None,
        typer.Option(help="A host that texts may be sent to, where the study asks a model there; repeatable."),
    ] = None,
) -> None:
    """Run a study: from codebook, corpus and codings to a tuned model, the coded corpus and its files."""
    from annotune.errors import PeopleNeeded
    from annotune.study.run import run as run_study

    try:
        results = run_study(study, again=again, allow_upload=allow_upload or (), say=say)
    except PeopleNeeded as halt:
        console.print(str(halt), markup=False, soft_wrap=True)
        return
    _show_results(results)


def round_(
    study: Annotated[Path, typer.Argument(help="The study file, with sample: {rounds: ...}.")],
    another: Annotated[bool, typer.Option("--next", help="Draw one more round, where the last one is done.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Compute the figures of every round again.")] = False,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg of the rounds.")] = None,
    write: Annotated[list[Path] | None, typer.Option(help="Also write the rounds to a .csv, .dta ...")] = None,
    allow_upload: Annotated[
        list[str] | None,
        typer.Option(help="A host that texts may be sent to, where the study asks a model there; repeatable."),
    ] = None,
) -> None:
    """Do what is due in a study with rounds, show what they gave, and say what is next."""
    from annotune.commands.options import require_outputs
    from annotune.commands.screen import files, save
    from annotune.hybrid.round_plot import plot_rounds
    from annotune.study.rounds import rounds

    require_outputs(write, study, plot=plot)
    result = rounds(study, another=another, again=again, allow_upload=allow_upload or (), say=say)
    for part in result._parts():
        console.print(part, markup=False, soft_wrap=isinstance(part, str))
    if not result.n:
        return
    save(result.table, write)
    if plot:
        plot_rounds(result, plot)
    if shown := [*(write or []), *([plot] if plot else [])]:
        files(shown)


def multiverse(
    study: Annotated[
        Path, typer.Argument(help="The study file, with sample: and correct:; multiverse: says what varies.")
    ],
    again: Annotated[bool, typer.Option("--again", help="Estimate all again, also what is up to date.")] = False,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg of the specification curves.")] = None,
    write: Annotated[list[Path] | None, typer.Option(help="Also write the specifications to a .csv, .dta ...")] = None,
) -> None:
    """Estimate a study's coefficient under every combination of choices: how often would its conclusion change?"""
    from annotune.commands.options import require_outputs
    from annotune.commands.screen import files, save
    from annotune.errors import PeopleNeeded
    from annotune.study.multiverse import multiverse as estimate

    require_outputs(write, study, plot=plot)
    try:
        result = estimate(study, again=again, say=say)
    except PeopleNeeded as halt:
        console.print(str(halt), markup=False, soft_wrap=True)
        return
    for part in result._parts():
        console.print(part, markup=False, soft_wrap=isinstance(part, str))
    save(result.table, write)
    if plot:
        result.plot(plot)
    if shown := [*(write or []), *([plot] if plot else [])]:
        files(shown)


def verify(
    path: Annotated[Path, typer.Argument(help="A folder, a study file, an output, or a record.")] = Path(),
) -> None:
    """Compare files with what was recorded of them; exit code 1 where something was changed or is missing."""
    from annotune.records.sealed import SAME
    from annotune.study.verification import verify as compare_with_records

    verification = compare_with_records(path)
    for row in verification.files.to_dicts():
        if row["state"] != SAME:
            line = f"{row['state']:10}  {row['file']}  (recorded in {row['recorded_in']})"
            console.print(line, markup=False, soft_wrap=True)
    console.print(verification.in_words(), markup=False)
    if not verification.is_sound:
        raise typer.Exit(1)


def demo(
    out: Annotated[Path, typer.Option(help="The folder for the simulated data and its results.")] = Path("demo-output"),
) -> None:
    """Simulate a study and run it: questions to a parliament, two coders, and a known truth."""
    from annotune.study.run import run as run_study
    from annotune.study.simulated import demo as simulate

    data = simulate(out)
    assert data.study is not None
    console.print(f"Simulated {len(data.corpus):,} questions, {len(data.coders['anna']):,} of them coded, in {out}.")
    results = run_study(data.study, say=say)
    _show_results(results)
    _show_effect(results, data.effect)
    console.print("\n[bold]What to type next[/bold]")
    for line in (
        f"annotune run {data.study}  # does nothing again: all is up to date",
        f"annotune reliability {out}/coder_anna.xlsx {out}/coder_ben.dta \\",
        f"    --codebook {out}/codebook.yaml",
        f"annotune classify {out}/annotune-work/topic/model \\",
        "    YOUR_TEXTS.csv coded.dta",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def new(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to: a folder that is empty or not there yet.")],
    like: Annotated[
        str, typer.Option(help="Which ready study: topic, sets or scale; annotune studies lists them.")
    ] = "topic",
) -> None:
    """Write a study to start from: study.yaml with a comment on every key, and simulated data."""
    from annotune.study.ready import new as write_study

    study = write_study(out, like)  # type: ignore[arg-type]  # other words are refused in a sentence
    console.print(f"A study with simulated data is in {out}. Run it as it is, then put your own files in their places:")
    console.print(f"  annotune run {study}", markup=False, soft_wrap=True)


def studies() -> None:
    """List the ready studies that annotune new writes."""
    from annotune.study.ready import studies as ready

    for like, about in ready().iter_rows():
        console.print(f"  {like:6} {about}", markup=False, soft_wrap=True)
    console.print("For one of them: annotune new my-study --like topic")


def _show_results(results: Results) -> None:
    from annotune.agreement import present
    from annotune.commands import display
    from annotune.export.write import report_lines
    from annotune.models.coder_words import in_words

    for line in report_lines(results.changes):
        console.print(line, markup=False, soft_wrap=True)
    console.print("\n[bold]Agreement of the coders[/bold]")
    console.print(present.screen(results.reliability))
    console.print()
    for sentence in [*present.notes(results.reliability), *present.in_words(results.reliability)]:
        console.print(sentence, markup=False)
    for variable, evaluation in results.evaluations.items():
        console.print(f"\n[bold]The model for {variable}, on texts it was not tuned on[/bold]")
        console.print(display.comparison(evaluation))
        console.print()
        console.print(display.labels(evaluation))
        if variable in results.coder_scores:
            console.print(f"\n{in_words(results.coder_scores[variable])}", markup=False)
    console.print("\n[bold]The corpus as coded[/bold]")
    console.print(display.as_coded(results.codings, results.shares))
    for correction, errors in zip(results.corrections, results.errors, strict=True):
        console.print("\n[bold]Hand-coded only, naive, and corrected[/bold]")
        console.print(correction.summary(console.width), markup=False, soft_wrap=True)
        if errors is not None:
            console.print(f"\n{errors.verdict}", markup=False)
    _show_multiverse(results.multiverse)
    console.print("\n[bold]Files[/bold]")
    longest = max((len(str(path)) for path in results.files), default=0)
    for path in results.files:
        size = f"{path.stat().st_size / 1e3:,.0f} kB"
        console.print(f"  {path!s:{longest}}  {size:>9}", markup=False, soft_wrap=True)
    console.print("What they were made of, by what, and the fingerprint of each:")
    console.print(f"  {results.record}", markup=False, soft_wrap=True)
    if results.many is not None:
        console.print("\n[bold]Very many texts[/bold]")
        console.print(repr(results.many), markup=False, soft_wrap=True)
    current = [step for step, state in results.done.items() if state == "up to date"]
    if current:
        console.print(f"Up to date and not done again: {', '.join(current)}.")


def _show_multiverse(multiverse: Multiverse | None) -> None:
    """The coefficient under other choices, where the study asks for it."""
    if multiverse is not None:
        console.print("\n[bold]Under other choices[/bold]")
        for part in multiverse._parts():
            console.print(part, markup=False, soft_wrap=isinstance(part, str))


def _show_effect(results: Results, effect: float) -> None:
    """What each way of estimating says about the effect that was simulated."""
    console.print("\n[bold]The opposition's share of questions on health, minus the government's[/bold]")
    console.print(f"  in truth         {effect:.3f}")
    for row in (row for correction in results.corrections for row in correction.tidy().to_dicts()):
        if row["term"] != "Intercept":
            held = "holds it" if row["conf_low"] <= effect <= row["conf_high"] else "misses it"
            interval = f"95 % interval {row['conf_low']:.3f} to {row['conf_high']:.3f} {held}"
            console.print(f"  {row['method']:15}  {row['estimate']:.3f}, {interval}")
