"""Where results come from, what made two runs differ, and the same results again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.screen import console, say


def why(
    path: Annotated[Path, typer.Argument(help="Results, a study that was run, a record or its folder, or a bundle.")],
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
    a: Annotated[Path, typer.Argument(help="A run (study file, output, record, folder, bundle), or a codebook.")],
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


def bundle(
    study: Annotated[Path, typer.Argument(help="The study file; it was run.")],
    out: Annotated[
        Path | None, typer.Option(help="A .zip, or a new folder; by default NAME.bundle.zip beside it.")
    ] = None,
    texts: Annotated[str, typer.Option(help="all, or none: fingerprints and predictions in their place.")] = "all",
) -> None:
    """Put a study that was run into one file, with which others get the same tables."""
    from annotune.commands.screen import files
    from annotune.records.files import require_writable
    from annotune.replication.bundle import bundle as make_bundle

    require_writable([out] if out is not None and not out.is_dir() else [], [study])
    files([make_bundle(study, out, texts=texts)])  # type: ignore[arg-type]


def replicate(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a .zip, or a folder.")],
    out: Annotated[Path | None, typer.Option(help="A new folder that keeps the study as it was run again.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="What if? Such as gold.rule=unanimous; may be repeated, null takes a key away."),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Numbers that differ by no more are equal within it.")] = 1e-4,
    environment: Annotated[
        Path | None, typer.Option(help="A new folder for the bundle's own packages and annotune, whose code then runs.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="The Python that makes the environment.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result for programs.")] = False,
) -> None:
    """Compute a bundle's tables again and compare them with the recorded ones; exit code 1 where one differs."""
    import json

    from annotune.records.files import require_folder
    from annotune.replication.changes import parsed
    from annotune.replication.replication import replicate as compute_again

    if out is not None:
        require_folder(out, [bundle])
    changes = parsed(change or [])
    result = compute_again(
        bundle, out, changes=changes, tolerance=tolerance, environment=environment, python=python, say=say
    )
    if as_json:
        beside = {name: table.to_dicts() for name, table in result.beside.items()}
        content = {"state": result.state, "tables": result.tables.to_dicts(), "beside": beside}
        print(json.dumps({**content, "notes": list(result.notes)}, indent=2, ensure_ascii=False))
    else:
        for part in result._parts():
            console.print(part, markup=False, soft_wrap=isinstance(part, str))
    if not result.is_same and not changes:
        raise typer.Exit(1)


def share(
    source: Annotated[Path, typer.Argument(help="A bundle, or the folder of a tuned model.")],
    to: Annotated[str, typer.Option(help="A new folder; or hf://user/name, a repository of the Hugging Face hub.")],
    public: Annotated[bool, typer.Option(help="A repository that everybody can read.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Put a bundle or a model where others find it; sends nothing anywhere unless --to names a repository."""
    from annotune.models.hub import is_on_hub
    from annotune.replication.share import SharePlan
    from annotune.replication.share import share as put

    def confirm(plan: SharePlan) -> bool:
        console.print(plan.in_words(), markup=False, soft_wrap=True)
        return yes or not is_on_hub(plan.to) or typer.confirm("Upload?", default=False)

    console.print(f"Shared: {put(source, to, public=public, confirm=confirm)}", markup=False, soft_wrap=True)
