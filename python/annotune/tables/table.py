"""A frame with what its file says about it, as every reader gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

Code = int | float | str
Labels = dict[str, dict[Code, str]]


@dataclass(frozen=True)
class Table:
    """A frame (one row per case) with what polars cannot hold: the labels of coded columns.

    Attributes
    ----------
    frame
        Labelled columns hold their labels (`pl.Enum`, ordered by code) when every value has one,
        else the codes. Where cells of `income` are Stata's .a to .z or user-missing in SPSS,
        `income_missing` has the reasons: ".a refused", "99 refused".
    labels
        For each labelled column, its codes (whole numbers, fractions or texts) and their labels.
    headings
        For each column that has one, its variable label.
    notes
        Assumptions, such as an encoding.
    first
        The number of the first row in messages: 2 where a line of names is above it.
    codings
        What people said about the texts, where the file is an annotation tool's: a row per annotation. `frame` then
        has each text once.
    formats
        For columns of days, times and periods in Stata or SPSS, the display format: "%tm", "MOYR8".
    """

    frame: pl.DataFrame
    labels: Labels = field(default_factory=dict)
    headings: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    first: int = 1
    codings: pl.DataFrame | None = None
    formats: dict[str, str] = field(default_factory=dict)
