"""One name for the five tables, as the command line asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from annotune.agreement.pairs import category_reliability, compare_reliability, pairwise_reliability
from annotune.agreement.quality import coder_quality
from annotune.agreement.reliability import reliability
from annotune.errors import AnnotuneError, nearest

VIEWS: dict[str, Callable[..., pl.DataFrame]] = {
    "all": reliability,
    "pairs": pairwise_reliability,
    "categories": category_reliability,
    "coders": coder_quality,
}


def view(of: str, models: Sequence[str] | None, codings: pl.DataFrame, **wanted: Any) -> pl.DataFrame:
    """The table `of` all coders, pairs, categories or coders, or people against models; defaults for what is None."""
    if of not in VIEWS:
        raise AnnotuneError(f"There is no table of {of!r}.", nearest(of, VIEWS))
    if models and of != "all":
        raise AnnotuneError(f"Models are compared with all people, not by {of}.", "Leave out one of the two.")
    if of == "categories" and wanted.get("level") is not None:
        raise AnnotuneError("Single categories are a question of yes or no.", "Leave out the level.")
    given = {name: value for name, value in wanted.items() if value is not None}
    if models:
        return compare_reliability(codings, models, **given)
    return VIEWS[of](codings, **given)
