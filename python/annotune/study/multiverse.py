"""multiverse(): a study's coefficient under every combination of choices that could have been made otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from annotune.correction.formulas import Formula
from annotune.correction.multiverse import Multiverse, made_of
from annotune.correction.result import Correction
from annotune.errors import AnnotuneError, counted, nearest
from annotune.export.write import write
from annotune.models.classifier import Classifier
from annotune.progress import bar
from annotune.records.lock import locked, require_held, require_unlocked
from annotune.study.coded import corrected_regressions, kept_corpus
from annotune.study.corrected import require_no_shares
from annotune.study.drawing import due_wave
from annotune.study.file import StudyFile, read_study
from annotune.study.inputs import Inputs, read_inputs
from annotune.study.models import Steps
from annotune.study.parts import MultiversePart
from annotune.study.specifications import (
    Cell,
    Grid,
    Row,
    Texts,
    is_own,
    kept_rows,
    learnt_rows,
    rows_of_coder,
    settings_of,
    specifications,
    texts_of,
)


def multiverse(
    study: str | Path,
    choices: Mapping[str, Any] | None = None,
    *,
    again: bool = False,
    say: Callable[[str], None] | None = None,
) -> Multiverse:
    """Estimate a study's coefficient under every combination of choices: the specification curve.

    Whoever codes texts by a model chooses a base model, a seed, a rule by which several coders' answers become one, a
    rule by which labels follow from probabilities, and may choose so that a result appears (Baumann et al. 2025). All
    combinations are estimated here, naive and corrected, as Simonsohn, Simmons and Nelson (2020) propose. Coded texts
    are predicted out of fold throughout (see `crossfit`). By default models are probes on embeddings that are read
    once, so that hundreds of specifications take minutes; `method: lora` tunes a network for each fold of each
    combination. All that is finished is kept in `annotune-work/multiverse`: what was stopped goes on from there.

    Parameters
    ----------
    study
        A study.yaml with `sample` and `correct`.
    choices
        What is varied, as under `multiverse:` in the study file, in place of what it says there: a value or a list for
        `base`, `method` (probe, lora, full), `codebook` (files with the same labels), `seed`, `gold` (a rule, or as
        under `gold:`), `cutoffs`, `prediction`, `correction`, and `coder` (models whose codings of all texts the study
        has); and `formula` and `term`, the coefficient. By default the first formula's first coefficient, with five
        seeds, the gold rules that the codings allow, all cut-offs, and probabilities as well as labels corrected.
    again
        Estimate all again, also what is up to date.
    say
        Is told of every step as it begins, in a few words.

    Returns
    -------
    Multiverse
        The specifications (`table`), how often sign and significance flip (`flips`), and what each choice moves
        (`choices`); `in_words()`, `plot()`. Where an earlier `run` of the study is up to date, its own estimates are
        among them.

    Raises
    ------
    AnnotuneError
        For a study that corrects no regression, choices that there are not, and whatever `run` refuses.
    PeopleNeeded
        Where texts that the study draws are to be coded first.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=400, n_coded=240).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> golds = [{"rule": "adjudicated", "coder": "carla"}, {"rule": "coder", "coder": "anna"}]
    >>> result = at.multiverse(study, {"seed": [1, 2], "gold": golds, "cutoffs": "share"})
    >>> result.flips.select("estimator", "n").rows()
    [('hand-coded only', 2), ('naive', 4), ('corrected', 8)]
    """
    file = read_study(Path(study))
    part = _part_of(file, choices)
    steps = Steps(file.work, again, say or (lambda _: None))
    require_unlocked(file.work)
    if due_wave(file, steps.say) is not None:
        raise AnnotuneError(f"{file.path}: texts are to be drawn first.", f"Run the study: annotune run {file.path}.")
    inputs = read_inputs(file, steps.say)
    with locked(file.work):
        result = multiverse_of(file, inputs, part, steps, _kept(file, inputs, steps))
        write_multiverse(file, part, result)
    return result


def _part_of(file: StudyFile, choices: Mapping[str, Any] | None) -> MultiversePart:
    if file.study.correct is None:
        what = f"{file.path}: no regression is corrected, so there is none to vary."
        raise AnnotuneError(what, "Add correct: and sample:; docs/study.md says how.")
    own = file.study.multiverse or MultiversePart()
    if choices is None:
        return own
    try:
        return MultiversePart(**(own.model_dump(include={"write", "plot"}) | dict(choices)))
    except pydantic.ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(place) for place in fault["loc"])
        known = list(MultiversePart.model_fields)
        advice = nearest(name, known) if fault["type"] == "extra_forbidden" else f"{fault['msg']}."
        raise AnnotuneError(f"choices: {name} cannot be {fault['input']!r}.", advice) from None


@dataclass(frozen=True)
class Own:
    """What a run of the study gave: how its model was tuned, and its corrections; nothing where there was no run."""

    method: str
    corrections: tuple[Correction, ...] = ()


def multiverse_of(file: StudyFile, inputs: Inputs, part: MultiversePart, steps: Steps, own: Own) -> Multiverse:
    """The multiverse of a study, in its locked folder of work."""
    grid = Grid(file, inputs, part, _formula_of(file, part, inputs), own.method)
    cells, texts = grid.cells(), texts_of(grid)
    _ = grid.inputs_by_gold  # a rule that there is not is refused before anything is computed
    _require_same_labels(grid, texts.codebooks)
    n = len(cells) * sum(len(grid.decisions(rule)) for rule in part.cutoffs)
    models, regressions = counted(len(cells), "combination", "combinations"), counted(n, "regression", "regressions")
    steps.say(f"Other choices: {models} of which models are made, {regressions}")
    rows = _own_rows(grid, own) + [row for name in part.coder for row in rows_of_coder(grid, name)]
    kept = [None if steps.again else kept_rows(grid, cell) for cell in cells]
    rows += [row for each in kept if each is not None for row in each]
    rows += _learnt(grid, [cell for cell, each in zip(cells, kept, strict=True) if each is None], texts)
    return _of_term(grid, rows)


def _learnt(grid: Grid, cells: Sequence[Cell], texts: Texts) -> Iterator[Row]:
    """The specifications of cells that were not learnt before."""
    first = next((cell for cell in cells if cell.method == "probe"), None)
    if first is not None:
        texts.by(settings_of(grid.study_of(first)))  # before the bar, which would take it for the pace of all cells
    with bar("Multiverse", len(cells)) as advance:
        for cell in cells:
            yield from learnt_rows(grid, cell, texts)
            require_held(grid.file.work)
            advance(1)


def own_of(models: Iterable[Classifier], corrections: Sequence[Correction]) -> Own:
    """What a run gave."""
    return Own(next(iter(models)).card["settings"]["method"], tuple(corrections))


def _kept(file: StudyFile, inputs: Inputs, steps: Steps) -> Own:
    """What an earlier run gave, where all of it is up to date."""
    coded = kept_corpus(file, inputs)
    if coded is None:
        return Own(file.study.tune.method)
    return own_of(coded.models.values(), corrected_regressions(file, inputs, coded, steps.say).corrections)


def _formula_of(file: StudyFile, part: MultiversePart, inputs: Inputs) -> Formula:
    """The regression that is named, or the study's first."""
    assert file.study.correct is not None
    formulas = {formula.text: formula for formula in file.study.correct.parsed()}
    name = part.formula or next(iter(formulas))
    if name not in formulas:
        raise AnnotuneError(f"multiverse: formula: {name!r} is not in correct:.", nearest(name, formulas))
    require_no_shares(formulas[name], inputs.codebook, inputs.variables)
    return formulas[name]


