"""Whether what single coders would say is known better than what any one would, in a sentence."""

from __future__ import annotations

import polars as pl

from annotune.readable import shortened


def in_words(scores: pl.DataFrame) -> str:
    """What `Classifier.coder_scores` says, in a sentence.

    Examples
    --------
    >>> columns = ["coder", "n_texts", "log_score", "log_score_as_coder", "gain", "ci_low", "ci_high", "offered"]
    >>> rows = [(None, 80, 0.52, 0.5, -0.02, -0.03, -0.01, True), ("anna", 80, 0.52, 0.5, -0.02, -0.03, -0.01, True)]
    >>> in_words(pl.DataFrame(rows, schema=columns, orient="row")).split(": ")[1]
    'classify(coder=...) says it for anna.'
    """
    row = scores.row(0, named=True)
    measured = (
        f"Against single coders' own answers the log score is {row['log_score']:.4f} by what any coder would say and "
        f"{row['log_score_as_coder']:.4f} by what each would (difference {row['gain']:+.4f}, {row['ci_low']:+.4f} to "
        f"{row['ci_high']:+.4f}; lower is better)"
    )
    offered = scores.filter(pl.col("coder").is_not_null() & pl.col("offered"))["coder"].to_list()
    if not offered:
        return f"{measured}: that was no better beyond chance when it was decided, and single coders are not offered."
    return f"{measured}: classify(coder=...) says it for {shortened(offered)}."
