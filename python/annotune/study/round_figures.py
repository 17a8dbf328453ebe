"""The figures of one round of a study, each computed once: agreement, the model, coefficients, and what is expected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.pairs import category_reliability
from annotune.correction.next_wave import next_standard_errors
from annotune.correction.result import CORRECTED, Correction
from annotune.correction.text_scores import FLOOR, with_floor
from annotune.data.codebook import Variable
from annotune.data.codings import answered, of_variable, sound_codings
from annotune.data.corpus import sound_corpus
from annotune.errors import AnnotuneError, counted, warn
from annotune.evidence.evaluate import evaluate
from annotune.hybrid.effort import effort_until
from annotune.hybrid.round_words import Stop
from annotune.hybrid.rounds import Rounds, made_of
from annotune.hybrid.scored import scores_for
from annotune.models.classifier import Classifier
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import write_whole
from annotune.records.fingerprints import fingerprint, versions
from annotune.records.lock import locked, require_held
from annotune.study.coded import Coded, coded_corpus, corrected_regressions
from annotune.study.corrected import coded_variables, columns_of, gold_columns_of
from annotune.study.drawing import Coming, coming_wave, waves_coded
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs, read_inputs
from annotune.study.models import Steps
from annotune.study.sampling import RoundsPart
from annotune.study.sources import fingerprints_until

FOLDER = "rounds"
N_BOOT = 200  # of the evaluation set's kappa and the like, which nobody sees: macro-F1 needs no replicates


@dataclass(frozen=True)
class Round:
    """One round of a study, by its number from 1, with the way in which a next one is drawn."""

    file: StudyFile
    part: RoundsPart
    number: int
    coming: Coming

    @property
    def wave(self) -> int:
        """The wave that it is."""
        return self.part.wave_of(self.number)

    @property
    def name(self) -> str:
        """The file with its figures."""
        return f"round_{self.number}.json"

    def pieces(self) -> Checkpoints:
        """Where its figures are kept, on the basis of all that they rest on."""
        file = self.file
        keys = ("codebook", "corpus", "codings", "reliability", "gold", "tune", "classify", "correct")
        study = json.loads(file.study.model_dump_json(include=set(keys)))
        rests_on = [fingerprints_until(file, self.wave), study, self.part.evaluation, asdict(self.coming)]
        return Checkpoints(file.work / FOLDER, fingerprint([*rests_on, versions()]))


def round_of(file: StudyFile, part: RoundsPart, number: int) -> Round:
    """A round, and what comes after it: as it was drawn, or as the study says."""
    return Round(file, part, number, coming_wave(file, part.wave_of(number) + 1))


def _rows(file: StudyFile, part: RoundsPart, steps: Steps) -> list[dict[str, Any]]:
    """The figures of every round that is coded; the locked folder of work is no other run's meanwhile."""
    n = max(waves_coded(file) - part.wave_of(0), 0)
    with locked(file.work):
        return [figures_of(round_of(file, part, number), steps) for number in range(1, n + 1)]


def rounds_so_far(file: StudyFile, steps: Steps) -> Rounds | None:
    """The rounds that are done; None in a study without."""
    part = file.study.sample.rounds if file.study.sample is not None else None
    if part is None:
        return None
    return made_of(_rows(file, part, steps), Stop(**part.stop.model_dump()), part.n)


def figures_of(one: Round, steps: Steps) -> dict[str, Any]:
    """The figures of a round, from an earlier call where nothing that they rest on has changed; and what it took."""
    pieces = one.pieces()
    content = None if steps.again else pieces.read(one.name)
    if content is None:
        row = _computed(one, steps)
        require_held(one.file.work)
        write_whole(pieces.start(one.name), json.dumps(row, ensure_ascii=False, indent=1))
        pieces.finish(one.name)
    else:
        row = json.loads(content)
    effort = effort_until(one.file.store, one.wave)
    return row | {"table": [line | effort for line in row["table"]]}


def coded_by(one: Round, steps: Steps) -> tuple[Inputs, Coded]:
    """What the study reads up to a round, and the corpus as its models code it, without what is kept apart."""
    inputs = read_inputs(one.file, steps.say, until=one.wave)
    coded = coded_corpus(one.file, inputs, steps)
    apart = inputs.evaluation["unit_id"].unique() if inputs.evaluation is not None else pl.Series([], dtype=pl.String)
    return inputs, coded.without(apart)


def _computed(one: Round, steps: Steps) -> dict[str, Any]:
    steps.say(f"Round {one.number}")
    inputs, coded = coded_by(one, steps)
    outcome = corrected_regressions(one.file, inputs, coded, steps.say)
    rows: dict[str, Any] = {"table": [], "labels": [], "coefficients": []}
    for name, model in coded.models.items():
        rows["table"].append({"round": one.number, **_of_variable(one, inputs, name, model)})
        rows["labels"] += [{"round": one.number, **row} for row in _labels(one.file, inputs, name)]
    for correction in outcome.corrections:
        expected = _expected_widths(one, inputs, correction, outcome.data)
        rows["coefficients"] += [{"round": one.number, **row} for row in _coefficients(one, correction, expected)]
    return rows


def _of_variable(one: Round, inputs: Inputs, name: str, model: Classifier) -> dict[str, Any]:
    """Agreement and the model of one variable."""
    agreement = inputs.reliability.filter(variable=name, metric="alpha").filter(pl.col("category").is_null())
    coded = answered(of_variable(inputs.gold, name), inputs.codebook.variable(name))
    row: dict[str, Any] = {"variable": name, "n_coded": coded["unit_id"].n_unique()}
    row |= _limits("alpha", agreement)
    if model.evaluation is not None:
        measures = model.evaluation.measures
        row |= _limits("macro_f1", measures.filter(model=measures["model"][0], measure="macro_f1"))
    return row | _on_evaluation_set(one, inputs, name, model)


