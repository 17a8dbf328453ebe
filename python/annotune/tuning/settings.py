"""What can be chosen about tuning; every default is meant to be left alone."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

OF_TUNING = ("objective", "epochs", "learning_rate", "head_learning_rate", "rank")


class Settings(pydantic.BaseModel):
    """How a model is tuned.

    Attributes
    ----------
    base
        `minilm`, `multilingual`, a folder, or a hub name such as `answerdotai/ModernBERT-base` (or `name@revision`).
    method
        `lora` adds small trainable matrices to every linear layer (Hu et al. 2021), `full` trains
        all weights, `probe` leaves the base alone and fits a logistic regression on its embeddings. `auto` is `probe`
        with fewer than 300 coded texts, where no gain from tuning could be shown (docs/accuracy.md), and `lora` from
        there on, for decoders, and where `epochs`, a rate or `rank` is asked for.
    objective
        Of decoders: `head` fits a classification head on the text alone; `label` shows the codebook too and learns the
        scores of the labels' words (of label sets, of yes and no for each label), which is slower, and meant for few
        labels and bases that follow instructions.
    template
        Of the prompt for `label`: the base's own `chat`, or `plain`.
    weights
        How a decoder's frozen weights are held: `auto` takes `float32`, `bfloat16` or `4bit` as memory allows.
    epochs
        Passes over the training texts; by default 3; where all weights are tuned, or a decoder says the label, 6, and
        fewer from some 8,000 texts on.
    learning_rate, head_learning_rate
        Of the base's trained weights and of the classification head; peaks of a one-cycle schedule.
    rank
        Of the LoRA matrices; their scale is twice the rank over the rank.
    batch_tokens, batch_texts
        A batch holds at most so many tokens, padding included, and so many texts; with `objective="label"` at most 8,
        at half the usual learning rate: it starts from no probe, and few texts have to make steps enough.
    max_tokens
        So many tokens of a text the network reads at once, as far as the base can.
    long_texts
        What becomes of longer texts. `whole`: they are read in passages, whose logits are averaged. `cut`: only their
        start is read. `auto`: they are read whole where more than one in twenty coded texts is longer, and cut
        otherwise; how many is said in either case.
    class_weights
        `balanced` weighs labels by the inverse of their frequency while tuning; `none`, and `auto`, do not: how often
        rare labels are given is up to the cut-offs, which are found afterwards.
    cutoffs
        How answers follow from probabilities. `share`: each label as often as its probabilities add up to, which is as
        often as people gave it; it is what shares and regressions want. `f1`: the highest macro-F1 on held-out texts,
        which gives rare labels more often than they occur. `likeliest`: the most likely label, of sets what is more
        likely than not, which is right most often and gives rare labels too seldom.
    text
        What is read around the text: columns in their order, the text's own column `text` among them, such as
        `["text_before", "text", "text_after"]`.
    target
        A column: what the text is judged about, read with it as a pair.
    inputs
        Columns of categories that are read with the text. Errors are then related to them by construction, and
        regressions on them need the correction.
    seed
        Of every draw.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    base: str = pydantic.Field(default="minilm", min_length=1)
    method: Literal["auto", "lora", "full", "probe"] = "auto"
    objective: Literal["head", "label"] = "head"
    template: Literal["chat", "plain"] = "chat"
    weights: Literal["auto", "float32", "bfloat16", "4bit"] = "auto"
    epochs: int | None = pydantic.Field(default=None, ge=1, le=1000)
    learning_rate: float | None = pydantic.Field(default=None, gt=0)
    head_learning_rate: float = pydantic.Field(default=1e-3, gt=0)
    rank: int = pydantic.Field(default=16, ge=1)
    batch_tokens: int = pydantic.Field(default=4096, ge=16)
    batch_texts: int = pydantic.Field(default=32, ge=1)
    max_tokens: int = pydantic.Field(default=256, ge=8)
    long_texts: Literal["auto", "whole", "cut"] = "auto"
    class_weights: Literal["auto", "balanced", "none"] = "auto"
    cutoffs: Literal["share", "f1", "likeliest"] = "share"
    text: tuple[str, ...] = ("text",)
    target: str | None = None
    inputs: tuple[str, ...] = ()
    seed: int = pydantic.Field(default=1, ge=0)
    device: str = "auto"

    @pydantic.field_validator("text", "inputs", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value or ()

    @pydantic.field_validator("text")
    @classmethod
    def _with_the_text(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value.count("text") != 1 or len(set(value)) < len(value):
            raise ValueError("it names each column once, and the text's own column 'text' among them")
        return value

    @property
    def asks_for_tuning(self) -> bool:
        """Whether anything is set that tuning alone reads."""
        fields = type(self).model_fields
        return any(getattr(self, name) != fields[name].default for name in OF_TUNING)
