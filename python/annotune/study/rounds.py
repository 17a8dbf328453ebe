"""rounds(): a study's texts drawn, coded and judged round by round, until people decide that it is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from annotune.data.codebook import read_codebook
from annotune.errors import AnnotuneError, PeopleNeeded
from annotune.hybrid.rounds import Rounds
from annotune.records.lock import locked, require_unlocked
from annotune.study.drawing import draw_wave, due_wave, next_wave
from annotune.study.file import StudyFile, read_study
from annotune.study.models import Steps
from annotune.study.proposed import ask_models, require_leave
from annotune.study.round_figures import coded_by, round_of, rounds_so_far
from annotune.study.sampling import RoundsPart


def rounds(
    study: str | Path,
    *,
    another: bool = False,
    again: bool = False,
    allow_upload: str | Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> Rounds:
    r"""Do what is due in a study that draws its texts in rounds (`sample: {rounds: {...}}`), and say what is next.

    The first call draws the evaluation set and the first round, asks the models that the study names to propose, and
    says what people are to code. Further calls take in what they coded. When a round is coded, the model is tuned, the
    corpus coded, and the regressions are corrected; the figures say what another round is expected to bring.

    Parameters
    ----------
    study
        A study.yaml; the state of its rounds is in the store and the folder of work beside it.
    another
        Draw one more round, where the last one is done. Without it nothing further is drawn, however often this is
        called.
    again
        Compute the figures of every round again.
    allow_upload, say
        As for `run`.

    Returns
    -------
    Rounds
        The figures of all rounds that are done, one row per round, and what is due. They rest on the texts of the
        rounds, each predicted by a model that has not seen it. The evaluation set is in none of them but
        `evaluation_f1`, which is for showing only.

    Raises
    ------
    AnnotuneError
        For a study without rounds, another round than the rule of `stop` allows, and whatever `run` refuses.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=300, n_coded=20).study
    >>> sample = "sample: {rounds: {n: 60, evaluation: 40, coders: [anna]}}"
    >>> size = study.write_text(f"codebook: codebook.yaml\ncorpus: questions.csv\n{sample}\n")
    >>> result = at.rounds(study)
    >>> result.n, result.due[:49]
    (0, 'The evaluation set: 40 texts were drawn from 300.')
    """
    file = read_study(Path(study))
    part = _require_rounds(file)
    steps = Steps(file.work, again, say or (lambda _: None))
    hosts = [allow_upload] if isinstance(allow_upload, str) else list(allow_upload)
    require_unlocked(file.work)
    due = _turn_of_people(file, hosts, steps)
    result = _done(file, part, steps, due)
    if due or not another:
        return result
    if result.rule:
        advice = "Finish with annotune run, or change stop: in sample: and say in the paper that you did."
        raise AnnotuneError(f"{file.path}: another round would be one too many. {result.rule}", advice)
    return replace(result, due=_another(file, part, result.n, hosts, steps))


def _require_rounds(file: StudyFile) -> RoundsPart:
    if file.study.sample is None or file.study.sample.rounds is None:
        what = f"{file.path} draws no texts in rounds."
        raise AnnotuneError(what, "Add sample: {rounds: {n: 200, evaluation: 300, coders: [anna, ben]}}, or run it.")
    return file.study.sample.rounds


def _turn_of_people(file: StudyFile, hosts: Sequence[str], steps: Steps) -> str:
    """Take in what people coded, draw what is due, and say what they are to do; empty where all is coded."""
    try:
        due = due_wave(file, steps.say)
        if due is not None:
            _require_leave(file, hosts)
            draw_wave(file, due, None, steps.say)
    except PeopleNeeded as halt:
        ask_models(file, hosts, steps.say)  # what people code next has its proposals
        return str(halt)
    ask_models(file, hosts, steps.say)
    return ""


def _another(file: StudyFile, part: RoundsPart, done: int, hosts: Sequence[str], steps: Steps) -> str:
    """Draw the round after so many, and say what people are to do."""
    due = next_wave(file, part.wave_of(done), read_codebook(file.beside(file.study.codebook)))
    _require_leave(file, hosts)
    predictions = None
    if due.by_predictions:
        with locked(file.work):
            predictions = coded_by(round_of(file, part, done), replace(steps, again=False))[1].data
    try:
        draw_wave(file, due, predictions, steps.say)
    except PeopleNeeded as halt:
        ask_models(file, hosts, steps.say)
        return str(halt)


def _require_leave(file: StudyFile, hosts: Sequence[str]) -> None:
    """No text is drawn before the models that will be asked about it may be."""
    for proposer in file.study.propose:
        require_leave(file, proposer, hosts)


def _done(file: StudyFile, part: RoundsPart, steps: Steps, due: str) -> Rounds:
    """The rounds that are done, and what is due: of people, or of whoever decides whether there is another."""
    result = rounds_so_far(file, steps)
    assert result is not None
    return replace(result, due=due or _decision(file, part, result))


def _decision(file: StudyFile, part: RoundsPart, result: Rounds) -> str:
    """What can be decided once a round is done."""
    finish = f"Finish with: annotune run {file.path}"
    more = f"For {part.n:,} more texts: annotune round {file.path} --next"
    return finish if result.rule else f"Round {result.n} is done. {more}. {finish}"