def _limits(name: str, rows: pl.DataFrame) -> dict[str, float | None]:
    """An estimate with its limits, null where there is none."""
    row = rows.row(0, named=True) if len(rows) else {}
    return {name: row.get("estimate"), f"{name}_low": row.get("ci_low"), f"{name}_high": row.get("ci_high")}


def _on_evaluation_set(one: Round, inputs: Inputs, name: str, model: Classifier) -> dict[str, Any]:
    """The model's macro-F1 on the texts that were kept apart, but for those that equal one it learned from."""
    if inputs.evaluation is None:
        return {}
    corpus, truth = inputs.corpus, answered(of_variable(inputs.evaluation, name), inputs.codebook.variable(name))
    learned = corpus.filter(pl.col("unit_id").is_in(inputs.gold["unit_id"].unique().implode()))["text"]
    texts = corpus.filter(pl.col("unit_id").is_in(truth["unit_id"].unique().implode()))
    new = texts.filter(~pl.col("text").is_in(learned.implode()))
    if lost := len(texts) - len(new):
        warn(f"{counted(lost, 'text', 'texts')} of the evaluation set equal one that was tuned on, and do not count.")
    truth = sound_codings(truth.filter(pl.col("unit_id").is_in(new["unit_id"].implode())))
    if truth.is_empty():
        return {"n_evaluation": 0}
    predicted = model.classify(sound_corpus(new), precision=one.file.study.classify.precision)
    measures = evaluate(truth, predicted, variable=name, codebook=inputs.codebook, n_boot=N_BOOT).measures
    first = measures.filter(model=measures["model"][0], measure="macro_f1")
    return {"n_evaluation": int(first["n_units"][0])} | _limits("evaluation_f1", first)


def _labels(file: StudyFile, inputs: Inputs, name: str) -> Iterator[dict[str, Any]]:
    """Agreement on each label against all others, where two people coded the same texts."""
    part, rows = file.study.reliability, of_variable(inputs.codings, name)
    if rows["coder"].n_unique() < 2:
        return
    table = category_reliability(
        rows, name, inputs.codebook, ["alpha"], n_boot=part.n_boot, cluster=part.cluster, seed=part.seed
    )
    for row in table.to_dicts():
        about = {"variable": name, "label": row["category"], "n_pairable": row["n_pairable"]}
        yield about | {"alpha": row["estimate"], "alpha_low": row["ci_low"], "alpha_high": row["ci_high"]}


def _coefficients(one: Round, correction: Correction, expected: dict[str, float]) -> Iterator[dict[str, Any]]:
    """The corrected coefficients, and the part of each interval's width that a next round is expected to leave."""
    for row in correction.tidy().filter(method=CORRECTED).to_dicts():
        term = row["term"] if row["equation"] is None else f"{row['equation']}: {row['term']}"
        known = row["conf_low"] is not None and term in expected
        width = (row["conf_high"] - row["conf_low"]) * expected[term] if known else None
        about = {name: row[name] for name in ("estimate", "std_error", "conf_low", "conf_high")}
        about |= {"n_next": one.coming.n, "expected_width": width}
        yield {"formula": correction.formula, "term": term, **about}


def _expected_widths(one: Round, inputs: Inputs, correction: Correction, data: pl.DataFrame) -> dict[str, float]:
    """What the next round is expected to leave of each interval's width: a factor per term, none where unknown."""
    part = one.file.study.correct
    formula = next(parsed for parsed in part.parsed() if parsed.text == correction.formula) if part else None
    entry = coded_variables(formula, inputs.codebook, inputs.variables)[0] if formula else None
    documents = one.coming.design == "cluster"  # of which n are drawn, with nobody knows how many texts
    if part is None or formula is None or entry is None or formula.explained is None or documents:
        return {}
    if formula.explained.column not in columns_of(entry):  # a share of coders
        return {}
    n = one.coming.n if inputs.blind is None else round(one.coming.n * inputs.blind.part_of(data["unit_id"]))
    try:
        table = next_standard_errors(
            data,
            correction.formula,
            n=max(n, 1),
            score=_scores(one.coming, data),
            model="linear" if part.model == "fixed_effects" else part.model,
            cluster=min(part.cluster, key=lambda name: data[name].n_unique(), default=None),
            variable=formula.explained.column,
            **_columns(entry, formula.explained.column, data),
        )
    except AnnotuneError:  # a regression that plan_sample cannot plan for: that is no reason to have no other figures
        return {}
    return {term: expected / now for term, now, expected in table.iter_rows() if now > 0}


def _scores(coming: Coming, data: pl.DataFrame) -> np.ndarray | None:
    """In proportion to what each text is drawn in an active round; other designs count as a simple draw."""
    if coming.design != "active":
        return None
    if coming.aim is not None:
        return scores_for(data, coming.aim, coming.variable, coming.floor)
    floor = FLOOR if coming.floor is None else coming.floor
    return with_floor(data[str(coming.scores)].cast(pl.Float64).fill_null(0.0).to_numpy(), floor)


def _columns(entry: Variable, outcome: str, data: pl.DataFrame) -> dict[str, str]:
    place, wave = columns_of(entry).index(outcome), f"{entry.name}_wave"
    columns = {"predicted": outcome, "gold": gold_columns_of(entry)[place], "pi": f"{entry.name}_pi"}
    return columns | ({"wave": wave} if wave in data.columns else {})
