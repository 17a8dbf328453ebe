"""What a study file says: every key of study.yaml, and what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from annotune.correction.formulas import Formula, parse
from annotune.data.codebook import validate
from annotune.data.yaml_file import read_yaml
from annotune.errors import AnnotuneError
from annotune.export.journal import Layout
from annotune.export.regression_table import SUFFIXES as TABLES
from annotune.export.regression_table import require_library
from annotune.export.scripts import Regression
from annotune.export.write import require_writer
from annotune.hybrid.scored import EVALUATION
from annotune.hybrid.store import store_of
from annotune.records.files import folder_for, require_writable
from annotune.reporting.files import writer_for
from annotune.tuning.settings import Settings

SHEET = "coding_sheet.xlsx"
SIMPLE = "simple"  # of sample:, at random from the corpus
WORK = "annotune-work"  # beside the study file: models, codings and what each step rested on


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _under(key: str) -> pydantic.BeforeValidator:
    """Where a block is wanted and something else stands, that is the block's value of `key`."""

    def block(value: Any) -> Any:
        return value if value is None or isinstance(value, (dict, pydantic.BaseModel)) else {key: value}

    return pydantic.BeforeValidator(block)


Words = Annotated[tuple[str, ...], pydantic.BeforeValidator(_several)]  # a list, or its only word


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

    paths: Words = ()
    unit_id: str = "unit_id"
    coder: str | None = None
    variable: str | None = None
    columns: dict[str, str] | None = None
    coders: tuple[str, ...] | None = None
    keep: tuple[str, ...] = ()
    where: dict[str, Words] = pydantic.Field(default_factory=dict)
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

    rule: str | dict[str, int] = "majority"
    ties: str = "drop"
    coder: str | None = None
    coders: tuple[str, ...] | None = None


class TunePart(Settings):
    """What is tuned (see `tune`); by default every variable that was coded."""

    variable: Words | None = None
    test: float | dict[str, str | tuple[str, ...]] | None = None
    validation: float = pydantic.Field(default=0.15, gt=0, lt=1)
    folds: int | None = pydantic.Field(default=None, ge=2)
    group: str | None = None
    pi: str | None = None
    prevalence: dict[str, float] | None = None


class ClassifyPart(_Part):
    """How the corpus is coded."""

    precision: Literal["float32", "bfloat16"] = "float32"


class WavePart(_Part):
    """A wave of texts that the study draws for coding (see `annotune.sample`), and how many of them are enough."""

    design: Literal["simple", "stratified", "cluster", "active"] = "simple"
    n: int = pydantic.Field(ge=1)
    strata: Words = ()
    allocation: Literal["proportional", "equal", "neyman"] = "proportional"
    cluster: str | None = None
    pps: bool = True
    aim: str | None = pydantic.Field(default=None, alias="for")
    scores: str | None = None
    floor: float | None = None
    variable: str | None = None
    poisson: bool = False
    coders: Words = ()
    overlap: float = 0.0
    blind: float = 0.0
    two: float = 0.0
    decoy: float = 0.0
    write: str | None = None
    show: Words = ()
    before: str | None = None
    after: str | None = None
    seed: int = 1
    enough: float = pydantic.Field(default=1.0, gt=0, le=1)


class StopPart(_Part):
    """When rounds end: after so many; or once every standard error and every macro-F1 is as good as is wanted."""

    rounds: int | None = pydantic.Field(default=None, ge=1)
    std_error: float | None = pydantic.Field(default=None, gt=0)
    macro_f1: float | None = pydantic.Field(default=None, gt=0, lt=1)


