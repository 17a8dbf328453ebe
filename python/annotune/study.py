"""study.yaml: the whole way from files to files, each step done again only when what it rests on has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pydantic

from annotune.classifier import Classifier, load
from annotune.codebook import Codebook, read_codebook, read_yaml, validate
from annotune.codings import SCHEMA, read_codings, resolve
from annotune.corpus import read_corpus
from annotune.corrected import (
    Corrected,
    CorrectPart,
    SamplePart,
    coded_variables,
    corrected,
    require_codings,
    require_formulas,
    require_pi,
)  # fmt: skip
from annotune.downstream.error_model import ErrorModel
from annotune.downstream.result import Correction
from annotune.errors import AnnotuneError, listing, nearest
from annotune.evaluation import Evaluation
from annotune.export.files import require_writable
from annotune.export.regression_table import SUFFIXES as TABLES
from annotune.export.regression_table import require_library
from annotune.export.scripts import Regression, require_columns
from annotune.export.sheet import describe
from annotune.export.write import require_writer, write
from annotune.record import file_sha256, fingerprint, make_record, versions, without_folders, write_record, write_whole
from annotune.results import attach, blank, headings, require_room
from annotune.tables import read_table
from annotune.tuning.settings import Settings

FOLDS = 5  # of predictions that are to be corrected, where the study does not say
WORK = "annotune-work"  # beside the study file: models, codings and what each step rested on


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class CorpusPart(_Part):
    """Where the texts are."""

    path: str
    unit_id: str = "unit_id"
    text: str = "text"
    covariates: tuple[str, ...] | None = None
    encoding: str | None = None


class CodingsPart(_Part):
    """Where the codings are, and how to read them (see `read_codings`); `where` keeps rows with these values."""

    paths: tuple[str, ...]
    unit_id: str = "unit_id"
    coder: str | None = None
    variable: str | None = None
    columns: dict[str, str] | None = None
    coders: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    where: dict[str, str | tuple[str, ...]] = pydantic.Field(default_factory=dict)
    unknown: Literal["error", "drop"] = "error"
    encoding: str | None = None


class ReliabilityPart(_Part):
    """Which coders' agreement is reported, and how."""

    coders: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    by: str | None = None
    cluster: str | None = None
    n_boot: int = 1000
    seed: int = 1


class GoldPart(_Part):
    """How several coders' answers become one (see `resolve`)."""

    rule: str = "majority"
    ties: str = "drop"
    coder: str | None = None


class TunePart(Settings):
    """What is tuned (see `tune`); by default every variable that was coded."""

    variable: str | tuple[str, ...] | None = None
    test: float | dict[str, str | tuple[str, ...]] | None = None
    validation: float = pydantic.Field(default=0.15, gt=0, lt=1)
    folds: int | None = pydantic.Field(default=None, ge=2)
    group: str | None = None


class ClassifyPart(_Part):
    """How the corpus is coded."""

    engine: Literal["local"] = "local"
    precision: Literal["float32", "bfloat16"] = "float32"


