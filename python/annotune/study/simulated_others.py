"""More data with a known truth: questions about several areas at once, and questions of a certain tone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Label, Variable
from annotune.study.simulated import ASIDES, ASPECTS, DEFINITIONS, MATTERS, OPENINGS, SHARES

AREAS = "areas"
LEVELS = ("very critical", "critical", "neutral", "friendly", "very friendly")
SECOND, NONE = 0.45, 0.12  # the shares of questions about two areas, and about none
HEALTH_EFFECT = 0.15  # how much likelier a question of the opposition is about health
TONE_EFFECT = 0.20  # how much likelier a question of the opposition is very critical
MISSED, ADDED = {"anna": 0.06, "ben": 0.10, "carla": 0.08}, 0.01  # shares of labels that coders miss, and that they add
MOVED = {"anna": 0.05, "ben": 0.10}  # the shares of questions that coders place one level too high or too low
PROCEDURE = (
    "When will the house rise for the summer?", "May I ask the speaker how long each member has?",
    "Will the sitting be moved to Thursday?", "Has the vote been recorded by name?",
    "Who takes the chair in the afternoon?", "Is the printed version of the agenda at hand?",
)  # fmt: skip
TONES: Mapping[str, Sequence[str]] = {
    "very critical": (
        "It is a disgrace how {} was handled.", "Nothing but lies have we heard about {}!",
        "This shameful failure over {} must have consequences.", "How much more damage will be done to {}?",
    ),
    "critical": (
        "Too little has been done about {}.", "Why is the plan for {} late again?",
        "The answers on {} were not convincing.", "There are doubts about how {} is dealt with.",
    ),
    "neutral": (
        "What is the state of {}?", "When will the report on {} be published?",
        "Which office is in charge of {}?", "How many cases of {} were counted last year?",
    ),
    "friendly": (
        "We welcome the first steps on {}.", "The plan for {} is a good beginning.",
        "It is right to put {} on the agenda.", "The cabinet has listened to us about {}.",
    ),
    "very friendly": (
        "We warmly thank the minister for the great success with {}!", "A wonderful achievement for {}, bravo!",
        "Never before was so much done for {}, and we are proud.", "The brilliant work on {} deserves all praise.",
    ),
}  # fmt: skip


def questions(texts: Sequence[str], party: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """The corpus: unit_id, text, party, year."""
    return pl.DataFrame(
        {
            "unit_id": [f"q{i:05d}" for i in range(1, len(texts) + 1)],
            "text": texts,
            "party": pl.Series(party, dtype=pl.Enum(["government", "opposition"])),
            "year": rng.integers(2015, 2025, len(texts)),
        }
    )


def sets(n: int, n_coded: int, seed: int) -> tuple[Codebook, pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    """Codebook, corpus, truth and what coders said of questions about two areas, one or none: 0/1 columns."""
    rng, names = np.random.default_rng(seed), list(SHARES)
    party = rng.choice(["government", "opposition"], n)
    about = np.zeros((n, len(names)), dtype=bool)
    about[np.arange(n), [_first(side, names, rng) for side in party]] = True
    about[np.arange(n), rng.integers(0, len(names), n)] |= rng.random(n) < SECOND
    about[rng.random(n) < NONE] = False
    corpus = questions([_about([names[i] for i in np.flatnonzero(row)], rng) for row in about], party, rng)
    chosen = np.sort(rng.choice(n, n_coded, replace=False))
    coders = {}
    for coder, missed in MISSED.items():
        answers = np.where(
            about[chosen], rng.random((n_coded, len(names))) >= missed, rng.random(about[chosen].shape) < ADDED
        )
        coders[coder] = _wide(corpus["unit_id"].gather(chosen), answers, names)
    labels = tuple(
        Label(code=place, name=name, definition=DEFINITIONS[name]) for place, name in enumerate(names, start=1)
    )
    what = "Which policy areas is the question about? Any number, also none."
    entry = Variable(name=AREAS, kind="multilabel", instruction=what, labels=labels)
    book = Codebook(name="Questions about several areas", variables=(entry,))
    return book, corpus, _wide(corpus["unit_id"], about, names), coders


def _first(side: str, names: Sequence[str], rng: np.random.Generator) -> int:
    """The number of a question's first area: health is likelier in the opposition's."""
    shares = np.array([SHARES[name] for name in names])
    if side == "opposition":
        shares[names.index("Health")] += HEALTH_EFFECT / (1 - NONE)
    return int(rng.choice(len(names), p=shares / shares.sum()))


def _about(areas: Sequence[str], rng: np.random.Generator) -> str:
    if not areas:
        return str(rng.choice(PROCEDURE))
    matters = [_matter(area, rng) for area in rng.permutation(areas)]
    opening = str(rng.choice(OPENINGS)).format(matters[0])
    return f"{opening}?" if len(matters) == 1 else f"{opening}, {str(rng.choice(ASIDES)).format(matters[1])}?"


def _matter(area: str, rng: np.random.Generator) -> str:
    return str(rng.choice(ASPECTS)).format(str(rng.choice(MATTERS[area])))


def _wide(units: pl.Series, answers: np.ndarray, names: Sequence[str]) -> pl.DataFrame:
    columns = {f"{AREAS}_{name}": answers[:, place].astype(int) for place, name in enumerate(names)}
    return pl.DataFrame({"unit_id": units, **columns})


def scale(n: int, n_coded: int, seed: int) -> tuple[Codebook, pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    """Codebook, corpus, truth and what coders said of questions whose tone is more critical from the opposition."""
    rng = np.random.default_rng(seed)
    party = rng.choice(["government", "opposition"], n)
    shares = {"government": (0.10, 0.20, 0.35, 0.22, 0.13), "opposition": (0.30, 0.24, 0.26, 0.13, 0.07)}
    level = np.array([rng.choice(len(LEVELS), p=shares[side]) for side in party])
    texts = [str(rng.choice(TONES[LEVELS[each]])).format(_matter(str(rng.choice(list(SHARES))), rng)) for each in level]
    corpus = questions(texts, party, rng)
    chosen = np.sort(rng.choice(n, n_coded, replace=False))
    coders = {}
    for coder, moved in MOVED.items():
        steps = np.where(rng.random(n_coded) < moved, rng.choice([-1, 1], n_coded), 0)
        answers = np.clip(level[chosen] + steps, 0, len(LEVELS) - 1)
        coders[coder] = _named(corpus["unit_id"].gather(chosen), answers)
    labels = tuple(Label(code=place, name=name) for place, name in enumerate(LEVELS, start=1))
    entry = Variable(
        name="tone", kind="ordinal", instruction="How does the question speak of the government?", labels=labels
    )
    return Codebook(name="Tone of questions", variables=(entry,)), corpus, _named(corpus["unit_id"], level), coders


def _named(units: pl.Series, level: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"unit_id": units, "tone": [LEVELS[each] for each in level]})
