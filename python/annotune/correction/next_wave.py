"""What further codings are expected to do to corrected estimates, by those that were made: a wave more.

Waves are combined by their parts of the codings (`data.waves`). With a wave of m texts after n, those before count
n / (n + m) of what they did, so that of their variance its square is left, and the new one adds its own. That the model
learns from the further codings too, and errs less, is not counted: intervals tend to become narrower than is said.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import blanks_as_null
from annotune.correction.families import Floats
from annotune.correction.formulas import parse
from annotune.correction.labelled import Labelled, labelled
from annotune.correction.plan_quantities import Quantities, coefficient_quantities
from annotune.correction.text_scores import proportional


def next_standard_errors(
    data: pl.DataFrame,
    formula: str,
    *,
    n: int,
    score: Floats | None = None,
    model: str = "linear",
    cluster: str | None = None,
    variable: str,
    **columns: Any,
) -> pl.DataFrame:
    """The standard errors of a regression's coefficients now, and with n further codings.

    Parameters
    ----------
    data
        N texts, as for `correct`: predictions for all, gold for those that were coded.
    formula, model, cluster
        The regression, as for `plan_sample`.
    n, score
        How many further texts are to be coded; and of an active draw how much it matters to code each text (N,), in
        proportion to which it is drawn. Without one they are drawn simply.
    variable, **columns
        The coded variable, and the columns gold, predicted, pi and wave, as for `plan_sample`.

    Returns
    -------
    polars.DataFrame
        One row per coefficient: `term`, `now`, `expected`; both by the plan, so that their relation is what counts.

    Raises
    ------
    AnnotuneError
        For a regression that cannot be planned for: predicted covariates, fixed effects, other models.
    """
    parsed = parse(formula)
    beside = [reference.column for reference in parsed.within(parsed.terms).values()] + ([cluster] if cluster else [])
    gaps = [pl.col(name).is_null() for name in beside]  # of which the correction itself has told
    kept = blanks_as_null(data, beside).select(~pl.any_horizontal(pl.repeat(False, pl.len()), *gaps)).to_series()
    whole, score = data.filter(kept), None if score is None else score[kept.to_numpy()]
    codings = labelled(whole, variable, **columns)
    quantities = coefficient_quantities(codings, formula, None, model, cluster)
    now, further = _by_draws(codings, quantities), _of_wave(quantities, len(whole), n, score)
    coded = int(codings.coded.sum())
    part = n / (coded + n)
    least = quantities.moments(1.0)[0] if quantities.clustered is None else quantities.clustered
    expected = (1 - part) ** 2 * now + part**2 * further
    errors = [np.sqrt(least / len(whole) + by_draw) for by_draw in (now, expected)]
    return pl.DataFrame({"term": quantities.names, "now": errors[0], "expected": errors[1]})


def _by_draws(codings: Labelled, quantities: Quantities) -> Floats:
    """The part of the variances (p,) that is there because not all texts were coded, of all waves together."""
    ratio = codings.weights[codings.coded]
    chance = 1 - 1 / ratio if codings.chance is None else codings.chance[codings.coded]
    added = quantities.by_hand - quantities.by_prediction
    return np.asarray((chance * ratio**2) @ added**2 / len(codings.coded) ** 2)


def _of_wave(quantities: Quantities, total: int, n: int, score: Floats | None) -> Floats:
    """The variances (p,) of one further wave of n of the texts that are left, the others being known."""
    left = total - len(quantities.at)
    n, weights = min(n, left), quantities.weights / quantities.weights.sum()
    added = quantities.by_hand - quantities.by_prediction
    if score is None:
        variance = (1 / n - 1 / left) * (weights @ added**2)
    else:
        pi = proportional(score, n * total / left)[quantities.at]  # as if these texts could be drawn once more
        variance = (weights * (1 - pi) / pi) @ added**2 / left
    return np.asarray((left / total) ** 2 * variance)
