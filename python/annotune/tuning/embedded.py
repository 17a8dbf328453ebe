"""What a base model makes of texts before any tuning: each text is read once, whatever is learnt from it later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.inputs import inputs_of
from annotune.data.waves import column_of_waves
from annotune.errors import AnnotuneError
from annotune.network.base import Base, find_base, is_decoder, load_pair, load_tokenizer
from annotune.network.batches import Tokens
from annotune.network.encoder import Network, build, outputs
from annotune.network.machine import choose_device
from annotune.network.passages import read_texts
from annotune.network.portions import MOST_READ, groups
from annotune.records.checkpoints import Checkpoints
from annotune.records.fingerprints import fingerprint, versions
from annotune.tuning.choices import Examples
from annotune.tuning.coded_texts import join
from annotune.tuning.settings import Settings
from annotune.tuning.task import Material, cases_of, resolved
from annotune.tuning.vocabulary import check_language
from annotune.tuning.weights import text_weights

PIECE = "embeddings"
TEXTS_AT_ONCE = 2000  # that are read and kept together
MOST_TO_JUDGE = 1000  # texts, by which it is judged whether the base reads their language


@dataclass(frozen=True)
class Embedded:
    """The embedding of each text: `vectors` (n, width), and the row of each of the n different texts."""

    vectors: np.ndarray
    rows: Mapping[str, int]

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """The embeddings of these texts, shape (len(texts), width)."""
        return self.vectors[[self.rows[text] for text in texts]]


def embedded(
    texts: Sequence[str],
    settings: Settings,
    kept: Checkpoints | None = None,
    language: str = "en",
    coded: Sequence[str] | None = None,
) -> Embedded:
    """Read the different ones among these texts with the settings' base; or what was kept of the same texts and base.

    `language` is the codebook's, for a warning where the base was made for another. By the texts that were `coded` (all
    of them, where that is not said) it follows whether long ones are read whole, as in tuning.
    """
    if inputs_of(settings.model_dump()).more:
        raise AnnotuneError("Many specifications are computed on the text alone.", "Leave out text, target and inputs.")
    distinct = list(dict.fromkeys(texts))
    reader = _Reader(settings, language, distinct if coded is None else coded)
    shares = [distinct[start : start + TEXTS_AT_ONCE] for start in range(0, len(distinct), TEXTS_AT_ONCE)]
    vectors = np.concatenate([_vectors(share, reader, kept) for share in shares])
    return Embedded(vectors, {text: row for row, text in enumerate(distinct)})


@dataclass
class _Reader:
    """A base model that is loaded when there is something to read."""

    asked: Settings
    language: str
    coded: Sequence[str]

    @cached_property
    def settings(self) -> Settings:
        """With what becomes of long texts."""
        return resolved(self.asked, load_tokenizer(self.base), self.coded)

    @cached_property
    def base(self) -> Base:
        """Which one it is."""
        return find_base(self.asked.base)

    @cached_property
    def pair(self) -> tuple[Any, Network]:
        """Tokenizer and network."""
        settings = self.settings
        tokenizer, backbone = load_pair(self.base, choose_device(settings.device), weights=settings.weights)
        return tokenizer, build(backbone, 2)

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Their embeddings (len(texts), width)."""
        tokenizer, network = self.pair
        if not is_decoder(network.backbone.config):
            check_language(tokenizer, texts[:MOST_TO_JUDGE], self.base.name, self.language)
        whole = self.settings.long_texts == "whole"
        what = f"Reading the texts with {self.base.name}"
        vectors = [
            outputs(network, read_texts(tokenizer, group, self.settings.max_tokens, whole), what=what, embeddings=True)
            for group in groups(texts, None if whole else MOST_READ)
        ]
        return np.concatenate(vectors)


def _vectors(texts: list[str], reader: _Reader, kept: Checkpoints | None) -> np.ndarray:
    """The embeddings of some texts, which are kept whole: what was stopped goes on after them."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    name = fingerprint([digest, reader.base.name, reader.base.revision, *_length(reader.settings), versions()])
    pieces = None if kept is None else replace(kept, basis=name)
    arrays = None if pieces is None else pieces.get(f"{PIECE}-{name[:12]}")
    if arrays is None:
        arrays = {"vectors": reader(texts)}
        if pieces is not None:
            pieces.put(f"{PIECE}-{name[:12]}", arrays)
    return arrays["vectors"]


def _length(settings: Settings) -> tuple[int, str]:
    """What of a text is read."""
    return settings.max_tokens, settings.long_texts


def material_of(
    corpus: pl.DataFrame,
    gold: pl.DataFrame,
    codebook: Codebook,
    variable: str,
    read: Embedded,
    settings: Settings,
    *,
    group: str | None = None,
    pi: str | None = None,
    prevalence: Mapping[str, float] | None = None,
) -> Material:
    """Coded texts made ready for probes, as `prepare` makes them, from embeddings that are there already."""
    if settings.objective != "head":
        raise AnnotuneError("objective='label' is for tuned decoders, and these are probes.", "Leave it out.")
    coded = join(corpus, gold, codebook, variable)
    mine = corpus["unit_id"].is_in(coded.frame["unit_id"].implode()).to_numpy()
    wave = None if pi is None else column_of_waves(corpus, mine, pi)
    labels = coded.variable.labels
    examples = Examples(
        Tokens([[]] * len(coded.frame), 0, settings.max_tokens, 0),  # the base has read them: no network sees them
        read.of(coded.texts),
        coded.targets,
        len(labels),
        coded.variable.kind == "ordinal" and len(labels) > 2,
        read.of([label.words for label in labels]),
        coded.shares,
    )
    probes = settings.model_copy(update={"method": "probe"})
    weights = text_weights(coded, pi, prevalence, wave)
    return Material(coded, cases_of(coded, group, settings.seed), examples, probes, weights)