class RoundsPart(WavePart):
    """Waves that are drawn one by one, each when people have seen what those before gave; how, from the second on.

    `first` is the size of the first, `evaluation` that of the texts that are drawn before it and kept apart.
    """

    first: int | None = pydantic.Field(default=None, ge=1)
    evaluation: int = pydantic.Field(default=0, ge=0)
    stop: StopPart = StopPart()

    def wave_of(self, number: int) -> int:
        """The number of the wave that a round is: the evaluation set, where there is one, is the first wave."""
        return number + bool(self.evaluation)

    def wave(self, number: int, variables: Collection[str]) -> WavePart:
        """How the wave so numbered is drawn; the first round simply, where its design goes by predictions."""
        options = self.model_dump(by_alias=True, exclude={"first", "evaluation", "stop"})
        if number < self.wave_of(1):
            simply = {
                name: options[name] for name in ("coders", "overlap", "show", "before", "after", "seed", "enough")
            }
            apart = {"n": self.evaluation, "for": EVALUATION, "blind": float(bool(self.coders))}
            return WavePart.model_validate(simply | apart | {"write": self._sheet("evaluation")})
        place = number - bool(self.evaluation)
        options["write"] = self._sheet(f"round_{place}")
        if place == 1:
            options["n"] = self.first or self.n
            if goes_by_predictions(self, variables):
                simple = ("design", "strata", "allocation", "for", "scores", "floor")
                options = {name: value for name, value in options.items() if name not in simple}
        return WavePart.model_validate(options)

    def _sheet(self, name: str) -> str:
        path = Path(self.write or SHEET)
        return str(path.with_name(f"{path.stem}_{name}{path.suffix}"))


def goes_by_predictions(part: WavePart, variables: Collection[str]) -> bool:
    """Whether a wave is drawn by what a model says, `variables` being those that are coded."""
    by_aim = part.aim is not None and part.aim != EVALUATION
    return by_aim or part.allocation == "neyman" or bool(set(variables) & set(part.strata))


def _as_waves(value: Any) -> Any:
    """A list of waves, or one, as the block that holds them."""
    if isinstance(value, (list, tuple)):
        return {"waves": value}
    if isinstance(value, dict) and not {"pi", "draws", "waves", "rounds"} & set(value):
        return {"waves": [value]}
    return value


class SamplePart(_Part):
    """How the hand-coded texts were drawn, or are to be.

    `simple` at random from the corpus, each with the probability `pi`, as a store or a table of `draws` says, or by
    this study, in `waves` that are listed, or in `rounds`.
    """

    pi: float | str | None = pydantic.Field(default=None, union_mode="left_to_right")  # "0.1" in the file is a number
    draws: str | None = None
    waves: tuple[WavePart, ...] = ()
    rounds: RoundsPart | None = None

    @property
    def draws_texts(self) -> bool:
        """Whether this study draws its texts."""
        return bool(self.waves or self.rounds)

    @property
    def at_once(self) -> int:
        """How many waves are drawn before anybody codes."""
        return self.rounds.wave_of(1) if self.rounds is not None else 1

    def planned(self, drawn: int) -> int:
        """How many waves there are to be, of which so many are drawn; a further round is somebody's decision."""
        return max(drawn, self.at_once) if self.rounds is not None else len(self.waves)

    def wave(self, number: int, variables: Collection[str] = ()) -> WavePart:
        """How the wave so numbered is drawn."""
        return self.rounds.wave(number, variables) if self.rounds is not None else self.waves[number - 1]

    def called(self, number: int) -> str:
        """What a wave is called at the beginning of a sentence.

        >>> SamplePart(rounds=RoundsPart(n=100, evaluation=50)).called(3)
        'Round 2'
        """
        if self.rounds is None:
            return f"Wave {number}"
        place = number - bool(self.rounds.evaluation)
        return f"Round {place}" if place else "The evaluation set"

    @property
    def column(self) -> str | None:
        """The column with the probabilities, where they are in one."""
        if self.drawn:
            return "pi"
        return self.pi if isinstance(self.pi, str) and self.pi != SIMPLE else None

    @property
    def drawn(self) -> bool:
        """Whether it is recorded which texts were drawn, by this study or elsewhere."""
        return bool(self.draws or self.draws_texts)


class ProposePart(_Part):
    """A model that proposes codes, and how it is asked (see `annotune.propose`)."""

    model: str
    provider: Literal["openai", "decoder", "tuned", "dictionary"] | None = None
    endpoint: str | None = None
    key: str | None = None
    redact: Words = ()
    names_model: str | None = None
    region: str | None = None
    coder: str | None = None
    variable: Words | None = None
    drawn: bool | None = None
    examples: int = 0
    reasons: bool = False
    json_schema: bool = pydantic.Field(default=True, alias="schema")
    probabilities: bool = True
    temperature: float = 0.0
    seed: int = 1
    max_tokens: int = 1024
    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    retries: int = 5
    timeout: float = 60.0
    price: tuple[float, float] | None = None
    max_cost: float | None = None
    batch: bool = False
    again: int = 0


