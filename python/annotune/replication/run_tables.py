"""What came of a run, as tables: agreement, gold, measures, coefficients from its record, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError
from annotune.records.beside import outputs_of
from annotune.replication.sources import Source
from annotune.tables import read_table

FORMATS = (".parquet", ".dta", ".rds", ".sav", ".csv", ".xlsx")  # of results, the most exact first
OWN = "the model"  # in the place of a tuned model's name, which has a piece of its fingerprint in it
KEYS = {
    "coders": ("variable", "coder"),
    "agreement": ("variable", "metric", "level", "category", "coder_a", "coder_b"),
    "gold": ("variable", "label", "status"),
    "measures": ("variable", "model", "measure"),
    "coefficients": ("formula", "method", "equation", "term"),
    "as coded": ("variable", "label"),
    "results": ("unit_id",),
}
NAMES = {"coders": "coders", "agreement": "reliability", "gold": "gold", "as coded": "as_coded"}  # in a record


@dataclass(frozen=True)
class RunTables:
    """The tables of one run by name, those of `KEYS` that there are; results only where their file is here."""

    tables: Mapping[str, pl.DataFrame]
    variables: tuple[str, ...]

    def table(self, name: str) -> pl.DataFrame:
        """The table of this name; one without rows where there is none."""
        return self.tables.get(name, pl.DataFrame(schema=dict.fromkeys(KEYS[name], pl.String)))


def tables_of(source: Source) -> RunTables:
    """What came of the run that a record is of."""
    tables = {name: _frame(source.rows(key), KEYS[name]) for name, key in NAMES.items()}
    tables["measures"] = _frame(_measures(source), KEYS["measures"])
    tables["coefficients"] = _frame(_coefficients(source), KEYS["coefficients"])
    results = results_of(source)
    if results is not None:
        tables["results"] = results
    filled = {name: frame for name, frame in tables.items() if len(frame)}
    return RunTables(filled, tuple(map(str, source.part("models"))))


def results_of(source: Source | None, place: Path | None = None) -> pl.DataFrame | None:
    """The results as a table: the file at `place`, or the most exact of those that the record names."""
    outputs = [source.folder / name for name in outputs_of(source.content)] if source is not None else []
    tables = [path for path in outputs if path.suffix in FORMATS]
    tables.sort(key=lambda path: FORMATS.index(path.suffix))
    for path in [*([place] if place is not None else []), *tables]:
        if path.suffix.lower() in FORMATS and path.is_file():
            try:
                frame = read_table(path, strings=("unit_id",)).frame
            except AnnotuneError:
                continue
            if "unit_id" in frame.columns:
                return frame
    return None


def _frame(rows: list[dict[str, Any]], keys: tuple[str, ...]) -> pl.DataFrame:
    """Rows of a record as a frame with every key; what is no plain cell is left out."""
    plain = [{name: cell for name, cell in row.items() if not isinstance(cell, (dict, list))} for row in rows]
    frame = pl.DataFrame(plain, infer_schema_length=None, strict=False) if plain else pl.DataFrame()
    absent = [pl.lit(None, pl.String).alias(name) for name in keys if name not in frame.columns]
    return frame.with_columns(absent) if plain else frame


def _measures(source: Source) -> list[dict[str, Any]]:
    """The measures of each variable's model and of its baselines; the model's own come first."""
    rows = []
    for variable, table in source.part("evaluation").items():
        table = [row for row in table if isinstance(row, dict)] if isinstance(table, list) else []
        own = table[0].get("model") if table else None
        model_rows = [row | {"model": OWN} if row.get("model") == own else row for row in table]
        rows += [{"variable": variable, **row} for row in model_rows]
    return rows


def _coefficients(source: Source) -> list[dict[str, Any]]:
    parts = source.part("corrections").items()
    tables = {formula: table if isinstance(table, list) else [] for formula, table in parts}
    return [{"formula": formula, **row} for formula, table in tables.items() for row in table if isinstance(row, dict)]
