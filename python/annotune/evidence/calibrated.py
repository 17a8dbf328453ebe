"""Calibration of probabilities: reliability diagrams, expected calibration error and Brier scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError
from annotune.evidence.probabilities import Sure, against_gold
from annotune.measures.evaluation import interval
from annotune.measures.scores import Sums
from annotune.models.classifier import Classifier
from annotune.network.logits import from_logits
from annotune.pictures import COLOURS, INK, PALE, new_figure, saved
from annotune.readable import Part, Readable, brief_table
from annotune.tuning.calibrate import surprises, temperature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GIVEN, BEFORE, AFTER = "as given", "before calibration", "one temperature, cross-fitted"
FOLDS, CHANCES = 5, 4000
NEVER = 1e-12  # replaces a probability of 0 where its logarithm is needed


@dataclass(frozen=True, repr=False)
class Calibration(Readable):
    """How well probabilities agree with how often answers are right.

    Attributes
    ----------
    bins
        Columns version, low, high (the bin's bounds), n, confidence (its mean), right (the share), ci_low, ci_high
        (Wilson's 95 % interval). Empty bins are left out. For label sets, each label of each unit is a yes/no answer,
        and `confidence` and `right` are the probability and the share of yes.
    scores
        Columns version, measure (ece, brier, log_loss), estimate, ci_low, ci_high, n_units.
    left_out
        The number of gold units without an answer or a probability, which are left out.
    """

    bins: pl.DataFrame
    scores: pl.DataFrame
    left_out: int

    def get(self, measure: str, version: str = GIVEN) -> float:
        """One score."""
        rows = self.scores.filter((pl.col("measure") == measure) & (pl.col("version") == version))
        if rows.is_empty():
            raise AnnotuneError(f"There is no {measure!r} of {version!r}.", "See .scores.")
        return float(rows["estimate"][0])

    def _parts(self) -> Iterator[Part]:
        """The gap in a sentence, and the scores."""
        yield self.in_words()
        yield brief_table(self.scores, ("version", "measure", "estimate", "ci_low", "ci_high", "n_units"))

    def in_words(self) -> str:
        """The gap between stated probabilities and shares of right answers, in a sentence."""
        ece, versions = self.get("ece"), self.scores["version"].unique(maintain_order=True).to_list()
        others = [f"{self.get('ece', name):.3f} {name}" for name in versions if name != GIVEN]
        beside = f" ({'; '.join(others)})" if others else ""
        means = self.bins.filter(pl.col("version") == GIVEN)
        gap = float(np.average(means["confidence"] - means["right"], weights=means["n"]))
        side = "too sure" if gap > 0 else "not sure enough"
        return (
            f"On average the stated probability is {ece:.3f} away from the share that is right{beside}; "
            f"over all it is {side} by {abs(gap):.3f}."
        )


def calibration(
    codings: Any,
    gold: Any,
    *,
    variable: str | None = None,
    codebook: Codebook | None = None,
    bins: int = 10,
    n_boot: int = 1000,
    seed: int = 1,
) -> Calibration:
    """Compare stated probabilities with shares of right answers, on texts that people coded.

    Parameters
    ----------
    codings
        Predictions by one coder for texts that it was not tuned on, with the column `prob` or columns `p_<label>`; or
        a tuned `Classifier`, which stands for its held-out predictions. With `codebook` also coded texts with one
        column per variable, as made by `attach` and `annotune classify`.
    gold
        A table of codings with one answer per unit. Where it has its coders' shares (`resolve(rule="shares")`), an
        answer is right to the share of them who gave it, and scores are means over coders.
    variable, codebook
        The variable, and its labels.
    bins
        The number of bins, which have equal width.
    n_boot, seed
        Replicates of the percentile bootstrap of units, and its seed. Absolute gaps are too large in a sample, and
        larger again in its resamples. The interval of `ece` therefore begins at 0 where probabilities that are exactly
        right would show as much in one of 40 samples (consistency resampling, Bröcker and Smith 2007), and elsewhere
        with the percentile above the estimate reflected about it (Davison and Hinkley 1997, equation 5.6).

    Returns
    -------
    Calibration
        The version `as given`; of a tuned model also `before calibration`, its scale and offsets taken out again
        (after cross-validation those of the final model), and of other coders with a probability for each label also
        `one temperature, cross-fitted`: what calibrating them would give, each fifth of the texts with the
        temperature of the others. `ece` is the expected calibration error of the label given (Guo et al. 2017,
        equation 3), `brier` the squared error summed over labels (Brier 1950), for label sets the mean over
        questions; without columns `p_<label>` it is that of the label given, right or wrong.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> gold = pl.DataFrame({"unit_id": list("abcd"), "label": list("xxyy")})
    >>> codings = gold.with_columns(label=pl.Series(list("xxyx")), prob=pl.Series([0.9, 0.9, 0.6, 0.6]))
    >>> result = at.calibration(codings, gold, n_boot=0)
    >>> round(result.get("ece"), 3), round(result.get("brier"), 3)
    (0.1, 0.135)
    """
    if not 1 <= bins <= 100:
        raise AnnotuneError(f"{bins} bins cannot be read.", "Choose from 1 to 100; 10 are usual.")
    sure = against_gold(codings, gold, variable, codebook)
    versions = _versions(sure, codings)
    tables = [
        _binned(*_yes_no_answers(sure, shares), bins).with_columns(version=pl.lit(name)) for name, shares in versions
    ]
    scores = [_score_table(name, sure, shares, bins, n_boot, seed) for name, shares in versions]
    return Calibration(pl.concat(tables).select("version", pl.exclude("version")), pl.concat(scores), sure.left_out)


def plot_calibration(found: Calibration, path: str | Path | None = None) -> Figure:
    """A reliability diagram: the share of right answers by stated probability, and the numbers of answers.

    Parameters
    ----------
    found
        The result of `calibration`.
    path
        Where to save it, such as `.png`, `.pdf` or `.svg`.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> gold = pl.DataFrame({"unit_id": list("abcd"), "label": list("xxyy")})
    >>> codings = gold.with_columns(label=pl.Series(list("xxyx")), prob=pl.Series([0.9, 0.9, 0.6, 0.6]))
    >>> at.plot_calibration(at.calibration(codings, gold, n_boot=0)).axes[0].get_xlabel()
    'stated probability'
    """
    figure, (above, below) = new_figure(5.2, 6.2, rows=2, heights=(4, 1))
    above.plot([0, 1], [0, 1], color=PALE, linewidth=1.5, zorder=1)
    above.text(0.98, 0.02, "below the line: too sure", color="#555555", fontsize=8, ha="right")
    styles = {GIVEN: {"color": INK, "marker": "o"}}
    for name in found.scores["version"].unique(maintain_order=True):
        rows = found.bins.filter(pl.col("version") == name)
        style = styles.get(name, {"color": COLOURS[1], "marker": "s", "linestyle": "--"})
        middle, right = rows["confidence"].to_numpy(), rows["right"].to_numpy()
        label = f"{name} (ECE {found.get('ece', name):.3f})"
        above.plot(middle, right, label=label, markersize=5, linewidth=1.4, zorder=3, **style)
        if name == GIVEN:
            above.vlines(middle, rows["ci_low"], rows["ci_high"], color=INK, linewidth=1, zorder=2)
            below.bar(rows["low"], rows["n"], rows["high"] - rows["low"], align="edge", color=INK, edgecolor="white")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right, with 95 % interval")
    above.legend(frameon=False, loc="upper left", fontsize=8)
    below.set(xlim=(0, 1), ylabel="answers")
    above.set_xlabel("stated probability")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    return saved(figure, path)


def _versions(sure: Sure, codings: Any) -> list[tuple[str, np.ndarray | None]]:
    """The probabilities of each version (n, labels); None where only that of the assigned label is known."""
    versions: list[tuple[str, np.ndarray | None]] = [(GIVEN, sure.shares)]
    if sure.shares is None:
        return versions
    logits, sets = _logits(sure.shares, sure.truth.ndim == 2), sure.truth.ndim == 2
    if isinstance(codings, Classifier):
        choices = codings.card["choices"]
        offset = dict(zip(codings.labels, choices["offsets"], strict=True))  # the gold's labels may be in another order
        before = (logits - np.array([offset.get(name, 0.0) for name in sure.entry.names])) / choices["scale"]
        return [*versions, (BEFORE, from_logits(before, sets))]
    after = sure.shares.copy()
    fold = np.random.default_rng(0).permutation(len(after)) % FOLDS
    for i in np.unique(fold):
        out = fold == i
        after[out] = from_logits(logits[out] / temperature(logits[~out], _said(sure)[~out], sets), sets)
    return [*versions, (AFTER, after)]


def _said(sure: Sure) -> np.ndarray:
    """What probabilities are about: the coders' shares where the gold has them, else the gold."""
    return sure.truth if sure.coders is None else sure.coders


def _logits(shares: np.ndarray, sets: bool) -> np.ndarray:
    clipped = np.clip(shares, NEVER, 1 - NEVER if sets else 1)
    return np.asarray(np.log(clipped / (1 - clipped)) if sets else np.log(clipped))


def _yes_no_answers(sure: Sure, shares: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Stated probabilities (q,) and whether each is right (q,): of the assigned label, or of each label of a set.

    Where the gold has its coders' shares, the share of them to whom it is right.
    """
    if sure.truth.ndim == 2 and shares is not None:
        return shares.ravel(), _said(sure).ravel()
    rows = np.arange(len(sure.predicted))
    right = sure.right if sure.coders is None else sure.coders[rows, sure.predicted]
    return (sure.confidence if shares is None else np.asarray(shares[rows, sure.predicted])), right


def _bin_of(stated: np.ndarray, bins: int) -> np.ndarray:
    return np.asarray(np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1))


def _binned(stated: np.ndarray, right: np.ndarray, bins: int) -> pl.DataFrame:
    from statsmodels.stats.proportion import proportion_confint

    place = _bin_of(stated, bins)
    n, sums, hits = (np.bincount(place, weights=w, minlength=bins) for w in (np.ones(len(place)), stated, right))
    some = n > 0
    low, high = proportion_confint(hits[some], n[some], method="wilson")
    edges = np.linspace(0, 1, bins + 1)
    return pl.DataFrame(
        {
            "low": edges[:-1][some],
            "high": edges[1:][some],
            "n": n[some].astype(int),
            "confidence": sums[some] / n[some],
            "right": hits[some] / n[some],
            "ci_low": low,
            "ci_high": high,
        }
    )


def _score_table(
    version: str, sure: Sure, shares: np.ndarray | None, bins: int, n_boot: int, seed: int
) -> pl.DataFrame:
    """ECE, Brier and log loss, each with the interval of shared bootstrap replicates of units."""
    n, (stated, right) = len(sure.truth), _yes_no_answers(sure, shares)
    per_unit = len(stated) // n
    gaps = np.zeros((n, bins))
    np.add.at(gaps, (np.repeat(np.arange(n), per_unit), _bin_of(stated, bins)), (stated - right) / per_unit)
    errors, losses = _errors_of_units(sure, shares)
    sums = Sums(np.column_stack([gaps, errors, losses]), np.ones(n), n_labels=1, sets=False)
    drawn = [_scores_of_means(chunk / n) for chunk in sums.replicates(n_boot, np.random.default_rng(seed))]
    point = _scores_of_means(sums.total / n)
    ends = {name: interval([chunk[name] for chunk in drawn]) for name in point}
    ends["ece"] = _ends_of_ece(float(point["ece"]), *ends["ece"], _ece_by_chance(stated, bins, seed))
    rows = [(version, name, float(value), *ends[name], n) for name, value in point.items()]
    types = dict.fromkeys(("estimate", "ci_low", "ci_high"), pl.Float64)
    schema = {"version": pl.String, "measure": pl.String, **types, "n_units": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _ends_of_ece(
    estimate: float, low: float | None, high: float | None, chance: float
) -> tuple[float, float] | tuple[None, None]:
    """The interval of the expected calibration error, from percentiles of a bootstrap that moves it upwards."""
    if low is None or high is None:
        return None, None
    return 0.0 if estimate <= chance else max(0.0, 2 * estimate - high), max(estimate, high)


def _ece_by_chance(stated: np.ndarray, bins: int, seed: int) -> float:
    """The expected calibration error that one of 40 samples exceeds where probabilities are exactly right.

    Hits in a bin vary about the sum of its probabilities like the sum of as many independent draws, nearly normally.
    """
    spread = np.sqrt(np.bincount(_bin_of(stated, bins), stated * (1 - stated), minlength=bins))
    drawn = np.random.default_rng(seed).normal(size=(CHANCES, bins))
    return float(np.quantile(np.abs(drawn * spread).sum(1) / len(stated), 0.975))


def _scores_of_means(means: np.ndarray) -> dict[str, np.ndarray]:
    """Scores from means over units (..., bins + 2): each bin's gap, the squared error, the negative log-likelihood."""
    return {"ece": np.abs(means[..., :-2]).sum(-1), "brier": means[..., -2], "log_loss": means[..., -1]}


def _errors_of_units(sure: Sure, shares: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Each unit's squared error and negative log-likelihood, (n,) each."""
    if shares is None:
        stated, (_, right) = np.clip(sure.confidence, NEVER, 1 - NEVER), _yes_no_answers(sure, shares)
        squared = right * (1 - sure.confidence) ** 2 + (1 - right) * sure.confidence**2  # mean over coders
        return np.asarray(squared), -(right * np.log(stated) + (1 - right) * np.log(1 - stated))
    sets, said = sure.truth.ndim == 2, _said(sure)
    indicators = said if said.ndim == 2 else np.eye(shares.shape[1])[said]
    squared = (shares - indicators) ** 2 + indicators * (1 - indicators)  # the latter only where coders differ
    return squared.mean(1) if sets else squared.sum(1), surprises(_logits(shares, sets), said, sets)
