"""Results of `correct` by the methods that R shows, with R's names of terms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from annotune.rcalls.packing import several

if TYPE_CHECKING:
    from annotune.correction.result import Correction
    from annotune.export.journal import Layout


def as_in_r(correction: Correction, terms: Any, methods: Any) -> Correction:
    """A correction by these methods alone, its terms named as R names them, one for each row that is left."""
    from annotune.correction.result import CORRECTED

    methods = several(methods)
    estimates = correction.estimates.filter(pl.col("method").is_in(methods))
    names = estimates["term"].to_list() if terms is None else several(terms)
    name_of = dict(zip(estimates["term"], names, strict=True))
    sensitivity = correction.sensitivity if CORRECTED in methods else None
    if sensitivity is not None:
        # the intercept's is not printed, and known by its name
        slopes = {term: name for term, name in name_of.items() if term != "Intercept"}
        sensitivity = sensitivity.with_columns(pl.col("term").replace(slopes))
    return replace(
        correction,
        estimates=estimates.with_columns(pl.Series("term", names, dtype=pl.String)),
        covariance={name: matrix for name, matrix in correction.covariance.items() if name in methods},
        notes=tuple(_with_terms(note, name_of) for note in correction.notes),
        sensitivity=sensitivity,
    )


def _with_terms(note: str, renamed: Mapping[str, str]) -> str:
    """A sentence with R's names of the terms that it names; those that could be other words stay."""
    for term in sorted(renamed, key=len, reverse=True):
        if "[" in term:
            note = note.replace(term, renamed[term])
        elif term == "Intercept":
            note = re.sub(r"(?<!\()\bIntercept\b", renamed[term], note)
        else:
            note = note.replace(repr(term), repr(renamed[term]))
    return note


def summary(correction: Correction, width: int, layout: Layout, terms: Any, methods: Any) -> str:
    """`Correction.summary` in R's names of terms."""
    return as_in_r(correction, terms, methods).summary(width, layout)


def joint_test(correction: Correction, terms: Any, methods: Any, which: Any) -> pl.DataFrame:
    """`Correction.joint_test` of covariates, or of terms as R names them."""
    part = replace(correction, estimates=correction.estimates.filter(pl.col("method").is_in(several(methods))))
    in_python = dict(zip(several(terms), part.estimates["term"], strict=True))
    tested = part.joint_test([in_python.get(name, name) for name in several(which)])
    in_r = {name: term for term, name in in_python.items()}
    return tested.with_columns(terms=pl.Series([_with_terms(words, in_r) for words in tested["terms"]]))


def contrast(correction: Correction, terms: Any, methods: Any, weights: Any) -> pl.DataFrame:
    """`Correction.contrast` in R's names of terms."""
    return as_in_r(correction, terms, methods).contrast(weights)


def notes(correction: Correction, terms: Any, methods: Any) -> tuple[str, ...]:
    """`Correction.notes` in R's names of terms."""
    return as_in_r(correction, terms, methods).notes
