"""b and V for Stata: a do-file that posts estimates and their covariance matrix.

Commands of Stata 14 alone; numbers with 17 digits, four to a line, so that no line and no expression comes near Stata's
limits. See "ereturn", "matrix define" and "matrix rownames" in Stata's manual [P] Programming, and its "limits".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from annotune.errors import AnnotuneError
from annotune.export.estimates import Estimates, b_and_v, is_known, methods, require_corrected
from annotune.export.names import stata_names
from annotune.export.quoting import comment

PER_LINE = 4
MOST_SMALL, MOST = 800, 11_000  # rows of a matrix: in Stata/BE (IC), and in Stata/SE and MP before release 16
INTERCEPTS = ("Intercept", "(Intercept)", "_cons", "const")


def write_do_file(correction: Estimates, path: Path, title: str, notes: Sequence[str]) -> None:
    """Write the do-file to `path`; title and notes are its first comments."""
    path.write_text(
        "\n".join([*(f"* {comment(text)}" for text in (title, *notes)), *lines(correction)]) + "\n", encoding="utf-8"
    )


def lines(correction: Estimates) -> Iterator[str]:
    """The lines: matrices, `ereturn post` and `ereturn display` for each method, and one table of all methods.

    Raises
    ------
    AnnotuneError
        Where an estimate has no variance, or there are more terms than a matrix of Stata has rows.
    """
    require_corrected(correction)
    terms, equations = (
        _stata_names_of(correction.estimates["term"]),
        _stata_names_of(correction.estimates["equation"].drop_nulls()),
    )
    k = max(len(correction.covariance[method]) for method in methods(correction))
    if k > MOST:
        raise AnnotuneError(f"{k:,} terms are more than a matrix of Stata has rows.", "Write the data instead.")
    yield from (f"* {new}: {comment(old)}" for old, new in {**equations, **terms}.items() if new != old)
    yield "version 14"
    if k > MOST_SMALL:
        yield f"* {k:,} terms: more than the {MOST_SMALL} that Stata/BE allows"
    if k > 400:  # the number until Stata 15; later ones need none
        yield f"set matsize {k}"
    stored = []
    for method in methods(correction):
        rows, matrix = b_and_v(correction, method)
        yield ""
        if is_known(rows, matrix):
            stored.append(_name_of_estimates(method))
            yield from _lines_of_method(correction, method, rows, matrix, terms, equations)
        else:
            yield f"* {comment(method)}: left out, as not every estimate has a variance"
    yield ""
    yield f"estimates table {' '.join(stored)}, b(%9.4f) se(%9.4f) stats(N)"


def _lines_of_method(
    correction: Estimates,
    method: str,
    rows: pl.DataFrame,
    matrix: np.ndarray,
    terms: Mapping[str, str],
    equations: Mapping[str, str],
) -> Iterator[str]:
    """The lines of one method."""
    k = len(rows)
    yield f"* {comment(method)}"
    yield f"matrix b = J(1, {k}, 0)"
    yield f"matrix V = J({k}, {k}, 0)"
    yield from _lines_of_matrix_row("b", 1, rows["estimate"].to_numpy())
    for place, row in enumerate(matrix, start=1):
        yield from _lines_of_matrix_row("V", place, row)
    names = " ".join(
        (f"{equations[row['equation']]}:" if row["equation"] is not None else "") + terms[row["term"]]
        for row in rows.to_dicts()
    )
    yield f"matrix colnames b = {names}"
    yield f"matrix colnames V = {names}"
    yield f"matrix rownames V = {names}"
    options = f"obs({int(rows['n'][0])}) depname({_depname(correction.formula)}){_degrees(correction, method)}"
    yield f"ereturn post b V, {options}"
    yield 'ereturn local cmd "annotune"'
    yield f'ereturn local title "{method}"'
    yield 'ereturn local vcetype "Robust"'
    if correction.n_clusters is not None:
        yield f"ereturn scalar N_clust = {correction.n_clusters}"
    yield f"ereturn display, level({100 * correction.level:g})"
    yield f"estimates store {_name_of_estimates(method)}"


def _degrees(correction: Estimates, method: str) -> str:
    """Stata has one number of degrees of freedom for all: the smallest, so that no interval is too short."""
    degrees = correction.df.get(method, np.array([np.inf]))
    return f" dof({max(1, int(degrees.min()))})" if np.isfinite(degrees).all() else ""


def _lines_of_matrix_row(name: str, row: int, values: np.ndarray) -> Iterator[str]:
    """A row of a matrix, a few cells per line."""
    for start in range(0, len(values), PER_LINE):
        cells = ", ".join(f"{value:.17g}" for value in values[start : start + PER_LINE])
        yield f"matrix {name}[{row}, {start + 1}] = ({cells})"


def _stata_names_of(column: pl.Series) -> dict[str, str]:
    """A valid and unique name in Stata for every term or equation; `_cons` for the intercept."""
    terms = [str(name) for name in column.unique(maintain_order=True)]
    others = [name for name in terms if name not in INTERCEPTS]
    stata = dict(zip(others, stata_names([_readable_term(name) for name in others])[0], strict=True))
    return {name: stata.get(name, "_cons") for name in terms}


def _readable_term(term: str) -> str:
    """`C(year)[T.2016]:party` as `year_2016_x_party`."""
    words = re.sub(r"\bC\(\s*([^(),]+)[^()]*\)", r"\1", term).replace(":", "_x_")
    return re.sub(r"[\W_]+", "_", re.sub(r"\[(?:T\.)?", "_", words)).strip("_")


def _depname(formula: str) -> str:
    return stata_names([_readable_term(formula.split("~")[0])])[0][0]


def _name_of_estimates(method: str) -> str:
    return re.sub(r"\W+", "_", method)[:27]
