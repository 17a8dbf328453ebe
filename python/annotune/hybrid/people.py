"""Who codes which of the texts that were drawn, in which order, and what they see meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from annotune.errors import AnnotuneError
from annotune.records.files import is_plain

Ints = NDArray[np.int64]
ARMS = ("open", "blind", "two", "decoy")  # what a coder sees beside a text


@dataclass(frozen=True)
class Shares:
    """The share of each coder's texts in each arm; the others are open, and shown with one model's proposal.

    Attributes
    ----------
    blind
        Without a proposal.
    two
        With those of two models, in random order.
    decoy
        With a label that no model proposed; coded again without it, later.
    """

    blind: float = 0.0
    two: float = 0.0
    decoy: float = 0.0


@dataclass(frozen=True)
class Work:
    """Assignments, (a,) each: the text and the coder by their numbers, the text's place in the coder's order, the arm.

    Attributes
    ----------
    arm
        Its place in `ARMS`.
    """

    text: Ints
    coder: Ints
    place: Ints
    arm: Ints


def require_people(coders: Sequence[str], overlap: float, shares: Shares) -> None:
    """Refuse coders of one name, names that no file can have, and shares that cannot be."""
    seen: dict[str, str] = {}
    for name in coders:
        if not is_plain(name):
            what = f"coders=: a sheet cannot be named after {name!r}."
            raise AnnotuneError(what, "Use letters and digits, beginning with one.")
        if name.casefold() in seen:
            what = f"coders=: two coders are called {name!r}."
            raise AnnotuneError(what, "Give each a name of their own, which differs in more than capitals.")
        seen[name.casefold()] = name
    for argument, share in {"overlap": overlap, **asdict(shares)}.items():
        if not 0 <= share <= 1:
            raise AnnotuneError(f"{argument}={share:g} is no share.", "Give a number from 0 to 1.")
    if sum(astuple(shares)) > 1 + 1e-9:
        what = f"blind=, two= and decoy= add up to {sum(astuple(shares)):g}."
        raise AnnotuneError(what, "Give shares of each coder's texts that add up to 1 at most.")
    if overlap and len(coders) < 2:
        raise AnnotuneError("overlap= needs two coders.", "Name them with coders=.")
    for argument, share in asdict(shares).items():
        if share and not coders:
            raise AnnotuneError(f"{argument}= needs coders, among whose texts it is drawn.", "Name them with coders=.")


def require_seed(seed: int) -> None:
    """Refuse a seed of which no random numbers can be made."""
    if seed < 0:
        raise AnnotuneError(f"seed={seed} is below 0.", "Give 0 or more.")


def assigned(n: int, n_coders: int, overlap: float, shares: Shares, rng: np.random.Generator) -> Work:
    """Divide n texts among coders: a random part is coded by two of them, the others by one, the work evenly.

    Every pair of coders has as many texts in common as the others, but for one. Which of a coder's texts are in which
    arm is drawn at random.

    Examples
    --------
    >>> work = assigned(10, 2, overlap=0.2, shares=Shares(blind=0.5), rng=np.random.default_rng(1))
    >>> np.bincount(work.coder).tolist(), len(np.unique(work.text)), int((work.arm == ARMS.index("blind")).sum())
    ([6, 6], 10, 6)
    """
    order, shared = rng.permutation(n), round(overlap * n)
    pairs = list(combinations(range(n_coders), 2))
    rng.shuffle(pairs)
    by_two = [(text, coder) for i, text in enumerate(order[:shared]) for coder in pairs[i % len(pairs)]]
    load = np.bincount([coder for _, coder in by_two], minlength=n_coders)
    by_one = []
    for text in order[shared:]:
        coder = int(load.argmin())
        load[coder] += 1
        by_one.append((text, coder))
    both = np.array(by_two + by_one, dtype=np.int64).reshape(-1, 2)
    both = both[rng.permutation(len(both))]
    both = both[np.argsort(both[:, 1], kind="stable")]  # by coder, each in a random order
    return Work(both[:, 0], both[:, 1], _places(load), _arms(load, shares, rng))


def _places(load: Ints) -> Ints:
    """1, 2, ... for each coder in turn."""
    return np.concatenate([np.arange(1, n + 1) for n in load]).astype(np.int64)


def _arms(load: Ints, shares: Shares, rng: np.random.Generator) -> Ints:
    """Random parts of each coder's texts, and no coder without where there is such a part and texts are left."""
    parts = []
    for n in load:
        order, arm, start = rng.permutation(n), np.zeros(n, dtype=np.int64), 0
        for name, share in asdict(shares).items():
            end = min(n, start + max(round(share * n), 1 if share else 0))
            arm[(order >= start) & (order < end)] = ARMS.index(name)
            start = end
        parts.append(arm)
    return np.concatenate(parts)
