"""What a study has taken so far, by its store: codings, hours and money."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from annotune.hybrid.store import open_store

CODINGS = """
    SELECT count(*) FROM (SELECT DISTINCT unit_id, variable, coder FROM people
    WHERE wave <= ? AND status IN ('ok', 'none', 'missing'))
"""
SECONDS = """
    SELECT sum(seconds) FROM (SELECT max(seconds) AS seconds FROM (
        SELECT unit_id, coder, variable, sum(seconds) AS seconds FROM decisions
        WHERE wave <= ? AND seconds IS NOT NULL GROUP BY unit_id, coder, variable
    ) GROUP BY unit_id, coder)
"""  # the answers to several questions about a text are given at once, and each has the time that all took
COST = "SELECT sum(cost) FROM requests WHERE at < coalesce((SELECT at FROM waves WHERE wave = ?), '9')"


class Effort(TypedDict):
    """Answers of people; their hours, where the coding page recorded them; dollars for proposals, where any were."""

    codings: int
    hours: float | None
    cost: float | None


def effort_until(path: Path, wave: int) -> Effort:
    """What all waves up to this one took, before the next was drawn."""
    with open_store(path, create=False) as store:
        codings, seconds = (store.value(query, [wave]) for query in (CODINGS, SECONDS))
        return {
            "codings": int(codings),
            "hours": None if seconds is None else seconds / 3600,
            "cost": store.value(COST, [wave + 1]),
        }
