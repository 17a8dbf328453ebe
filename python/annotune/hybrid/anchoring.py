"""anchoring(): what seeing a model's proposal did to people's answers, measured against answers without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from annotune.agreement.arms import agreement_by_sight
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid import anchoring_tables as tables
from annotune.hybrid.anchoring_words import in_words, notes_of
from annotune.hybrid.answers_by_arm import Answers, read_answers
from annotune.hybrid.two_arms import CLUSTERS
from annotune.pictures import Point, forest, saved
from annotune.readable import Part, Readable, brief_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIFFERENCES, ACCEPTANCE = "differences", "acceptance"
MAIN = ("all", tables.THESE, "coder", "proposer")
FIGURES = ("difference", "ci_low", "ci_high")
MOST_DRAWN = 40  # rows in a picture
GIVEN = "the proposed label is given"
HEADINGS = {"all": GIVEN, tables.THESE: GIVEN, "coder": "by coder", "proposer": "by proposer", "label": "by label"}
NAMES = {"all": "all coders", tables.THESE: "these coders alone"}


@dataclass(frozen=True, repr=False)
class Anchoring(tables.Measured, Readable):
    """What came of `anchoring`. All intervals are of 95 %.

    Attributes
    ----------
    shares
        A row per variable and label: its share among answers without proposals (`share_blind`) and with them
        (`share_shown`), each with limits, their difference (the anchoring effect) with its standard error, interval, p,
        degrees of freedom, and p after Holm's correction for the variable's labels.
    acceptance
        How often coders give a proposed label when they see it (`share_shown`) and when they do not (`share_blind`),
        and the difference: what showing it adds. In all, by coder (leniency), proposer, variable and label; where
        coders are few, also in all for `these coders`, whatever others would do.
    recall
        Of the labels that coders gave, how many a proposal had: blind (`share_blind`, the recall of the proposals) and
        with proposals in sight. In all, by variable, label and proposer; empty without blind answers.
    decoys
        False proposals: `accepted`; the same label with the decoy in sight and at the second look without it; and the
        `agreement` of second looks with first ones. In all and by coder.
    pairs
        Two proposers of the same label to the same coder for the same text, and two coders of the same proposal: the
        shares accepted, their difference, and how often both verdicts agree.
    reliability
        Agreement of all coders on the same proposals (percent, alpha).
    agreement
        Agreement of answers without proposals, with proposals, and of each kind with the other: what verified answers
        are worth.
    seconds
        Seconds per text in each arm, and their ratio to those without a proposal.
    n_shown, n_blind, n_coders, n_texts
        Answers with proposals in sight and without, and who gave them to what.
    notes
        What a reader has to know.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> table = {"unit_id": range(40), "coder": "anna", "accepted": [True, True, False, True] * 10}
    >>> result = at.anchoring(pl.DataFrame(table | {"proposals": "Health"}))
    >>> result.in_words()[1]
    'Coders accepted 75% (59% to 86%) of the proposed labels.'
    """

    def in_words(self) -> list[str]:
        """The findings, a sentence or two each, for a paper or its reviewers."""
        return in_words(self)

    def _parts(self) -> Iterator[Part]:
        yield from self.in_words()
        yield from self.notes
        figures = ["share_blind", "share_shown", "difference", "ci_low", "ci_high"]
        yield brief_table(self.acceptance.filter(pl.col("by").is_in(MAIN)), ["by", "name", "n_shown", *figures])
        if len(self.shares):
            yield brief_table(self.shares, ["variable", "label", *figures, "p_holm"])

    def plot(self, path: str | Path | None = None, *, of: Literal["differences", "acceptance"] | None = None) -> Figure:
        """Draw what showing proposals changed, in points; or the shares of proposals that are accepted.

        Parameters
        ----------
        path
            Where to save it: `.png`, `.pdf`, `.svg`.
        of
            By default the differences, and the shares where there are no blind answers.
        """
        chosen = of or (DIFFERENCES if self.n_blind else ACCEPTANCE)
        if chosen not in (DIFFERENCES, ACCEPTANCE):
            raise AnnotuneError(f"There is no picture of {of!r}.", nearest(str(of), (DIFFERENCES, ACCEPTANCE)))
        if chosen == ACCEPTANCE:
            return saved(forest(self._accepted(), "share of proposed labels that coders give", (-0.01, 1.01)), path)
        if not self.n_blind:
            what = "Without blind answers there are no differences to draw."
            raise AnnotuneError(what, "Draw the shares that are accepted: of='acceptance'.")
        return saved(forest(self._differences(), "difference to answers without proposals, in points", at=0), path)

    def _differences(self) -> list[Point]:
        """What showing a proposal adds, and the shares of labels, in points of percent."""
        rows = self.acceptance.filter(pl.col("by").is_in(MAIN)).to_dicts()
        named = [(HEADINGS[row["by"]], NAMES.get(row["by"], row["name"]), row) for row in rows]
        several = self.shares["variable"].n_unique() > 1
        for row in self.shares.to_dicts():
            name = f"{row['variable']}: {row['label']}" if several else row["label"]
            named.append(("share of a label", name, row))
        points = []
        for group, name, row in named[:MOST_DRAWN]:
            estimate, low, high = (None if row[key] is None else 100 * row[key] for key in FIGURES)
            points.append(Point(name, estimate, low, high, "", group))
        return points

    def _accepted(self) -> list[Point]:
        """Shares of proposed labels, seen and unseen."""
        rows = self.acceptance.filter(pl.col("by").is_in([*MAIN, "label"]))
        points = []
        for row in rows.head(MOST_DRAWN).to_dicts():
            name = NAMES.get(row["by"], row["name"])
            for arm, series in (("shown", "in sight"), ("blind", "not in sight")):
                if row[f"n_{arm}"]:
                    estimate, low, high = (row[f"{part}_{arm}"] for part in ("share", "low", "high"))
                    points.append(Point(name, estimate, low, high, series, HEADINGS[row["by"]]))
        return points


def anchoring(
    source: Any,
    *,
    variable: str | None = None,
    columns: Mapping[str, str] | None = None,
    proposals: Any = None,
    cluster: str | Sequence[str] = CLUSTERS,
) -> Anchoring:
    """Measure what seeing a model's proposal does to people's answers.

    Whoever accepts or rejects what a model proposes tends to accept. Where a random part of the texts is coded blind,
    without proposals (`sample(..., blind=)`), the difference between both kinds of answers is what the proposals did.
    Answers of a coder and wave are weighted so that both arms are of the same texts and coders.

    Parameters
    ----------
    source
        A study's store (.annotune); or a table, or its file, with one row per answer: `unit_id`, `coder`, `proposals`
        (the labels that were in sight, joined by semicolons; empty where none was; or a JSON list as a store has it),
        and `label` (the answer, several joined by semicolons, "none" where none applies) or `accepted` (whether the
        proposal was). More where there is more: `variable`, `proposer`, `arm` ("open", "two", "blind", "decoy"; by
        default blind where there are no proposals), `decoy` (whether the proposal was false on purpose), `seconds`,
        `wave`.
    variable
        The variable; all of them together when left out, with a row for each.
    columns
        Where a table's columns have other names: `{"label": "answer", "proposals": "suggested"}`.
    proposals
        Codings by models, for a table: what was proposed for texts that were coded blind. A store has them.
    cluster
        Standard errors allow for dependence within coders and within texts (two-way; Cameron, Gelbach and Miller 2011),
        with CR2 and t where there are few. `"unit_id"` alone is for conclusions about these very coders.

    Returns
    -------
    Anchoring

    Raises
    ------
    AnnotuneError
        Where no answer was given with a proposal in sight, for columns that are missing, and for unknown arms.

    References
    ----------
    Schroeder, H., Roy, D. and Kabbara, J. (2025). Just put a human in the loop? ACL 2025. Cameron, A. C., Gelbach,
    J. B. and Miller, D. L. (2011). Robust inference with multiway clustering. Journal of Business & Economic
    Statistics 29.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> seen = ["Health", "Health", "Health", None] * 50
    >>> answers = ["Health", "Health", "Law", "Health", "Health", "Health", "Law", "Law"] * 25
    >>> table = {"unit_id": [f"t{i}" for i in range(200)], "coder": ["anna"] * 100 + ["ben"] * 100}
    >>> result = at.anchoring(pl.DataFrame(table | {"label": answers, "proposals": seen}), cluster="unit_id")
    >>> result.n_shown, result.n_blind, result.shares.select("label", pl.col("difference").round(3)).rows()
    (150, 50, [('Health', 0.167), ('Law', -0.167)])
    """
    clusters = _clusters(cluster)
    answers = _of_variable(read_answers(source, columns, proposals), variable)
    if answers.sighted.is_empty() and not answers.shown["decoy"].any():
        what = "No answer was given with a proposal in sight."
        raise AnnotuneError(what, "Proposals are shown on the coding page (code); sheets have none.")
    rows = tables.side_by_side(answers)
    judged = tables.verdicts(answers, rows)
    return Anchoring(
        shares=tables.label_shares(rows, clusters),
        acceptance=tables.acceptance(judged, clusters),
        recall=tables.recall(answers, rows, clusters),
        decoys=tables.decoys(answers),
        pairs=tables.pairs(judged, clusters),
        reliability=tables.reliability_of_verdicts(judged),
        agreement=agreement_by_sight(tables.as_codings(answers)),
        seconds=tables.seconds(answers, clusters),
        n_shown=int(rows["shown"].sum()),
        n_blind=int((~rows["shown"]).sum()),
        n_coders=rows["coder"].n_unique(),
        n_texts=rows["unit_id"].n_unique(),
        notes=tuple(notes_of(answers, rows, clusters)),
    )


def _clusters(cluster: str | Sequence[str]) -> tuple[str, ...]:
    names = (cluster,) if isinstance(cluster, str) else tuple(dict.fromkeys(cluster))
    for name in names:
        if name not in CLUSTERS:
            raise AnnotuneError(f"Answers cannot depend on each other by {name!r}.", nearest(name, CLUSTERS))
    if not names:
        raise AnnotuneError("cluster= names nothing.", "Name 'unit_id', or 'coder' and 'unit_id'.")
    return names


def _of_variable(answers: Answers, variable: str | None) -> Answers:
    """The answers and proposals that are about one variable."""
    if variable is None:
        return answers
    names = answers.answers["variable"].unique().sort().to_list()
    if variable not in names:
        raise AnnotuneError(f"Nobody coded the variable {variable!r}.", nearest(variable, names))
    mine = pl.col("variable") == variable
    return Answers(
        answers.answers.filter(mine), answers.shown.filter(mine), answers.offered.filter(mine), answers.complete
    )
