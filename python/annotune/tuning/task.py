"""Coded texts made ready for tuning: split into cases, tokenized, and embedded once by the base."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pydantic
import torch
from torch import nn

from annotune.data.codebook import Codebook
from annotune.data.inputs import inputs_of, with_inputs
from annotune.data.waves import column_of_waves
from annotune.errors import AnnotuneError, counted, nearest, warn
from annotune.models.card import CardDrawn
from annotune.network.base import Base, find_base, is_decoder, load_pair
from annotune.network.batches import Tokens, tokenize
from annotune.network.encoder import Network, build, outputs
from annotune.network.machine import choose_device
from annotune.network.passages import read_texts, read_whole
from annotune.network.segments import any_marked
from annotune.network.shares import in_shares
from annotune.network.slots import room_for_text
from annotune.network.speaker import Speaker, require_exact, speaker_for
from annotune.progress import say
from annotune.records.fingerprints import fingerprint, frame_sha256, versions
from annotune.tuning.choices import Examples, Higher
from annotune.tuning.coded_texts import Coded, join
from annotune.tuning.coder_answers import answers_of_coders
from annotune.tuning.coder_offsets import CoderAnswers
from annotune.tuning.parts import Cases
from annotune.tuning.settings import Settings
from annotune.tuning.vocabulary import check_language
from annotune.tuning.weights import text_weights

MANY_LONG = 0.05  # of the coded texts longer than what is read at once, above which texts are read whole
FEWEST_TO_TUNE = 300  # with fewer coded texts, a search found no gain over the probe: docs/accuracy.md


@dataclass(frozen=True)
class Material:
    """What is learnt from: coded texts, how they are split, what the base makes of them, and what each counts."""

    coded: Coded
    cases: Cases
    examples: Examples
    settings: Settings
    weights: np.ndarray

    @property
    def everything(self) -> np.ndarray:
        """The places of all coded texts."""
        return np.arange(len(self.examples))


@dataclass(frozen=True)
class Task(Material):
    """All that the steps of tuning have in common; the base is read once and the texts are embedded once."""

    backbone: nn.Module
    tokenizer: Any
    base: Base
    validation: float
    drawn: CardDrawn
    seconds_per_text: float = 0.0  # that the base took to read one

    def at(self, places: np.ndarray) -> Task:
        """The same with the coded texts at these places alone; what is decided on it has seen no others."""
        shares = None if self.coded.shares is None else self.coded.shares[places]
        coded = replace(self.coded, frame=self.coded.frame[places], targets=self.coded.targets[places], shares=shares)
        cases, examples = self.cases.at(places), self.examples.take(places)
        return replace(self, coded=coded, cases=cases, examples=examples, weights=self.weights[places])


def prepare(
    corpus: pl.DataFrame,
    gold: Any,
    codebook: Codebook,
    variable: str | None,
    group: str | None,
    validation: float,
    settings: Settings,
    pi: str | None = None,
    prevalence: Mapping[str, float] | None = None,
    coders: Any = None,
) -> Task:
    """Texts joined with their gold, split into cases, and embedded by the base."""
    corpus = read_as(corpus, settings)
    coded = join(corpus, gold, codebook, variable)
    by_coder = None if coders is None else _of_coders(coders, coded)
    mine = corpus["unit_id"].is_in(coded.frame["unit_id"].implode()).to_numpy()
    wave = None if pi is None else column_of_waves(corpus, mine, pi)
    cases, weights = cases_of(coded, group, settings.seed), text_weights(coded, pi, prevalence, wave)
    device, base = choose_device(settings.device), find_base(settings.base)
    tokenizer, backbone, tokens = _read(coded, base, settings, device)
    settings = settings.model_copy(update={"long_texts": "cut" if tokens.ends is None else "whole"})
    decoder = isinstance(backbone, Speaker) or is_decoder(backbone.config)
    if not decoder:
        check_language(tokenizer, coded.texts, base.name, codebook.language)
    n_labels = len(coded.variable.labels)
    plain = build(backbone.reader if isinstance(backbone, Speaker) else backbone, n_labels)
    began = time.perf_counter()
    embeddings = outputs(plain, tokens, what="Reading the texts", embeddings=True)
    pace = (time.perf_counter() - began) / max(len(tokens), 1)
    ordered = coded.variable.kind == "ordinal" and n_labels > 2
    words = tokenize(tokenizer, [label.words for label in coded.variable.labels], settings.max_tokens)
    called = outputs(plain, words, what="Reading the labels", embeddings=True)
    higher = None if settings.objective == "label" else _higher(coded, group, tokenizer, plain, settings)
    examples = Examples(tokens, embeddings, coded.targets, n_labels, ordered, called, coded.shares, higher, by_coder)
    if settings.method == "auto":
        settings = settings.model_copy(update={"method": _usual(settings, len(coded.frame), decoder)})
    drawn: CardDrawn = {"pi": pi, "prevalence": None if prevalence is None else dict(prevalence)}
    material = (coded, cases, examples, settings, weights)
    return Task(*material, backbone, tokenizer, base, validation, drawn, pace)


def _of_coders(coders: Any, coded: Coded) -> CoderAnswers:
    """What single coders said of the coded texts; only beside gold that is about all of them."""
    if coded.shares is None:
        what = "coders= is for gold with its coders' shares, and this gold has none."
        raise AnnotuneError(what, "Resolve the codings by the rule 'shares'.")
    return answers_of_coders(coders, coded.frame["unit_id"], coded.variable)


def _higher(coded: Coded, group: str | None, tokenizer: Any, plain: Network, settings: Settings) -> Higher | None:
    """The texts coded with labels above those that are learnt, as the network sees them."""
    if coded.higher is None:
        return None
    column = group or "text"
    keys = [frame[column].cast(pl.String).fill_null("") for frame in (coded.frame, coded.higher.frame)]
    together = pl.concat(keys).rank("dense").to_numpy()
    texts, whole = coded.higher.frame["text"].to_list(), settings.long_texts == "whole"
    tokens = read_texts(tokenizer, texts, settings.max_tokens, whole)
    embeddings = outputs(plain, tokens, what="Reading texts coded by parents", embeddings=True)
    n = len(coded.frame)
    return Higher(tokens, embeddings, coded.higher.among, together[n:], together[:n])


def read_as(corpus: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """The corpus with what a model with these settings reads of each row as its text."""
    inputs = inputs_of(settings.model_dump())
    if inputs.more and settings.objective == "label":
        raise AnnotuneError("objective='label' shows a decoder the text alone.", "Use objective='head'.")
    if inputs.more and settings.long_texts == "whole":
        what = "Long texts are read whole where they are all that is read, without neighbours, target or covariates."
        raise AnnotuneError(what, "Leave long_texts out: what is around the text is cut first.")
    return with_inputs(corpus, inputs)


def _usual(settings: Settings, n_texts: int, decoder: bool) -> str:
    """The method where none is asked for: tuning has to be worth its time."""
    return "probe" if n_texts < FEWEST_TO_TUNE and not decoder and not settings.asks_for_tuning else "lora"


def cases_of(coded: Coded, group: str | None, seed: int) -> Cases:
    """How coded texts are split: equal ones, or those of a group, stay together."""
    return Cases(coded.strata, coded.groups(group), large=group is not None, seed=seed)


def _read(coded: Coded, base: Base, settings: Settings, device: torch.device) -> tuple[Any, Any, Tokens]:
    """Tokenizer, network and tokens: of the texts alone, or as they stand in a prompt that asks for the label."""
    if settings.method == "full" and settings.weights not in ("auto", "float32"):
        raise AnnotuneError(f"weights={settings.weights!r} is for weights that stay as they are.", "Use method='lora'.")
    if settings.method == "full" and in_shares():
        raise AnnotuneError("Of a model in shares only LoRA's matrices are tuned.", "Use method='lora'.")
    if settings.weights == "4bit" and device.type != "cuda":
        raise AnnotuneError("Tuning in 4 bits needs a GPU.", "Leave weights at 'auto'.")
    held: dict[str, Any] = {"weights": "float32" if settings.method == "full" else settings.weights, "copies": 2}
    if settings.objective == "head":
        tokenizer, backbone = load_pair(base, device, **held)
        return tokenizer, backbone, _of_any_length(tokenizer, coded.texts, settings)
    if settings.method == "probe":
        raise AnnotuneError("objective='label' is for a tuned decoder.", "Use objective='head' for method='probe'.")
    tokenizer, backbone = load_pair(base, device, speaking=True, **held)
    speaker = speaker_for(coded.variable, tokenizer, backbone, settings.template)
    require_exact(speaker)
    if settings.long_texts == "whole":
        raise AnnotuneError("Within a prompt texts are cut.", "Use objective='head' to read them whole.")
    limit = room_for_text(speaker.slots, tokenizer, settings.max_tokens)
    tokens = tokenize(tokenizer, coded.texts, limit, special=False)
    _warn_of_cut(tokens)
    return tokenizer, speaker, tokens


def _of_any_length(tokenizer: Any, texts: Sequence[str], settings: Settings) -> Tokens:
    """The texts cut, or whole where that is asked for or many are too long; how many are is said.

    Marked ones are cut: a passage out of the middle would have lost what stands beside the text.
    """
    tokens = tokenize(tokenizer, texts, settings.max_tokens)
    many = tokens.cut > MANY_LONG * len(texts) and not any_marked(texts)
    if settings.long_texts == "cut" or not (tokens.cut and (many or settings.long_texts == "whole")):
        _warn_of_cut(tokens)
        return read_whole(tokenizer, texts, settings.max_tokens) if settings.long_texts == "whole" else tokens
    whole = read_whole(tokenizer, texts, settings.max_tokens)
    longer = counted(tokens.cut, "text is", "texts are")
    say(
        f"Of {len(texts):,} coded texts, {longer} longer than {tokens.limit} tokens, and read whole, in "
        f"passages ({len(whole.ids):,} in all); only their start with long_texts='cut'."
    )
    return whole


def resolved(settings: Settings, tokenizer: Any, coded: Sequence[str]) -> Settings:
    """The settings with what becomes of long texts, where that follows from the coded ones."""
    if settings.long_texts != "auto":
        return settings
    cut = tokenize(tokenizer, coded, settings.max_tokens).cut
    return settings.model_copy(update={"long_texts": "whole" if cut > MANY_LONG * len(coded) else "cut"})


def _warn_of_cut(tokens: Tokens) -> None:
    if tokens.cut:
        longer = counted(tokens.cut, "coded text is", "coded texts are")
        warn(f"{longer} longer than {tokens.limit} tokens; only the start is read.")


def read_settings(settings: Mapping[str, Any]) -> Settings:
    """Settings by name, or a sentence on the one that cannot be."""
    try:
        return Settings(**settings)
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            raise AnnotuneError(f"There is no setting {name!r}.", nearest(name, Settings.model_fields)) from None
        advice = fault["msg"].replace("Input should be", "It should be") + "."
        raise AnnotuneError(f"The setting {name!r} cannot be {fault['input']!r}.", advice) from None


def basis(task: Task, *more: Any) -> str:
    """The fingerprint of all that a fold or a point of a curve rests on."""
    arrays = (task.cases.groups, task.cases.strata, task.coded.targets, task.weights, task.examples.lessons)
    return fingerprint(
        [
            frame_sha256(task.coded.frame.select("unit_id", "text")),
            [hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays],
            [[(label.name, label.words) for label in task.coded.variable.labels], task.base.name, task.base.revision],
            task.settings.model_dump(exclude={"base"}),
            [*more, task.cases.large, task.validation, versions(), *_basis_of_higher(task.coded)],
        ]
    )


def _basis_of_higher(coded: Coded) -> list[str]:
    if coded.higher is None:
        return []
    among = hashlib.sha256(np.packbits(coded.higher.among).tobytes()).hexdigest()
    return [frame_sha256(coded.higher.frame.select("unit_id", "text")), among]
