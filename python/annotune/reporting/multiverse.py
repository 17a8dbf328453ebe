"""The section of a report on the multiverse: what the coefficient is under other choices."""

from __future__ import annotations

from annotune.correction.choices import CHOICES
from annotune.correction.multiverse import Multiverse
from annotune.correction.multiverse_plot import plot_multiverse
from annotune.numbers import decimals
from annotune.reporting.drawing import svg_figure
from annotune.reporting.page import Section, Table, number
from annotune.reporting.references import BAUMANN, SIMONSOHN

ABOUT = (
    f"Every combination of choices that could have been made otherwise was estimated ({SIMONSOHN}), because choices of "
    f"models and settings alone can change a conclusion ({BAUMANN}). Coded texts were predicted out of fold throughout."
)
CAPTION = (
    "Specification curves: estimates with their intervals in ascending order, and below each the choices behind it. "
    "Pale intervals hold 0; the diamond is the study's own specification."
)


def multiverse_section(multiverse: Multiverse) -> Section:
    """The sentences, the specification curve, and what each choice moves."""
    words = multiverse.in_words()
    picture = svg_figure("multiverse", lambda: plot_multiverse(multiverse), " ".join(words), CAPTION)
    tables = [_table(multiverse)] if len(multiverse.choices) else []
    return Section("Other choices", (ABOUT, *words, picture, *tables))


def _table(multiverse: Multiverse) -> Table:
    """What each choice moves, one row per estimator and choice."""
    digits = decimals(multiverse.table["std_error"])
    rows = tuple(
        (
            row["estimator"],
            CHOICES[row["choice"]],
            str(row["n_values"]),
            f"{row['share']:.0%}",
            f"{number(row['lowest'], digits)} ({row['lowest_value']})",
            f"{number(row['highest'], digits)} ({row['highest_value']})",
        )
        for row in multiverse.choices.to_dicts()
    )
    header = ("estimator", "choice", "values", "share of the variance", "lowest mean", "highest mean")
    note = "Share of the variance between specifications that lies between a choice's values (the correlation ratio)."
    return Table("What moves the coefficient.", header, rows, words=2, notes=(note,))
