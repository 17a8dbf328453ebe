"""Texts that nobody coded: each is coded by the model of one fold, by a rule that the coded texts were coded by too."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import sound_corpus
from annotune.errors import AnnotuneWarning
from annotune.export.write import write
from annotune.models.classifier import Classifier, load
from annotune.progress import within
from annotune.records.checkpoints import Checkpoints
from annotune.runtimes.engines import AUTO, EXACT, FLOAT32
from annotune.tuning.coded_texts import join
from annotune.tuning.task import cases_of


def dealt(texts: pl.DataFrame, folds: pl.DataFrame, group: str | None = None, seed: int = 1) -> pl.DataFrame:
    """A fold for every text that nobody coded; its model has seen neither the text nor its group.

    A text of a group that has coded texts goes to their fold; the others are dealt at random, to each fold in
    proportion to its coded texts, so that every model errs with the same weight in both. Equal texts are dealt
    together, but for those where one share ends and the next begins. The order of the rows does not matter.

    Parameters
    ----------
    texts
        N rows: unit_id, text, and the column `group` where one is named.
    folds
        The n texts that were coded, unit_id, and the number of their fold, fold.

    Returns
    -------
    polars.DataFrame
        unit_id, text and fold of the texts that were not coded, without those that equal a coded one.

    Examples
    --------
    >>> texts = pl.DataFrame({"unit_id": list("abcdefg"), "text": ["1", "2", "1", "4", "5", "6", "7"]})
    >>> folds = pl.DataFrame({"unit_id": ["a", "b"], "fold": [1, 2]})
    >>> dealt(texts, folds).group_by("fold").len().sort("fold").rows()
    [(1, 2), (2, 2)]
    """
    coded = texts.join(folds, on="unit_id")
    rest = texts.filter(
        ~pl.col("unit_id").is_in(coded["unit_id"].implode())
        & ~pl.col("text").is_in(coded["text"].implode()).fill_null(False)
    )
    if group is None:
        rest = rest.with_columns(fold=pl.lit(None, pl.Int64))
    else:
        rest = rest.join(coded.select(group, "fold").unique(group), on=group, how="left", maintain_order="left")
    free = rest.filter(pl.col("fold").is_null()).drop("fold")
    sizes = folds.group_by("fold").len().sort("fold")
    cards = _in_shares(sizes["fold"].to_numpy(), sizes["len"].to_numpy(), len(free))
    free = _shuffled(free, seed).with_columns(pl.Series("fold", cards, pl.Int64))
    return pl.concat([rest.drop_nulls("fold"), free], how="diagonal").select("unit_id", "text", "fold")


def _in_shares(numbers: np.ndarray, sizes: np.ndarray, n: int) -> np.ndarray:
    """n fold numbers in ascending order, each as often as its size asks for, but for rounding."""
    ends = np.round(n * np.cumsum(sizes) / sizes.sum()).astype(int)
    return np.repeat(numbers, np.diff(ends, prepend=0))


def _shuffled(texts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Texts in an order that only they and the seed decide; equal ones stand together."""
    rank = texts["text"].rank("dense").fill_null(0).to_numpy()
    place = np.random.default_rng(seed).permutation(int(rank.max(initial=0)) + 1)[rank]
    return texts.with_columns(_place=place).sort("_place", "unit_id").drop("_place")


@dataclass(frozen=True)
class FoldCoder:
    """Codes each fold's share of the uncoded texts with the fold's model (see `tune`'s `each_fold`).

    Attributes
    ----------
    texts
        unit_id, text and fold of the uncoded texts, as `dealt` gives them.
    precision
        See `Classifier.classify`.
    checkpoints
        Where finished shares are kept; in memory without one.
    evidence
        Whether the passages that decided are handed out.
    """

    texts: pl.DataFrame
    precision: str = "float32"
    checkpoints: Checkpoints | None = None
    evidence: bool = False
    _done: dict[int, pl.DataFrame] = field(default_factory=dict, repr=False)

    def __call__(self, number: int, model: Classifier) -> None:
        """Code the share of the fold so numbered."""
        if number not in self._numbers or self._is_there(number):
            return
        share = sound_corpus(self.texts.filter(pl.col("fold") == number).select("unit_id", "text"))
        codings = model.classify(share, precision=alike(self.precision), evidence=self.evidence)
        codings = codings.with_columns(fold=pl.lit(number, pl.Int64))
        if self.checkpoints is None:
            self._done[number] = codings
            return
        write(codings, self.checkpoints.start(_file(number)))
        self.checkpoints.finish(_file(number))

    @property
    def whole(self) -> bool:
        """Whether every share is there."""
        return all(self._is_there(number) for number in self._numbers)

    def recall(self, models: Checkpoints, device: str) -> None:
        """Code the shares that are not there with the folds' models, where these were kept."""
        for number in self._numbers:
            if not self._is_there(number) and models.has(fold_model(number)):
                with within(f"Fold {number}"):
                    self(number, load(models.folder / fold_model(number), device))

    def codings(self) -> pl.DataFrame | None:
        """The codings of all shares, with the column `fold`; None where there is no text to code."""
        pieces = self.checkpoints
        parts = [self._done[n] if pieces is None else pl.read_parquet(pieces.require(_file(n))) for n in self._numbers]
        return pl.concat(parts) if parts else None

    @property
    def _numbers(self) -> list[int]:
        return sorted(self.texts["fold"].unique())

    def _is_there(self, number: int) -> bool:
        return number in self._done if self.checkpoints is None else self.checkpoints.has(_file(number))


def alike(precision: str) -> str:
    """In what texts are computed whose codes are to be corrected: as coded ones are, and never in what a trial finds.

    >>> alike("auto"), alike("exact"), alike("bfloat16")
    ('float32', 'float32', 'bfloat16')
    """
    return FLOAT32 if precision in (AUTO, EXACT) else precision


def _file(number: int) -> str:
    return f"uncoded-{number}.parquet"


def fold_model(number: int) -> str:
    """The folder of a fold's model among the checkpoints."""
    return f"model-{number}"


def fold_coder(
    texts: pl.DataFrame,
    gold: Any,
    codebook: Codebook,
    variable: str,
    *,
    folds: int,
    group: str | None,
    seed: int,
    precision: str,
    checkpoints: Checkpoints | None,
    evidence: bool = False,
) -> FoldCoder:
    """A coder of the texts that nobody coded, for `tune` with the same texts, gold, folds, group and seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnnotuneWarning)  # tune says it
        coded = join(texts, gold, codebook, variable)
    fold = np.zeros(len(coded.frame), dtype=np.int64)
    for number, (_, out) in enumerate(cases_of(coded, group, seed).folds(folds), start=1):
        fold[out] = number
    known = coded.frame.select("unit_id").with_columns(fold=fold)
    return FoldCoder(dealt(texts, known, group, seed), precision, checkpoints, evidence)
