"""Which columns hold predictions, hand codings, and the probability of being coded; and whether they are usable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, TypeGuard

import numpy as np
import polars as pl

from annotune.correction.notes import CODE_MORE, Note
from annotune.data.codebook import Codebook
from annotune.data.columns_of_sets import label_columns
from annotune.data.encoded import variable_of
from annotune.data.waves import Counts, counts, waves
from annotune.errors import AnnotuneError, counted, listing, nearest, warn

FEWEST = 20  # hand-coded texts in a category: with fewer, neither its error nor the error's variance can be estimated
FEW_CLUSTERS = 50  # with fewer, standard errors that are robust to clusters are too small without CR2
ROUNDED = 1e-4
FAR = 5.0  # standard deviations between the number of coded texts and its expectation under pi are not chance


def gold_column(name: str, columns: Sequence[str]) -> str | None:
    """The column with a variable's hand codings: `topic_gold`, or `topic_gold_Health` for `topic_Health`.

    The share of coders who gave a label, `topic_share_Health`, is a hand coding itself.
    """
    if probability_of_share(name, columns) is not None:
        return name
    candidates = (f"{name}_gold", *_inserted(name, "gold"))
    return next((column for column in candidates if column in columns), None)


def prediction_column(name: str, columns: Sequence[str]) -> str:
    """The column with a variable's predictions: named as the variable is, or `y_hat` for `y`.

    What the share of coders who gave a label is predicted by, is the label's probability.
    """
    if share := probability_of_share(name, columns):
        return share
    return name if name in columns or f"{name}_hat" not in columns else f"{name}_hat"


def probability_of_share(name: str, columns: Sequence[str]) -> str | None:
    """The column with the probability of the label whose share among a text's coders `name` is.

    Examples
    --------
    >>> probability_of_share("topic_share_Health", ["topic_share_Health", "topic_p_Health"])
    'topic_p_Health'
    >>> probability_of_share("topic_share_Health", ["topic_share_Health", "topic"])
    """
    parts = name.split("_")
    places = [i for i in range(1, len(parts) - 1) if parts[i] == "share"] if name in columns else []
    candidates = ("_".join([*parts[:i], "p", *parts[i + 1 :]]) for i in places)
    return next((column for column in candidates if column in columns), None)


def own_column(role: str, gold: str | None, columns: Sequence[str]) -> str | None:
    """A variable's own column for `pi`, `coded` or `fold`, as a study writes it; None where there is none.

    Examples
    --------
    >>> own_column("fold", "topic_gold", ["topic", "topic_gold", "topic_fold"])
    'topic_fold'
    >>> own_column("fold", "topic_share_Health", ["topic_share_Health", "topic_fold"])
    'topic_fold'
    """
    stems = ((gold or "").rpartition(mark)[0] for mark in ("_gold", "_share"))
    return next((f"{stem}_{role}" for stem in stems if stem and f"{stem}_{role}" in columns), None)


def probability_columns(
    name: str, labels: Sequence[str], columns: Sequence[str], codebook: Codebook | None = None
) -> dict[str, str] | None:
    """The columns with the probability of each label, where all of them exist.

    Examples
    --------
    >>> probability_columns("topic", ["Public health"], ["topic", "topic_p_Public_health"])
    {'Public health': 'topic_p_Public_health'}
    """
    if codebook is not None and name in [entry.name for entry in codebook.variables]:
        names = label_columns(codebook.variable(name), f"{name}_p")
    else:  # one at a time: names that collide are resolved by codes, which only a codebook has
        names = {label: _probability_column(name, label) for label in labels if label.strip()}
    by_label = {label: names.get(label, "") for label in labels}
    return by_label if by_label and all(column in columns for column in by_label.values()) else None


def _probability_column(name: str, label: str) -> str:
    return next(iter(label_columns(variable_of(name, [label]), f"{name}_p").values()))


def set_probability_column(name: str, columns: Sequence[str]) -> str | None:
    """The column with the probability of a label of a set: `topic_p_Health` for `topic_Health`."""
    return next((column for column in _inserted(name, "p") if column in columns), None)


def yes_probability_column(name: str, columns: Sequence[str], cells: Sequence[pl.Series]) -> str | None:
    """The column with the probability of a yes, where the columns `cells` hold nothing but 0 and 1.

    It is that of a label of a set, or named as a label's own: `health_p_1` for `health`.

    Examples
    --------
    >>> yes_probability_column("health", ["health", "health_p_1"], [pl.Series([0, 1, None])])
    'health_p_1'
    >>> yes_probability_column("health", ["health", "health_p_1"], [pl.Series([0, 1, 2])])
    """
    if alone := set_probability_column(name, columns):
        return alone
    column = f"{name}_p_1"
    return column if column in columns and all(_yes_or_no(series) for series in cells) else None


def _yes_or_no(cells: pl.Series) -> bool:
    if not (cells.dtype.is_numeric() or cells.dtype == pl.Boolean):
        return False
    return bool(_blank_as_null(cells).drop_nulls().cast(pl.Float64).is_in([0.0, 1.0]).all())


def only_variable(columns: Sequence[str], gold: str | None) -> str:
    """The variable with the hand codings `gold`, or, where none are named, the only one with a column `<name>_gold`."""
    if gold is not None:
        return gold.removesuffix("_gold")
    names = [name.removesuffix("_gold") for name in columns if name.endswith("_gold")]
    if len(names) != 1:
        what = "No column ends in '_gold'." if not names else f"Several variables were coded: {listing(names)}."
        raise AnnotuneError(what, "Name one with variable=, or the columns with gold= and predicted=.")
    return names[0]


def with_probabilities(columns: Sequence[str]) -> list[str]:
    """The variables with probabilities of labels beside them."""
    return [name for name in columns if any(other.startswith(f"{name}_p_") for other in columns)]


def only_predicted(columns: Sequence[str]) -> str:
    """The only variable with probabilities of labels beside it.

    >>> only_predicted(["unit_id", "topic", "topic_p_Health", "topic_p_Law"])
    'topic'
    """
    names = with_probabilities(columns)
    if len(names) == 1:
        return names[0]
    several = f"Several variables were predicted: {listing(names)}."
    raise AnnotuneError(several if names else "No column has probabilities beside it.", "Name one with variable=.")


def require_probabilities(frame: pl.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns of probabilities that hold other values."""
    for name in names:
        if not (frame[name].dtype.is_numeric() or frame[name].dtype == pl.Null):
            raise AnnotuneError(f"The column {name!r} has words instead of probabilities.", "Code the texts again.")
        cells = frame[name].cast(pl.Float64).fill_nan(None).drop_nulls()
        wrong = cells.filter((cells < -ROUNDED) | (cells > 1 + ROUNDED))
        if len(wrong):
            raise AnnotuneError(
                f"The column {name!r} holds {wrong[0]:g}, not a probability.", "Give shares from 0 to 1."
            )


