"""blind_gold(): the answers that were given without proposals as hand codings, and how many texts each stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.agreement.gold import resolve
from annotune.data.codebook import Codebook
from annotune.data.codings import Codings, sound_codings
from annotune.data.columns_of_sets import label_columns
from annotune.data.drawn import read_draws, require_same_study, with_draws
from annotune.data.frames import identified
from annotune.data.wide import gold_beside
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid.answers_by_arm import BLIND, NONE, read_answers
from annotune.hybrid.decisions import codebook_of
from annotune.hybrid.store import open_store

CORPUS, VERIFIED = "corpus", "verified"
SHOWN = "shown"
STANDS_FOR = "stands_for"


def blind_gold(
    data: Any,
    store: str | Path,
    codebook: Codebook | None = None,
    *,
    among: Literal["corpus", "verified"] = "corpus",
) -> pl.DataFrame:
    """Put the answers that were given blind in the place of hand codings, so that a correction undoes anchoring.

    Codings that people made with a model's proposal in sight lean towards it, and are one more proxy; those that were
    made without are the hand codings. Which drawn texts are coded blind is random, so that the probability of a blind
    answer is known: that of the draw times the part of the wave's texts that were coded blind.

    Parameters
    ----------
    data
        n rows, one per text of the corpus, with covariates and predictions, as `crossfit(...).data` or `attach` gives
        them. Its hand codings, `pi` and `wave` are replaced.
    store
        The study's store (.annotune), with coders in the arm `blind`.
    codebook
        By default the store's.
    among
        "corpus": all rows. "verified": the texts that were coded with proposals, whose codings `<variable>_shown` are a
        proxy for `predicted=`; hand codings are those of texts that another coder coded blind (`sample(overlap=)`), and
        the column `stands_for` has survey weights for `weights=`.

    Returns
    -------
    polars.DataFrame
        The rows with `<variable>_gold` (by the majority of blind answers; null where there is none), `pi`, and
        `<variable>_shown` (by the majority of answers with proposals). `correct` and `prevalence` find gold and pi by
        themselves. Of several waves pi is one over the number of texts that a blind answer stands for.

    Raises
    ------
    AnnotuneError
        For a store without blind answers, or without such in a wave before one that has some, and for data of another
        study.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> store = Path(tempfile.mkdtemp()) / "study.annotune"
    >>> corpus = pl.DataFrame({"unit_id": [str(i) for i in range(100)], "text": ["..."] * 100})
    >>> label = at.Label(code=1, name="Health"), at.Label(code=2, name="Law")
    >>> book = at.Codebook(variables=(at.Variable(name="topic", labels=label),))
    >>> draw = at.sample(corpus, 50, store=store, coders=["anna"], blind=0.2, codebook=book)
    >>> answers = draw.texts.select("unit_id", coder=pl.lit("anna"), topic=pl.lit("Health"))
    >>> _ = at.record(store, at.read_codings(answers, book))
    >>> table = at.blind_gold(corpus.with_columns(topic=pl.lit("Law")), store)
    >>> table["pi"].unique().to_list(), table["topic_gold"].count()
    ([0.1], 10)
    """
    if among not in (CORPUS, VERIFIED):
        raise AnnotuneError(f"There are no rows among={among!r}.", nearest(among, (CORPUS, VERIFIED)))
    book = codebook or _codebook(store)
    return with_blind_gold(identified(data), read_draws(store), answers_by_sight(store, book), book, among=among)


@dataclass(frozen=True)
class BySight:
    """People's answers apart: those given without a proposal, and before any was seen, and those with one in sight."""

    blind: Codings
    shown: Codings

    def among(self, codings: pl.DataFrame) -> BySight:
        """Those of the texts, variables and coders that a table of codings has."""
        key = ["unit_id", "variable", "coder"]
        return BySight(*(sound_codings(rows.join(codings, on=key, how="semi")) for rows in (self.blind, self.shown)))


