"""Who codes which of the texts that were drawn, in which order, and what they see meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from annotune.errors import AnnotuneError
from annotune.records.files import is_plain

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Work:
    """Assignments, (a,) each: the text and the coder by their numbers, the text's place in the coder's order, the arm.

    Attributes
    ----------
    blind
        Whether the coder sees no proposal.
    """

    text: Ints
    coder: Ints
    place: Ints
    blind: NDArray[np.bool_]


def require_people(coders: Sequence[str], overlap: float, blind: float) -> None:
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
    for argument, share in (("overlap", overlap), ("blind", blind)):
        if not 0 <= share <= 1:
            raise AnnotuneError(f"{argument}={share:g} is no share.", "Give a number from 0 to 1.")
    if overlap and len(coders) < 2:
        raise AnnotuneError("overlap= needs two coders.", "Name them with coders=.")
    if blind and not coders:
        raise AnnotuneError("blind= needs coders, from whom proposals are hidden.", "Name them with coders=.")


def assigned(n: int, n_coders: int, overlap: float, blind: float, rng: np.random.Generator) -> Work:
    """Divide n texts among coders: a random part is coded by two of them, the others by one, the work evenly.

    Every pair of coders has as many texts in common as the others, but for one. Of each coder's texts a random part is
    coded blind.

    Examples
    --------
    >>> work = assigned(10, 2, overlap=0.2, blind=0.5, rng=np.random.default_rng(1))
    >>> np.bincount(work.coder).tolist(), len(np.unique(work.text)), int(work.blind.sum())
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
    return Work(both[:, 0], both[:, 1], _places(load), _blind(load, blind, rng))


def _places(load: Ints) -> Ints:
    """1, 2, ... for each coder in turn."""
    return np.concatenate([np.arange(1, n + 1) for n in load]).astype(np.int64)


def _blind(load: Ints, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A random part of each coder's texts, and no coder without where there is such a part."""
    parts = []
    for n in load:
        hidden = min(n, max(round(share * n), 1 if share else 0))
        parts.append(rng.permutation(n) < hidden)
    return np.concatenate(parts)
