"""Single coders' answers to the texts that are learnt from, out of a table of codings."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Variable
from annotune.data.codings import answered, check, of_variable
from annotune.errors import AnnotuneError
from annotune.tuning.coder_offsets import CoderAnswers


def answers_of_coders(codings: Any, units: pl.Series, entry: Variable) -> CoderAnswers:
    """The answers of single coders to these n units, as arrays; of a label that is not learnt none.

    Raises
    ------
    AnnotuneError
        Where none of the units was coded in this table.
    """
    coded = answered(of_variable(check(codings), entry.name), entry)
    places = pl.DataFrame({"unit_id": units, "_text": np.arange(len(units))})
    rows: pl.DataFrame = coded.join(places, on="unit_id", how="inner", maintain_order="left")
    sets = entry.kind == "multilabel"
    if not sets:
        rows = rows.filter(pl.col("label").is_in(entry.names))
    if rows.is_empty():
        what = f"None of the texts to learn from has an answer for {entry.name!r} in coders=."
        raise AnnotuneError(what, "Give the codings that the gold was resolved from.")
    names = tuple(rows["coder"].unique().sort().to_list())
    key = ("_text", "coder") if sets else ("_text", "coder", "_row")
    numbered = rows.with_row_index("_row").with_columns(_answer=pl.struct(key).rank("dense") - 1)
    first = numbered.unique("_answer").sort("_answer")
    truth = np.zeros((len(first), len(entry.names)))
    given = numbered.filter(pl.col("label").is_in(entry.names))
    label = given["label"].replace_strict({name: i for i, name in enumerate(entry.names)}, return_dtype=pl.Int64)
    truth[given["_answer"].to_numpy(), label.to_numpy()] = 1.0
    coder = first["coder"].replace_strict({name: i for i, name in enumerate(names)}, return_dtype=pl.Int64)
    return CoderAnswers(names, first["_text"].to_numpy(), coder.to_numpy(), truth, sets)
