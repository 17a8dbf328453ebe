"""Estimates in files: the writer of each suffix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from annotune.export import ereturn, regression_table, robject
from annotune.export.estimates import Estimates, about, title_of
from annotune.records.files import replacing

Writer = Callable[[Estimates, Path, str, Sequence[str]], None]
SUFFIXES = (".tex", ".docx", ".html", ".do", ".rds")  # .dta, .csv and the other tables take the rows of `estimates`
WRITERS: dict[str, Writer] = {
    ".do": ereturn.write_do_file,
    ".rds": robject.write_r_object,
    **dict.fromkeys(regression_table.SUFFIXES, regression_table.write_regression_table),
}


def write_estimates(correction: Estimates, targets: Sequence[Path], title: str = "", notes: Sequence[str] = ()) -> None:
    """Write a correction to every target, each with a suffix of `SUFFIXES`."""
    for target in targets:
        with replacing(target) as draft:
            WRITERS[target.suffix.lower()](
                correction, draft, title or title_of(correction), [*about(correction), *notes]
            )
