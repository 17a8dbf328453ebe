"""run(): a study from files to files, each step done again only when what it rests on has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from annotune.correction.error_model import ErrorModel
from annotune.correction.multiverse import Multiverse
from annotune.correction.result import Correction
from annotune.errors import PeopleNeeded
from annotune.hybrid.rounds import Rounds
from annotune.measures.evaluation import Evaluation
from annotune.models.coder_words import in_words
from annotune.models.shares import shares_of_all
from annotune.readable import Part, Readable
from annotune.records.lock import locked, require_held, require_unlocked
from annotune.study.coded import Coded, coded_corpus, corrected_regressions
from annotune.study.corrected import Corrected
from annotune.study.drawing import Due, draw_wave, due_wave
from annotune.study.file import StudyFile, read_study
from annotune.study.inputs import Inputs, read_inputs
from annotune.study.many_texts import many_texts, require_columns_of_texts
from annotune.study.models import Steps
from annotune.study.multiverse import multiverse_of, own_of, write_multiverse
from annotune.study.outputs import study_record, write_outputs, write_study_record
from annotune.study.proposed import ask_models, require_leave
from annotune.study.reported import reported
from annotune.study.round_figures import rounds_so_far

if TYPE_CHECKING:
    from annotune.bulk.status import RunStatus


@dataclass(frozen=True, repr=False)
class Results(Readable):
    """What a study gave.

    Attributes
    ----------
    reliability
        Agreement of the coders.
    gold, codings
        One answer a coded unit; the models' answers for every unit, a table of codings each.
    shares
        How often each label was given, beside how often people and the models gave it to held-out texts; see
        `annotune.shares`. A column says which variable it is of.
    evaluations
        Each variable's model beside its baselines.
    coder_scores
        With `tune: {by_coder: true}`, by variable: `Classifier.coder_scores`.
    data
        The corpus with one answer per unit, as written.
    corrections, errors
        Each formula's estimates by hand codings, naive and corrected; and whether the model's error is related to its
        covariates (see `correct` and `error_model`).
    rounds
        What each round gave, where texts were drawn in rounds (see `annotune.rounds`).
    many
        How far the coding of very many texts is, where the study names some (see `annotune.status`).
    multiverse
        The coefficient under other choices, where the study asks for it (see `annotune.multiverse`).
    files
        What was written.
    record
        Where it is written what was run, on what, with what, and the fingerprint of every file.
    changes
        What the written formats made necessary: names, types, lengths.
    done
        Each step and whether it was `done` or `up to date`.
    """

    reliability: pl.DataFrame
    gold: pl.DataFrame
    codings: pl.DataFrame
    shares: pl.DataFrame
    evaluations: dict[str, Evaluation]
    coder_scores: dict[str, pl.DataFrame]
    data: pl.DataFrame
    files: tuple[Path, ...]
    record: Path
    changes: pl.DataFrame
    done: dict[str, str]
    corrections: tuple[Correction, ...] = ()
    errors: tuple[ErrorModel | None, ...] = ()
    rounds: Rounds | None = None
    many: RunStatus | None = None
    multiverse: Multiverse | None = None

    def _parts(self) -> Iterator[Part]:
        """What was coded, how good the models are, the corrected regressions, and the files."""
        yield f"A study: {len(self.data):,} texts, {self.gold['unit_id'].n_unique():,} of them coded by hand."
        for name, evaluation in self.evaluations.items():
            yield from (f"The model for {name}, on texts it was not tuned on:", *evaluation._parts())
            yield from [in_words(self.coder_scores[name])] if name in self.coder_scores else []
        for correction in self.corrections:
            yield from ("", *correction._parts())
        yield from [] if self.multiverse is None else ["", *self.multiverse.in_words()]
        yield f"Files: {', '.join(map(str, self.files))}"
        yield from self.many._parts() if self.many is not None else []
        current = [step for step, state in self.done.items() if state == "up to date"]
        yield from [f"Up to date and not done again: {', '.join(current)}."] if current else []


def run(
    study: str | Path,
    *,
    again: bool = False,
    allow_upload: str | Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Results:
    """Run a study: agreement, gold, tuning, evaluation, coding, and writing.

    Parameters
    ----------
    study
        A study.yaml; its paths are relative to its folder.
    again
        Do every step again, also those that are up to date.
    allow_upload
        The host, or hosts, to which texts may be sent, where the study asks a model there to `propose`. The study file
        cannot say so. What has its answers already is not sent.
    say
        Is told of every step as it begins, in a few words.

    Returns
    -------
    Results
        Beside the study file stands `<its name>.record.json`: settings, versions, hardware and the fingerprints of
        data, codebook, models and every file that was written.

    Raises
    ------
    AnnotuneError
        For anything in the files that cannot be used, for a host that was not allowed, and while another run works on
        the study; outputs of earlier runs are then left as they were.
    PeopleNeeded
        Where texts that the study draws (`sample: {n: ...}`) are to be coded first; it says by whom and where.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> results.done
    {'tune topic': 'done', 'classify topic': 'done', 'report': 'done', 'write': 'done'}
    >>> len(results.data), results.record.name
    (60, 'study.record.json')
    """
    file = read_study(Path(study))
    steps = Steps(file.work, again, say or (lambda _: None))
    hosts = [allow_upload] if isinstance(allow_upload, str) else list(allow_upload)
    require_unlocked(file.work)
    try:
        due = due_wave(file, steps.say)
        if due is not None:  # models will be asked about what it draws: no text is drawn before that may be
            for part in file.study.propose:
                require_leave(file, part, hosts)
        if due is not None and not due.by_predictions:
            draw_wave(file, due, None, steps.say)
    except PeopleNeeded:
        ask_models(file, hosts, steps.say)  # what people code next has its proposals
        raise
    ask_models(file, hosts, steps.say)
    inputs = read_inputs(file, steps.say)
    require_columns_of_texts(file)
    with locked(file.work):
        return _done(file, inputs, steps, due)


def _done(file: StudyFile, inputs: Inputs, steps: Steps, due: Due | None) -> Results:
    """Every step in its order, in the study's folder of work, which no other run uses meanwhile."""
    rounds = rounds_so_far(file, steps)
    coded = coded_corpus(file, inputs, steps)
    models, together = coded.models, coded.together
    if due is not None:
        draw_wave(file, due, coded.data, steps.say)
    outcome = corrected_regressions(file, inputs, coded, steps.say)
    steps.say("Writing")
    require_held(file.work)
    shares = shares_of_all(models.values(), together)
    files, changes = write_outputs(file, inputs, models, outcome, shares)
    record = study_record(file, inputs, models, outcome, shares)
    other_choices = _multiverse(file, inputs, coded, outcome, steps)
    files += _written(file, other_choices)
    names = [path.name for path in files]
    about = {**record, "files": names}
    files += reported(file, inputs, models, outcome, together, about, steps, rounds, other_choices)
    record_path = write_study_record(file, record, files)
    many = many_texts(file, list(models), steps)  # last: whatever comes of it, the results are there
    return Results(
        reliability=inputs.reliability,
        gold=inputs.all_gold,
        codings=together,
        shares=shares,
        evaluations={name: model.evaluation for name, model in models.items() if model.evaluation is not None},
        coder_scores={name: model.coder_scores for name, model in models.items() if model.coder_scores is not None},
        data=outcome.data,
        files=files,
        record=record_path,
        changes=changes,
        done={**steps.done, "write": "done"},
        corrections=outcome.corrections,
        errors=outcome.errors,
        rounds=rounds,
        many=many,
        multiverse=other_choices,
    )


def _multiverse(file: StudyFile, inputs: Inputs, coded: Coded, outcome: Corrected, steps: Steps) -> Multiverse | None:
    """The coefficient under other choices, where the study asks for it."""
    part = file.study.multiverse
    if part is None:
        return None
    return multiverse_of(file, inputs, part, steps, own_of(coded.models.values(), outcome.corrections))


def _written(file: StudyFile, multiverse: Multiverse | None) -> tuple[Path, ...]:
    """The files of the multiverse."""
    part = file.study.multiverse
    return () if part is None or multiverse is None else write_multiverse(file, part, multiverse)
