"""What a study's store tells of its own making: waves, who decided and when, which models proposed, what was sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from annotune.tables.store import rows_in_store

TEXT, WHOLE, NUMBER = pl.String, pl.Int64, pl.Float64
CODEBOOKS = {"version": WHOLE, "at": TEXT, "author": TEXT, "reason": TEXT}
WAVES = {"wave": WHOLE, "at": TEXT, "design": TEXT, "seed": WHOLE, "size": WHOLE, "corpus": TEXT}
WAVES |= {"settings": TEXT, "drawn": WHOLE}
CODERS = {"coder": TEXT, "variable": TEXT, "answers": WHOLE, "texts": WHOLE, "first": TEXT, "last": TEXT}
MODELS = {
    **dict.fromkeys(("coder", "provider", "model", "reported", "fingerprint", "prompt", "settings"), TEXT),
    **{"asked": WHOLE, "answered": WHOLE, "first": TEXT, "last": TEXT, "cost": NUMBER},
}
UPLOADS = {"host": TEXT, "texts": WHOLE, "characters": WHOLE, "first": TEXT, "last": TEXT}
ASSIGNED = {"wave": WHOLE, "coder": TEXT, "place": WHOLE, "arm": TEXT}
DECIDED = {
    **dict.fromkeys(("at", "variable", "coder", "labels", "status", "arm", "proposals", "note"), TEXT),
    **{"wave": WHOLE, "codebook": WHOLE, "seconds": NUMBER, "unsure": pl.Boolean},
}
PROPOSED = {
    **dict.fromkeys(("at", "coder", "provider", "model", "variable", "label", "status", "reason"), TEXT),
    "prob": NUMBER,
}
QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "codebooks": (f"SELECT {', '.join(CODEBOOKS)} FROM codebooks ORDER BY version", CODEBOOKS),
    "waves": (
        "SELECT wave, at, design, seed, size, corpus, settings, (SELECT count(*) FROM draws d WHERE d.wave = w.wave) "
        "FROM waves w ORDER BY wave",
        WAVES,
    ),
    "coders": (
        "SELECT coder, variable, count(*), count(DISTINCT unit_id), min(at), max(at) FROM decisions "
        "GROUP BY coder, variable ORDER BY coder, variable",
        CODERS,
    ),
    "models": (
        "SELECT coder, provider, model, max(reported), max(fingerprint), max(prompt), settings, count(*), "
        "sum(status = 'ok'), min(at), max(at), sum(cost) FROM requests GROUP BY coder, provider, model, settings "
        "ORDER BY coder, min(at)",
        MODELS,
    ),
    "uploads": (
        "SELECT host, count(DISTINCT unit_id), sum(characters), min(at), max(at) FROM ledger GROUP BY host "
        "ORDER BY host",
        UPLOADS,
    ),
}
OF_TEXT: dict[str, tuple[str, dict[str, Any]]] = {
    "assigned": (
        "SELECT wave, coder, place, arm FROM assignments WHERE unit_id = ? ORDER BY wave, coder",
        ASSIGNED,
    ),
    "decided": (f"SELECT {', '.join(DECIDED)} FROM decisions WHERE unit_id = ? ORDER BY id", DECIDED),
    "proposed": (
        "SELECT r.at, r.coder, r.provider, r.model, p.variable, p.label, p.status, p.reason, p.prob "
        "FROM requests r JOIN proposals p ON p.request = r.key WHERE r.unit_id = ? ORDER BY r.at, r.coder, p.place",
        PROPOSED,
    ),
}


def history_in_store(path: Path) -> dict[str, pl.DataFrame]:
    """Tables of what a store tells of itself, by name.

    Returns
    -------
    dict of polars.DataFrame
        `codebooks`, `waves`, `coders` (a row per person and variable), `models` (a row per model that was asked, and
        the settings it was asked with) and `uploads` (a row per host that texts were sent to), with the columns above.

    Raises
    ------
    AnnotuneError
        For a file that is no store.
    """
    return {name: rows_in_store(path, query, schema) for name, (query, schema) in QUERIES.items()}


def text_in_store(path: Path, unit_id: str) -> dict[str, pl.DataFrame]:
    """What a store tells of one text: who was to code it (`assigned`), what was `decided`, and what was `proposed`."""
    return {name: rows_in_store(path, query, schema, [unit_id]) for name, (query, schema) in OF_TEXT.items()}