def _as_proposers(value: Any) -> Any:
    """A model's name, or one block, as the list that it is of.

    Leave to send texts is not in it: a study may come from somebody else.
    """
    parts = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    if any(isinstance(part, dict) and "allow_upload" in part for part in parts):
        raise ValueError("allow_upload is said by who runs a study (annotune run --allow-upload HOST), not in its file")
    return [{"model": part} if isinstance(part, str) else part for part in parts]


class CodePart(_Part):
    """Who codes on the page, and what it shows (see `annotune.code`)."""

    coders: Words = ()
    adjudicator: str | None = None
    show: Words = ()
    before: str | None = None
    after: str | None = None
    document: str | None = None
    mark: str | None = None
    port: int | None = None
    hours: float | None = None


class CorrectPart(_Part):
    """Which regressions are corrected, and how (see `correct`; for `uncoded` see `crossfit`)."""

    formulas: Words = pydantic.Field(min_length=1)
    model: Literal["linear", "logit", "poisson", "multinomial", "fixed_effects"] = "linear"
    method: Literal["dsl", "ppi", "auto"] = "dsl"
    prediction: Literal["prob", "label", "recalibrated"] = "prob"
    uncoded: Literal["folds", "model"] = "folds"
    cluster: Words = ()
    reference: dict[str, str | int] = pydantic.Field(default_factory=dict)
    layout: Layout = "journal"
    write: Words = ("regressions.csv",)

    def parsed(self) -> list[Formula]:
        """The formulas, taken apart, each with the reference categories of its columns."""
        plain = [parse(formula) for formula in self.formulas]
        return [
            formula.with_bases({name: base for name, base in self.reference.items() if name in formula.columns})
            for formula in plain
        ]

    def targets(self, number: int) -> list[str]:
        """Where the regression so numbered is written; with several, each has its number in the name."""
        if len(self.formulas) == 1:
            return list(self.write)
        return [str(path.with_name(f"{path.stem}_{number}{path.suffix}")) for path in map(Path, self.write)]


class ReportPart(_Part):
    """Where the report goes, what it is called, and the covariates it shows errors by (see `report`)."""

    path: str
    by: Words | None = None
    title: str | None = None


class Study(_Part):
    """A study file's content; see docs/study.md for every key.

    Examples
    --------
    >>> study = Study(codebook="codebook.yaml", corpus="questions.csv", codings=["anna.xlsx", "ben.dta"])
    >>> study.corpus.text, study.codings.paths, study.gold.rule, study.write
    ('text', ('anna.xlsx', 'ben.dta'), 'majority', ('results.dta', 'results.rds', 'results.parquet'))
    """

    codebook: str
    corpus: Annotated[CorpusPart, _under("path")]
    codings: Annotated[CodingsPart, _under("paths")] = CodingsPart()
    reliability: ReliabilityPart = ReliabilityPart()
    gold: GoldPart = GoldPart()
    tune: TunePart = TunePart()
    classify: ClassifyPart = ClassifyPart()
    write: Words = ("results.dta", "results.rds", "results.parquet")
    regressions: Words | None = None
    guard_formulas: bool = False
    sample: Annotated[SamplePart | None, _under("pi"), pydantic.BeforeValidator(_as_waves)] = None
    propose: Annotated[tuple[ProposePart, ...], pydantic.BeforeValidator(_as_proposers)] = ()
    code: Annotated[CodePart, _under("coders")] = CodePart()
    correct: Annotated[CorrectPart | None, _under("formulas")] = None
    report: Annotated[ReportPart | None, _under("path")] = None

    @property
    def drawn(self) -> str | None:
        """The column with the probabilities with which texts were drawn, by which tuning weighs them."""
        column = self.sample.column if self.sample is not None else None
        return self.tune.pi or (None if self.tune.prevalence else column)

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
        """Every file with results, which are all but records, scripts and the report."""
        numbers = range(1, 1 + len(self.correct.formulas)) if self.correct else ()
        return [*self.write, *(name for number in numbers for name in self.correct.targets(number))]  # type: ignore[union-attr]


