"""Stata's types, and a column as one of them: the range of its values, and its missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

LONGEST_NOTE = 67_784  # bytes


@dataclass(frozen=True)
class Storage:
    """One of Stata's types: its number in the file, the range of its values, and its missing values."""

    kind: int
    dtype: str
    polars: Any
    low: float
    high: float
    missing: float = 0  # the value of "."
    step: float = 1  # from "." to .a, and from .a to .b
    format: str = "%9.0g"

    def letter(self, letter: str) -> float:
        """The value of an extended missing value such as .a."""
        return self.missing + (ord(letter) - 96) * self.step


BYTE = Storage(65_530, "i1", pl.Int8, -127, 100, 101, format="%8.0g")
INT = Storage(65_529, "<i2", pl.Int16, -32_767, 32_740, 32_741, format="%8.0g")
LONG = Storage(65_528, "<i4", pl.Int32, -2_147_483_647, 2_147_483_620, 2_147_483_621, format="%12.0g")
FLOAT = Storage(65_527, "<f4", pl.Float32, -(2.0**127), 2.0**127 - 2.0**103, 2.0**127, 2.0**115)
DOUBLE = Storage(65_526, "<f8", pl.Float64, -(2.0**1023), 2.0**1023 - 2.0**970, 2.0**1023, 2.0**1011, "%10.0g")
STR_L = Storage(32_768, "<u8", pl.String, 0, 0, format="%9s")


@dataclass(frozen=True)
class Variable:
    """A column in Stata; `values` are its cells, missing values included."""

    name: str
    storage: Storage
    values: pl.Expr
    format: str
    heading: str = ""
    labels: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
