"""A coefficient under every combination of choices: how often its sign and its significance flip, and what moves it.

A specification is one combination of choices (base model, seed, gold rule, cut-offs ...) and an estimator. A choice
that an estimator makes no use of is not varied for it: its column is empty, and the specification counts once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from annotune.correction.choices import CHOICES
from annotune.correction.multiverse_plot import plot_multiverse
from annotune.correction.result import CORRECTED, HAND, NAIVE
from annotune.errors import AnnotuneError
from annotune.numbers import decimals
from annotune.readable import Part, Readable
from annotune.text_table import Column, Say, TextTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGLE = 0.2  # the share of the variance from which on a choice is said to move a coefficient
FIGURES = ("estimate", "std_error", "p_value", "conf_low", "conf_high")
TABLE = {
    "specification": pl.Int64,
    "estimator": pl.String,
    **dict.fromkeys(CHOICES, pl.String),
    "own": pl.Boolean,
    **dict.fromkeys(FIGURES, pl.Float64),
    "n": pl.Int64,
    "n_coded": pl.Int64,
}
FLIPS = {
    "estimator": pl.String,
    **dict.fromkeys(("n", "positive", "significant_positive", "significant_negative"), pl.Int64),
    **dict.fromkeys(("own", "own_low", "own_high"), pl.Float64),
    **dict.fromkeys(("sign_flips", "significance_flips"), pl.Int64),
    **dict.fromkeys(("lowest", "median", "highest"), pl.Float64),
}
SHARES = {
    "estimator": pl.String,
    "choice": pl.String,
    "n_values": pl.Int64,
    **dict.fromkeys(("share", "lowest", "highest"), pl.Float64),
    "lowest_value": pl.String,
    "highest_value": pl.String,
}


@dataclass(frozen=True, repr=False)
class Multiverse(Readable):
    """A coefficient under every combination of choices.

    Attributes
    ----------
    table
        One row per specification: its number, `estimator` ("hand-coded only", "naive", "corrected"), a column for each
        choice (null where the estimator makes no use of it), `own` (whether the study chose so itself), estimate,
        std_error, p_value, conf_low, conf_high, n and n_coded (texts, and those of them coded by hand).
    flips
        One row per estimator: `n` specifications, how many are `positive`, `significant_positive` and
        `significant_negative` (the interval does not hold 0), the study's `own` estimate with its limits, in how many
        specifications the sign and the significance are other than that (`sign_flips`, `significance_flips`; than in
        the median specification, where the study's own is not among them), and the lowest, median and highest estimate.
    choices
        One row per estimator and choice with several values: the `share` of the variance between specifications that
        lies between the choice's values, and the `lowest` and `highest` mean of a value, and which values these are.
    formula, term, level
        The regression, the coefficient, and the level of its intervals.

    Examples
    --------
    >>> row = {"estimator": "naive", "std_error": 0.1, "n": 100, "n_coded": 20}
    >>> rows = [
    ...     {**row, "gold": gold, "seed": seed, "own": gold == "majority", "estimate": at, "conf_low": at - 0.2,
    ...      "conf_high": at + 0.2}
    ...     for gold, seed, at in [("majority", "1", 0.3), ("unanimous", "1", 0.1), ("unanimous", "2", 0.0)]
    ... ]
    >>> result = made_of(rows, "topic == 'Health' ~ party", "party[opposition]")
    >>> result.flips.select("n", "own", "sign_flips", "significance_flips").rows()
    [(3, 0.3, 1, 2)]
    >>> result.choices.sort("share")["choice"].to_list()[-1]
    'gold'
    """

    table: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TABLE))
    flips: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FLIPS))
    choices: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SHARES))
    formula: str = ""
    term: str = ""
    level: float = 0.95

    def tidy(self) -> pl.DataFrame:
        """The table: one row per specification."""
        return self.table

    def plot(self, path: str | Path | None = None) -> Figure:
        """The specification curve: see `plot_multiverse`."""
        return plot_multiverse(self, path)

    def in_words(self) -> list[str]:
        """How often sign and significance flip, naive and corrected, and which choice moves the coefficient most."""
        sizes = {row["estimator"]: row["n"] for row in self.flips.to_dicts()}
        curves = [name for name in (NAIVE, CORRECTED) if name in sizes]
        counted = " and ".join(f"{sizes[name]:,} {name}" for name in curves)
        head = f"{self.term} in {self.formula!r} under {sum(sizes[n] for n in curves):,} specifications, {counted}."
        return [head, *(self._of_estimator(name) for name in curves), *self._movers(curves)]

    def _of_estimator(self, name: str) -> str:
        """Range, signs and significance of one estimator."""
        row, form = self.flips.row(by_predicate=pl.col("estimator") == name, named=True), self._form()
        n, significant = row["n"], row["significant_positive"] + row["significant_negative"]
        less = f", {row['significant_negative']:,} of them below 0" if row["significant_negative"] else ""
        where = "the study's own choices give" if row["own"] is not None else "the median is"
        own = row["median"] if row["own"] is None else row["own"]
        return (
            f"{name.capitalize()}: from {row['lowest']:{form}} to {row['highest']:{form}}, positive in "
            f"{row['positive']:,} of {n:,}, significant in {significant:,}{less}; {where} {own:{form}}, from which the "
            f"sign differs in {row['sign_flips']:,} ({row['sign_flips'] / n:.0%}) and the significance in "
            f"{row['significance_flips']:,} ({row['significance_flips'] / n:.0%})."
        )

    def _movers(self, curves: list[str]) -> Iterator[str]:
        """The choice that moves each estimator's coefficient most."""
        form = self._form()
        for name in curves:
            rows = self.choices.filter(pl.col("estimator") == name).sort("share", descending=True)
            if not len(rows):
                continue
            row = rows.row(0, named=True)
            if row["share"] < SINGLE:
                yield (
                    f"No single choice decides the {name} coefficient: its variance is between combinations of them; "
                    f"{row['share']:.0%} of it, the most of one choice, is between values of {CHOICES[row['choice']]}."
                )
                continue
            yield (
                f"The {name} coefficient is moved most by {CHOICES[row['choice']]}, between whose values lie "
                f"{row['share']:.0%} of its variance: {row['lowest']:{form}} on average with {row['lowest_value']}, "
                f"{row['highest']:{form}} with {row['highest_value']}."
            )

    def _form(self) -> str:
        return f".{decimals(self.table['std_error'])}f"

    def _parts(self) -> Iterator[Part]:
        """The sentences, and what each choice moves."""
        yield from self.in_words()
        if len(self.choices):
            yield choice_table(self.choices, self._form())


def made_of(rows: list[dict[str, Any]], formula: str, term: str, level: float = 0.95) -> Multiverse:
    """The multiverse of these specifications, which have an estimator, choices and figures; without equal ones."""
    frame = pl.DataFrame(rows, schema={name: kind for name, kind in TABLE.items() if name != "specification"})
    frame = frame.filter(pl.col("estimate").is_not_null()).with_columns(pl.col("own").fill_null(False))
    keys = ["estimator", *CHOICES]
    frame = frame.sort("own", descending=True, maintain_order=True).unique(keys, keep="first", maintain_order=True)
    if frame.is_empty():
        raise AnnotuneError(f"{formula!r}: no specification gave an estimate of {term}.", "Vary other choices.")
    order = {HAND: 0, NAIVE: 1, CORRECTED: 2}
    frame = frame.sort(pl.col("estimator").replace_strict(order), *CHOICES, nulls_last=True, maintain_order=True)
    table = frame.with_row_index("specification", offset=1).select(*TABLE).cast(TABLE)  # type: ignore[arg-type]
    estimators = table["estimator"].unique(maintain_order=True).to_list()
    flips = [_flips(name, table.filter(pl.col("estimator") == name)) for name in estimators]
    shares = [row for name in estimators for row in _shares(name, table.filter(pl.col("estimator") == name))]
    return Multiverse(
        table, pl.DataFrame(flips, schema=FLIPS), pl.DataFrame(shares, schema=SHARES), formula, term, level
    )


def _flips(name: str, rows: pl.DataFrame) -> dict[str, Any]:
    """How often sign and significance are other than by the study's own choices, or in the median specification."""
    own = rows.filter("own").to_dicts()
    reference = own[0] if own else rows.sort("estimate").row(len(rows) // 2, named=True)
    above, below = pl.col("conf_low") > 0, pl.col("conf_high") < 0
    is_significant = bool(reference["conf_low"] > 0 or reference["conf_high"] < 0)
    counts = rows.select(
        positive=(pl.col("estimate") > 0).sum(),
        significant_positive=above.sum(),
        significant_negative=below.sum(),
        sign_flips=((pl.col("estimate") > 0) != (reference["estimate"] > 0)).sum(),
        significance_flips=((above | below) != is_significant).sum(),
        lowest=pl.col("estimate").min(),
        median=pl.col("estimate").median(),
        highest=pl.col("estimate").max(),
    ).row(0, named=True)
    figures = zip(("own", "own_low", "own_high"), ("estimate", "conf_low", "conf_high"), strict=True)
    own_figures = {target: own[0][source] if own else None for target, source in figures}
    return {"estimator": name, "n": len(rows), **counts, **own_figures}


def _shares(name: str, rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """For each choice with several values the share of the variance that is between them (the correlation ratio)."""
    for choice in CHOICES:
        known = rows.filter(pl.col(choice).is_not_null())
        means = known.group_by(choice, maintain_order=True).agg(pl.col("estimate").mean().alias("mean"), pl.len())
        if len(means) < 2:
            continue
        deviation = known["estimate"] - known["estimate"].mean()
        total = float((deviation**2).sum())
        between = float((means["len"] * (means["mean"] - known["estimate"].mean()) ** 2).sum())
        least, most = means.sort("mean").row(0, named=True), means.sort("mean").row(-1, named=True)
        yield {
            "estimator": name,
            "choice": choice,
            "n_values": len(means),
            "share": between / total if total > 0 else 0.0,
            "lowest": least["mean"],
            "highest": most["mean"],
            "lowest_value": least[choice],
            "highest_value": most[choice],
        }


def choice_table(choices: pl.DataFrame, form: str) -> TextTable:
    """One line per estimator and choice, for a screen."""
    columns = (
        Column("estimator", lambda row: str(row["estimator"]), words=True, group=True),
        Column("choice", lambda row: str(row["choice"]), words=True),
        Column("values", lambda row: str(row["n_values"]), last=2),
        Column("share of variance", lambda row: f"{row['share']:.0%}"),
        Column("means of its values", _means(form), words=True, last=1),
    )
    return TextTable(choices.filter(pl.col("estimator") != HAND), columns, "Multiverse.choices has all figures.")


def _means(form: str) -> Say:
    return lambda row: (
        f"{row['lowest']:{form}} ({row['lowest_value']}) to {row['highest']:{form}} ({row['highest_value']})"
    )
