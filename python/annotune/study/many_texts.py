"""Very many texts beside a study's corpus: all its models code them into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotune.data.frames import unique_names
from annotune.study.file import StudyFile

if TYPE_CHECKING:
    from annotune.bulk.status import RunStatus
    from annotune.study.models import Steps


def many_texts(file: StudyFile, variables: list[str], steps: Steps) -> RunStatus | None:
    """Code what `classify: {texts: ...}` names by the models of these variables; None where it names nothing.

    A run that is stopped goes on with the next one. On SLURM a job is submitted, which goes on by itself.

    Raises
    ------
    AnnotuneError
        Where the folder holds codes by other models, such as those of an earlier run that had other codings.
    """
    from annotune.bulk.classify import classify

    part, corpus = file.study.classify, file.study.corpus
    if part.texts is None:
        return None
    options: dict[str, Any] = {"cluster": part.cluster} if part.on == "slurm" else {}
    steps.say(f"Coding very many texts into {part.out}")
    status = classify(
        [str(file.beside(name)) for name in unique_names(part.texts)],
        [file.work_of(name) / "model" for name in variables],
        file.beside(part.out),
        on=part.on,
        unit_id=corpus.unit_id,
        text=corpus.column,
        covariates=list(dict.fromkeys([*part.covariates, *file.study.beside])),
        workers=part.workers,
        rows_per_shard=part.rows_per_shard,
        probabilities=part.probabilities,
        evidence=part.evidence,
        precision=part.precision,
        **options,
    )
    steps.done[f"classify into {part.out}"] = "done" if status.is_complete else "not complete"  # type: ignore[union-attr]
    return status  # type: ignore[return-value]
