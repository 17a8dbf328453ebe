"""People code, on a page in their browsers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from annotune.commands.options import Id, Text, listed
from annotune.commands.screen import console, files


def code(
    study: Annotated[Path, typer.Argument(help="The study file, study.yaml, or a store, study.annotune.")],
    corpus: Annotated[Path | None, typer.Option(help="The texts; a study file has them.")] = None,
    codebook: Annotated[Path | None, typer.Option(help="What is coded; a study file has it.")] = None,
    coders: Annotated[str | None, typer.Option(help="Who codes: anna,ben.")] = None,
    adjudicator: Annotated[str | None, typer.Option(help="Who settles what coders see differently.")] = None,
    show: Annotated[str | None, typer.Option(help="Further columns that coders see: party,date.")] = None,
    before: Annotated[str | None, typer.Option(help="The column with the text before.")] = None,
    after: Annotated[str | None, typer.Option(help="The column with the text after.")] = None,
    document: Annotated[str | None, typer.Option(help="The column with each text's document.")] = None,
    mark: Annotated[str | None, typer.Option(help="The column with a passage that is marked.")] = None,
    network: Annotated[
        bool, typer.Option("--network", help="Other machines in the local network can reach the page.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="By default 8470, or the next that is free.")] = None,
    hours: Annotated[float | None, typer.Option(help="After how many links end on the network: 12.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the first coder's link here.")] = True,
    offline: Annotated[
        Path | None, typer.Option(help="A folder for a page per coder that needs no server; nothing is served.")
    ] = None,
    unit_id: Id = "unit_id",
    text: Text = "text",
    seed: Annotated[int, typer.Option(help="Of the random order, where nothing was drawn.")] = 1,
) -> None:
    """Serve the page on which people code: a link for each of them, until Ctrl-C."""
    from annotune.data.corpus import read_corpus
    from annotune.records.files import require_folder
    from annotune.study.coding import code as serve_page

    if offline is not None:
        require_folder(offline)
    options: dict[str, Any] = {"codebook": codebook, "coders": listed(coders) or (), "adjudicator": adjudicator}
    options |= {"show": listed(show) or (), "before": before, "after": after, "document": document, "mark": mark}
    options |= {"network": network, "host": host, "port": port, "hours": hours, "browser": browser, "seed": seed}
    texts = None if corpus is None else read_corpus(corpus, unit_id, text)
    page = serve_page(study, texts, **options, offline=offline, say=_line)
    if isinstance(page, dict):
        files(list(page.values()))
        console.print("What is exported there: annotune record STORE answers_NAME.json", markup=False)
        return
    console.print(repr(page), markup=False, soft_wrap=True)


def _line(line: str) -> None:
    """A line at once, also where nobody sees the screen but another program."""
    print(line, flush=True)
