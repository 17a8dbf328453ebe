"""report(): one page that shows what was done and how good it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.error_model import ErrorModel
from annotune.correction.result import Correction
from annotune.data.codebook import Codebook
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.records.files import replacing
from annotune.reporting import sections
from annotune.reporting.files import writer_for
from annotune.reporting.findings import Findings, findings
from annotune.reporting.given import Given, gather
from annotune.reporting.methods import methods
from annotune.reporting.page import Page, Section
from annotune.reporting.provenance import provenance
from annotune.reporting.references import cited


def report(
    path: str | Path,
    *,
    model: Any = None,
    codings: Any = None,
    reliability: pl.DataFrame | None = None,
    codebook: Codebook | None = None,
    gold: Any = None,
    corpus: Any = None,
    by: str | Sequence[str] | None = None,
    compare: Comparison | None = None,
    curve: LearningCurve | None = None,
    correct: Correction | Sequence[Correction] | None = None,
    errors: ErrorModel | Sequence[ErrorModel | None] | None = None,
    record: Any = None,
    title: str | None = None,
    format: str | None = None,
    n_boot: int = 1000,
    seed: int = 1,
) -> Path:
    """Write a report: a page with figures, or its tables for a paper.

    A section is there when what it needs was given; the page ends with what is not there, and how it would be. At
    least one of `model`, `codings`, `reliability`, `compare`, `curve` and `correct` is needed. No text of the corpus
    is printed. The same input gives the same bytes.

    Parameters
    ----------
    path
        Where to: `.html` for the page (self-contained: no scripts, nothing fetched), `.docx` or `.tex` for its tables.
    model
        A tuned model, its folder, what `evaluate` returned, or a list of such: baselines, labels, confusions,
        calibration, record.
    codings
        Hand codings by several coders: their agreement, and whether they agree with the model as with each other.
    reliability
        What `reliability` returned, in place of computing it from `codings`.
    codebook
        The labels there are, for agreement.
    gold
        One answer a text, for calibration and subgroups; by default what the model kept of it.
    corpus, by
        Texts' covariates (unit_id and columns), and which of them to show errors by: by default up to six columns with
        2 to 12 values. Numbers with more are cut into quarters where they are named.
    compare, curve, correct, errors
        What `compare`, `learning_curve`, `correct` and `error_model` returned; of the last two a list, too.
    record
        A record to print (a dictionary, or the path of a `.record.json`); times in it are left out.
    title
        Of the page; by default the codebook's name.
    format
        `html`, `docx` or `tex`, where the path's ending does not say.
    n_boot, seed
        Bootstrap replicates of what is computed here, and their seed.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    AnnotuneError
        When there is nothing to report, or the format needs a package that is not installed.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> gold = pl.DataFrame({"unit_id": list("abcdef"), "label": list("xxxyyy")})
    >>> dictionary = pl.DataFrame({"unit_id": list("abcdef"), "label": list("xyxyyy")})
    >>> page = at.report(tempfile.mkdtemp() + "/page.html", compare=at.compare({"dictionary": dictionary}, gold))
    >>> "most frequent label" in page.read_text()
    True
    """
    path = Path(path)
    write = writer_for(path, format)
    given = gather(
        model, codings, reliability, codebook, gold, corpus, by, compare, curve, correct, errors, record, n_boot, seed
    )
    content = write(_page(given, title))
    with replacing(path) as draft:
        draft.write_bytes(content)
    return path


def _page(given: Given, title: str | None) -> Page:
    """Everything that the report says, whatever it is written as."""
    found = findings(given)
    told = methods(given, found.reliability, found.calibrations)
    name = title or (given.codebook.name if given.codebook else "") or "Report"
    return Page(name, tuple(_sections(given, found)), told, cited(told), provenance(given), found.missing)


def _sections(given: Given, found: Findings) -> Iterator[Section]:
    if found.reliability is not None:
        yield sections.agreement(given, found.reliability)
    for judged in given.judged:
        yield sections.model(judged, given)
        yield sections.confusions(judged)
        if judged.key in found.calibrations:
            yield sections.calibration(judged, found.calibrations[judged.key])
        if judged.key in found.groups:
            yield sections.subgroups(judged, found.groups[judged.key])
    if given.errors:
        yield sections.errors(given)
    if given.curve is not None:
        yield sections.curve(given.curve)
    if given.compare is not None:
        yield sections.comparison(given.compare)
    if given.correct:
        yield sections.regressions(given)