class Study(_Part):
    """A study file's content; see docs/study.md for every key."""

    codebook: str
    corpus: CorpusPart
    codings: CodingsPart
    reliability: ReliabilityPart = ReliabilityPart()
    gold: GoldPart = GoldPart()
    tune: TunePart = TunePart()
    classify: ClassifyPart = ClassifyPart()
    write: tuple[str, ...] = ("results.dta", "results.rds", "results.parquet")
    regressions: tuple[str, ...] | None = None
    sample: SamplePart | None = None
    correct: CorrectPart | None = None

    @pydantic.field_validator("codings", mode="before")
    @classmethod
    def _paths_alone(cls, value: Any) -> Any:
        if isinstance(value, (str, list)):
            return {"paths": [value] if isinstance(value, str) else value}
        if isinstance(value, dict) and isinstance(value.get("paths"), str):
            return {**value, "paths": [value["paths"]]}
        return value

    @pydantic.field_validator("corpus", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @pydantic.field_validator("write", mode="before")
    @classmethod
    def _one_path(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def scripts(self) -> list[str]:
        """The scripts that may stand beside the results."""
        if self.correct is None and self.regressions is None:
            return []
        by_suffix = {Path(name).suffix.lower(): Path(name) for name in self.write}
        do_file, r_script = by_suffix.get(".dta"), by_suffix.get(".rds", by_suffix.get(".dta"))
        beside = [do_file and do_file.with_suffix(".do"), r_script and r_script.with_suffix(".R")]
        return [str(path) for path in beside if path]

    @property
    def outputs(self) -> list[str]:
        """Every file that is written, but for records and scripts."""
        numbers = range(1, 1 + len(self.correct.formulas)) if self.correct else ()
        return [*self.write, *(name for number in numbers for name in self.correct.targets(number))]  # type: ignore[union-attr]


@dataclass(frozen=True)
class Results:
    """What a study gave.

    Attributes
    ----------
    reliability
        Agreement of the coders.
    gold, codings
        One answer a coded unit; the models' answers for every unit, a table of codings each.
    evaluations
        Each variable's model beside its baselines.
    data
        The corpus with one answer a unit, as written.
    corrections, errors
        Each formula's estimates by hand codings, naive and corrected; and whether the model's error is related to its
        covariates (see `correct` and `error_model`).
    files
        What was written.
    changes
        What the written formats made necessary: names, types, lengths.
    done
        Each step and whether it was `done` or `up to date`.
    """

    reliability: pl.DataFrame
    gold: pl.DataFrame
    codings: pl.DataFrame
    evaluations: dict[str, Evaluation]
    data: pl.DataFrame
    files: tuple[Path, ...]
    changes: pl.DataFrame
    done: dict[str, str]
    corrections: tuple[Correction, ...] = ()
    errors: tuple[ErrorModel | None, ...] = ()


def run(study: str | Path, *, again: bool = False, say: Callable[[str], None] | None = None) -> Results:
    """Run a study: agreement, gold, tuning, evaluation, coding, and writing.

    Parameters
    ----------
    study
        A study.yaml; its paths are relative to its folder.
    again
        Do every step again, also those that are up to date.
    say
        Is told of every step as it begins, in a few words.

    Returns
    -------
    Results
        Beside every file written stands `<file>.record.json`: settings, versions, hardware and the
        fingerprints of data, codebook and model.

    Raises
    ------
    AnnotuneError
        For anything in the files that cannot be used; outputs of earlier runs are then left as they were.
    """
    path = Path(study)
    plan = _read_study(path)
    return _Run(path, plan, again, say or (lambda _: None)).results()


def _read_study(path: Path) -> Study:
    content, lines = read_yaml(path)
    plan = validate(Study, content, path, lines)
    if not plan.write:
        raise AnnotuneError(f"{path}: write: no file is named.", "Name one, or leave the key out.")
    for target in plan.write:
        require_writer(Path(target))
    for formula in plan.regressions or ():
        _ = Regression(formula).sides  # refuses what is no formula, before anything is computed
    if plan.correct is not None:
        _require_correctable(path, plan, plan.correct)
    elif plan.sample is not None:
        raise AnnotuneError(f"{path}: sample: nothing is corrected.", "Add correct: and formulas, or leave it out.")
    require_writable(
        [path.parent / name for name in (*plan.outputs, *plan.scripts)],
        [path, *(path.parent / name for name in (plan.codebook, plan.corpus.path, *plan.codings.paths))],
    )
    return plan


def _require_correctable(path: Path, plan: Study, part: CorrectPart) -> None:
    """Stop where a correction is asked for and could not be made."""
    part.parsed()
    if plan.sample is None:
        what = f"{path}: correct: it is not said how the hand-coded texts were drawn."
        advice = "Add sample: simple (at random from the corpus), or sample: {pi: a column or a number}."
        raise AnnotuneError(what, advice)
    if plan.tune.test is not None:
        what = f"{path}: correct: with tune: test, most coded texts are predicted by a model that was tuned on them."
        raise AnnotuneError(what, "Give folds in place of test.")
    for target in part.write:
        require_writer(Path(target), correction=True)
        if Path(target).suffix.lower() in TABLES:
            require_library()


@dataclass
class _Run:
    path: Path
    study: Study
    again: bool
    say: Callable[[str], None]
    done: dict[str, str] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        return self.path.parent / WORK

    def file(self, name: str) -> Path:
        return self.path.parent / name

    def results(self) -> Results:
        codebook = read_codebook(self.file(self.study.codebook))
        inputs = self._inputs()
        corpus = self._corpus()
        codings = self._codings(codebook)
        reliability, gold = self._reliability(codings, codebook), self._gold(codings, codebook)
        names = self._variables(codings, codebook)
        self._require_formulas(corpus, names, codebook, gold)  # now, not after tuning
        models = {name: self._model(name, corpus, gold, codebook, inputs) for name in names}
        coded = [self._classify(name, model, corpus, codebook, inputs) for name, model in models.items()]
        data = attach(corpus, pl.concat(coded, how="diagonal"), codebook=codebook, gold=gold)
        outcome = self._corrected(data, codebook, dict(zip(names, coded, strict=True)))
        files, changes = self._write(outcome, codebook, models, reliability, inputs)
        evaluations = {name: model.evaluation for name, model in models.items() if model.evaluation is not None}
        return Results(
            reliability,
            gold,
            pl.concat(coded, how="diagonal"),
            evaluations,
            outcome.data,
            files,
            changes,
            self.done,
            outcome.corrections,
            outcome.errors,
        )

    def _corrected(self, data: pl.DataFrame, codebook: Codebook, codings: Mapping[str, pl.DataFrame]) -> Corrected:
        """The results with what a correction adds to them; as they are where none is asked for."""
        part, sample = self.study.correct, self.study.sample
        if part is None or sample is None:
            return Corrected(data)
        self.say("Correcting the regressions")
        folds = {name: rows for name, rows in codings.items() if "fold" in rows.columns}
        return corrected(part, sample, data, codebook, list(codings), folds)

    def _is_corrected(self, name: str, codebook: Codebook) -> bool:
        """Whether a variable is in a corrected regression, and so is predicted out of fold where it was coded."""
        formulas = self.study.correct.parsed() if self.study.correct else []
        return any(coded_variables(formula, codebook, [name]) for formula in formulas)

    def _require_formulas(self, corpus: pl.DataFrame, names: list[str], codebook: Codebook, gold: pl.DataFrame) -> None:
        """Stop where a column has no room, or a formula names what the written table will not have."""
        variables = [codebook.variable(name) for name in names]
        require_room(corpus, variables, gold=True)
        table = blank(corpus, variables)
        if self.study.correct and self.study.sample:
            require_formulas(self.study.correct, table, codebook, names)
            require_pi(self.study.sample, corpus)
            require_codings(self.study.correct, gold, codebook, names)
        if self.study.regressions:
            sheet = describe(table.lazy(), codebook, self._told(table.columns)[0])
            require_columns(sheet, [Regression(formula) for formula in self.study.regressions])

    def _told(self, columns: Sequence[str]) -> tuple[dict[str, dict[int, str]], dict[str, str]]:
        """The value labels and variable labels that the corpus's file has for these columns."""
        if Path(self.study.corpus.path).suffix.lower() not in (".dta", ".sav", ".rds"):
            return {}, {}
        table = read_table(self.file(self.study.corpus.path))
        labels, told = table.labels, table.headings
        return (
            {name: dict(labels[name]) for name in columns if name in labels},
            {name: told[name] for name in columns if name in told},
        )

    def _inputs(self) -> dict[str, str]:
        """The fingerprints of everything the study reads."""
        names = [self.study.codebook, self.study.corpus.path, *self.study.codings.paths]
        for name in names:
            if not self.file(name).is_file():
                raise AnnotuneError(
                    f"{self.path}: the file {name} is not there.", f"It is looked for in {self.path.parent.resolve()}."
                )
        return {name: file_sha256(self.file(name)) for name in names}

    def _corpus(self) -> pl.DataFrame:
        part = self.study.corpus
        self.say("Reading the corpus")
        return read_corpus(self.file(part.path), part.unit_id, part.text, part.covariates, part.encoding)

    def _codings(self, codebook: Codebook) -> pl.DataFrame:
        part = self.study.codings
        options = part.model_dump(exclude={"paths", "where", "keep"})
        options["keep"] = [*part.keep, *(name for name in part.where if name not in part.keep)]
        options["coders"] = list(part.coders) if part.coders else None
        self.say("Reading the codings")
        codings = read_codings([self.file(name) for name in part.paths], codebook, **options)
        for column, values in part.where.items():
            codings = _keep(codings, column, [values] if isinstance(values, str) else list(values))
        return codings.drop([name for name in part.where if name not in (*part.keep, *SCHEMA)])

    def _reliability(self, codings: pl.DataFrame, codebook: Codebook) -> pl.DataFrame:
        from annotune.agreement.reliability import reliability

        part = self.study.reliability
        self.say("Comparing the coders")
        if part.coders is not None:
            known = codings["coder"].unique().to_list()
            for name in part.coders:
                if name not in known:
                    raise AnnotuneError(f"{self.path}: reliability: there is no coder {name!r}.", nearest(name, known))
            codings = codings.filter(pl.col("coder").is_in(part.coders))
        options = part.model_dump(exclude={"coders"})
        return reliability(codings, codebook=codebook, **options)

    def _gold(self, codings: pl.DataFrame, codebook: Codebook) -> pl.DataFrame:
        part = self.study.gold
        return resolve(codings, part.rule, codebook=codebook, ties=part.ties, coder=part.coder)  # type: ignore[arg-type]

    def _variables(self, codings: pl.DataFrame, codebook: Codebook) -> list[str]:
        wanted = self.study.tune.variable
        coded = set(codings.filter(pl.col("status").is_in(["ok", "none"]))["variable"])
        if wanted is None:
            return [entry.name for entry in codebook.variables if entry.name in coded]
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in names:
            if codebook.variable(name).name not in coded:
                raise AnnotuneError(f"{self.path}: nobody coded the variable {name!r}.", nearest(name, sorted(coded)))
        return names

    def _model(
        self, name: str, corpus: pl.DataFrame, gold: pl.DataFrame, codebook: Codebook, inputs: Mapping[str, str]
    ) -> Classifier:
        """The tuned model of one variable, from an earlier run where nothing it rests on has changed."""
        from annotune.tuner import tune
        from annotune.tuning.base import find_base

        part = self.study.tune
        options = part.model_dump(exclude={"variable"}) | {"base": self._base()}
        folder = self.work / name / "model"
        if self._is_corrected(name, codebook):
            options |= {"folds": part.folds or FOLDS, "keep": self.work / name / "folds"}
        revision = find_base(options["base"]).revision
        read = (self.study.corpus, self.study.codings, self.study.gold)
        basis = fingerprint([inputs, name, part, options["folds"], revision, *read, versions()])

        def make() -> None:
            if self.again:
                shutil.rmtree(self.work / name / "folds", ignore_errors=True)
            tune(corpus, gold, codebook, name, **options).save(folder)

        self._step(f"tune {name}", basis, folder, make)
        return load(folder, part.device)

    def _base(self) -> str:
        """The base model: a folder is looked for beside the study file, as every other path is."""
        folder = self.file(self.study.tune.base)
        return str(folder) if folder.is_dir() else self.study.tune.base

    def _classify(
        self, name: str, model: Classifier, corpus: pl.DataFrame, codebook: Codebook, inputs: Mapping[str, str]
    ) -> pl.DataFrame:
        """The answers of a variable's model; where they are to be corrected, out of fold for the coded texts."""
        part, folds = self.study.classify, self._is_corrected(name, codebook)
        target = self.work / name / "codings.parquet"
        basis = fingerprint(
            [inputs[self.study.corpus.path], self.study.corpus, model.card["model_sha256"], folds, part, versions()]
        )

        def make() -> None:
            from annotune.downstream.crossfit import in_corpus_order

            classified = in_corpus_order(model, corpus, part.precision) if folds else None
            write(model.classify(corpus, precision=part.precision) if classified is None else classified, target)

        self._step(f"classify {name}", basis, target, make)
        return pl.read_parquet(target)

    def _step(self, step: str, basis: str, target: Path, make: Callable[[], None]) -> None:
        """Do a step unless its outcome is there and rests on the same basis."""
        marker = target.parent / f".{target.name}.basis"
        if not self.again and target.exists() and marker.exists() and marker.read_text(encoding="utf-8") == basis:
            self.done[step] = "up to date"
            return
        self.say(f"{step[0].upper()}{step[1:]}")
        marker.unlink(missing_ok=True)  # a run that is stopped half-way leaves nothing that looks finished
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AnnotuneError(
                f"The folder {target.parent} cannot be made: {error.strerror}.", "Check its permissions."
            ) from None
        make()
        write_whole(marker, basis)
        self.done[step] = "done"

    def _write(
        self,
        outcome: Corrected,
        codebook: Codebook,
        models: Mapping[str, Classifier],
        reliability: pl.DataFrame,
        inputs: Mapping[str, str],
    ) -> tuple[tuple[Path, ...], pl.DataFrame]:
        from annotune.runtime import hardware

        self.say("Writing")
        data = outcome.data
        labels, told = self._told(data.columns)
        known_headings = {name: said for name, said in headings(codebook).items() if name in data.columns}
        targets = [self.file(name) for name in self.study.write]
        for target in map(self.file, self.study.outputs):
            target.parent.mkdir(parents=True, exist_ok=True)
        changes = write(
            data,
            targets,
            codebook=codebook,
            labels=labels,
            headings={**known_headings, **outcome.headings, **told},
            notes=[*_notes(models, reliability), *outcome.notes],
            title=codebook.name or None,
            regressions=self._regressions(outcome),
        )
        for number, correction in enumerate(outcome.corrections, start=1):
            assert self.study.correct is not None
            paths = [self.file(name) for name in self.study.correct.targets(number)]
            write(correction, paths)
            targets += paths
        record = make_record(
            "annotune run",
            study=without_folders(json.loads(self.study.model_dump_json())),
            inputs=without_folders(dict(inputs)),
            hardware=hardware(),
            codebook_sha256=codebook.sha256,
            models={name: model.card for name, model in models.items()},
            reliability=reliability.to_dicts(),
            evaluation={
                name: model.evaluation.measures.to_dicts() for name, model in models.items() if model.evaluation
            },
            corrections={found.formula: found.estimates.to_dicts() for found in outcome.corrections},
        )
        for target in targets:
            write_record({**record, "output": {"file": target.name, "sha256": file_sha256(target)}}, target)
        self.done["write"] = "done"
        return tuple(targets), changes

    def _regressions(self, outcome: Corrected) -> list[Regression] | None:
        """What the scripts run: the corrected regressions, and the others that were named."""
        told = {entry.formula for entry in outcome.regressions}
        others = [Regression(formula) for formula in self.study.regressions or () if formula not in told]
        return None if self.study.regressions is None and not told else [*outcome.regressions, *others]


def _keep(codings: pl.DataFrame, column: str, values: list[str]) -> pl.DataFrame:
    words = pl.col(column).cast(pl.String).str.to_lowercase()
    kept = codings.filter(words.is_in([value.lower() for value in values]))
    if kept.is_empty():
        raise AnnotuneError(f"No coding has {column} {listing(values)}.", "Check where: in the study file.")
    return kept


def _notes(models: Mapping[str, Classifier], reliability: pl.DataFrame) -> list[str]:
    """Where the data come from, in a few sentences that travel inside the file."""
    notes = [f"Coded with annotune {versions()['annotune']}."]
    for name, model in models.items():
        digest, seed = model.card["model_sha256"][:16], model.card["settings"]["seed"]
        coded = model.card["parts"]["coded"]
        notes.append(f"{name}: model {model.name} (SHA-256 {digest}), seed {seed}, {coded} coded texts.")
        if model.evaluation is not None:
            leading = "micro_f1" if model.variable.kind == "multilabel" else "macro_f1"
            row = model.evaluation.measures.filter(pl.col("measure") == leading).row(0, named=True)
            notes.append(
                f"{name}: {leading.replace('_f', '-F')} {row['estimate']:.3f} on {row['n_units']} held-out texts."
            )
        alpha = reliability.filter((pl.col("variable") == name) & (pl.col("metric") == "alpha"))
        if len(alpha) and alpha["estimate"][0] is not None:
            notes.append(f"{name}: Krippendorff's alpha of the coders {alpha['estimate'][0]:.3f}.")
    return notes
