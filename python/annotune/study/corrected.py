"""A study's corrected regressions: what they rest on, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from annotune.correction.coding_columns import note_of_few, require_enough
from annotune.correction.dsl import dsl_columns
from annotune.correction.error_model import ErrorModel, error_model
from annotune.correction.formulas import Formula, Reference
from annotune.correction.matrices import in_order, occurring_labels
from annotune.correction.prepare import require_apart, require_not_reversed
from annotune.correction.regression import correct
from annotune.correction.result import Correction
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import Codings
from annotune.data.columns_of_sets import label_columns
from annotune.data.formula_sides import grouped, right_side
from annotune.data.inputs import covariates_note
from annotune.errors import AnnotuneError, nearest, warn
from annotune.export.scripts import Regression
from annotune.study.parts import CorrectPart
from annotune.study.sampling import SIMPLE, SamplePart

LINEAR_AND_LOGIT = ("linear", "logit")


def coded_variables(formula: Formula, codebook: Codebook, names: Sequence[str]) -> list[Variable]:
    """The variables of the study that a formula is about."""
    entries = [codebook.variable(name) for name in names]
    variable_of = {
        column: entry for entry in entries for column in (*columns_of(entry), *share_columns_of(entry).values())
    }
    return list({variable_of[name].name: variable_of[name] for name in formula.columns if name in variable_of}.values())


def corrected_variables(part: CorrectPart | None, codebook: Codebook, names: Sequence[str]) -> list[str]:
    """The names of the variables that corrected regressions are about; none where nothing is corrected."""
    formulas = part.parsed() if part is not None else []
    return [entry.name for formula in formulas for entry in coded_variables(formula, codebook, names)]


def columns_of(entry: Variable) -> list[str]:
    """The columns of the results that hold a variable: one, or of sets of labels one per label."""
    return list(label_columns(entry, entry.name).values()) if entry.kind == "multilabel" else [entry.name]


def share_columns_of(entry: Variable) -> dict[str, str]:
    """The column of each label with the share of coders who gave it, which a formula may be about as well."""
    return label_columns(entry, f"{entry.name}_share")


def require_formulas(part: CorrectPart, table: pl.DataFrame, codebook: Codebook, names: Sequence[str]) -> None:
    """Stop, before anything is tuned, where a formula names a column or a label that there will not be.

    `table` has the columns of the results, and need not have rows.
    """
    unused = [name for name in part.reference if not any(name in formula.columns for formula in part.parsed())]
    if unused:
        names_of_formulas = [name for formula in part.parsed() for name in formula.columns]
        what = f"correct: reference: no formula has the column {unused[0]!r}."
        raise AnnotuneError(what, nearest(unused[0], names_of_formulas))
    _require_clusters(part, table)
    for formula in part.parsed():
        for name in formula.columns:
            if name not in table.columns:
                _require_shares(formula, name, codebook, names)
                raise AnnotuneError(f"{formula.text!r}: there is no column {name!r}.", nearest(name, table.columns))
        entries = {entry.name: entry for entry in coded_variables(formula, codebook, names)}
        for reference in formula.references.values():
            entry = entries.get(reference.column)
            if entry is None or entry.kind == "multilabel" or reference.label is None:
                continue
            if reference.label not in entry.names:
                what = f"{formula.text!r}: {reference.label!r} is no label of {entry.name!r}."
                raise AnnotuneError(what, nearest(reference.label, entry.names))
        if len(entries) != 1:
            what = f"{formula.text!r} is about {'several variables' if entries else 'nothing'} that was coded."
            raise AnnotuneError(what, f"Name one of {', '.join(map(repr, names))} in it.")
        _require_sense(part, formula, next(iter(entries.values())), table.schema)


def _require_shares(formula: Formula, name: str, codebook: Codebook, names: Sequence[str]) -> None:
    """Stop where a formula is about shares of coders, and the study's gold has none."""
    if any(name in share_columns_of(codebook.variable(each)).values() for each in names):
        what = f"{formula.text!r}: the gold has no shares of coders for {name!r}."
        advice = "Set gold: {rule: shares}, with by_hand: all where people saw proposals; unused labels have none."
        raise AnnotuneError(what, advice)


