"""Where results come from, and what made two runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.screen import console


def why(
    path: Annotated[Path, typer.Argument(help="Results, a study that was run, a record, or a folder with one.")],
    unit: Annotated[str | None, typer.Option(help="The identifier of a text, whose way is told.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Show what results came from: data, coders, models, settings, versions, and the records behind them."""
    import json

    from annotune.replication.why import NOT_KNOWN
    from annotune.replication.why import why as origin_of

    result = origin_of(path, unit=unit)
    if as_json:
        content = {**result.tree, NOT_KNOWN: list(result.unknown)}
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    console.print(result.in_words(console.width), markup=False, soft_wrap=True)


def diff(
    a: Annotated[Path, typer.Argument(help="A run (study file, output, record, folder), or a codebook.")],
    b: Annotated[Path, typer.Argument(help="The other one.")],
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Show what changed between two runs, and what that changed; exit code 1 where something did."""
    import json

    from annotune.replication.diff import diff as difference_of

    difference = difference_of(a, b)
    if as_json:
        tables = {name: table.to_dicts() for name, table in difference.tables.items()}
        print(json.dumps({"tables": tables, "notes": list(difference.notes)}, indent=2, ensure_ascii=False))
    else:
        for part in difference._parts():
            console.print(part, markup=False, soft_wrap=isinstance(part, str))
    if not difference.is_same:
        raise typer.Exit(1)
