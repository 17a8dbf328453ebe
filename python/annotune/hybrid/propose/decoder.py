"""A decoder in this process as a proposer: it is asked by the probabilities of the labels' own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from annotune.data.codebook import Variable
from annotune.hybrid.propose.provider import Answer, Question, Watch, from_codings
from annotune.hybrid.propose.tuned import texts_of
from annotune.models.zeroshot import Asked, ready
from annotune.network.base import find_base, load_pair
from annotune.network.machine import choose_device

AT_ONCE = 50  # texts, after which what is known is written down; the codebook is read anew for as many


@dataclass(frozen=True)
class Decoder:
    """A decoder in this process, with the codebook read once for all texts; nothing leaves the machine."""

    base: str
    variables: tuple[Variable, ...]
    examples: int = 0
    device: str = "auto"
    kind: str = "decoder"

    @property
    def model(self) -> str:
        """Its name, without the folder that it is in."""
        return find_base(self.base).name.split("/")[-1]

    @property
    def prompt(self) -> str:
        """The codebook, in the model's own template."""
        return ""  # it is a part of the settings' codebook, and written anew from it by the model's template

    @property
    def settings(self) -> dict[str, Any]:
        """The model's revision, and how many examples it is shown."""
        base = find_base(self.base)
        return {"base": base.name, "revision": base.revision, "examples": self.examples}

    @cached_property
    def _asked(self) -> Asked:
        pair = load_pair(find_base(self.base), choose_device(self.device), speaking=True)
        return ready(self.variables, *pair, self.examples)

    def answers(self, questions: Sequence[Question], _: Watch) -> Iterator[Answer]:
        """The decoder's codes, some texts at a time, so that what was done is kept when it is stopped."""
        for start in range(0, len(questions), AT_ONCE):
            part = questions[start : start + AT_ONCE]
            yield from from_codings(self._asked.code(texts_of(part), self.model, what=""), part)
