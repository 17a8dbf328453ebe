"""abstain(): which texts a model should leave to people, at one level or at the lowest where the risk holds."""

from __future__ import annotations

from typing import Any

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.evidence.abstention import Abstention, guaranteed_abstention
from annotune.evidence.abstention_by_level import LevelAbstention, code_to_level


def abstain(
    codings: Any,
    *,
    held_out: Any,
    gold: Any,
    risk: float = 0.05,
    confidence: float = 0.95,
    variable: str | None = None,
    codebook: Codebook | None = None,
    by_level: bool = False,
) -> Abstention | LevelAbstention:
    """Select the texts to code by hand, so that at most `risk` of the others are wrong.

    Texts are ordered by the model's probability for its answer, and the lowest threshold is sought above
    which held-out answers are right often enough. The guarantee is that of selection with guaranteed risk (Geifman
    and El-Yaniv 2017, algorithm 1): exact binomial (Clopper-Pearson) bounds, the error shared among the steps of a
    binary search. It holds for texts drawn like the held-out ones, however well the probabilities are calibrated.

    Parameters
    ----------
    codings
        The model's codings of the texts to select from, with `prob` (for label sets: `p_<label>`); with `codebook` also
        coded texts with one column per variable, as made by `attach` and `annotune classify`.
    held_out
        Its predictions for coded texts that it was not tuned on; or the tuned `Classifier` itself.
    gold
        The hand codings of those texts.
    risk
        The share of wrong answers (for sets: of sets not entirely right) that is acceptable among the texts kept.
    confidence
        The confidence with which the risk is controlled.
    variable, codebook
        The variable, and its labels.
    by_level
        Where labels have parents: code each text at the lowest level where the risk holds, its minor where the model is
        sure of that, else its major, else not at all. The risk is held among the codes given at each level.

    Returns
    -------
    Abstention
        Texts without an answer or a probability are to be coded by hand. With `by_level` a `LevelAbstention`:
        `.codings` with each text's label and its `level`, and `.levels`, an `Abstention` each.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> codings = pl.DataFrame({"unit_id": [str(i) for i in range(400)], "label": ["x"] * 400})
    >>> codings = codings.with_columns(prob=pl.Series([0.6] * 100 + [0.99] * 300), coder=pl.lit("model"))
    >>> gold = codings.select("unit_id", label=pl.Series((["x", "y"] * 50) + ["x"] * 300))
    >>> print(at.abstain(codings, held_out=codings, gold=gold, risk=0.05).in_words())
    Code by hand the 25.0% that it is least sure of (100 of 400 texts): with 95% confidence at most 1.8% of the others
    are wrong. Of 300 held-out texts as sure as those, 0.0% are wrong.
    """
    for name, value in (("risk", risk), ("confidence", confidence)):
        if not 0 < value < 1:
            raise AnnotuneError(f"{name}={value} is not between 0 and 1.", "Such as risk=0.05, confidence=0.95.")
    if by_level:
        return code_to_level(codings, held_out, gold, risk, confidence, variable, codebook)
    return guaranteed_abstention(codings, held_out, gold, risk, confidence, variable, codebook)