def _inserted(name: str, word: str) -> Iterator[str]:
    parts = name.split("_")
    for i in range(1, len(parts)):
        yield "_".join([*parts[:i], word, *parts[i:]])


def blanks_as_null(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The frame with missing cells of these columns as null: not as NaN, nor as the empty text that Stata writes.

    Examples
    --------
    >>> table = pl.DataFrame({"gold": ["a", "", " "], "fold": [1.0, float("nan"), None]})
    >>> blanks_as_null(table, ["gold", "fold"]).rows()
    [('a', 1.0), (None, None), (None, None)]
    """
    return frame.with_columns(_blank_as_null(frame[name]) for name in dict.fromkeys(names))


def _blank_as_null(cells: pl.Series) -> pl.Series:
    if cells.dtype == pl.String:
        return cells.set((cells.str.strip_chars() == "").fill_null(False), None)
    return cells.fill_nan(None) if cells.dtype.is_float() else cells


def coded_rows(frame: pl.DataFrame, gold: Sequence[str], coded: str | None) -> np.ndarray:
    """Which rows were drawn and coded by hand, shape (N,): by the column `coded`, and where all hand codings exist."""
    has_gold = np.ones(len(frame), dtype=bool)
    for name in gold:
        has_gold &= _blank_as_null(frame[name]).is_not_null().to_numpy()
    name = coded or "coded"
    if coded is None and name not in frame.columns:
        return has_gold
    cells = _words_as_truths(_blank_as_null(frame[name]))
    if not (cells.dtype == pl.Boolean or cells.dtype.is_numeric()):
        raise AnnotuneError(
            f"The column {name!r} does not say which texts were coded.", "Use true and false, or 1 and 0."
        )
    drawn = cells.cast(pl.Boolean).fill_null(False).to_numpy()
    lost = int((drawn & ~has_gold).sum())
    if lost:
        texts = counted(lost, "text drawn for coding has", "texts drawn for coding have")
        warn(f"{texts} no code, and cannot count as drawn.")
    return np.asarray(drawn & has_gold)


def _words_as_truths(cells: pl.Series) -> pl.Series:
    """Truth values that R reads from a .csv as the words true and false; other columns as they are.

    Examples
    --------
    >>> _words_as_truths(pl.Series(["true", "false", None])).to_list()
    [True, False, None]
    >>> _words_as_truths(pl.Series(["yes"])).to_list()
    ['yes']
    """
    if cells.dtype != pl.String or not cells.drop_nulls().str.to_lowercase().is_in(["true", "false"]).all():
        return cells
    return cells.str.to_lowercase() == "true"


def require_out_of_fold(frame: pl.DataFrame, coded: np.ndarray, fold: str | None) -> str | None:
    """Refuse coded texts predicted by a model that was tuned on them; a note where this is not documented."""
    name = fold or "fold"
    if name not in frame.columns:
        return Note(
            "The correction holds if the model was not tuned on the hand-coded texts.",
            f"Add a column {name!r} that says by which fold's model texts were coded, as crossfit() writes it.",
        )
    seen = int((_blank_as_null(frame[name]).is_null().to_numpy() & coded).sum())
    if seen:
        what = f"{seen:,} of {int(coded.sum()):,} hand-coded texts have no {name!r}: their model was tuned on them."
        raise AnnotuneError(what, "It errs too rarely there for a correction; predict these texts with crossfit().")
    return None


def counts_of(frame: pl.DataFrame, coded: np.ndarray, pi: str | float | None, wave: str | None = None) -> Counts:
    """How much the coded rows count: 1 / pi, and of several waves as these allow.

    Raises
    ------
    AnnotuneError
        Where pi is not known, 0 or above 1, or a wave is not known.
    """
    chance = chances(frame, pi)
    drawn_in = waves(frame, coded, pi, wave)
    mine = chance[coded]
    if np.isnan(mine).any():
        what = f"pi is missing for {int(np.isnan(mine).sum()):,} of {int(coded.sum()):,} hand-coded texts."
        raise AnnotuneError(what, "A correction needs the probability with which each was drawn.")
    wrong = chance[~np.isnan(chance) & ((chance <= 0) | (chance > 1))]
    if len(wrong):
        what = (
            f"pi is {wrong[0]:g} for {int((chance == wrong[0]).sum()):,} texts; a probability of being drawn is above 0"
        )
        advice = "Texts that could not be drawn do not belong in the correction: leave them out."
        raise AnnotuneError(what + " and at most 1.", advice)
    count = counts(mine, drawn_in)
    if count.chance is None:  # pi of later waves is among those not drawn before
        _warn_of_implausible_pi(chance, coded)
    return count


def chances(frame: pl.DataFrame, pi: str | float | None) -> np.ndarray:
    """Each row's probability of being drawn for hand coding, shape (N,), NaN where it is missing."""
    if is_number(pi):
        return np.full(len(frame), float(pi))
    name = pi if isinstance(pi, str) else "pi"
    if name not in frame.columns:
        what = "The probability with which texts were drawn for hand coding is not known."
        if pi is not None:
            what = f"There is no column {name!r} with the probability of being drawn for hand coding."
        raise AnnotuneError(what, "Give pi=, a column or one number: 600 of 6,000 texts drawn at random are pi=0.1.")
    if not frame[name].dtype.is_numeric():
        raise AnnotuneError(f"The column {name!r} holds no numbers.", "Give the probability of being drawn.")
    return frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is one real number; truth values are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _warn_of_implausible_pi(chance: np.ndarray, coded: np.ndarray) -> None:
    """Warn where far more or fewer texts are coded than pi implies."""
    chances = chance[~np.isnan(chance)]
    if len(chances) < len(chance):
        return
    warn_of_implausible_number(int(coded.sum()), float(chances.sum()), float((chances * (1 - chances)).sum()))


def warn_of_implausible_number(n: int, expected: float, variance: float) -> None:
    """Warn where a number of coded texts is far from what pi implies."""
    if abs(n - expected) > FAR * np.sqrt(max(variance, 0)) + 1:
        warn(f"{n:,} texts are coded by hand, and pi implies about {expected:,.0f}: check pi.")


def require_enough(cells: pl.Series, what: str) -> None:
    """Refuse fewer than 20 coded texts in all."""
    if len(cells) < FEWEST:
        sentence = (
            f"{counted(len(cells), 'text is', 'texts are')} coded by hand for {what}; that is too few for a correction."
        )
        raise AnnotuneError(sentence, f"Code at least {FEWEST}.")


def note_of_few(cells: pl.Series, labels: Sequence[str], what: str) -> list[str]:
    """A sentence where fewer than 20 texts are coded as one of the categories `labels`; a refusal where none is."""
    frequencies = dict(cells.cast(pl.String).value_counts().iter_rows())
    counts = {f"{what} {label}".strip(): frequencies.get(label, 0) for label in labels}
    if missing := [label for label, count in counts.items() if count == 0]:
        sentence = f"No text is coded by hand as {missing[0]}; there is nothing to estimate its errors from."
        raise AnnotuneError(sentence, "Code some, or join categories.")
    few = [f"{label} ({count})" for label, count in counts.items() if count < FEWEST]
    if not few:
        return []
    what = f"FEW CODINGS: fewer than {FEWEST} texts are coded by hand as {', '.join(few)}."
    return [Note(f"{what} Estimates about them are rough.", CODE_MORE)]


def warn_of_repeated_units(frame: pl.DataFrame) -> None:
    """Warn of texts that appear more than once: counted as separate texts, they make standard errors too small."""
    if "unit_id" in frame.columns and (again := int(frame["unit_id"].is_duplicated().sum())):
        warn(f"{again:,} of {len(frame):,} rows share their unit_id with others; each is counted as a separate text.")


def complete(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows in which all these columns are filled; a warning counts those that are left out."""
    return frame.filter(complete_rows(frame, names))


def complete_rows(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Whether all these columns are filled, (N,)."""
    missing = {name: _missing_cells(frame[name]) for name in dict.fromkeys(names)}
    gaps = [name for name, cells in missing.items() if cells.any()]
    if not gaps:
        return pl.repeat(True, len(frame), eager=True)
    whole = ~frame.select(pl.any_horizontal(missing[name] for name in gaps)).to_series()
    if not whole.any():
        raise AnnotuneError(f"Every text lacks {listing(gaps)}.", "Check these columns.")
    warn(f"{(~whole).sum():,} of {len(frame):,} texts lack {listing(gaps)} and were left out.")
    return whole


def _missing_cells(cells: pl.Series) -> pl.Series:
    if cells.dtype.is_float():
        return cells.is_null() | ~cells.is_finite().fill_null(False)
    return _blank_as_null(cells).is_null()


def require_named(frame: pl.DataFrame, names: Sequence[str], where: str) -> None:
    """Refuse a frame that lacks one of these columns."""
    for name in names:
        if name not in frame.columns:
            raise AnnotuneError(f"{where}: there is no column {name!r}.", nearest(name, frame.columns))


def gold_of(gold: str | Mapping[str, str] | None, name: str, outcome: str | None, columns: Sequence[str]) -> str | None:
    """The column with the hand codings of `name`, as named in `gold` or by convention."""
    if isinstance(gold, str):
        return gold if name == outcome else gold_column(name, columns)
    return (gold or {}).get(name) or gold_column(name, columns)


def as_words(cells: pl.Series) -> pl.Series:
    """Labels as words, whole numbers without a decimal point."""
    if cells.dtype.is_float() and bool((cells.drop_nulls() == cells.drop_nulls().round()).all()):
        return cells.cast(pl.Int64).cast(pl.String)
    return cells.cast(pl.Int8).cast(pl.String) if cells.dtype == pl.Boolean else cells.cast(pl.String)


def categories(dtype: Any) -> bool:
    """Whether a column holds labels rather than numbers."""
    return dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum)
