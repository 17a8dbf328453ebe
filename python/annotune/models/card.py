"""A model's card: what it was made of and with, entry by entry; and the network's fingerprint."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

if TYPE_CHECKING:
    from annotune.network.encoder import Network


class CardBase(TypedDict):
    """The base model, without its folder."""

    name: str
    revision: str


class CardSettings(TypedDict):
    """Settings as they came out; see `annotune.tuning.settings.Settings`."""

    base: str
    method: str
    objective: str
    template: Literal["chat", "plain"]
    weights: str
    epochs: int | None
    learning_rate: float | None
    head_learning_rate: float
    rank: int
    batch_tokens: int
    batch_texts: int
    max_tokens: int
    long_texts: str
    class_weights: str
    cutoffs: str
    text: Sequence[str]
    target: str | None
    inputs: Sequence[str]
    seed: int
    device: str


class CardScaling(TypedDict):
    """What logits are multiplied by, and what is added to each label's."""

    scale: float
    offsets: Sequence[float]


class CardCoders(TypedDict):
    """What is added to scaled logits for each coder; see `annotune.tuning.coder_offsets.CoderOffsets`."""

    spread: float
    by_coder: Mapping[str, Sequence[float]]


class CardChoices(TypedDict):
    """What was decided on texts that the models had not seen; see `annotune.tuning.choices.Choices`.

    `rule` is None for a model of an earlier annotune, which took its temperature and cut-offs from another one.
    """

    penalty: float
    balanced: bool
    words: bool
    epochs: int
    losses: dict[str, float]
    scale: float
    offsets: Sequence[float]
    cutoffs: Sequence[float] | None
    rule: str | None
    probe_scaling: CardScaling
    probe_cutoffs: Sequence[float] | None
    coders: CardCoders | None


class CardShares(TypedDict):
    """How often people and the model gave each label to held-out texts, and to how many texts' worth of them."""

    people: list[float]
    model: list[float]
    n: float


class CardDrawn(TypedDict):
    """How the coded texts were drawn, where that was said; see `pi` and `prevalence` of `annotune.tune`."""

    pi: str | None
    prevalence: dict[str, float] | None


class CardParts(TypedDict):
    """How many texts were coded and held out, in how many folds, and the share for validation."""

    coded: int
    held_out: int
    folds: int | None
    validation_share: float


class CardTime(TypedDict):
    """What differs from run to run."""

    seconds: float
    texts_per_second: float | None


class Card(TypedDict):
    """All that is known of a model beside its weights; it is saved as JSON, and goes into records as it is."""

    base: CardBase
    settings: CardSettings
    choices: CardChoices
    shares: CardShares | None
    drawn: CardDrawn
    parts: CardParts
    cut_texts: int
    vector_of: str
    coded_sha256: str
    targets_sha256: str
    model_sha256: str
    weights: str
    versions: dict[str, str]
    hardware: dict[str, Any]
    time: CardTime


SETTINGS_SINCE: dict[str, Any] = {"objective": "head", "template": "chat", "weights": "auto", "cutoffs": "likeliest"}
INPUTS_SINCE: dict[str, Any] = {"text": ("text",), "target": None, "inputs": ()}
SETTINGS_SINCE |= INPUTS_SINCE
SETTINGS_SINCE |= {"long_texts": "cut"}
PARTS_SINCE = {"coded": 0, "held_out": 0, "folds": None, "validation_share": 0.15}
CHOICES_SINCE = {
    "penalty": 1.0,
    "balanced": False,
    "words": False,
    "epochs": 1,
    "losses": {},
    "cutoffs": None,
    "rule": None,
    "probe_cutoffs": None,
    "coders": None,
}
OWN_TOKENS = "own tokens"  # a text's vector is made of them, where it is read with neighbours
SINCE = {
    "vector_of": "all tokens",
    "cut_texts": 0,
    "coded_sha256": "",
    "targets_sha256": "",
    "weights": "float32",
    "hardware": {},
}


def up_to_date(card: Mapping[str, Any], n_labels: int) -> Card:
    """The card of a saved model, with a place for all that an earlier annotune did not know of.

    A temperature, by which logits were divided, becomes the scale by which they are multiplied.
    """
    choices = _filled(card.get("choices", {}), CHOICES_SINCE)
    nothing: list[float] = [0.0] * n_labels
    if "scale" not in choices:
        choices |= {"scale": 1 / float(choices.pop("temperature", 1.0)), "offsets": nothing}
    choices.setdefault("probe_scaling", {"scale": 1.0, "offsets": nothing})
    told = {
        "settings": _filled(card["settings"], SETTINGS_SINCE),
        "choices": choices,
        "shares": card.get("shares"),
        "drawn": card.get("drawn", {"pi": None, "prevalence": None}),
        "parts": _filled(card.get("parts", {}), PARTS_SINCE),
        "time": card.get("time", {"seconds": 0.0, "texts_per_second": None}),
    }
    return cast(Card, {**_filled(card, SINCE), **told})


def is_sound(card: Card, n_labels: int, ordered: bool) -> bool:
    """Whether the scale and all that goes by label are numbers, as many as there are labels, so that codes follow."""
    choices, shares = card["choices"], card["shares"]
    by_coder = choices["coders"]["by_coder"].values() if choices["coders"] else ()
    rows = [choices["offsets"], *by_coder, *([shares["people"], shares["model"]] if shares else [])]
    cutoffs = choices["cutoffs"]
    long_enough = all(len(row) == n_labels for row in rows) and (
        cutoffs is None or len(cutoffs) in ({n_labels, n_labels - 1} if ordered else {n_labels})
    )
    numbers = [choices["scale"], *(number for row in [*rows, cutoffs or []] for number in row)]
    return long_enough and choices["scale"] > 0 and all(math.isfinite(number) for number in numbers)


def _filled(entries: Mapping[str, Any], since: Mapping[str, Any]) -> dict[str, Any]:
    """The entries in their order, and behind them those that are missing."""
    return {**entries, **{name: value for name, value in since.items() if name not in entries}}


def speaks(card: Card) -> bool:
    """Whether the model is a decoder that gives probabilities of the labels' words, and has no head."""
    return card["settings"]["objective"] == "label" and card["choices"]["epochs"] > 0


def model_sha256(model: Network) -> str:
    """The fingerprint of all weights, whatever file they are in."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().float().contiguous().numpy().tobytes())  # bfloat16's too: the same numbers
    return digest.hexdigest()


def held_as(model: Network) -> str:
    """The type of the base's numbers, such as `float32`; `4bit` where some are packed."""
    types = [str(weights.dtype).removeprefix("torch.") for weights in model.backbone.parameters()]
    return "4bit" if "uint8" in types else types[0]
