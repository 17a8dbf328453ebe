"""Average marginal effects of a logit: by how many points the probability changes with a covariate, in these texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import expit

from annotune.correction.families import Floats
from annotune.correction.result import rows_of

WORD = re.compile(r"[^\W\d]\w*")


def margins(
    design: Floats, weight: Floats, names: Sequence[str], beta: Floats, covariance: Floats
) -> tuple[list[str], Floats, Floats]:
    """The terms, their average marginal effects (m,), and the covariance of these (m, m), by the delta method.

    Of a covariate that is 0 or 1, and of a category beside the reference, the change of the mean probability with it;
    of another the mean derivative. Covariates count as fixed, as in Stata's margins.

    Parameters
    ----------
    design, weight
        Covariates (N, k) and survey weights (N,) of all texts.
    names, beta, covariance
        Of the k coefficients.

    Examples
    --------
    >>> design = np.column_stack([np.ones(4), [0.0, 1.0, 0.0, 1.0]])
    >>> beta, covariance = np.array([0.0, np.log(3)]), np.eye(2) / 100
    >>> terms, effects, _ = margins(design, np.ones(4), ["Intercept", "left"], beta, covariance)
    >>> terms, effects.round(3).tolist()
    (['left'], [0.25])
    """
    share, linear = weight / weight.sum(), design @ beta
    slope = expit(linear) * (1 - expit(linear))
    terms, effects, gradients = [], [], []
    for place, name in enumerate(names):
        column = design[:, place]
        if name == "Intercept":
            continue
        if np.isin(column, (0.0, 1.0)).all():
            others = [i for i, other in enumerate(names) if _stem(other) == _stem(name) != other]
            effect, gradient = _change(design, share, beta, place, others)
        else:
            curve = slope * (1 - 2 * expit(linear))
            effect = float(share @ slope) * beta[place]
            gradient = beta[place] * ((share * curve) @ design)
            gradient[place] += share @ slope
        terms.append(name)
        effects.append(effect)
        gradients.append(gradient)
    jacobian = np.array(gradients).reshape(len(terms), len(names))
    return terms, np.array(effects), jacobian @ covariance @ jacobian.T


def _change(design: Floats, share: Floats, beta: Floats, place: int, others: list[int]) -> tuple[float, Floats]:
    """The mean probability with the column at `place` and without it and its sister columns, and the gradient."""
    ends = []
    for value in (1.0, 0.0):
        changed = design.copy()
        changed[:, others] = 0.0
        changed[:, place] = value
        likely = expit(changed @ beta)
        ends.append((float(share @ likely), (share * likely * (1 - likely)) @ changed))
    return ends[0][0] - ends[1][0], np.asarray(ends[0][1] - ends[1][1])


def _stem(name: str) -> str:
    """The covariate that a category belongs to."""
    return name.partition("[")[0] if name.endswith("]") else name


def stand_alone(design: Floats, names: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether every covariate is in one term alone, so that the change with a term is that with the covariate.

    >>> x = np.array([[1.0, 0.5, 0.25], [1.0, 2.0, 4.0]])
    >>> stand_alone(x, ["Intercept", "x", "I(x ** 2)"], ["x"]), stand_alone(x, ["Intercept", "x", "z"], ["x", "z"])
    (False, True)
    """
    stems = dict.fromkeys(_stem(name) for name in names)
    used = [word for stem in stems for word in set(WORD.findall(stem)) if word in columns]
    categories = [i for i, name in enumerate(names) if _stem(name) != name]
    plain = not any(":" in re.sub(r"\[[^\]]*\]", "", name) for name in names)
    return plain and len(set(used)) == len(used) and bool(np.isin(design[:, categories], (0.0, 1.0)).all())


def margins_table(
    method: str,
    effects: tuple[list[str], Floats, Floats],
    n: int,
    level: float,
    df: float,
) -> pl.DataFrame:
    """The rows of one method, as those of the coefficients."""
    terms, values, covariance = effects
    names = [(None, term) for term in terms]
    return rows_of(method, names, values, covariance, n, level, df).drop("equation")