def _require_same_labels(grid: Grid, codebooks: Mapping[str, Any]) -> None:
    """Stop where another wording of the codebook is one of other labels."""
    for name, book in codebooks.items():
        for entry in grid.variables:
            if book.variable(entry.name).names != entry.names:
                what = f"{name}: the labels of {entry.name!r} are not those of {grid.file.study.codebook}."
                raise AnnotuneError(f"multiverse: codebook: {what}", "A wording changes definitions, and no label.")


def _own_rows(grid: Grid, own: Own) -> list[Row]:
    """The study's own estimates, where a run of it is up to date."""
    mine = next((one for one in own.corrections if one.formula == grid.formula.text), None)
    if mine is None:
        return []
    tune, correct = grid.file.study.tune, grid.correct
    choices = {"base": Path(tune.base).name, "method": grid.own_method, "codebook": grid.file.study.codebook}
    choices |= {"seed": str(tune.seed), "gold": grid.name(grid.file.study.gold), "cutoffs": tune.cutoffs}
    choices |= {"prediction": correct.prediction, "correction": correct.method}
    return list(specifications(grid, mine, choices))


def _of_term(grid: Grid, rows: list[Row]) -> Multiverse:
    """The multiverse of one coefficient: the one that is named, or the first beside the intercept."""
    terms = list(dict.fromkeys(row["term"] for row in rows))
    if not terms:
        raise AnnotuneError("multiverse: no combination of choices gave an estimate.", "Vary others.")
    slopes = [name for name in terms if not name.endswith("Intercept")]
    term = grid.part.term or (slopes or terms)[0]
    if term not in terms:
        what = f"multiverse: term: {grid.formula.text!r} has no coefficient {term!r}."
        raise AnnotuneError(what, nearest(term, terms))
    mine = [{name: value for name, value in row.items() if name != "term"} for row in rows if row["term"] == term]
    return made_of([{**row, "own": is_own(grid, row)} for row in mine], grid.formula.text, term)


def write_multiverse(file: StudyFile, part: MultiversePart, result: Multiverse) -> tuple[Path, ...]:
    """Write the table and the picture that are asked for; which files these are."""
    targets = [file.beside(name) for name in part.write]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    if targets:
        write(result.table, targets, notes=result.in_words(), guard_formulas=file.study.guard_formulas)
    if part.plot:
        result.plot(file.beside(part.plot))
    return (*targets, *([file.beside(part.plot)] if part.plot else []))
