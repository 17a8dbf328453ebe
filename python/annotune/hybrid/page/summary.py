"""How far coders are, and how well they agree under each version of the codebook."""

from __future__ import annotations

import json

import polars as pl

from annotune.agreement.reliability import reliability
from annotune.data.codebook import Codebook
from annotune.data.codings import SCHEMA, sound_codings
from annotune.hybrid.page.versions import of_version
from annotune.hybrid.page.work import SECONDS, tasks_of
from annotune.hybrid.store import Store

PEOPLE = {"coder": pl.String, "texts": pl.Int64, "coded": pl.Int64, "again": pl.Int64, "seconds": pl.Float64}
VERSIONS = {
    "version": pl.Int64,
    "author": pl.String,
    "reason": pl.String,
    "variable": pl.String,
    "units": pl.Int64,
    "alpha": pl.Float64,
}
OF_VERSION = """
    SELECT unit_id, variable, coder, labels, status FROM decisions
    WHERE id IN (SELECT max(id) FROM decisions WHERE codebook = ? GROUP BY unit_id, variable, coder)
    AND status <> 'withdrawn'
    AND NOT (arm IS NULL AND (unit_id, coder) IN (SELECT unit_id, coder FROM entries))
"""


def people_of(store: Store, codebook: Codebook) -> pl.DataFrame:
    """One row per coder: `texts` to code, how many are `coded`, come up `again`, and the median `seconds` of a text."""
    rows = []
    for (coder,) in store.rows("SELECT DISTINCT coder FROM assignments ORDER BY coder"):
        states = [task.state for task in tasks_of(store, coder, codebook)]
        seconds = pl.Series([value for (value,) in store.rows(SECONDS, [coder])], dtype=pl.Float64).median()
        rows.append((coder, len(states), states.count("done"), states.count("again"), seconds))
    return pl.DataFrame(rows, schema=PEOPLE, orient="row")


def agreement_by_version(store: Store) -> pl.DataFrame:
    """One row per version of the codebook and variable: who made it, why, and Krippendorff's alpha under it.

    Returns
    -------
    polars.DataFrame
        `version`, `author`, `reason`, `variable`, `units` (texts that two coders or more coded under the version) and
        `alpha` of their last answers under it, null where no two coders have a text in common; whoever settles
        differences, and has seen what others said, does not count.
    """
    rows = []
    for version, author, reason in store.rows("SELECT version, author, reason FROM codebooks ORDER BY version"):
        codebook = of_version(store, version)
        codings = _codings(store, version)
        for entry in codebook.variables:
            mine = codings.filter(variable=entry.name)
            shared = mine.group_by("unit_id").agg(pl.col("coder").n_unique()).filter(pl.col("coder") > 1)["unit_id"]
            both = mine.filter(pl.col("unit_id").is_in(shared.implode()))
            rows.append((version, author, reason, entry.name, len(shared), _alpha(both, codebook)))
    return pl.DataFrame(rows, schema=VERSIONS, orient="row")


def _codings(store: Store, version: int) -> pl.DataFrame:
    """What each coder last said under a version of the codebook."""
    rows = []
    for unit, variable, coder, labels, status in store.rows(OF_VERSION, [version]):
        for label in json.loads(labels) or [None]:
            rows.append((unit, variable, coder, label, None, status))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _alpha(codings: pl.DataFrame, codebook: Codebook) -> float | None:
    if codings.is_empty():
        return None
    table = reliability(sound_codings(codings), codebook=codebook, metrics="alpha", ci="analytic")
    value = table["estimate"][0] if len(table) else None
    return None if value is None else float(value)
