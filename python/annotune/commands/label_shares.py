"""Shares of labels in the corpus, and whether a model drifts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.columns import (
    AllCodings,
    Cluster,
    Coders,
    CodingsBook,
    Gold,
    Of,
    Pi,
    Predicted,
    Wave,
    Write,
    answers_of,
    number_or_column,
    require_codings_for,
    rows_of,
)
from annotune.commands.options import listed, require_outputs
from annotune.commands.recording import recorded
from annotune.commands.screen import console, save
from annotune.errors import AnnotuneError


def prevalence(
    data: Annotated[
        Path,
        typer.Argument(help="One row per text: predictions, gold, pi, covariates; or a folder of classify --out."),
    ],
    variable: Annotated[
        str | None, typer.Option(help="What was coded, or several as a,b; by default what _gold tells.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Columns to divide by, as a,b.")] = None,
    time: Annotated[str | None, typer.Option(help="A column of years or dates.")] = None,
    every: Annotated[str | None, typer.Option(help="How long a period of dates is: 1mo, 1q, 1y.")] = None,
    methods: Annotated[str | None, typer.Option(help="Of count,hand,adjusted,em,dsl,ppi; all by default.")] = None,
    hand_coded: Annotated[
        Path | None,
        typer.Option(help="For a folder: a file with unit_id, <variable>_gold, pi, as of crossfit."),
    ] = None,
    texts: Annotated[
        Path | None, typer.Option(help="For a folder: the texts, if they moved, for columns that the codes lack.")
    ] = None,
    gold: Gold = None,
    predicted: Predicted = None,
    pi: Pi = None,
    wave: Wave = None,
    cluster: Cluster = None,
    of: Of = "corpus",
    codings: AllCodings = None,
    codebook: CodingsBook = None,
    coders: Coders = "these",
    n_boot: Annotated[int, typer.Option(help="Bootstrap replicates, for em.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
    write: Write = None,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg, with and without a correction.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option(help="With --plot: a label to show, in place of all; repeatable.")
    ] = None,
) -> None:
    """How frequent each label is, with and without a correction for the model's error."""
    from annotune.commands import display
    from annotune.correction.coded_folder import is_folder_of_codes
    from annotune.correction.plots import plot_prevalence
    from annotune.correction.prevalence import prevalence as shares

    grouping: dict[str, Any] = {
        "by": listed(by),
        "time": time,
        "every": every,
        "cluster": cluster,
        "seed": seed,
        "of": of,
    }
    columns: dict[str, Any] = {"gold": gold, "predicted": predicted, "pi": number_or_column(pi), "wave": wave}
    options: dict[str, Any] = {
        **grouping,
        "seed": seed,
        "hand_coded": hand_coded,
        "texts": texts,
        "methods": listed(methods),
        "coders": coders,
    }
    require_outputs(write, data, *([hand_coded] if hand_coded else []), *(codings or []), codebook, plot=plot)
    require_codings_for(codebook, codings)
    if labels and plot is None:
        raise AnnotuneError("labels= chooses what a picture shows, and there is none.", "Name one with plot=.")
    names = variable if variable is None or "," not in variable else listed(variable)
    settings = {"variable": variable, "methods": methods, "coders": coders if codings else None}
    read = (data, hand_coded, codebook, *(codings or []))
    with recorded("prevalence", write, *read, **settings, **grouping, **columns):
        table = None if is_folder_of_codes(data) else rows_of(data)
        if codings:  # which a folder does not take, and says so
            of_variables = (listed(variable), gold, codebook)
            options["codings"] = codings if table is None else answers_of(codings, table, *of_variables)
        estimates = shares(str(data) if table is None else table, names, n_boot=n_boot, **options, **columns)
        save(estimates, write)
    about = [name for name in ("variable", "coder") if name in estimates.columns]
    console.print(display.shares(estimates, [*about, *(listed(by) or []), *([time] if time else [])]))
    if plot:
        chosen_methods = estimates["method"].unique(maintain_order=True).to_list()
        plotted = (
            [name for name in ("count", "dsl") if name in chosen_methods] if len(chosen_methods) > 2 else chosen_methods
        )
        plot_prevalence(estimates, plot, methods=plotted, labels=labels or None, time=time)


def drift(
    data: Annotated[Path, typer.Argument(help="A folder of classify --out, or a table of codings with --time.")],
    time: Annotated[str, typer.Option(help="A column of years or dates.")],
    variable: Annotated[str | None, typer.Option(help="What was coded, or several as a,b; by default all.")] = None,
    every: Annotated[str | None, typer.Option(help="How long a period of dates is: 1mo, 1q, 1y.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="The periods to compare with, as a,b; by default the first.")
    ] = None,
    hand_coded: Annotated[
        Path | None,
        typer.Option(help="Fresh hand codings of each period: unit_id, <variable>_gold, pi."),
    ] = None,
    pi: Annotated[str | None, typer.Option(help="The column with the probability of being hand coded.")] = None,
    texts: Annotated[Path | None, typer.Option(help="For a folder: the texts, if they moved and have --time.")] = None,
    below: Annotated[float | None, typer.Option(help="The certainty below which a model is unsure.")] = None,
    tolerance: Annotated[float, typer.Option(help="A change up to this is no alarm.")] = 0.0,
    level: Annotated[float, typer.Option(help="Of the intervals, together.")] = 0.95,
    write: Write = None,
    plot: Annotated[Path | None, typer.Option(help="A .png, .pdf or .svg of each measure over time.")] = None,
) -> None:
    """Does a model meet other texts, and err more, as time goes on?"""
    from annotune.correction.coded_folder import is_folder_of_codes
    from annotune.correction.drift import drift as compared
    from annotune.correction.drift_plot import plot_drift

    require_outputs(write, data, *([hand_coded] if hand_coded else []), plot=plot)
    source = str(data) if is_folder_of_codes(data) else rows_of(data)
    options: dict[str, Any] = {"time": time, "every": every, "reference": listed(reference), "pi": pi, "texts": texts}
    options |= {"hand_coded": hand_coded, "below": below, "tolerance": tolerance, "level": level}
    drifts = compared(source, listed(variable), **options)
    console.print(repr(drifts), markup=False, soft_wrap=True)
    save(drifts.table, write)
    if plot:
        plot_drift(drifts, plot)
