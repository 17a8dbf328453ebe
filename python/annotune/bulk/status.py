"""status(): how far a run is, read from its folder anywhere and at any time, and what went wrong with which shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from annotune.bulk.claims import key_of
from annotune.bulk.manifest import DONE, RunFolder, input_of
from annotune.bulk.plan import Plan, require_plan
from annotune.bulk.repeats import known_repeats
from annotune.bulk.runtimes import kept_choices
from annotune.bulk.shards import Shard
from annotune.models.share_check import in_words, shares_of_counts
from annotune.progress import duration
from annotune.readable import Part, Readable, brief_table
from annotune.runtimes.engines import FLOAT32

WORKING, STOPPED, WAITING = "working", "stopped", "waiting"
SCHEMA = {
    "shard": pl.String,
    "state": pl.String,
    "texts": pl.Int64,
    "coded": pl.Int64,
    "seconds": pl.Float64,
    "host": pl.String,
    "why": pl.String,
}


@dataclass(frozen=True, repr=False)
class RunStatus(Readable):
    """How far a run is.

    Attributes
    ----------
    shards
        One row per shard: `shard`, `state` (`done`, `failed`, `working`; `stopped` where the process that worked on it
        is gone; `waiting`), `texts` (null where the file cannot be read), `coded` (texts that are done), `seconds`,
        `host`, `why` (what is wrong with it).
    labels
        One row per label of each variable and coder: `variable`, `coder`, `label`, `n`, `share` of the texts that the
        coder answered.
    notes
        What was assumed or lost on the way: a sentence each.
    seconds_left
        At the speed of the shards that are done and with as many processes as work now; None where none does.
    """

    shards: pl.DataFrame
    labels: pl.DataFrame
    notes: tuple[str, ...] = field(default=())
    seconds_left: float | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every shard is done."""
        return bool((self.shards["state"] == DONE).all())

    @property
    def texts_per_second(self) -> float | None:
        """Of one process, over the shards that are done."""
        texts, seconds = _speed(self.shards)
        return texts / seconds if seconds else None

    def in_words(self) -> str:
        """How much is done, how fast, and what is left."""
        n, coded = int(self.shards["texts"].sum()), int(self.shards["coded"].sum())
        states: dict[str, int] = dict(self.shards["state"].value_counts().rows())
        share = f" ({coded / n:.0%})" if n else ""
        sentence = f"{coded:,} of {n:,} texts{share} in {states.get(DONE, 0):,} of {len(self.shards):,} shards"
        others = [f"{states[state]:,} {state}" for state in ("failed", WORKING, STOPPED, WAITING) if state in states]
        parts = [f"{sentence}; {', '.join(others)}." if others else f"{sentence}."]
        if self.texts_per_second:
            parts.append(f"A process codes {self.texts_per_second:,.0f} texts a second.")
        if self.seconds_left:
            parts.append(f"About {duration(self.seconds_left)} left.")
        return " ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """All of it for programs, in what JSON can hold.

        Examples
        --------
        >>> shards = pl.DataFrame([("a", "done", 5, 5, 2.0, "here", None)], schema=SCHEMA, orient="row")
        >>> about = RunStatus(shards, pl.DataFrame({"label": ["war"]})).as_dict()
        >>> about["is_complete"], about["texts"], about["coded"], about["texts_per_second"], about["states"]
        (True, 5, 5, 2.5, {'done': 1})
        """
        states = dict(sorted(self.shards["state"].value_counts().rows()))
        return {
            "is_complete": self.is_complete,
            "texts": int(self.shards["texts"].sum()),
            "coded": int(self.shards["coded"].sum()),
            "texts_per_second": self.texts_per_second,
            "seconds_left": self.seconds_left,
            "states": states,
            "shards": self.shards.to_dicts(),
            "labels": self.labels.to_dicts(),
            "notes": list(self.notes),
        }

    def _parts(self) -> Iterator[Part]:
        """How far it is, what failed and why, and what was noted."""
        yield self.in_words()
        for row in self.shards.filter(state="failed").head(20).to_dicts():
            yield f"{row['shard']}: {row['why']}"
        if len(self.labels):
            yield brief_table(self.labels)
        yield from self.notes


def status(out: str | Path) -> RunStatus:
    """How far a run of `classify` over many texts is, also while it runs and on another machine.

    Parameters
    ----------
    out
        The folder that is coded into.

    Returns
    -------
    RunStatus
        `.shards` has one row per shard, `.labels` how often each label was given so far; printed, it says how much is
        done and what failed and why.

    Raises
    ------
    AnnotuneError
        Where the folder holds no such run.

    Examples
    --------
    >>> import annotune as at
    >>> at.status("coded/")  # doctest: +SKIP
    400,000 of 1,000,000 texts (40%) in 4 of 10 shards; 2 working, 4 waiting. A process codes 412 texts a second.
    """
    folder = RunFolder(Path(out))
    plan = require_plan(folder.out)
    held = folder.claims().held()
    told = [(shard, folder.manifest(shard)) for shard in plan.shards]
    rows = [_row(folder, shard, manifest, held.get(key_of(shard.name))) for shard, manifest in told]
    shards = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    done = [manifest for _, manifest in told if manifest is not None and manifest["state"] == DONE]
    labels = label_counts(done)
    repeats = known_repeats(folder, plan.shards) if len(done) == len(told) else None
    choices = [choice.why for choice in kept_choices(folder) if choice.runtime != FLOAT32 or choice.trials]
    notes = [*plan.notes, *choices, *(note for manifest in done for note in manifest["notes"]), *_unlike(plan, labels)]
    notes += [repeats.in_words()] if repeats is not None and repeats.n else []
    return RunStatus(shards, labels, tuple(dict.fromkeys(filter(None, notes))), _seconds_left(shards))


def _row(
    folder: RunFolder, shard: Shard, manifest: dict[str, Any] | None, holder: dict[str, Any] | None
) -> tuple[Any, ...]:
    if folder.is_done(shard, manifest):
        assert manifest is not None
        return shard.name, DONE, shard.rows, shard.rows, manifest["seconds"], manifest["host"], None
    if manifest is not None and manifest["state"] != DONE and manifest["input"] == input_of(shard):
        return shard.name, "failed", shard.rows, 0, manifest["seconds"], manifest["host"], manifest["why"]
    if holder is not None:
        state = STOPPED if holder["gone"] else WORKING
        return shard.name, state, shard.rows, min(holder["rows"], shard.rows or 0), None, holder.get("host"), None
    return shard.name, WAITING, shard.rows, 0, None, None, None


def label_counts(manifests: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """How often each label was given, over all shards that are done."""
    counts: dict[tuple[str, str, str], int] = {}
    answered: dict[tuple[str, str], int] = {}
    for manifest in manifests:
        for row in manifest["labels"]:
            key = (row["variable"], row["coder"], row["label"])
            counts[key] = counts.get(key, 0) + row["n"]
        for row in manifest["statuses"]:
            if row["status"] in ("ok", "none"):
                pair = (row["variable"], row["coder"])
                answered[pair] = answered.get(pair, 0) + row["n"]
    rows = [(*key, n, n / answered[key[:2]]) for key, n in counts.items()]
    schema = {"variable": pl.String, "coder": pl.String, "label": pl.String, "n": pl.Int64, "share": pl.Float64}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.sort("variable", "coder", pl.col("n").neg())


def _unlike(plan: Plan, labels: pl.DataFrame) -> Iterator[str]:
    """Where a model gives a label more or less often than to held-out texts by more than chance."""
    for spec in plan.models:
        rows = labels.filter(pl.col("coder") == spec["name"])
        if spec.get("shares") and len(rows):
            n = round(rows["n"][0] / rows["share"][0])
            counts = dict(rows.select("label", "n").rows())
            yield in_words(shares_of_counts(spec["shares"], spec["labels"], counts, n)) or ""


def _seconds_left(shards: pl.DataFrame) -> float | None:
    """How long what is open takes as many processes as work now; None where none does, or none has done any."""
    (texts, seconds), n_working = _speed(shards), shards.filter(state=WORKING).height
    if not n_working or not texts:
        return None
    still_open = shards.filter(pl.col("state").is_in([WORKING, STOPPED, WAITING]))
    return int((still_open["texts"] - still_open["coded"]).sum()) * seconds / texts / n_working


def _speed(shards: pl.DataFrame) -> tuple[int, float]:
    """The texts of shards that are done, and the seconds that they took."""
    done = shards.filter(state=DONE)
    return int(done["texts"].sum()), float(done["seconds"].sum())


class Watch:
    """How many texts of some shards are settled, by looks at their folder that cost little."""

    def __init__(self, folder: RunFolder, shards: Sequence[Shard]) -> None:
        self.folder = folder
        self.rows = {key_of(shard.name): shard.rows or 0 for shard in shards}
        self.claims = folder.claims()
        self.most = 0

    def texts(self) -> int:
        """Texts that are coded, or of which it is known why not; never fewer than at the last look."""
        settled = self.folder.settled()
        n = sum(self.rows.get(key, 0) for key in settled)
        for key, holder in self.claims.held().items():
            if key in self.rows and key not in settled:
                n += min(holder["rows"], self.rows[key])
        self.most = max(self.most, n)
        return self.most
