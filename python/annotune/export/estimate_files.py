"""Estimates in files: the writer of each suffix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from annotune.export import ereturn, regression_table, robject
from annotune.export.estimates import Estimates, about, title_of
from annotune.export.journal import Layout, require_layout
from annotune.records.files import replacing

Writer = Callable[[Estimates, Path, str, Sequence[str]], None]
SUFFIXES = (".tex", ".docx", ".html", ".do", ".rds")  # .dta, .csv and the other tables take the rows of `estimates`
WRITERS: dict[str, Writer] = {
    ".do": ereturn.write_do_file,
    ".rds": robject.write_r_object,
}


def write_estimates(
    correction: Estimates,
    targets: Sequence[Path],
    title: str = "",
    notes: Sequence[str] = (),
    layout: Layout = "journal",
) -> None:
    """Write a correction to every target, each with a suffix of `SUFFIXES`; tables for a paper in this layout."""
    require_layout(layout)
    sentences = [*about(correction), *notes]
    for target in targets:
        suffix = target.suffix.lower()
        with replacing(target) as draft:
            if suffix in regression_table.SUFFIXES:
                regression_table.write_regression_table(correction, draft, title, sentences, layout)
            else:
                WRITERS[suffix](correction, draft, title or title_of(correction), sentences)
