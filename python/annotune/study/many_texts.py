"""Very many texts beside a study's corpus: all its models code them into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, nearest, warn
from annotune.study.file import StudyFile

if TYPE_CHECKING:
    from annotune.bulk.status import RunStatus
    from annotune.study.models import Steps


def require_columns_of_texts(file: StudyFile) -> None:
    """Stop where very many texts lack what their models will read, before these are tuned.

    Where only some files lack it, a warning counts them.

    Raises
    ------
    AnnotuneError
        Where there are no texts, or none of their files has a column.
    """
    from annotune.bulk.conversion import column_names
    from annotune.bulk.shards import find_files

    part = file.study.classify
    if part.texts is None:
        return
    files = find_files([str(file.beside(name)) for name in unique_names(part.texts)])[1]
    known = {path: names for path in files if (names := column_names(path)) is not None}
    corpus = file.study.corpus
    for column in dict.fromkeys([corpus.unit_id, corpus.column, *_beside_texts(file)]):
        lacking = [path for path, names in known.items() if column not in names]
        if not lacking:
            continue
        if len(lacking) == len(files):
            what = f"{file.path}: classify: texts: {lacking[0].name} has no column {column!r}."
            raise AnnotuneError(what, nearest(column, known[lacking[0]]))
        some = f"{len(lacking):,} of {len(files):,} files"
        warn(f"{some} of texts have no column {column!r}, such as {lacking[0].name}: they will not be coded.")


def _beside_texts(file: StudyFile) -> list[str]:
    """The columns that are kept beside the codes, what models read beside a text among them."""
    return list(dict.fromkeys([*file.study.classify.covariates, *file.study.beside]))


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
        covariates=_beside_texts(file),
        workers=part.workers,
        rows_per_shard=part.rows_per_shard,
        probabilities=part.probabilities,
        evidence=part.evidence,
        precision=part.precision,
        **options,
    )
    steps.done[f"classify into {part.out}"] = "done" if status.is_complete else "not complete"  # type: ignore[union-attr]
    return status  # type: ignore[return-value]
