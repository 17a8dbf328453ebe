"""Which runtime codes texts, and why: a short trial of those that are there, and its outcome in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from annotune.errors import AnnotuneError, counted
from annotune.readable import Readable
from annotune.runtimes.engines import AUTO, EXACT, FLOAT32, RUNTIMES
from annotune.runtimes.proof import agreement

TEXTS, TIMED, ROUNDS = 1000, 200, 3  # texts whose labels are compared; that are timed, and how often
FEWEST = 30_000  # texts to be coded, below which a trial takes longer than it saves
GAIN = 1.1  # times as fast as float32, below which nothing is changed for


@dataclass(frozen=True)
class Trial:
    """One runtime in a trial.

    Attributes
    ----------
    runtime
        Its name.
    texts_per_second
        How fast it was; None where it could not compute.
    n, equal
        Answers compared with those of float32, and how many are the same; 0 where it was not fast enough to be asked.
    why_not
        Why it was not taken; empty for the one that was.
    """

    runtime: str
    texts_per_second: float | None = None
    n: int = 0
    equal: int = 0
    why_not: str = ""


@dataclass(frozen=True, repr=False)
class Choice(Readable):
    """Which runtime codes texts.

    Attributes
    ----------
    precision
        What was asked for.
    runtime
        What computes.
    why
        A sentence.
    trials
        What was tried, where anything was.
    """

    precision: str
    runtime: str
    why: str
    trials: tuple[Trial, ...] = ()

    def _parts(self) -> Iterator[str]:
        yield self.why
        for trial in self.trials:
            if trial.why_not:
                yield f"{trial.runtime}: {trial.why_not}."

    def as_json(self) -> dict[str, Any]:
        """What a record holds of it."""
        return asdict(self) | {"trials": [asdict(trial) for trial in self.trials]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Choice:
        """A choice as a record holds it."""
        return cls(**{**content, "trials": tuple(Trial(**trial) for trial in content["trials"])})


def without_trial(precision: str, there: Sequence[str], n_texts: int | None = None) -> Choice | None:
    """The choice where nothing has to be tried; None where it has.

    Parameters
    ----------
    there
        The runtimes of this machine.
    n_texts
        How many are to be coded.
    """
    if precision in RUNTIMES:
        if precision not in there:
            return Choice(precision, FLOAT32, f"Computed in {FLOAT32}: {precision} is not there on this machine.")
        return Choice(precision, precision, f"Computed in {precision}, as was asked for.")
    if n_texts is not None and n_texts < FEWEST:
        return too_few(precision, n_texts)
    if len(candidates(precision, there)) < 2:
        return Choice(precision, FLOAT32, f"Computed in {FLOAT32}: this machine has nothing else.")
    return None


def too_few(precision: str, n: int) -> Choice:
    """The choice where a trial would not be worth it."""
    of = counted(n, "text is", "texts are")
    return Choice(precision, FLOAT32, f"Computed in {FLOAT32}: {of} too few to try anything else.")


def candidates(precision: str, there: Sequence[str]) -> list[str]:
    """The runtimes that may be taken: with `exact` only those that compute in 32 bits."""
    return [name for name in there if RUNTIMES[name].exact or precision == AUTO]


def choose(
    precision: str, there: Sequence[str], seconds: Callable[[str], float], coded: Callable[[str], pl.DataFrame]
) -> Choice:
    """The fastest runtime that proves itself: all are timed in turn, and then compared with float32, fastest first.

    Parameters
    ----------
    precision
        `exact` or `auto`.
    there
        The runtimes of this machine.
    seconds
        How long a text takes in a runtime.
    coded
        The codings of some texts by a runtime: the very ones that would be handed out.
    """
    assert precision in (EXACT, AUTO)
    times, trials = _timed(candidates(precision, there), seconds)
    reference = coded(FLOAT32)
    chosen = FLOAT32
    for name in sorted(times, key=times.__getitem__):
        trial = Trial(name, _rate(times[name]))
        if name == FLOAT32:
            continue
        if chosen != FLOAT32:
            why = f"{chosen} is faster"
        elif times[name] * GAIN > times[FLOAT32]:
            why = "hardly faster than float32"
        else:
            found = agreement(reference, coded(name))
            why = found.why_not(RUNTIMES[name].exact)
            trial = Trial(name, trial.texts_per_second, found.n, found.equal)
            chosen = chosen if why else name
        trials.append(Trial(**{**asdict(trial), "why_not": why}))
    beaten = "" if chosen == FLOAT32 else f"{chosen} is faster"
    trials.insert(0, Trial(FLOAT32, _rate(times[FLOAT32]), why_not=beaten))
    return Choice(precision, chosen, _in_words(chosen, trials), tuple(trials))


def _rate(seconds: float) -> float:
    return float(f"{1 / seconds:.4g}")


def _timed(names: Sequence[str], seconds: Callable[[str], float]) -> tuple[dict[str, float], list[Trial]]:
    """The shortest of several times of each, taken in turn; and those that could not compute."""
    times: dict[str, float] = {}
    failed: list[Trial] = []
    for _ in range(ROUNDS):
        for name in names:
            if name in (trial.runtime for trial in failed):
                continue
            try:
                times[name] = min(seconds(name), times.get(name, float("inf")))
            except AnnotuneError as error:
                if name == FLOAT32:
                    raise
                failed.append(Trial(name, why_not=error.what.rstrip(".")))
    return times, failed


def _in_words(chosen: str, trials: Sequence[Trial]) -> str:
    if chosen == FLOAT32:
        return f"Computed in {FLOAT32}: nothing that proved itself was faster."
    speed = {trial.runtime: trial.texts_per_second or 0.0 for trial in trials}
    of = next(trial for trial in trials if trial.runtime == chosen)
    times = speed[chosen] / speed[FLOAT32]
    share = f"{of.equal:,} of {of.n:,} labels were those of {FLOAT32}, and no label's share left its interval"
    return f"Computed in {chosen}, {times:.1f} times as fast as {FLOAT32}: in a trial {share}."