def require_no_shares(formula: Formula, codebook: Codebook, names: Sequence[str]) -> None:
    """Stop where the coefficient of a multiverse is of shares of coders."""
    entries = coded_variables(formula, codebook, names)
    if any(column in formula.columns for entry in entries for column in share_columns_of(entry).values()):
        what = f"multiverse: {formula.text!r} is about shares of coders, which other rules of gold do not have."
        raise AnnotuneError(what, "Add a formula about a label to correct:, and name it: multiverse: {formula: ...}.")


def require_references(part: CorrectPart, corpus: pl.DataFrame) -> None:
    """Stop, before anything is tuned, where a reference category is none of a covariate's values."""
    for formula in part.parsed():
        for entry in formula.references.values():
            if entry.order and entry.column in corpus.columns:
                in_order(occurring_labels([corpus[entry.column]]), entry)


def _require_clusters(part: CorrectPart, table: pl.DataFrame) -> None:
    for name in part.cluster:
        if name not in table.columns:
            raise AnnotuneError(f"correct: there is no column {name!r}.", nearest(name, table.columns))


def _require_sense(part: CorrectPart, formula: Formula, entry: Variable, schema: Mapping[str, pl.DataType]) -> None:
    """What is coded is explained by something else, and as one of its labels where the model wants numbers."""
    require_not_reversed(formula, columns_of(entry), schema)
    by_hand = dict(zip(columns_of(entry), gold_columns_of(entry), strict=True))
    by_hand |= {column: column for column in share_columns_of(entry).values()}
    require_apart(formula, by_hand, (*part.cluster, *formula.groups))
    outcome = formula.explained
    words = outcome is not None and outcome.column == entry.name and outcome.label is None
    if words and entry.kind != "multilabel" and part.model != "multinomial":
        what = f"{formula.text!r}: {entry.name!r} is no number."
        raise AnnotuneError(what, f"Name one of its labels, {entry.name} == {entry.names[0]!r}, or model: multinomial.")


def require_codings(part: CorrectPart, gold: pl.DataFrame, codebook: Codebook, names: Sequence[str]) -> None:
    """Stop, before anything is tuned, where too few texts were coded, or none with a label that a formula is about.

    Few with a label are told of then, while more can still be coded.
    """
    few: list[str] = []
    for formula in part.parsed():
        for entry in coded_variables(formula, codebook, names):
            labels = gold.filter((pl.col("variable") == entry.name) & pl.col("label").is_not_null())["label"]
            if entry.kind != "multilabel":
                require_enough(labels, entry.name)
            for reference in formula.references.values():
                if reference.column == entry.name and reference.label is not None:
                    yes, no = str(replace(reference, negated=False)), str(replace(reference, negated=True))
                    words = pl.select(
                        pl.when(labels.cast(pl.String) == reference.label).then(pl.lit(yes)).otherwise(pl.lit(no))
                    )
                    few += note_of_few(words.to_series(), [yes, no], "")
                elif reference.column == entry.name and entry.kind != "multilabel":
                    few += note_of_few(labels, labels.cast(pl.String).unique(maintain_order=True).to_list(), entry.name)
    for sentence in dict.fromkeys(few):
        warn(sentence)


