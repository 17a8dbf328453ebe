"""sample(): which texts are to be coded, each drawn with a known probability, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.corpus import read_corpus
from annotune.data.drawn import as_draws, read_draws
from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, counted, warn
from annotune.hybrid.designs import Design, draw
from annotune.hybrid.people import ARMS, Shares, assigned, require_people, require_seed
from annotune.hybrid.scored import require_scores, scored
from annotune.hybrid.sheets import require_sheets, require_shown, sheet_paths, write_sheet
from annotune.hybrid.store import Store, open_store
from annotune.hybrid.waves import last_wave, record_wave
from annotune.readable import Part, Readable, brief_table
from annotune.records.fingerprints import fingerprint


@dataclass(frozen=True, repr=False)
class Draw(Readable):
    """A wave of texts that were drawn for coding.

    Attributes
    ----------
    texts
        One row per drawn text, in a random order: `unit_id`, `text`, `wave`, `pi`, and `stratum` or `cluster`.
    draws
        One row per text that could be drawn: `unit_id`, `wave`, `pi` (the probability of being drawn in this wave,
        above 0), `drawn`, `stratum`, `cluster`. It is what `attach` and `crossfit` take as `draws`.
    assignments
        One row per text and coder: `unit_id`, `wave`, `coder`, `place` (in the coder's order) and `arm`: "open" (with
        one model's proposal), "blind" (without), "two" (with two models' proposals) or "decoy" (with a label that no
        model proposed, and later again without).
    wave
        1 for the first draw, 2 for the next among the texts that it left, and so on.
    files
        The coding sheets that were written.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b", "c", "d"], "text": ["...", "...", "...", "..."]})
    >>> at.sample(corpus, 2)
    Wave 1: 2 texts drawn from 4, with probabilities of 0.5.
    """

    texts: pl.DataFrame
    draws: pl.DataFrame
    assignments: pl.DataFrame
    wave: int
    files: tuple[Path, ...]

    def _parts(self) -> Iterator[Part]:
        """How many texts were drawn, with which probabilities, and who has how many."""
        pi = self.draws["pi"].to_numpy()
        low, high = f"{pi.min(initial=1):.3g}", f"{pi.max(initial=0):.3g}"
        chance = low if low == high else f"{low} to {high}"
        texts = counted(len(self.texts), "text", "texts")
        yield f"Wave {self.wave}: {texts} drawn from {len(self.draws):,}, with probabilities of {chance}."
        if len(self.assignments):
            yield brief_table(self.people())
        if self.files:
            yield f"Coding sheets: {', '.join(map(str, self.files))}"

    def people(self) -> pl.DataFrame:
        """One row per coder: how many texts, how many of them with somebody else, how many blind or in another arm."""
        shared = pl.col("unit_id").is_duplicated().alias("shared")
        arms = ["blind", *(arm for arm in ("two", "decoy") if (self.assignments["arm"] == arm).any())]
        counts = [(pl.col("arm") == arm).sum().alias(arm) for arm in arms]
        return (
            self.assignments.with_columns(shared)
            .group_by("coder", maintain_order=True)
            .agg(pl.len().alias("texts"), pl.col("shared").sum(), *counts)
        )


def sample(
    corpus: Any,
    n: int,
    *,
    design: Literal["simple", "stratified", "cluster", "active"] = "simple",
    strata: str | Sequence[str] = (),
    allocation: Literal["proportional", "equal", "neyman"] = "proportional",
    cluster: str | None = None,
    pps: bool = True,
    for_: str | None = None,
    scores: str | None = None,
    floor: float | None = None,
    predictions: Any = None,
    variable: str | None = None,
    poisson: bool = False,
    coders: Sequence[str] = (),
    overlap: float = 0.0,
    blind: float = 0.0,
    two: float = 0.0,
    decoy: float = 0.0,
    store: str | Path | None = None,
    earlier: Any = None,
    write: str | Path | None = None,
    codebook: Codebook | None = None,
    show: str | Sequence[str] = (),
    before: str | None = None,
    after: str | None = None,
    seed: int = 1,
    **columns: Any,
) -> Draw:
    """Draw texts for coding, each with a known probability, and divide them among coders.

    A second call with the same `store` (or with `earlier`) draws a further wave among the texts that are left.

    Parameters
    ----------
    corpus
        N texts: a file or a table with `unit_id`, `text` and covariates, or what `read_corpus` takes (with `unit_id=`
        and `text=`). Empty texts cannot be drawn.
    n
        How many texts are drawn; with the design "cluster" how many clusters.
    design
        "simple": all texts with the same probability. "stratified": a fixed number from each stratum. "cluster": whole
        documents, all their texts. "active": with probabilities proportional to how much a text matters, none below
        `floor` times that of a simple draw; those that would exceed 1 are 1, and the others share the rest.
    strata, allocation
        Columns of the corpus, or a variable of `predictions` (its predicted label), whose values make strata; and how
        many texts of each are drawn. "proportional": to its size. "equal": the same number. "neyman" (1934):
        proportional to its size times the standard deviation of the prediction's error there, by its probabilities.
        Every stratum has at least 2.
    cluster, pps
        The column with each text's document, and whether these are drawn with probabilities proportional to their
        numbers of texts, or with equal ones.
    for_, scores, floor
        What an active draw is for: "tuning", "share", a label's share such as `"topic == 'Health'"`, or the
        coefficients of a formula such as `"topic == 'Health' ~ party"`; or, in place of it, a column of the corpus with
        scores of 0 or more. A simple draw may be for "evaluation": its texts are kept apart, as `rounds` does, and this
        is recorded. `floor`, above 0 and up to 1: by default what earlier codings choose, .2 without any.
    predictions, variable
        What a model says about the texts: a table as `crossfit(...).data` or `attach` gives it, with covariates and the
        gold so far, or a table of codings by one coder (with `codebook`). And which variable, where it has several.
    poisson
        Each text is drawn by itself, so that the number of texts is n on average; otherwise it is n.
    coders, overlap
        Who codes, and the share of texts that two of them code, so that agreement can be computed.
    blind, two, decoy
        The share of each coder's texts that is coded without seeing a model's proposal; with the proposals of two
        models in random order; and with a label that no model proposed, and later again without (see `code`). Coding
        sheets show no proposals.
    store
        The study's store (.annotune), made where there is none: the wave is recorded there.
    earlier
        Draws of earlier waves where there is no store: a table as `Draw.draws`, or a file of one.
    write, codebook
        A coding sheet for each coder: `coding_sheet.xlsx` becomes coding_sheet_anna.xlsx, with drop-downs of the
        codebook's labels (.csv and .parquet without). A file that is there is never written over.
    show, before, after
        Further columns of the corpus that coders see, and those with the text before and after.
    seed
        Of every draw.

    Returns
    -------
    Draw

    Raises
    ------
    AnnotuneError
        For more texts than there are, strata of one text, an active draw without predictions, two coders of one name, a
        sheet that is there already, a store of another study, and one that another process holds.

    Warns
    -----
    AnnotuneWarning
        Where texts are empty, and so cannot be drawn.

    References
    ----------
    Neyman, J. (1934). On the two different aspects of the representative method. Journal of the Royal Statistical
    Society 97. Särndal, C.-E., Swensson, B. and Wretman, J. (1992). Model Assisted Survey Sampling. Zrnic, T. and
    Candès, E. J. (2024). Active statistical inference. ICML.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> corpus = pl.DataFrame({"unit_id": range(100), "text": ["Why?"] * 100, "party": ["A", "B"] * 50})
    >>> draw = at.sample(corpus, 20, design="stratified", strata="party", coders=["anna", "ben"], overlap=0.2)
    >>> draw.texts["pi"].unique().to_list()
    [0.2]
    >>> draw.people().rows()
    [('anna', 12, 4, 0), ('ben', 12, 4, 0)]
    """
    options: dict[str, Any] = {"strata": tuple(unique_names(strata)), "allocation": allocation, "cluster": cluster}
    how = Design(n=n, design=design, pps=pps, floor=floor, poisson=poisson, **options)
    how.require_sound()
    require_scores(how, for_, scores, predictions)
    people = [coders] if isinstance(coders, str) else list(coders)
    shares = Shares(blind, two, decoy)
    require_people(people, overlap, shares)
    require_seed(seed)
    sheets = sheet_paths(Path(write), people) if write is not None else {}
    book = require_sheets(sheets, codebook, store) if sheets else codebook
    texts = read_corpus(corpus, **columns)
    columns_shown = [name for name in (*unique_names(show), before, "text", after) if name is not None]
    if sheets and book is not None:
        require_shown(texts, columns_shown, book)
    with open_store(store) if store is not None else nullcontext() as kept, _none_where_one_fails() as written:
        so_far, wave = _earlier(kept, earlier)
        free = _still_free(texts, so_far, kept)
        frame, how, value = scored(free, how, for_, scores, predictions, variable, codebook)
        rng = np.random.default_rng([seed, wave])  # waves are drawn independently of each other
        draws = draw(frame, how, rng, value).with_columns(pl.lit(wave, pl.Int64).alias("wave"))
        draws = draws.select("unit_id", "wave", "pi", "drawn", "stratum", "cluster")
        drawn = draws.filter("drawn")
        drawn = drawn[rng.permutation(len(drawn))]
        assignments = _assignments(drawn, people, overlap, shares, rng)
        shown = texts.select("unit_id", *columns_shown)
        write_all = partial(_write_sheets, written, sheets, shown, drawn, assignments, book)
        settings = asdict(how) | {"for": for_, "scores": scores, "coders": people, "overlap": overlap}
        settings |= asdict(shares) | {"show": unique_names(show), "before": before, "after": after}
        about: dict[str, Any] = {"wave": wave, "design": design, "seed": seed, "settings": settings}
        if kept is None:
            write_all()
        else:
            about["corpus"] = fingerprint(sorted(texts["unit_id"]))
            record_wave(kept, draws, assignments, about, codebook, write_all)
    return Draw(_texts(texts, drawn), draws, assignments, wave, tuple(sheets.values()))


def _earlier(kept: Store | None, earlier: Any) -> tuple[pl.DataFrame, int]:
    """The draws of earlier waves, and the number of the next."""
    if kept is not None and earlier is not None:
        raise AnnotuneError(
            "store= and earlier= are both given.", "The store has the earlier waves: leave out earlier=."
        )
    if kept is not None:
        return read_draws(kept.path), last_wave(kept) + 1
    if earlier is None:
        return as_draws(pl.DataFrame(schema={"unit_id": pl.String, "wave": pl.Int64, "pi": pl.Float64})), 1
    table = read_draws(earlier) if isinstance(earlier, (str, Path)) else as_draws(earlier)
    return table, max(table["wave"].to_list(), default=0) + 1


def _still_free(texts: pl.DataFrame, earlier: pl.DataFrame, kept: Store | None) -> pl.DataFrame:
    """The texts that can be drawn: those that are not empty, and that no wave drew."""
    drawn = earlier.filter("drawn")["unit_id"]
    strange = drawn.filter(~drawn.is_in(texts["unit_id"].implode()))
    if len(strange):
        source = "earlier=" if kept is None else str(kept.path)
        lost = counted(len(strange), "text", "texts")
        what = f"{source}: the corpus lacks {lost} that it drew, such as {strange[0]!r}."
        raise AnnotuneError(what, "It is of another study: name another store, or give this study's whole corpus.")
    if empty := texts["text"].null_count():
        warn(f"{counted(empty, 'text is', 'texts are')} empty and cannot be drawn.")
    return texts.filter(pl.col("text").is_not_null() & ~pl.col("unit_id").is_in(drawn.implode()))


def _assignments(
    drawn: pl.DataFrame, coders: Sequence[str], overlap: float, shares: Shares, rng: np.random.Generator
) -> pl.DataFrame:
    """Who codes which of the drawn texts."""
    schema = {"unit_id": pl.String, "wave": pl.Int64, "coder": pl.String, "place": pl.Int64, "arm": pl.String}
    if not coders or drawn.is_empty():
        return pl.DataFrame(schema=schema)
    work = assigned(len(drawn), len(coders), overlap, shares, rng)
    columns = {
        "unit_id": drawn["unit_id"][work.text],
        "wave": drawn["wave"][work.text],
        "coder": [coders[number] for number in work.coder],
        "place": work.place,
        "arm": [ARMS[number] for number in work.arm],
    }
    return pl.DataFrame(columns, schema=schema)


def _texts(texts: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """The drawn texts with what a person wants to see of them."""
    groups = [name for name in ("stratum", "cluster") if drawn[name].count()]
    listed = drawn.select("unit_id", "wave", "pi", *groups)
    beside = listed.join(texts.select("unit_id", "text"), on="unit_id", how="left", maintain_order="left")
    return beside.select("unit_id", "text", "wave", "pi", *groups)


@contextmanager
def _none_where_one_fails() -> Iterator[list[Path]]:
    """A list for the sheets that are written: none of them stays where the wave does not count."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _write_sheets(
    written: list[Path],
    sheets: Mapping[str, Path],
    shown: pl.DataFrame,
    drawn: pl.DataFrame,
    assignments: pl.DataFrame,
    book: Codebook | None,
) -> None:
    """Every coder's sheet; those that were not there are put into the list."""
    for coder, path in sheets.items():
        assert book is not None
        own = _own_texts(drawn, assignments, coder)
        was_there = path.exists()
        write_sheet(path, own.join(shown, on="unit_id", how="left", maintain_order="left"), coder, book)
        if not was_there:
            written.append(path)


def _own_texts(drawn: pl.DataFrame, assignments: pl.DataFrame, coder: str) -> pl.DataFrame:
    """The texts of one coder in their order; all of them for a sheet without a coder."""
    if not coder:
        return drawn.select("unit_id")
    return assignments.filter(pl.col("coder") == coder).sort("place").select("unit_id")
