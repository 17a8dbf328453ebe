"""One page that shows what was done and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotune.commands.options import OfVariable
from annotune.commands.screen import files

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = (".html", ".docx", ".tex")  # what a verb with --write can write a report to


def report(
    out: Annotated[Path, typer.Argument(help="Where to: .html for the page, .docx or .tex for its tables.")],
    model: Annotated[list[Path] | None, typer.Option(help="A tuned model's folder; may be repeated.")] = None,
    codings: Annotated[list[Path] | None, typer.Option(help="What several people coded; may be repeated.")] = None,
    codebook: Annotated[Path | None, typer.Option(help="What was coded.")] = None,
    gold: Annotated[
        list[Path] | None, typer.Option(help="One answer per text; by default what the model kept.")
    ] = None,
    coded: Annotated[list[Path] | None, typer.Option(help="Texts as classify coded them; may be repeated.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="The texts' covariates, for errors by subgroup.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="A covariate to show errors by; may be repeated.")] = None,
    variable: OfVariable = None,
    unit_id: Annotated[str, typer.Option(help="The column with the identifier, in every file.")] = "unit_id",
    coder: Annotated[str | None, typer.Option(help="The column with the coder's name; else the file's name.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="The study's store, or a table, for what proposals did to answers.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="A .record.json to print.")] = None,
    title: Annotated[str | None, typer.Option(help="Of the page.")] = None,
    format: Annotated[str | None, typer.Option(help="html, docx or tex, where the ending does not say.")] = None,
    n_boot: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1,
) -> None:
    """Write a report: agreement, the model against its baselines, confusions, calibration, subgroups, methods."""
    from annotune.commands.options import coded_texts, identified
    from annotune.data.codebook import read_codebook
    from annotune.data.codings import read_codings
    from annotune.hybrid.anchoring import anchoring
    from annotune.records.files import require_writable
    from annotune.reporting.files import writer_for
    from annotune.reporting.report import report as write_report

    tables = [path for several in (model, codings, gold, coded) for path in several or ()]
    inputs = [*tables, *(path for path in (codebook, corpus, answers, record) if path)]
    require_writable([out], inputs)
    writer_for(out, format)
    book = read_codebook(codebook) if codebook else None
    options: dict[str, Any] = {"unit_id": unit_id, "variable": variable, "coder": coder}
    write_report(
        out,
        model=[str(folder) for folder in model or ()] or None,
        codings=read_codings(list(codings), book, **options) if codings else None,
        codebook=book,
        gold=read_codings(list(gold), book, **options) if gold else None,
        coded=coded_texts(coded, unit_id) if coded else None,
        corpus=identified(corpus, unit_id) if corpus else None,
        by=by or None,
        anchoring=anchoring(answers) if answers else None,
        record=record,
        title=title,
        format=format,
        n_boot=n_boot,
        seed=seed,
    )
    files([out])


def pages(paths: Sequence[Path] | None, **content: Any) -> list[Path]:
    """Write reports on what was found to those paths that name one; the others are left to be written."""
    from annotune.reporting.report import report as write_report

    for path in paths or ():
        if path.suffix.lower() in PAGES:
            write_report(path, **content)
    return [path for path in paths or () if path.suffix.lower() not in PAGES]
