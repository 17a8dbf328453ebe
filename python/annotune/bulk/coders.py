"""The models of a run: what is known of them before they are loaded, and what codes texts once they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from annotune.bulk.cache import Cache
from annotune.data.codebook import Codebook
from annotune.data.deciding import with_passages
from annotune.data.inputs import inputs_of
from annotune.errors import AnnotuneError
from annotune.models.card import INPUTS_SINCE
from annotune.models.coder import name_of
from annotune.models.evidence import require_evidence
from annotune.models.folder import CARD, read_card
from annotune.network.portions import MOST_READ, groups
from annotune.progress import Advance
from annotune.records.fingerprints import file_sha256, fingerprint

Spec = dict[str, Any]  # a model in the plan: what it is called, where it is, and its fingerprint
TUNED, DECODER = "tuned", "zero-shot"
OF_ALL_LENGTHS = ["ab c, " * n for n in range(1, 40)]


@dataclass(frozen=True)
class Reader:
    """A model that is loaded: texts in, a table of codings out; what it computed for a text it keeps for a while."""

    compute: Callable[[list[str], Advance], tuple[np.ndarray, int]]
    seconds_a_text: Callable[[list[str]], float]
    codings: Callable[[pl.Series, np.ndarray, np.ndarray], pl.DataFrame]
    cache: Cache
    read: Callable[[pl.DataFrame], pl.DataFrame] = lambda texts: texts  # what it reads of a row, as its text
    most_read: int | None = MOST_READ  # characters of a text
    evidence: bool = False  # whether the passages that decided are handed out

    def code(self, units: pl.Series, texts: pl.Series, advance: Advance) -> tuple[pl.DataFrame, int]:
        """A table of codings for these texts, in their order, and how many were cut of those that were computed."""
        distinct = texts.drop_nulls().unique(maintain_order=True)
        cut = 0

        def compute(unknown: list[str]) -> np.ndarray:
            nonlocal cut
            parts = []
            for group in groups(unknown, self.most_read):
                logits, n_cut = self.compute(group, advance)
                parts.append(logits)
                cut += n_cut
            return np.concatenate(parts)

        rows = self.cache.rows(distinct.to_list(), compute)
        place = pl.DataFrame({"text": distinct, "place": np.arange(len(distinct))})
        places = pl.DataFrame({"text": texts}).join(place, on="text", how="left", maintain_order="left")["place"]
        codings = self.codings(units, rows, places.fill_null(-1).to_numpy())
        return with_passages(codings, pl.DataFrame([units, texts])) if self.evidence else codings, cut


def tuned_spec(folder: Path, evidence: bool = False) -> Spec:
    """What is known of a tuned model by its card alone; with `evidence`, it has to be one that has any."""
    card = read_card(folder)
    about = {"name": name_of(card), "variables": [card["variable"]], "labels": card["labels"]}
    about["shares"] = card.get("shares")
    settings = {**INPUTS_SINCE, **card["settings"]}
    about["reads"] = list(inputs_of(settings).more)
    if evidence:
        require_evidence(about["name"], settings)
    return {"kind": TUNED, **about, "path": str(folder.absolute()), "sha256": sha256_of(folder)}


def sha256_of(folder: Path) -> str:
    """The fingerprint of a model's card, which has those of all its files."""
    try:
        return file_sha256(folder / CARD)
    except OSError:
        raise AnnotuneError(f"{folder} is no model any more.", "Bring it back, and run the same again.") from None


def decoder_spec(base: str, codebook: Codebook, settings: Mapping[str, Any]) -> Spec:
    """What is known of a decoder that codes by the codebook alone."""
    from annotune.network.base import find_base

    known = find_base(base)
    about: dict[str, Any] = {"base": base, "revision": known.revision, "settings": dict(settings)}
    about["variables"] = [entry.model_dump(mode="json") for entry in codebook.variables]
    about["labels"] = list(dict.fromkeys(name for entry in codebook.variables for name in entry.names))
    name = f"{known.name.split('/')[-1].lower()}-{'few' if settings['examples'] else 'zero'}-shot"
    return {"kind": DECODER, "name": name, **about, "sha256": fingerprint(about)}


