"""A corrected regression as journals print it: a column per method, standard errors in brackets below estimates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from annotune.data.formula_sides import NAME, TEXT, grouped, plain, sides_of
from annotune.errors import AnnotuneError, nearest
from annotune.export.estimates import Estimates, correction_in_words, methods
from annotune.numbers import decimals

Layout = Literal["journal", "stacked"]
LAYOUTS: tuple[Layout, ...] = ("journal", "stacked")
MINUS, NONE, SPACE = "\u2212", "–", "\u00a0"  # the space stands below a closing bracket, so that digits are aligned
LABEL = re.compile(rf"(?:I\()?\s*(?P<column>{NAME})\s*(?P<sign>==|!=)\s*(?P<label>{TEXT}|[\d.]+)\s*\)?", re.DOTALL)
FUNCTION = re.compile(rf"(?:C|factor|as\.factor|relevel)\(\s*(?:factor\()?\s*(?P<column>{NAME}).*\)", re.DOTALL)
PIECE = re.compile(rf"(?:{TEXT}|`[^`]*`|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^+])+")


@dataclass(frozen=True)
class Journal:
    """The cells of the table: every row has one more than there are methods.

    Attributes
    ----------
    caption
        What was regressed on what, in words.
    header
        The methods, after an empty cell.
    coefficients
        Two rows each: the name and the estimates; nothing and the standard errors in brackets. Where there are several
        equations, each begins with a row of its name alone.
    sizes
        Numbers of texts, hand-coded texts and clusters.
    notes
        What is in the brackets, and of which kind.
    """

    caption: str
    header: tuple[str, ...]
    coefficients: tuple[tuple[str, ...], ...]
    sizes: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def require_layout(layout: str) -> None:
    """Refuse a layout that there is not."""
    if layout not in LAYOUTS:
        raise AnnotuneError(f"There is no layout {layout!r}.", nearest(layout, LAYOUTS))


def journal(correction: Estimates) -> Journal:
    """The cells of a correction's table."""
    columns = methods(correction)
    cluster = correction.cluster
    kind = "robust" if correction.n_clusters is None else "robust to clusters" + (f" by {cluster}" if cluster else "")
    kind += ", and to what coders have in common over texts (naive ones aside)" if correction.coders == "any" else ""
    header = ("", *(name[0].upper() + name[1:] for name in columns))
    sizes = tuple(_sizes(correction, columns))
    return Journal(
        caption_of(correction), header, tuple(_coefficients(correction, columns)), sizes,
        (f"Standard errors in brackets, {kind}.",),
    )  # fmt: skip


def _coefficients(correction: Estimates, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    by_name: dict[tuple[str | None, str], dict[str, dict[str, Any]]] = {}
    for row in correction.estimates.to_dicts():
        by_name.setdefault((row["equation"], row["term"]), {})[row["method"]] = row
    equation = None
    for name, rows in by_name.items():
        if name[0] != equation:
            equation = name[0]
            yield (str(equation), *[""] * len(columns))
        digits = decimals(row["std_error"] for row in rows.values())
        yield (name[1], *(_estimate(rows.get(method), digits) for method in columns))
        yield ("", *(_in_brackets(rows.get(method), digits) for method in columns))


def _estimate(row: Mapping[str, Any] | None, digits: int) -> str:
    return NONE if row is None or row["estimate"] is None else number(row["estimate"], digits) + SPACE


def _in_brackets(row: Mapping[str, Any] | None, digits: int) -> str:
    """The standard error; the interval where there is none."""
    if row is None or row["estimate"] is None:
        return ""
    if row["std_error"] is not None:
        return f"({number(row['std_error'], digits)})"
    limits = (row["conf_low"], row["conf_high"])
    return "" if None in limits else f"[{number(limits[0], digits)}, {number(limits[1], digits)}]"


def number(value: float, digits: int) -> str:
    """A number with a true minus sign.

    >>> number(-0.1234, 2)
    '−0.12'
    """
    return f"{value:.{digits}f}".replace("-", MINUS)


def _sizes(correction: Estimates, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    texts = dict(correction.estimates.select("method", "n").unique(maintain_order=True).iter_rows())
    coded = [f"{correction.n_coded:,}" if method != "naive" else "0" for method in columns]
    yield ("Texts", *(f"{texts[method]:,}{SPACE}" for method in columns))
    yield ("of them coded by hand", *(cell + SPACE for cell in coded))
    alone = {} if correction.n_clusters is None else {correction.cluster or "": correction.n_clusters}
    clusters = correction.clusters or alone
    for column, number in clusters.items():
        name = "Clusters" + (f" ({column})" if column else "")
        by_hand = correction.clusters_coded.get(column, correction.n_clusters_coded if len(clusters) == 1 else None)
        first = NONE if by_hand is None else f"{by_hand:,}"
        cells = [first if method.startswith("hand") else f"{number:,}" for method in columns]
        yield (name, *(cell + SPACE for cell in cells))


def caption_of(correction: Estimates) -> str:
    """What was regressed on what, and how it was corrected, in words."""
    left, right = sides_of(correction.formula)
    terms, groups = grouped(right)
    kind = {"fixed_effects": "linear"}.get(correction.model, correction.model)
    what = f"{kind[0].upper()}{kind[1:]} regression of {_outcome_in_words(left)} on {terms_in_words(terms)}"
    fixed = f", with fixed effects of {_listed(groups)}" if groups else ""
    return f"{what}{fixed}: by hand codings alone, naive, and {correction_in_words(correction.method)}."


def _outcome_in_words(left: str) -> str:
    match = LABEL.fullmatch(left.strip())
    if match is None:
        return plain(left.strip())
    return f"{plain(match['column'])} {'=' if match['sign'] == '==' else '≠'} {match['label'].strip(chr(34) + chr(39))}"


def terms_in_words(right: str) -> str:
    """The explanatory terms in words.

    >>> terms_in_words("relevel(party, ref = 'b') * year + log(income) + topic == 'Health'")
    'party × year, log(income) and topic = Health'
    """
    terms = [_term_in_words(piece.strip()) for piece in PIECE.findall(right)]
    return _listed([term for term in terms if term not in ("0", "1")]) or "a constant"


def _term_in_words(term: str) -> str:
    if LABEL.fullmatch(term):
        return _outcome_in_words(term)
    parts = [
        part.strip()
        for part in re.split(rf"({TEXT}|\([^()]*(?:\([^()]*\)[^()]*)*\))|[:*]", term)
        if part and part.strip()
    ]
    joined = "\0".join(parts).replace("\0(", "(")
    names = [match["column"] if (match := FUNCTION.fullmatch(part)) else part for part in joined.split("\0")]
    return " × ".join(map(plain, names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
