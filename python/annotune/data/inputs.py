"""What a model reads of a row: the text, and on request its neighbours, a target and covariates, as one marked text.

All parts are in one string, so that whatever compares texts (equal ones, fingerprints, folds) compares all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from annotune.data.corpus import Corpus, sound_corpus
from annotune.data.marked import BETWEEN, HEAD, MARK
from annotune.errors import AnnotuneError, listing, nearest

TEXT = "text"


@dataclass(frozen=True)
class Inputs:
    """The columns that a model reads.

    Attributes
    ----------
    text
        The text's column `text` among its neighbours' columns, in the order in which they are read.
    target
        The column of what the text is judged about.
    covariates
        Columns of categories.
    """

    text: tuple[str, ...] = (TEXT,)
    target: str | None = None
    covariates: tuple[str, ...] = ()

    @property
    def more(self) -> tuple[str, ...]:
        """The columns that are read beside the text."""
        of_target = () if self.target is None else (self.target,)
        return (*(name for name in self.text if name != TEXT), *of_target, *self.covariates)


def text_and_neighbours(columns: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The text's column, and what is read around it: of several columns the one named text, or else the middle one.

    >>> text_and_neighbours(["sentence"]), text_and_neighbours(["last", "sentence", "next"])
    (('sentence', ('text',)), ('sentence', ('last', 'text', 'next')))
    """
    if TEXT not in columns and len(columns) % 2 == 0:
        what = f"Which of {', '.join(columns) or 'no columns'} is the text?"
        raise AnnotuneError(what, "Name as many columns before it as after it.")
    own = TEXT if TEXT in columns else columns[len(columns) // 2]
    return own, tuple(TEXT if name == own else name for name in columns)


def inputs_of(settings: Mapping[str, Any]) -> Inputs:
    """The inputs that are said in a model's settings."""
    return Inputs(tuple(settings["text"]), settings["target"], tuple(settings["inputs"]))


def with_inputs(corpus: pl.DataFrame, inputs: Inputs, reader: str = "The model") -> Corpus:
    """The corpus with marked texts in place of the texts; as it is where texts are all that is read.

    A neighbour, a target or a covariate that is missing is an empty part; a text that is missing stays so. A corpus
    whose texts are marked already comes back as it is.

    Raises
    ------
    AnnotuneError
        Where a column is not there, or a covariate is no category.

    Examples
    --------
    >>> from annotune.data.marked import parts_of
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": ["Yes.", "No."], "next": ["No.", None]})
    >>> [parts_of(text).after for text in with_inputs(corpus, Inputs(("text", "next")))["text"]]
    [('No.',), ('',)]
    """
    if not inputs.more or _needs_no_mark(corpus[TEXT]):
        return sound_corpus(corpus)
    missing = [name for name in inputs.more if name not in corpus.columns]
    if missing:
        columns = f"the column {missing[0]!r}" if len(missing) == 1 else f"the columns {listing(missing)}"
        what = f"{reader} reads {columns} beside the text, and the corpus has none of that name."
        hint = f"Add {'it' if len(missing) == 1 else 'them'}, or tune a model of the text alone."
        raise AnnotuneError(what, f"{hint} {nearest(missing[0], corpus.columns)}")
    for name in inputs.covariates:
        if corpus[name].dtype.is_float() or corpus[name].dtype.is_nested():
            what = f"The covariate {name!r} holds {corpus[name].dtype}, and a model reads categories."
            raise AnnotuneError(what, "Cut it into a few named groups first.")
    ahead = [_named(inputs.covariates)] if inputs.covariates else []
    ahead += [_clean(inputs.target)] if inputs.target is not None else []
    place = len(ahead) + inputs.text.index(TEXT)
    marked = pl.concat_str(
        pl.lit(f"{MARK}{len(ahead)},{place}"), *ahead, *(_clean(name) for name in inputs.text), separator=BETWEEN
    )
    return sound_corpus(corpus.with_columns(pl.when(pl.col(TEXT).is_not_null()).then(marked).alias(TEXT)))


def covariates_note(covariates: Sequence[str]) -> str:
    """What follows for regressions where a model reads covariates."""
    names = listing(list(covariates))
    return (
        f"The model reads {names} beside the text, so that its errors are related to {names} by construction: a "
        "regression of its codes on that needs the correction."
    )


def _needs_no_mark(texts: pl.Series) -> bool:
    """Where they are marked already, or none is there."""
    there = texts.drop_nulls()
    return there.is_empty() or bool(there.str.contains(HEAD).all())


def _clean(name: str) -> pl.Expr:
    words = pl.col(name).cast(pl.String).fill_null("").str.strip_chars()
    return words.str.replace_all(MARK, " ", literal=True).str.replace_all(BETWEEN, " ", literal=True)


def _named(columns: Sequence[str]) -> pl.Expr:
    """Covariates as a reader would note them, such as `party: Greens; year: 2010`."""
    return pl.concat_str(*(pl.concat_str(pl.lit(f"{name}: "), _clean(name)) for name in columns), separator="; ")
