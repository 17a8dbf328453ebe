"""report(): one page with methods, evaluation and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.correction.error_model import ErrorModel
from annotune.correction.multiverse import Multiverse
from annotune.correction.result import Correction
from annotune.data.codebook import Codebook
from annotune.evidence.comparison import Comparison
from annotune.evidence.curve import LearningCurve
from annotune.export.journal import Layout
from annotune.hybrid.anchoring import Anchoring
from annotune.hybrid.rounds import Rounds
from annotune.records.files import replacing
from annotune.reporting import sections
from annotune.reporting.anchoring import anchoring_section
from annotune.reporting.coders import coders_section
from annotune.reporting.files import writer_for
from annotune.reporting.findings import Findings, findings
from annotune.reporting.inputs import Inputs, Judged, gather_inputs
from annotune.reporting.methods import methods
from annotune.reporting.multiverse import multiverse_section
from annotune.reporting.page import Page, Section
from annotune.reporting.passages import passages_of, passages_section
from annotune.reporting.provenance import provenance
from annotune.reporting.references import cited
from annotune.reporting.rounds import rounds_section
from annotune.reporting.summary import summary_section


def report(
    path: str | Path,
    *,
    model: Any = None,
    codings: Any = None,
    reliability: pl.DataFrame | None = None,
    codebook: Codebook | None = None,
    gold: Any = None,
    coded: Any = None,
    corpus: Any = None,
    by: str | Sequence[str] | None = None,
    compare: Comparison | None = None,
    curve: LearningCurve | None = None,
    rounds: Rounds | None = None,
    anchoring: Anchoring | None = None,
    multiverse: Multiverse | None = None,
    correct: Correction | Sequence[Correction] | None = None,
    errors: ErrorModel | Sequence[ErrorModel | None] | None = None,
    record: Any = None,
    title: str | None = None,
    format: str | None = None,
    layout: Layout = "journal",
    n_boot: int = 1000,
    seed: int = 1,
) -> Path:
    """Write a report: a page with figures, or its tables for a paper.

    The page has the sections whose inputs are there, and ends with a list of missing sections and their inputs. At
    least one of `model`, `codings`, `reliability`, `compare`, `curve`, `rounds`, `anchoring`, `multiverse` and
    `correct` is needed. No text of the corpus is printed but for the
    passages that decided, where `coded` has them. The same input gives the same bytes.

    Parameters
    ----------
    path
        The file: `.html` for the page (self-contained: no scripts, nothing fetched), `.docx` or `.tex` for its tables.
    model
        A tuned model, its folder, the result of `evaluate`, or a list of these: baselines, labels, confusions,
        calibration, what single coders would say (of `tune(coders=)`), record.
    codings
        Hand codings by several coders: their agreement, with each other and with the model.
    reliability
        The result of `reliability`, instead of computing it from `codings`.
    codebook
        The codebook with the labels, for agreement.
    gold
        One hand coding per text, for calibration and subgroups; by default those kept with the model.
    coded
        The models' codings of the corpus, as `classify` or `annotune classify` gives them: how often each label was
        given, beside how often people and the model gave it to held-out texts; and, where they were asked for
        (`evidence`), the passages that decided on the surest and the least sure text of each label.
    corpus, by
        Covariates of the texts (unit_id and columns), and those by which errors are shown: by default up to six columns
        with 2 to 12 values. Numbers with more values are cut into quarters where `by` names them.
    compare, curve, rounds, anchoring, multiverse, correct, errors
        The results of `compare`, `learning_curve`, `rounds`, `anchoring`, `multiverse`, `correct` and `error_model`;
        for the last two also a list.
    record
        A record to print (a dictionary, or the path of a `.record.json`), without its times.
    title
        The title of the page; by default the name of the codebook.
    format
        `html`, `docx` or `tex`; by default the suffix of the path.
    layout
        Of corrected regressions: "journal", a column per method with standard errors in brackets, or "stacked", a row
        per method with intervals and p-values.
    n_boot, seed
        The number of bootstrap replicates for results computed here, and their seed.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    AnnotuneError
        If there is nothing to report, or the format needs a package that is not installed.

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
    inputs = gather_inputs(
        model=model,
        codings=codings,
        reliability=reliability,
        codebook=codebook,
        gold=gold,
        coded=coded,
        corpus=corpus,
        by=by,
        compare=compare,
        curve=curve,
        rounds=rounds,
        anchoring=anchoring,
        multiverse=multiverse,
        correct=correct,
        errors=errors,
        record=record,
        layout=layout,
        n_boot=n_boot,
        seed=seed,
    )
    content = write(_page(inputs, title))
    with replacing(path) as draft:
        draft.write_bytes(content)
    return path


def _page(inputs: Inputs, title: str | None) -> Page:
    """The content of the report, independent of its format."""
    results = findings(inputs)
    paragraph = methods(inputs, results.reliability, results.calibrations)
    name = title or (inputs.codebook.name if inputs.codebook else "") or "Report"
    return Page(
        name, tuple(_sections(inputs, results)), paragraph, cited(paragraph), provenance(inputs), results.missing
    )


def _results_at_a_glance(inputs: Inputs, results: Findings) -> Iterator[Section]:
    """The summary, and how the corpus was coded."""
    if (summary := summary_section(inputs, results)) is not None:
        yield summary
    for judged in inputs.judged:
        if judged.key in results.shares:
            yield sections.shares_section(judged, results.shares[judged.key])
        if inputs.coded is not None and judged.entry is not None:
            passages = passages_of(inputs.coded, judged.entry)
            if len(passages):
                title = sections.titled("Passages that decided", judged)
                yield passages_section(title, passages, judged.entry.names)


def _people(inputs: Inputs, results: Findings) -> Iterator[Section]:
    """Whether people agree, and what models' proposals did to their answers."""
    if results.reliability is not None:
        yield sections.agreement_section(inputs, results.reliability)
    if inputs.anchoring is not None:
        yield anchoring_section(inputs.anchoring)


def _model(judged: Judged, inputs: Inputs, results: Findings) -> Iterator[Section]:
    """How well a model codes, on which texts it errs, and whether its probabilities hold."""
    yield sections.model_section(judged, inputs)
    yield sections.confusions_section(judged)
    if judged.key in results.calibrations:
        yield sections.calibration_section(judged, results.calibrations[judged.key])
    if judged.model is not None and judged.model.coder_scores is not None:
        yield coders_section(sections.titled("What single coders would say", judged), judged.model.coder_scores)
    if judged.key in results.groups:
        yield sections.subgroups_section(judged, results.groups[judged.key], results.gaps[judged.key])


def _sections(inputs: Inputs, results: Findings) -> Iterator[Section]:
    yield from _results_at_a_glance(inputs, results)
    if inputs.rounds is not None:
        yield rounds_section(inputs.rounds)
    yield from _people(inputs, results)
    for judged in inputs.judged:
        yield from _model(judged, inputs, results)
    if inputs.errors:
        yield sections.errors_section(inputs)
    if inputs.curve is not None:
        yield sections.curve_section(inputs.curve)
    if inputs.compare is not None:
        yield sections.comparison_section(inputs.compare)
    if inputs.correct:
        yield sections.regressions_section(inputs)
    if inputs.multiverse is not None:
        yield multiverse_section(inputs.multiverse)