@dataclass(frozen=True)
class StudyFile:
    """Where a study file is, and what it says."""

    path: Path
    study: Study

    @property
    def store(self) -> Path:
        """The store with the draws and what people coded of them: this study's, or the one that sample: names."""
        sample = self.study.sample
        return self.beside(sample.draws) if sample is not None and sample.draws else store_of(self.path)

    @property
    def work(self) -> Path:
        """The folder of what is kept from run to run."""
        return self.beside(WORK)

    def work_of(self, variable: str) -> Path:
        """The part of it for one variable, whose name may be anything."""
        return folder_for(self.work, variable)

    def beside(self, name: str) -> Path:
        """A path of the study: it is relative to the study file's folder."""
        return self.path.parent / name


def read_study(path: Path) -> StudyFile:
    """Read a study file, and refuse what could not be run."""
    content, lines = read_yaml(path)
    plan = validate(Study, content, path, lines)
    _require_codings(path, plan)
    if not plan.write:
        raise AnnotuneError(f"{path}: write: no file is named.", "Name one, or leave the key out.")
    for target in plan.write:
        require_writer(Path(target))
    for formula in plan.regressions or ():
        _ = Regression(formula).sides  # refuses what is no formula, before anything is computed
    if plan.correct is not None:
        _require_correctable(path, plan, plan.correct)
    elif plan.sample is not None and plan.sample.column is None:  # nothing rests on equal probabilities
        raise AnnotuneError(f"{path}: sample: nothing is corrected.", "Add correct: and formulas, or leave it out.")
    _require_one_draw(path, plan)
    report = [plan.report.path] if plan.report else []
    for name in report:
        writer_for(Path(name))
    require_writable(
        [path.parent / name for name in (*plan.outputs, *plan.scripts, *report)],
        [path, *(path.parent / name for name in (plan.codebook, plan.corpus.path, *plan.codings.paths))],
    )
    return StudyFile(path, plan)


def _require_codings(path: Path, plan: Study) -> None:
    """Stop where nobody codes: no codings are named, and no texts are drawn for any; and where a draw cannot be."""
    waves = plan.sample.waves if plan.sample is not None else ()
    if not plan.codings.paths and not (plan.sample is not None and plan.sample.draws_texts):
        what = f"{path}, line 1: codings: it is missing."
        raise AnnotuneError(what, "Name the files with codings, or have texts drawn: sample: {n: 300, coders: [anna]}.")
    if plan.sample is not None and len(plan.sample.model_dump(exclude_defaults=True)) != 1:
        what = f"{path}: sample: says in several ways how texts were drawn, or in none."
        raise AnnotuneError(what, "Say simple, {pi: column}, {draws: store}, or {n: 300, ...}.")
    rounds = plan.sample.rounds if plan.sample is not None else None
    if rounds is not None and rounds.evaluation and plan.propose and not rounds.coders:
        what = f"{path}: sample: nobody is named who codes the evaluation set without proposals."
        raise AnnotuneError(
            what, "Name the coders, so that it is known from whom they are hidden: coders: [anna, ben]."
        )
    if waves and waves[0].aim is not None:
        what = f"{path}: sample: the first wave is for {waves[0].aim!r}, and there are no codings to sample from."
        advice = "Put a wave before it: [{design: simple, n: 100}, {design: active, n: 200, for: ...}]."
        raise AnnotuneError(what, advice)


def _require_one_draw(path: Path, plan: Study) -> None:
    """Stop where two keys say differently how the coded texts were drawn."""
    column = plan.sample.column if plan.sample is not None else None
    if column and plan.tune.pi and plan.tune.pi != column:
        what = f"{path}: the probabilities are in {plan.tune.pi!r} by tune:, and in {column!r} by sample:."
        raise AnnotuneError(what, "Name one column; sample: is enough.")
    if column and plan.tune.prevalence:
        what = f"{path}: tune: prevalence: and sample: {column!r} both say what the coded texts stand for."
        raise AnnotuneError(what, "Leave out prevalence: the probabilities say more.")


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
