"""The scripts beside the data: a do-file for the .dta, and an R script for the .rds or, without one, for the .dta."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from annotune.export.do_file import do_file
from annotune.export.r_script import r_script
from annotune.export.regressions import Regression, require_regression_columns
from annotune.export.sheet import Sheet

__all__ = ["Regression", "require_regression_columns", "scripts"]


def scripts(
    sheet: Sheet, targets: Sequence[Path], regressions: Sequence[Regression | str], labelled: bool = False
) -> Iterator[tuple[Path, str]]:
    """A do-file for results.dta and an R script for results.rds, or for results.dta without a .rds.

    `labelled` says that coded columns in the .rds are haven_labelled.
    """
    models = [Regression(entry) if isinstance(entry, str) else entry for entry in regressions]
    require_regression_columns(sheet, models)
    by_suffix = {target.suffix.lower(): target for target in targets}
    stata, r = by_suffix.get(".dta"), by_suffix.get(".rds", by_suffix.get(".dta"))
    if stata is not None:
        yield stata.with_suffix(".do"), "\n".join(do_file(sheet, stata.name, models)) + "\n"
    if r is not None:
        yield r.with_suffix(".R"), "\n".join(r_script(sheet, r.name, models, labelled)) + "\n"