def answers_by_sight(store: str | Path, book: Codebook) -> BySight:
    """The answers in a store to the codebook's variables, apart by whether a proposal was in sight."""
    answers = read_answers(store)
    blind = answers.answers.filter((pl.col("arm") == BLIND) & ~pl.col("second"))
    return BySight(_codings(blind, book), _codings(answers.sighted, book))


def with_blind_gold(
    data: pl.DataFrame,
    draws: pl.DataFrame,
    sight: BySight,
    book: Codebook,
    *,
    among: Literal["corpus", "verified"] = "corpus",
    one_answer: Callable[[Codings], Codings] | None = None,
) -> pl.DataFrame:
    """The table of `blind_gold`, from draws as `read_draws` gives them.

    `one_answer` makes one answer of several to a text; by default their majority.
    """
    frame = data.drop([name for name in _replaced(book) if name in data.columns])
    kind, rows = (BLIND, sight.blind) if among == CORPUS else (SHOWN, sight.shown)
    frame = _with_marks(with_draws(frame, _until_last(frame, draws, rows, kind)), sight)
    frame = _of_corpus(frame) if among == CORPUS else _of_verified(frame)
    rule = one_answer or (lambda codings: resolve(codings, codebook=book))
    return _with_answers(frame, book, sight, rule).drop("_blind", "_shown", "wave")


def wave_without(draws: pl.DataFrame, answers: pl.DataFrame) -> int | None:
    """The first wave of which no text is among these answers, before one with such; None where there is none.

    Waves without any may come last: what they drew is then as if nobody had.
    """
    drawn = draws.filter("drawn").with_columns(pl.col("unit_id").is_in(answers["unit_id"].implode()).alias("answered"))
    answered = drawn.group_by("wave").agg(pl.col("answered").any()).sort("wave")
    last = answered.filter("answered")["wave"].max()
    empty = answered.filter(~pl.col("answered"), pl.lit(True) if last is None else pl.col("wave") < last)
    return int(empty["wave"][0]) if len(empty) else None