def require_same(spec: Spec) -> None:
    """Stop where a tuned model is not the one that the run was begun with."""
    if spec["kind"] == TUNED and sha256_of(Path(spec["path"])) != spec["sha256"]:
        what = f"{spec['path']} holds another model than the one that this run was begun with ({spec['name']})."
        raise AnnotuneError(what, "Put that one back, or code into a new folder.")


@dataclass(frozen=True)
class Loaded:
    """A model that is loaded: the runtimes that this machine has for it, and a reader that computes in one of them."""

    runtimes: list[str]
    reader: Callable[[str], Reader]


def load_model(spec: Spec, device: str, evidence: bool = False) -> Loaded:
    """A model of the plan, ready to code, and with `evidence` to hand out the passages that decided.

    Raises
    ------
    AnnotuneError
        Where it is not the one of the plan.
    """
    require_same(spec)
    return _tuned(spec, device, evidence) if spec["kind"] == TUNED else _decoder(spec, device)


def _tuned(spec: Spec, device: str, evidence: bool) -> Loaded:
    from annotune.models.classifier import load
    from annotune.runtimes.engines import BFLOAT16, FLOAT32, engine, require_steady, runtimes_here

    coder = load(spec["path"], device)

    def reader(runtime: str) -> Reader:
        computing = engine(runtime, coder.model)
        if runtime not in (FLOAT32, BFLOAT16):
            require_steady(runtime, computing, coder.tokens(OF_ALL_LENGTHS))

        def compute(texts: list[str], advance: Advance) -> tuple[np.ndarray, int]:
            return coder.steady_logits(texts, computing, advance, evidence)

        def seconds(texts: list[str]) -> float:
            return coder.seconds_a_text(texts, computing)

        cache = Cache(coder.width, dtype=np.float64) if evidence else Cache(len(coder.labels))
        return Reader(compute, seconds, coder.as_codings, cache, coder.read, coder.most_read, evidence)

    return Loaded(runtimes_here(coder.model), reader)


def _decoder(spec: Spec, device: str) -> Loaded:
    from annotune.models.zeroshot import CONTENT_FREE, ready
    from annotune.network.base import find_base, load_pair
    from annotune.network.machine import choose_device
    from annotune.runtimes.engines import engine, runtimes_here

    settings = spec["settings"]
    known = find_base(spec["base"])
    if known.revision != spec["revision"]:
        what = f"{spec['base']} is not the version that this run was begun with."
        raise AnnotuneError(what, f"Use {spec['revision']}, or code into a new folder.")
    book = Codebook.model_validate({"variables": spec["variables"]})
    pair = load_pair(known, choose_device(device), speaking=True)
    asked = ready(book.variables, *pair, settings["examples"], settings["template"], settings["max_tokens"])

    def reader(runtime: str) -> Reader:
        fast = engine(runtime, asked.model).fast
        empty = asked.steady_logits(CONTENT_FREE, fast)[0] if settings["calibrate"] else None

        def codings(units: pl.Series, logits: np.ndarray, places: np.ndarray) -> pl.DataFrame:
            return asked.as_codings(units, logits, places, spec["name"], empty)

        def compute(texts: list[str], advance: Advance) -> tuple[np.ndarray, int]:
            return asked.steady_logits(texts, fast, advance)

        def seconds(texts: list[str]) -> float:
            return asked.seconds_a_text(texts, fast)

        return Reader(compute, seconds, codings, Cache(asked.model.n_outputs))

    return Loaded(runtimes_here(asked.model), reader)


def label_names(specs: Sequence[Spec]) -> list[str]:
    """The labels that any of the models can give, each once."""
    return list(dict.fromkeys(name for spec in specs for name in spec["labels"]))
