"""classify(): very many texts, by one model or several, into a folder; whatever stops it, it goes on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from annotune.bulk.claims import key_of
from annotune.bulk.coders import Spec, decoder_spec, tuned_spec
from annotune.bulk.forecast import Forecast, forecast
from annotune.bulk.manifest import RunFolder
from annotune.bulk.places import Local, Place, default_workers, one_part
from annotune.bulk.plan import Plan, begin
from annotune.bulk.ray_cluster import OnRay
from annotune.bulk.repeats import known_repeats
from annotune.bulk.run import tidy
from annotune.bulk.shards import Shard
from annotune.bulk.slurm import OnSlurm
from annotune.bulk.status import RunStatus, status
from annotune.data.codebook import Codebook
from annotune.errors import AnnotuneError, listing, nearest
from annotune.models.classifier import Classifier
from annotune.models.hub import fetch_model, is_on_hub
from annotune.runtimes.engines import require_precision

PLACES: dict[str, type[Local] | type[OnRay] | type[OnSlurm]] = {"local": Local, "ray": OnRay, "slurm": OnSlurm}
DECODING = {"examples": 0, "template": "chat", "calibrate": True, "max_tokens": 512}


def classify(
    path: str | Path | Sequence[str | Path],
    model: Any = None,
    out: str | Path | None = None,
    *,
    on: str = "local",
    unit_id: str = "unit_id",
    text: str = "text",
    covariates: Sequence[str] = (),
    base: str | None = None,
    codebook: Codebook | None = None,
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] | None = None,
    rows_per_shard: int | None = None,
    probabilities: bool = True,
    evidence: bool = False,
    precision: str = "float32",
    device: str = "auto",
    dry_run: bool = False,
    price_per_hour: float | None = None,
    **options: Any,
) -> RunStatus | Forecast:
    """Code very many texts: files in, a folder of parquet files with the same rows out.

    A file is coded as a shard, a large one as several. What was done is kept: a run that was stopped, whatever stopped
    it, goes on from there when the same is called again, and ends with the same bytes; shards that failed are tried
    again. Any number of processes, on any number of machines that share the folder, may take part at once.

    Parameters
    ----------
    path
        A file, a folder, a pattern (`tweets/2019-*.parquet`), or a list of such: parquet, csv, tsv, jsonl.
    model
        The folder of a tuned model, a `Classifier`, or a list of them: all code each text, which is read once.
    out
        The folder for the codes; one that holds codes by another model is refused.
    on
        `local`: in processes of this machine; `ray`: on a Ray cluster; `slurm`: in a job array, which is submitted.
    unit_id, text
        The columns with the identifier and the text.
    covariates
        Columns that are kept beside the codes.
    base, codebook
        A decoder that codes by the codebook alone, as `zero_shot` does; with `model` or in its place.
    workers
        Processes at a time; by default as many as processor and memory have room for.
    threads
        Of each worker; by default the processor's, shared out. The last bits of probabilities depend on it, so that a
        run keeps the number that it was begun with.
    shard
        `(3, 100)`: only the third of a hundred parts, for a scheduler that starts a hundred jobs.
    rows_per_shard
        Files with more rows are several shards: 100,000 by default.
    probabilities
        Whether the probability of every label is kept, in columns `p_<label>`, and not only that of the label given.
    evidence
        Whether the passage of each text that decided is kept, with its share, in columns `evidence`, `evidence_share`,
        `evidence_start` and `evidence_end` (see `Classifier.classify`). Of short texts that is the text once more.
    precision
        `float32`; `bfloat16`, for speed where the processor has it; `exact`, the fastest that computes in 32 bits;
        `auto`, the fastest of all that proves itself on these texts (see `Classifier.choose_runtime`). It is chosen
        once, by the first process that codes, and kept for the whole run.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    dry_run
        Code nothing: time 500 of the texts, and say what all of them take.
    price_per_hour
        Of the machine, for that forecast.
    options
        Of the place. Here: `gpus`, how many GPUs are used (by default all, with a worker each). On Ray: `address` (of
        a cluster; otherwise one is started here) and `gpus` of each worker. On SLURM: `cluster` and `clusters` (a name
        in a file with what jobs ask for on each cluster, and that file),
        `partition`, `account`, `qos`, `constraint`, `time`, `cpus`, `memory`, `gpus`, `parallel`, `modules`, `setup`,
        `python`, `options` (see `annotune.bulk.clusters.Profile`), `wait` (stay until the job has ended) and
        `write_sbatch` (write the file for `sbatch` there, and submit nothing).

    Returns
    -------
    RunStatus or Forecast
        Each shard's state, with the reason where it failed (see `annotune.status`); with `dry_run`, hours and money.

    Raises
    ------
    AnnotuneError
        Where there are no texts, the folder holds something else, cannot be written to, or a model has changed. What is
        wrong with one shard raises nothing: the others are done, and the shard says why it is not.

    Examples
    --------
    >>> import annotune as at
    >>> at.classify("tweets/", "model", "coded/", workers=4)  # doctest: +SKIP
    """
    if out is None:
        raise AnnotuneError("There is no folder to code into.", "Name one with out=.")
    folder = RunFolder(Path(out))
    columns = {"unit_id": unit_id, "text": text, "covariates": list(covariates)}
    settings = {"precision": precision, "device": device, "probabilities": probabilities, "evidence": evidence}
    _require_choices(on, precision, workers, threads, shard, rows_per_shard)
    settings |= {"rows_per_shard": rows_per_shard, "threads": threads}
    is_new = not folder.plan.exists()
    place = place_of(on, workers or (1 if shard else None), device, options)
    specs = specs_of(model, base, codebook, folder, evidence)
    plan = begin(folder, path, columns, settings, specs, place.threads)
    if dry_run:
        pending = [one for one in plan.part(shard) if not folder.is_done(one, folder.manifest(one))]
        try:
            usual = (place.gpus if isinstance(place, Local) else None) or default_workers(device)
            n_workers = min(workers or usual, max(len(pending), 1))
            return forecast(folder, plan, pending, n_workers, price_per_hour)
        finally:
            if is_new:
                folder.forget_plan()
    pending = prepare(folder, plan, shard)
    notes: tuple[str, ...] = ()
    if shard is not None:
        one_part(folder, pending, shard)
    elif pending:
        notes = place.work(folder, pending, plan.settings["threads"])
    tidy(folder)
    state = status(out)
    if state.is_complete and known_repeats(folder, plan.shards) is None:
        known_repeats(folder, plan.shards, look=True)
        state = status(out)
    return replace(state, notes=(*notes, *state.notes))


def place_of(on: str, workers: int | None, device: str, options: Mapping[str, Any]) -> Place:
    """Where a run is worked on.

    Raises
    ------
    AnnotuneError
        Where the place has no such option.
    """
    kind = PLACES[on]
    known = {one.name for one in fields(kind)} - {"workers", "device", "changes"}
    own = {name: value for name, value in options.items() if name in known and value is not None}
    others = {name: value for name, value in options.items() if name not in known and value is not None}
    if kind is OnSlurm:
        return OnSlurm(workers, device, **own, changes=others)
    if others:
        name = next(iter(others))
        raise AnnotuneError(f"on={on!r} has no option {name!r}.", nearest(name, known) if known else "Leave it out.")
    return kind(workers, device, **own)


def prepare(folder: RunFolder, plan: Plan, part: tuple[int, int] | None = None) -> list[Shard]:
    """The shards of a part that are to be done; those that failed are tried again, and those of changed files anew.

    Processes that ended before are not held against a shard: whoever stopped a run a few times may go on with it.
    """
    pending = []
    for shard in plan.part(part):
        manifest = folder.manifest(shard)
        if folder.is_done(shard, manifest):
            continue
        pending.append(shard)
        folder.manifest_path(shard).unlink(missing_ok=True)
    folder.claims().clear({key_of(shard.name) for shard in pending})
    return pending


def specs_of(
    model: Any, base: str | None, codebook: Codebook | None, folder: RunFolder, evidence: bool = False
) -> list[Spec]:
    """What is known of the models; one that is only in memory is saved into the run's folder."""
    models = model if isinstance(model, (list, tuple)) else [] if model is None else [model]
    specs = [tuned_spec(_folder_of(one, folder), evidence) for one in models]
    if base is not None and evidence:
        what = f"{base} reads texts within a prompt, all at once, and no passage of a text decides alone."
        raise AnnotuneError(what, "Leave evidence out, or base.")
    if base is not None:
        if codebook is None:
            raise AnnotuneError(f"{base} codes by a codebook, and there is none.", "Give one with codebook=.")
        specs.append(decoder_spec(base, codebook, DECODING))
    if not specs:
        raise AnnotuneError("There is no model.", "Name one with model=, or a decoder with base= and codebook=.")
    names = [spec["name"] for spec in specs]
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise AnnotuneError(f"The model {double[0]} is there twice.", "Name each once.")
    return specs


def _folder_of(model: Any, folder: RunFolder) -> Path:
    """Where a model's files are; one of a hub is fetched once, for all processes of this machine."""
    if not isinstance(model, Classifier):
        return fetch_model(model) if is_on_hub(model) else Path(model)
    place = folder.books / "models" / model.name
    return place if (place / "annotune.json").exists() else model.save(place)


def _require_choices(
    on: str,
    precision: str,
    workers: int | None,
    threads: int | None,
    shard: tuple[int, int] | None,
    rows_per_shard: int | None,
) -> None:
    if on not in PLACES:
        raise AnnotuneError(f"Texts cannot be coded on {on!r}.", f"Choose from {listing(list(PLACES))}.")
    require_precision(precision)
    if any(n is not None and n < 1 for n in (workers, threads, rows_per_shard)):
        raise AnnotuneError("workers, threads and rows_per_shard cannot be that small.", "Give 1 or more.")
    if shard is not None and on != "local":
        raise AnnotuneError(f"A part is coded here, and not on={on!r}.", "Leave out either shard= or on=.")
    if shard is not None and not 1 <= shard[0] <= shard[1]:
        raise AnnotuneError(f"There is no part {shard[0]} of {shard[1]}.", "Parts are counted from 1, such as 3/100.")
