"""May a model replace a coder? The alternative annotator test of Calderon, Reichart and Dror (2025)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from annotune.agreement.estimators import Level, agreement_weights, plan
from annotune.agreement.intervals import Method, interval
from annotune.agreement.pairs import over_units, require_coders
from annotune.agreement.patterns import (
    ABSENT,
    Floats,
    Ints,
    Patterns,
    Statistic,
    clustered,
    counts,
    distinct,
    restricted,
)
from annotune.agreement.ratings import Ratings
from annotune.agreement.reliability import Options, described, each, framed, measured_by
from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.numbers import p_equals

FEWEST = 30  # texts of a coder, below which the t-test is not trusted
FALSE_DISCOVERIES = 0.05
ENOUGH = 0.5  # the winning rate from which the model may replace a coder
NEAR = 1e-9  # two scores that differ by no more than rounding


@dataclass(frozen=True)
class _Contest:
    """One coder against the model, in the eyes of the other coders.

    `as_near` and `nearer` have a row per pattern of codings: whether the model is as near to the others as the coder
    is or nearer (W of the model in the paper), and whether it is so the other way round. `patterns` are those of texts
    that the coder, the model and one of the others coded.
    """

    coder: str
    patterns: Patterns
    as_near: Floats
    nearer: Floats

    @property
    def texts(self) -> int:
        """How many texts it is about."""
        return int(self.patterns.freq.sum())


def replacement_test(
    codings: Any,
    models: str | Sequence[str],
    variable: str | None = None,
    codebook: Codebook | None = None,
    level: Level | None = None,
    epsilon: float = 0.15,
    by: str | Sequence[str] | None = None,
    ci: Method = "bootstrap",
    n_boot: int = 1000,
    cluster: str | None = None,
    seed: int = 1,
) -> pl.DataFrame:
    """May a model replace a coder? The alternative annotator test.

    Each coder is left out in turn, and the other coders judge: on how many texts is the model's answer as near to
    theirs as the coder's, or nearer? The model wins against a coder where the share of texts on which the coder is as
    near or nearer is, beyond chance, less than `epsilon` above the model's (a one-sided t-test; over coders the false
    discovery rate is held at 5 % by Benjamini and Yekutieli's procedure). It may replace a coder where it wins against
    half of them.

    Parameters that are not named here are those of `reliability`. With `cluster` the tests have an observation
    per cluster.

    Parameters
    ----------
    models
        The coder, or coders, that might replace one of the others.
    level
        How near two answers are: the same or not for labels, the squared distance of their places for ordered labels
        (`interval`: of their codes), the shared labels for sets (`jaccard`); or as named, see `reliability`.
    epsilon
        What coding by hand costs: how much worse a model may be, as a share of texts. The authors advise .2 for
        experts, .15 for skilled coders such as trained students, .1 for crowd workers.

    Returns
    -------
    polars.DataFrame
        In the columns of `reliability`. For each model and coder a row with the metric `advantage`, the share of texts
        on which the model is as near to the other coders or nearer, with the test in the note; below them the mean of
        these shares (`coder_a` is `people`), which compares models, and `winning_rate`, the share of coders against
        whom the model wins. Coders with fewer than 30 such texts are not tested. The last note says where always giving
        the most frequent label would pass as well: where a label is rare, passing is easy.

    Raises
    ------
    AnnotuneError
        For a model that did not code, an epsilon outside 0 to 1, and what `reliability` refuses.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> truth = ["x", "y", "z"] * 30
    >>> odd = ["y" if i % 5 == 0 else label for i, label in enumerate(truth)]
    >>> answers = {"ann": truth, "ben": odd, "cem": truth, "gpt": truth}
    >>> wide = pl.DataFrame({"unit_id": [f"text {i}" for i in range(90)], **answers})
    >>> table = at.replacement_test(at.read_codings(wide, variable="v"), "gpt")
    >>> table.select("metric", "coder_a", pl.col("estimate").round(3)).rows()
    [('advantage', 'ann', 1.0), ('advantage', 'ben', 1.0), ('advantage', 'cem', 1.0), ('advantage', 'people', 1.0),
    ('winning_rate', 'people', 1.0)]

    References
    ----------
    Calderon, N., Reichart, R. and Dror, R. (2025). The Alternative Annotator Test for LLM-as-a-Judge. ACL 2025,
    16051-16081. Benjamini, Y. and Yekutieli, D. (2001). Annals of Statistics 29, 1165-1188.
    """
    if not 0 <= epsilon < 1:
        raise AnnotuneError(f"epsilon={epsilon} is no share of texts.", "Give 0.2, 0.15 or 0.1.")
    options, rows = over_units(ci, n_boot, cluster, seed), []
    names = [models] if isinstance(models, str) else list(models)
    if not names:
        raise AnnotuneError("No model was named.", "Name the coders that might replace one of the others.")
    for group, ratings in each(codings, variable, codebook, by, cluster, names):
        require_coders(names, ratings.coders)
        people = np.array([coder not in names for coder in ratings.coders])
        weights = agreement_weights(ratings, scale := _scale(ratings, level), level)
        panel = _Panel(ratings, people, weights, epsilon, options)
        for name in names:
            row = described(ratings, "advantage", scale) | {"coder_b": name, "n_coders": int(people.sum())}
            rows += [group | row | cells for cells in panel.rows(ratings.crossed[:, ratings.coders.index(name)])]
    return framed(rows, by)


def _scale(ratings: Ratings, level: Level | None) -> str:
    """The level at which answers are near; among several that which the authors take: squares, and shared labels."""
    return plan(ratings, "weighted_percent", level)[-1][1]


@dataclass(frozen=True)
class _Panel:
    """The people (a mask of coders), how near answers are (q x q), and by how much a model may be worse."""

    ratings: Ratings
    people: NDArray[np.bool_]
    weights: Floats
    epsilon: float
    options: Options

    def rows(self, answers: Ints) -> Iterator[dict[str, Any]]:
        """A row for each coder, their mean, and the winning rate of a model with these answers (N,)."""
        contests = self.contests(answers)
        if len(contests) < 2:
            yield _alone("fewer than two people: nobody is left to judge between a coder and the model")
            return
        if not any(contest.texts for contest in contests):
            yield _alone("no unit was coded by the model and by two people")
            return
        p_values = self.p_values(contests)
        for contest in contests:
            yield self._of_coder(contest, p_values.get(contest.coder))
        if not p_values:
            yield _alone(f"no coder has {FEWEST} texts that the model and another coder coded")
            return
        yield from self._of_people([contest for contest in contests if contest.coder in p_values], p_values, answers)

    def contests(self, answers: Ints) -> list[_Contest]:
        """Each person against the model."""
        return [self._contest(int(own), answers) for own in np.flatnonzero(self.people)]

    def _contest(self, own: int, answers: Ints) -> _Contest:
        """Who is nearer to the other people, text by text."""
        judges = self.people & (np.arange(len(self.people)) != own)
        votes = np.sort(self.ratings.crossed[:, judges], axis=1)
        patterns = distinct(np.column_stack([self.ratings.crossed[:, own], answers, votes]))
        judged = (patterns.rows[:, :2] != ABSENT).all(1) & (patterns.rows[:, 2:] != ABSENT).any(1)
        patterns = restricted(patterns, judged)
        table = counts(patterns.rows[:, 2:], self.weights.shape[0])
        near = table @ self.weights / table.sum(1, keepdims=True)  # of each possible answer to those of the judges
        coder, model = (near[np.arange(len(near)), patterns.rows[:, side]] for side in (0, 1))
        as_near, nearer = model >= coder - NEAR, coder >= model - NEAR
        return _Contest(self.ratings.coders[own], patterns, as_near.astype(float), nearer.astype(float))

    def p_values(self, contests: Sequence[_Contest]) -> dict[str, float]:
        """The adjusted p-value against each coder with texts enough; a model wins where it is at most 5 %."""
        from scipy.stats import false_discovery_control

        p_values = {contest.coder: self._p_value(contest) for contest in contests if contest.texts >= FEWEST}
        adjusted = false_discovery_control(list(p_values.values()), method="by") if p_values else []
        return dict(zip(p_values, map(float, adjusted), strict=True))

    def _p_value(self, contest: _Contest) -> float:
        """Of a coder who is better by epsilon, or more, seeming as little better as this one: the paper's t-test."""
        from scipy.stats import t

        gap = _mean(contest, contest.nearer - contest.as_near)
        if self.ratings.cluster is not None:
            gap = clustered(gap, self.ratings.cluster)
        df = int(gap.patterns.freq.sum()) - 1
        error = interval(gap, "analytic", self.options.n_boot, self.options.seed, df).se
        excess = gap.estimate() - self.epsilon
        return float(excess >= 0) if error is None else float(t.cdf(excess / error, df))  # None: the same on every text

    def _of_coder(self, contest: _Contest, p: float | None) -> dict[str, Any]:
        """The row of one coder who is left out."""
        row = {"coder_a": contest.coder, "n_units": contest.texts, "n_pairable": contest.texts}
        if not contest.texts:
            return row | {"note": "shares no unit with the model and another coder"}
        measured = measured_by(_mean(contest, contest.as_near), self.ratings, self.options, "percent")
        if p is None:
            return row | measured | {"note": f"not tested: fewer than {FEWEST} texts"}
        verdict = "the model may stand in" if p <= FALSE_DISCOVERIES else "not shown that the model may stand in"
        return row | measured | {"note": f"{verdict} (epsilon {self.epsilon:g}, one-sided {p_equals(p)}, adjusted)"}

    def _of_people(
        self, tested: Sequence[_Contest], p_values: dict[str, float], answers: Ints
    ) -> Iterator[dict[str, Any]]:
        """The mean advantage over the coders who were tested, and how many of them the model wins against."""
        mean, rate = _mean_over_coders(tested), _winning_rate(p_values)
        row = {"coder_a": "people", "n_coders": len(tested), "n_pairable": int(mean.patterns.freq.sum())}
        yield row | measured_by(mean, self.ratings, self.options, "percent")
        verdict = "the model may replace a coder" if rate >= ENOUGH else "not shown that the model may replace a coder"
        notes = [f"{verdict} (epsilon {self.epsilon:g})", *self._doubts(rate, len(tested), answers)]
        yield row | {"metric": "winning_rate", "estimate": rate, "note": "; ".join(notes)}

    def _doubts(self, rate: float, coders: int, answers: Ints) -> Iterator[str]:
        """What takes the worth from a test that was passed."""
        if coders < 3:
            yield "the authors advise three coders or more"
        usual = int(np.bincount(self.ratings.value[self.people[self.ratings.coder]]).argmax())
        same = self.contests(np.where(answers == ABSENT, ABSENT, usual))
        if rate >= ENOUGH and _winning_rate(self.p_values(same)) >= ENOUGH:
            label = self.ratings.categories[usual]
            what = repr(label) if isinstance(label, str) else "the most frequent set of labels"
            yield f"always giving {what} would pass as well, so passing is no evidence here"


def _alone(note: str) -> dict[str, Any]:
    return {"coder_a": "people", "note": note}


def _winning_rate(p_values: dict[str, float]) -> float:
    return float(np.mean([p <= FALSE_DISCOVERIES for p in p_values.values()]))


def _mean(contest: _Contest, values: Floats) -> Statistic:
    terms = np.column_stack([values, np.ones(len(values))])
    return Statistic(contest.patterns, terms, lambda sums: sums[..., 0] / sums[..., 1])


def _mean_over_coders(contests: Sequence[_Contest]) -> Statistic:
    """The mean of the coders' advantages, each over the coder's own texts."""
    own = np.column_stack([contest.patterns.of_unit for contest in contests])
    patterns = distinct(own)
    patterns = restricted(patterns, (patterns.rows != ABSENT).any(1))
    has = patterns.rows != ABSENT
    won = [np.where(has[:, j], contest.as_near[patterns.rows[:, j]], 0.0) for j, contest in enumerate(contests)]
    k = len(contests)
    terms = np.column_stack([*won, has.astype(float)])
    return Statistic(patterns, terms, lambda sums: (sums[..., :k] / sums[..., k:]).mean(-1))