def require_pi(sample: SamplePart, corpus: pl.DataFrame) -> None:
    """Stop where the probabilities are not there, or none."""
    column = sample.column
    if column is not None and column not in corpus.columns:
        raise AnnotuneError(f"sample: the corpus has no column {column!r}.", nearest(column, corpus.columns))
    pi = probabilities(sample, corpus, np.ones(len(corpus), dtype=bool))
    if sample.drawn:  # nobody can draw an empty text
        pi = pi[corpus["text"].is_not_null().to_numpy()]
    bad = int((~((pi > 0) & (pi <= 1))).sum())
    if bad:
        what = f"sample: the probability of being hand-coded is missing, 0 or above 1 for {bad:,} texts."
        raise AnnotuneError(what, "Every text must have had a chance to be drawn; leave out those that had none.")


def probabilities(sample: SamplePart, table: pl.DataFrame, coded: np.ndarray) -> np.ndarray:
    """Each text's probability of being hand-coded (n,); of a simple random sample, the share that was."""
    if sample.pi == SIMPLE:
        return np.full(len(table), coded.mean())
    if sample.column is not None:
        return table[sample.column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return np.full(len(table), sample.pi)


@dataclass(frozen=True)
class Corrected:
    """What came of a study's corrections.

    Attributes
    ----------
    data
        The results with `<variable>_coded`, `_fold`, `_pi` and the `_dsl` columns of every corrected variable.
    corrections, errors
        Each formula's estimates, and whether the model's error is related to its covariates (None where a covariate
        was coded itself).
    regressions
        What the scripts beside the data run.
    headings, notes
        Of the columns that were added, and of the data.
    """

    data: pl.DataFrame
    corrections: tuple[Correction, ...] = ()
    errors: tuple[ErrorModel | None, ...] = ()
    regressions: tuple[Regression, ...] = ()
    headings: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def corrected(
    part: CorrectPart,
    sample: SamplePart,
    data: pl.DataFrame,
    codebook: Codebook,
    names: Sequence[str],
    folds: Mapping[str, pl.DataFrame],
    about: Mapping[str, str] | None = None,
    reads: Mapping[str, Sequence[str]] | None = None,
    answers: Codings | None = None,
) -> Corrected:
    """Correct each regression of a study.

    `data` are the results with one row per text, and gold; `folds` say for each variable which texts were coded, and
    which fold left a text out (unit_id, fold, coded); `about` says of variables what counts as coded by hand, `reads`
    which covariates their models read, and `answers` what each coder said, where the expected coder is explained.
    """
    formulas = part.parsed()
    subjects = [coded_variables(formula, codebook, names)[0] for formula in formulas]
    for entry in {entry.name: entry for entry in subjects}.values():
        data = with_sampling(data, entry, sample, folds[entry.name])
    corrections, errors, regressions, headings = [], [], [], dict[str, str]()
    for formula, entry in zip(formulas, subjects, strict=True):
        correction, used = corrected_by(part, formula, entry, data, answers), (reads or {}).get(entry.name, ())
        ahead = [(about or {}).get(entry.name), _note_on_inputs([name for name in used if name in formula.columns])]
        corrections.append(replace(correction, notes=(*filter(None, ahead), *correction.notes)))
        errors.append(_errors(part, formula, entry, data))
        data, column_heading = _with_corrected_column(part, formula, entry, data)
        own = {column: heading for column, heading in _headings(entry).items() if column in data.columns}
        headings |= own | column_heading
        regressions += _regression(part, formula, entry, data)
    notes = list((about or {}).values())
    notes += [errors_of_model.note for errors_of_model in errors if errors_of_model is not None]
    notes += [
        f"{name} is for linear models only: it is not 0 or 1, and a logit misreads it." for name in _dsl(headings)
    ]
    notes_once = tuple(dict.fromkeys(notes))
    return Corrected(data, tuple(corrections), tuple(errors), tuple(regressions), headings, notes_once)


def _note_on_inputs(used: Sequence[str]) -> str | None:
    """That a regression has covariates which the model read as well."""
    return covariates_note(used) if used else None


def _headings(entry: Variable) -> dict[str, str]:
    """What the columns on the sampling hold."""
    return {
        f"{entry.name}_coded": f"{entry.name}: whether people coded the text, by the draw",
        f"{entry.name}_fold": f"{entry.name}: the fold whose model coded the text, and that left it out",
        f"{entry.name}_pi": f"{entry.name}: probability of being drawn for hand coding",
        f"{entry.name}_wave": f"{entry.name}: the wave that drew the text for hand coding",
        f"{entry.name}_weight": f"{entry.name}: how many texts a hand-coded one stands for, by wave and probability",
        f"{entry.name}_shown": f"{entry.name}: what people decided with a proposal in sight",
    }


def _dsl(headings: Mapping[str, str]) -> list[str]:
    return [name for name, heading in headings.items() if heading.endswith("linear models only")]


def with_sampling(data: pl.DataFrame, entry: Variable, sample: SamplePart, folds: pl.DataFrame) -> pl.DataFrame:
    """Which texts were coded by hand, by whose fold they were predicted, and how likely they were to be drawn."""
    name = entry.name
    columns: dict[str, str] = {role: f"{name}_{role}" for role in ("fold", "coded") if role in folds.columns}
    by_unit = folds.select("unit_id", *columns).rename(columns).unique("unit_id", keep="first")
    data = data.join(by_unit, on="unit_id", how="left", maintain_order="left")
    pi = pl.Series(f"{name}_pi", probabilities(sample, data, data[f"{name}_coded"].to_numpy())).fill_nan(None)
    waves = [pl.col("wave").alias(f"{name}_wave")] if "wave" in data.columns and sample.drawn else []
    return data.with_columns(pi, *waves)


def gold_columns_of(entry: Variable) -> list[str]:
    """The columns with what people decided, in the same order."""
    stem = f"{entry.name}_gold"
    return list(label_columns(entry, stem).values()) if entry.kind == "multilabel" else [stem]


def corrected_by(
    part: CorrectPart, formula: Formula, entry: Variable, data: pl.DataFrame, answers: Codings | None = None
) -> Correction:
    """One regression of a study, `entry` being the variable whose draw and folds count."""
    reference = {name: base for name, base in part.reference.items() if name in formula.columns}
    options: dict[str, Any] = {"model": part.model, "method": part.method, "cluster": part.cluster or None}
    options |= {"prediction": part.prediction, "codings": answers, "coders": part.coders or "these"}
    return correct(formula.text, data, reference=reference, **options, **_roles(entry, data))


def _roles(entry: Variable, data: pl.DataFrame) -> dict[str, Any]:
    """The columns that say how likely a text was to be drawn, whether it was, and its fold."""
    names = {role: f"{entry.name}_{role}" for role in ("pi", "coded", "fold")}
    return {role: name for role, name in names.items() if name in data.columns}


def _errors(part: CorrectPart, formula: Formula, entry: Variable, data: pl.DataFrame) -> ErrorModel | None:
    """Whether the model errs more often for some values of the covariates; not asked where these were coded too."""
    outcome, own = formula.explained, columns_of(entry)
    covariates = [reference.column for reference in formula.within(formula.terms).values()]
    if outcome is None or outcome.column not in own or not covariates or any(name in own for name in covariates):
        return None  # of a share of coders no single prediction is right or wrong
    place = own.index(outcome.column)
    right = grouped(right_side(formula.text))[0]
    bases = {name: base for name, base in part.reference.items() if name in covariates}
    return error_model(
        data.with_columns(_from_reference(data[name], base) for name, base in bases.items()),
        right,
        outcome.column,
        label=outcome.label,
        gold=gold_columns_of(entry)[place],
        predicted=outcome.column,
        pi=f"{entry.name}_pi",
        cluster=min(part.cluster, key=lambda name: data[name].n_unique(), default=None),
    )


def _from_reference(column: pl.Series, base: str | int) -> pl.Series:
    """Categories with the reference first, with which errors are compared as the outcome is; numbers as they are."""
    if not (column.dtype in (pl.String, pl.Categorical) or isinstance(column.dtype, pl.Enum)):
        return column
    levels = [str(base), *(level for level in occurring_labels([column]) if level != str(base))]
    return column.cast(pl.String).cast(pl.Enum(levels))


def _outcome(part: CorrectPart, formula: Formula, entry: Variable) -> Reference | None:
    """The outcome, where it is a label (or a column of a label set) that a single column can hold corrected."""
    outcome = formula.explained
    if outcome is None or outcome.negated or outcome.column not in (*columns_of(entry), *_labels_by_share(entry)):
        return None
    is_share = outcome.column in _labels_by_share(entry)
    in_one_column = (outcome.label is not None) == (entry.kind != "multilabel" and not is_share)
    as_column = (
        part.coders is None and part.method == "dsl" and part.prediction == "prob" and part.model in LINEAR_AND_LOGIT
    )
    return outcome if in_one_column and as_column else None


def _dsl_name(outcome: Reference, entry: Variable) -> str:
    """`topic_dsl_Health`, and of the share of coders `topic_dsl_share_Health`."""
    if outcome.column in (labels := _labels_by_share(entry)):
        return label_columns(entry, f"{entry.name}_dsl_share")[labels[outcome.column]]
    columns = label_columns(entry, f"{entry.name}_dsl")
    return columns[outcome.label] if outcome.label is not None else columns[_labels_of_set(entry)[outcome.column]]


def _labels_by_share(entry: Variable) -> dict[str, str]:
    return {column: label for label, column in share_columns_of(entry).items()}


def _labels_of_set(entry: Variable) -> dict[str, str]:
    return {column: label for label, column in label_columns(entry, entry.name).items()}


def _with_corrected_column(
    part: CorrectPart, formula: Formula, entry: Variable, data: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The data with the outcome corrected for the model's error, and what the column's label says."""
    outcome = _outcome(part, formula, entry)
    covariates = [reference.column for reference in formula.within(formula.terms).values()]
    if outcome is None or any(name in columns_of(entry) for name in covariates):
        return data, {}
    name = _dsl_name(outcome, entry)
    if name not in data.columns:
        dsl = dsl_columns(data, outcome.column, label=outcome.label, **_roles(entry, data))
        data = data.with_columns(dsl["dsl_y"].alias(name))
        if "dsl_weight" in dsl.columns:  # of several waves
            data = data.with_columns(dsl["dsl_weight"].alias(f"{entry.name}_weight"))
    return data, {name: f"{outcome}, corrected for the model's error: linear models only"}


def _regression(part: CorrectPart, formula: Formula, entry: Variable, data: pl.DataFrame) -> list[Regression]:
    """The same regression for the scripts beside the data, where it is one that Stata and R can be told in words."""
    outcome = _outcome(part, formula, entry)
    compared = any(reference.label is not None for reference in formula.within(formula.terms).values())
    if (
        outcome is None
        or formula.groups
        or compared
        or len(part.cluster) > 1
        or _dsl_name(outcome, entry) not in data.columns
    ):
        return []
    text, by_hand = formula.text, outcome.column
    if outcome.column in (labels := _labels_by_share(entry)):  # what was predicted of a share is a probability
        text = f"{label_columns(entry, f'{entry.name}_p')[labels[outcome.column]]} ~ {right_side(text)}"
    else:
        by_hand = gold_columns_of(entry)[columns_of(entry).index(outcome.column)]
    regression = Regression(
        text,
        _dsl_name(outcome, entry),
        by_hand,
        f"{entry.name}_pi",
        "logit" if part.model == "logit" else "linear",
        next(iter(part.cluster), None),
        {reference.column: reference.order[0] for reference in formula.references.values() if reference.order},
        f"{entry.name}_weight" if f"{entry.name}_weight" in data.columns else None,
    )
    return [regression] if all(name in data.columns for name in regression.columns) else []
