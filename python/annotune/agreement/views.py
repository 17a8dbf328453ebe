"""One function for the six tables, for the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from annotune.agreement.pairs import category_reliability, compare_reliability, pairwise_reliability
from annotune.agreement.quality import coder_quality
from annotune.agreement.reliability import reliability
from annotune.agreement.replacement import replacement_test
from annotune.errors import AnnotuneError, nearest

REPLACEMENT = "replacement"  # of a coder by a model
VIEWS: dict[str, Callable[..., pl.DataFrame]] = {
    "all": reliability,
    "pairs": pairwise_reliability,
    "categories": category_reliability,
    "coders": coder_quality,
}


def view(of: str, models: Sequence[str] | None, codings: pl.DataFrame, **options: Any) -> pl.DataFrame:
    """The table `of` all coders, pairs, categories or coders, or of people and models; None is an option's default."""
    if of not in (*VIEWS, REPLACEMENT):
        raise AnnotuneError(f"There is no table of {of!r}.", nearest(of, (*VIEWS, REPLACEMENT)))
    if of == REPLACEMENT:
        return _of_replacement(models, codings, **options)
    if options.pop("epsilon", None) is not None:
        raise AnnotuneError("An epsilon belongs to the test of a replacement.", f"Add --of {REPLACEMENT}.")
    if models and of != "all":
        raise AnnotuneError(f"Models are compared with all people, not by {of}.", "Leave out one of the two.")
    if of == "categories" and options.get("level") is not None:
        raise AnnotuneError("Single categories are yes/no variables.", "Leave out the level.")
    arguments = {name: value for name, value in options.items() if value is not None}
    if models:
        return compare_reliability(codings, models, **arguments)
    return VIEWS[of](codings, **arguments)


def _of_replacement(models: Sequence[str] | None, codings: pl.DataFrame, **options: Any) -> pl.DataFrame:
    """May the models replace a coder? There is one measure of that."""
    if not models:
        raise AnnotuneError("No model was named that might replace a coder.", "Name it with --model.")
    if options.pop("metrics", None) is not None:
        raise AnnotuneError("The test of a replacement has its own measure.", "Leave out the metrics.")
    return replacement_test(codings, models, **{name: value for name, value in options.items() if value is not None})
