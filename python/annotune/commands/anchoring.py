"""What seeing proposals did to people's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annotune.commands.options import OfVariable, listed, pairs, require_outputs
from annotune.commands.screen import console, files, save


def anchoring(
    answers: Annotated[Path, typer.Argument(help="The study's store, or a table with one row per answer.")],
    variable: OfVariable = None,
    columns: Annotated[
        list[str] | None, typer.Option(help="Of a table, as role=column, such as label=answer; repeatable.")
    ] = None,
    proposals: Annotated[
        Path | None, typer.Option(help="Of a table: what models proposed, for texts that were coded blind.")
    ] = None,
    cluster: Annotated[
        str, typer.Option(help="Of standard errors: coder,unit_id; or unit_id, for these very coders.")
    ] = "coder,unit_id",
    write: Annotated[
        list[Path] | None,
        typer.Option(help="How often proposed labels are given, seen and unseen, as .csv, .dta ...; repeatable."),
    ] = None,
    shares: Annotated[list[Path] | None, typer.Option(help="Each label's share in both arms; repeatable.")] = None,
    recall: Annotated[list[Path] | None, typer.Option(help="What blind coders found; repeatable.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture: .png, .pdf or .svg.")] = None,
) -> None:
    """Measure what seeing proposals did to people's answers, against those that were given blind."""
    from annotune.hybrid.anchoring import anchoring as measured

    outputs = [*(write or []), *(shares or []), *(recall or [])]
    require_outputs(outputs, answers, proposals, plot=plot)
    result = measured(
        answers, variable=variable, columns=pairs(columns), proposals=proposals, cluster=listed(cluster) or ()
    )
    console.print(repr(result), markup=False, soft_wrap=True)
    save(result.acceptance, write)
    save(result.shares, shares)
    save(result.recall, recall)
    if plot:
        result.plot(plot)
        files([plot])


def blind_gold(
    data: Annotated[Path, typer.Argument(help="One row per text, with predictions and covariates.")],
    store: Annotated[Path, typer.Argument(help="The study's store, with texts that were coded blind.")],
    write: Annotated[list[Path], typer.Option(help="The table for correct and prevalence, as .csv, .parquet ...")],
    codebook: Annotated[Path | None, typer.Option(help="By default the store's.")] = None,
    among: Annotated[str, typer.Option(help="corpus: all rows; verified: texts coded with proposals.")] = "corpus",
) -> None:
    """Put blind answers in the place of hand codings, so that a correction undoes what proposals did."""
    from annotune.data.codebook import read_codebook
    from annotune.errors import counted
    from annotune.hybrid.blind_gold import blind_gold as with_blind_gold
    from annotune.tables import read_table

    require_outputs(write, data, store, codebook)
    frame = read_table(data, strings=("unit_id",)).frame
    book = read_codebook(codebook) if codebook else None
    table = with_blind_gold(frame, store, book, among=among)  # type: ignore[arg-type]
    save(table, write)
    names = [name for name in table.columns if name.endswith("_gold")]
    coded = ", ".join(f"{table[name].count():,} in {name}" for name in names)
    console.print(f"{counted(len(table), 'text', 'texts')}; blind answers: {coded}.", markup=False, soft_wrap=True)