def _until_last(frame: pl.DataFrame, draws: pl.DataFrame, answers: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The draws up to the last wave that has such answers."""
    answers = answers.join(frame, on="unit_id", how="semi")
    if answers.is_empty():
        require_same_study(frame, draws.filter("drawn"))
        if kind == SHOWN:
            raise AnnotuneError("No text was coded with a proposal in sight.", "Take among='corpus'.")
    if (empty := wave_without(draws, answers)) is not None:
        if kind == SHOWN:
            what = f"No text of wave {empty} was coded with a proposal in sight."
            raise AnnotuneError(what, "Have some of each wave's texts coded so, or take among='corpus'.")
        what = f"No text of wave {empty} was coded blind."
        raise AnnotuneError(what, "Have a part of each wave's texts coded blind: sample(..., blind=).")
    units = answers["unit_id"].implode()
    last = draws.filter(pl.col("drawn"), pl.col("unit_id").is_in(units))["wave"].max()
    return draws.filter(pl.col("wave") <= last)


def _codebook(store: str | Path) -> Codebook:
    with open_store(store, create=False) as kept:
        book = codebook_of(kept)
    if book is None:
        raise AnnotuneError(f"{store} has no codebook.", "Give it with codebook=.")
    return book


def _codings(answers: pl.DataFrame, book: Codebook) -> Codings:
    """Answers to the codebook's variables as codings, one row per label."""
    rows = answers.explode("labels").rename({"labels": "label"})
    rows = rows.filter(pl.col("variable").is_in([entry.name for entry in book.variables]))
    label = pl.when(pl.col("label") != NONE).then(pl.col("label"))
    status = pl.when(pl.col("label") == NONE).then(pl.lit("none")).otherwise(pl.lit("ok"))
    prob = pl.lit(None, pl.Float64).alias("prob")
    return sound_codings(
        rows.select("unit_id", "variable", "coder", label.alias("label"), prob, status.alias("status"))
    )


def _replaced(book: Codebook) -> list[str]:
    """The columns that are made anew."""
    roles = [f"{entry.name}_{role}" for entry in book.variables for role in ("gold", "pi", "wave", "coded")]
    return ["pi", "wave", STANDS_FOR, *roles, *_columns_of_sets(book, "gold"), *shown_columns(book)]


def shown_columns(book: Codebook) -> list[str]:
    """The columns that hold what people coded with a proposal in sight."""
    return [*(f"{entry.name}_{SHOWN}" for entry in book.variables), *_columns_of_sets(book, SHOWN)]


def _columns_of_sets(book: Codebook, role: str) -> list[str]:
    sets = [entry for entry in book.variables if entry.kind == "multilabel"]
    return [name for entry in sets for name in label_columns(entry, f"{entry.name}_{role}").values()]


def _with_marks(frame: pl.DataFrame, sight: BySight) -> pl.DataFrame:
    """Which drawn texts have an answer of each kind."""
    drawn = pl.col("wave").is_not_null()
    marks = {"_blind": sight.blind, "_shown": sight.shown}
    kinds = [(drawn & pl.col("unit_id").is_in(of["unit_id"].implode())).alias(name) for name, of in marks.items()]
    return frame.with_columns(kinds)


def _of_corpus(frame: pl.DataFrame) -> pl.DataFrame:
    """Each text's probability of being drawn and coded blind."""
    ratio = _ratio(frame, "_blind")
    return frame.with_columns(pi=pl.Series(1 / ratio))


def _of_verified(frame: pl.DataFrame) -> pl.DataFrame:
    """The texts that were coded with proposals: how many each stands for, and the part that was coded blind as well."""
    rows = frame.with_columns(pl.Series(STANDS_FOR, _ratio(frame, "_shown"))).filter("_shown")
    part = rows.select(pl.col("_blind").mean().over("wave")).to_series()
    if (part == 0).any():
        wave = rows["wave"].filter(part == 0)[0]
        what = f"No text of wave {wave} was coded both blind and with a proposal in sight."
        raise AnnotuneError(what, "Have texts coded by two people (sample(..., overlap=)), or take among='corpus'.")
    return rows.with_columns(pi=part)


def _ratio(frame: pl.DataFrame, kind: str) -> np.ndarray:
    """How many texts each text stands for if it has an answer of this kind, (n,).

    Which of a wave's texts have one is random. After wave s the others of its texts are not drawn again, so that it
    stands for them in the estimates of later waves as well: (a_s / pi + a_{s+1} + ...) over the part of the wave's
    texts that have one, where a_s is the wave's part of all such answers (see data/waves.py).
    """
    drawn = frame.filter(pl.col("wave").is_not_null())
    waves = drawn.group_by("wave").agg(pl.len().alias("n"), pl.col(kind).sum().alias("answered")).sort("wave")
    answered = waves["answered"].to_numpy().astype(float)
    part = answered / answered.sum()
    later = np.maximum(1 - np.cumsum(part), 0)
    numbers = {wave: i for i, wave in enumerate(waves["wave"].to_list())}
    place = frame["wave"].fill_null(waves["wave"][-1]).replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
    chance = frame["pi"].fill_null(1.0).to_numpy()  # of texts that none could draw, which have no answer
    return np.asarray((part[place] / chance + later[place]) * (waves["n"].to_numpy() / answered)[place])


def _with_answers(
    frame: pl.DataFrame, book: Codebook, sight: BySight, one_answer: Callable[[Codings], Codings]
) -> pl.DataFrame:
    """One answer of each kind beside the texts."""
    for role, rows in {"gold": sight.blind, SHOWN: sight.shown}.items():
        answers = one_answer(rows) if len(rows) else rows
        for entry in book.variables:
            mine = answers.filter(pl.col("variable") == entry.name)
            if len(mine):
                frame = gold_beside(frame, mine, entry, role)
    return frame
