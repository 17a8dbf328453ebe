"""What stands under `sample:` in study.yaml: how hand-coded texts were drawn, or are to be, at once or in rounds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import GetJsonSchemaHandler

from annotune.hybrid.scored import EVALUATION
from annotune.study.parts import Part, Schema, Shorthand, Words

SHEET = "coding_sheet.xlsx"
SIMPLE = "simple"  # at random from the corpus


class WavePart(Part):
    """A wave of texts that the study draws for coding (see `annotune.sample`), and how many of them are enough."""

    design: Literal["simple", "stratified", "cluster", "active"] = "simple"
    n: int = pydantic.Field(ge=1)
    strata: Words = ()
    allocation: Literal["proportional", "equal", "neyman"] = "proportional"
    cluster: str | None = None
    pps: bool = True
    aim: str | None = pydantic.Field(default=None, alias="for")
    scores: str | None = None
    floor: float | None = None
    variable: str | None = None
    poisson: bool = False
    coders: Words = ()
    overlap: float = 0.0
    blind: float = 0.0
    two: float = 0.0
    decoy: float = 0.0
    write: str | None = None
    show: Words = ()
    before: str | None = None
    after: str | None = None
    seed: int = 1
    enough: float = pydantic.Field(default=1.0, gt=0, le=1)


class StopPart(Part):
    """When rounds end: after so many; or once every standard error and every macro-F1 is as good as is wanted."""

    rounds: int | None = pydantic.Field(default=None, ge=1)
    std_error: float | None = pydantic.Field(default=None, gt=0)
    macro_f1: float | None = pydantic.Field(default=None, gt=0, lt=1)


class RoundsPart(WavePart):
    """Waves that are drawn one by one, each when people have seen what those before gave; how, from the second on.

    `first` is the size of the first, `evaluation` that of the texts that are drawn before it and kept apart.
    """

    first: int | None = pydantic.Field(default=None, ge=1)
    evaluation: int = pydantic.Field(default=0, ge=0)
    stop: StopPart = StopPart()

    def wave_of(self, number: int) -> int:
        """The number of the wave that a round is: the evaluation set, where there is one, is the first wave."""
        return number + bool(self.evaluation)

    def wave(self, number: int, variables: Collection[str]) -> WavePart:
        """How the wave so numbered is drawn; the first round simply, where its design goes by predictions."""
        options = self.model_dump(by_alias=True, exclude={"first", "evaluation", "stop"})
        if number < self.wave_of(1):
            simply = {
                name: options[name] for name in ("coders", "overlap", "show", "before", "after", "seed", "enough")
            }
            apart = {"n": self.evaluation, "for": EVALUATION, "blind": float(bool(self.coders))}
            return WavePart.model_validate(simply | apart | {"write": self._sheet("evaluation")})
        place = number - bool(self.evaluation)
        options["write"] = self._sheet(f"round_{place}")
        if place == 1:
            options["n"] = self.first or self.n
            if goes_by_predictions(self, variables):
                simple = ("design", "strata", "allocation", "for", "scores", "floor")
                options = {name: value for name, value in options.items() if name not in simple}
        return WavePart.model_validate(options)

    def _sheet(self, name: str) -> str:
        path = Path(self.write or SHEET)
        return str(path.with_name(f"{path.stem}_{name}{path.suffix}"))


def goes_by_predictions(part: WavePart, variables: Collection[str]) -> bool:
    """Whether a wave is drawn by what a model says, `variables` being those that are coded."""
    by_aim = part.aim is not None and part.aim != EVALUATION
    return by_aim or part.allocation == "neyman" or bool(set(variables) & set(part.strata))


def as_waves(value: Any) -> Any:
    """A list of waves, or one, as the block that holds them."""
    if isinstance(value, (list, tuple)):
        return {"waves": value}
    if isinstance(value, dict) and not {"pi", "draws", "waves", "rounds"} & set(value):
        return {"waves": [value]}
    return value


class SamplePart(Part):
    """How the hand-coded texts were drawn, or are to be.

    `simple` at random from the corpus, each with the probability `pi`, as a store or a table of `draws` says, or by
    this study, in `waves` that are listed, or in `rounds`.
    """

    pi: float | str | None = pydantic.Field(default=None, union_mode="left_to_right")  # "0.1" in the file is a number
    draws: str | None = None
    waves: tuple[WavePart, ...] = ()
    rounds: RoundsPart | None = None

    @property
    def draws_texts(self) -> bool:
        """Whether this study draws its texts."""
        return bool(self.waves or self.rounds)

    @property
    def at_once(self) -> int:
        """How many waves are drawn before anybody codes."""
        return self.rounds.wave_of(1) if self.rounds is not None else 1

    def planned(self, drawn: int) -> int:
        """How many waves there are to be, of which so many are drawn; a further round is somebody's decision."""
        return max(drawn, self.at_once) if self.rounds is not None else len(self.waves)

    def wave(self, number: int, variables: Collection[str] = ()) -> WavePart:
        """How the wave so numbered is drawn."""
        return self.rounds.wave(number, variables) if self.rounds is not None else self.waves[number - 1]

    def called(self, number: int) -> str:
        """What a wave is called at the beginning of a sentence.

        >>> SamplePart(rounds=RoundsPart(n=100, evaluation=50)).called(3)
        'Round 2'
        """
        if self.rounds is None:
            return f"Wave {number}"
        place = number - bool(self.rounds.evaluation)
        return f"Round {place}" if place else "The evaluation set"

    @property
    def column(self) -> str | None:
        """The column with the probabilities, where they are in one."""
        if self.drawn:
            return "pi"
        return self.pi if isinstance(self.pi, str) and self.pi != SIMPLE else None

    @property
    def drawn(self) -> bool:
        """Whether it is recorded which texts were drawn, by this study or elsewhere."""
        return bool(self.draws or self.draws_texts)


def _sample_described(schema: Schema, handler: GetJsonSchemaHandler) -> Schema:
    """The block, or in its place the probability, a wave, or a list of waves."""
    block = next(form for form in schema["anyOf"] if form.get("type") != "null")
    properties = handler.resolve_ref_schema(block)["properties"]
    waves = properties["waves"]
    return {"anyOf": [properties["pi"], waves["items"], waves, block]}


def _as_block(value: Any) -> Any:
    block = as_waves(value)
    return block if block is None or isinstance(block, (dict, pydantic.BaseModel)) else {"pi": block}


Sample = Annotated[SamplePart | None, Shorthand(_as_block, _sample_described)]
