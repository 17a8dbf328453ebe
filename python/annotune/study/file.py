"""What a study file says: every key of study.yaml, and what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic

from annotune.data.codebook import validate
from annotune.data.inputs import inputs_of
from annotune.data.yaml_file import read_yaml
from annotune.errors import AnnotuneError
from annotune.export.regression_table import SUFFIXES as TABLES
from annotune.export.regression_table import require_library
from annotune.export.scripts import Regression
from annotune.export.write import require_writer
from annotune.hybrid.store import store_of
from annotune.models.evidence import require_evidence
from annotune.pictures import require_picture
from annotune.records.files import folder_for, require_writable
from annotune.records.record import SUFFIX as RECORD
from annotune.records.record import without_folders
from annotune.reporting.files import writer_for
from annotune.study.parts import (
    ClassifyPart,
    CodePart,
    CodingsPart,
    CorpusPart,
    CorrectPart,
    GoldPart,
    MultiversePart,
    Part,
    Proposers,
    ReliabilityPart,
    ReportPart,
    TunePart,
    Words,
    under,
)
from annotune.study.sampling import Sample

WORK = "annotune-work"  # beside the study file: models, codings and what each step rested on
USUAL = "study"  # the name of a study file that is alone in its folder, as most are


class Study(Part):
    """A study file's content; see docs/study.md for every key.

    Examples
    --------
    >>> study = Study(codebook="codebook.yaml", corpus="questions.csv", codings=["anna.xlsx", "ben.dta"])
    >>> study.corpus.text, study.codings.paths, study.gold.rule, study.write
    ('text', ('anna.xlsx', 'ben.dta'), 'majority', ('results.dta', 'results.rds', 'results.parquet'))
    """

    codebook: str
    level: Words | None = None
    corpus: Annotated[CorpusPart, under("path")]
    codings: Annotated[CodingsPart, under("paths")] = CodingsPart()
    reliability: ReliabilityPart = ReliabilityPart()
    gold: GoldPart = GoldPart()
    tune: TunePart = TunePart()
    classify: ClassifyPart = ClassifyPart()
    write: Words = ("results.dta", "results.rds", "results.parquet")
    regressions: Words | None = None
    guard_formulas: bool = False
    sample: Sample = None
    propose: Proposers = ()
    code: Annotated[CodePart, under("coders")] = CodePart()
    correct: Annotated[CorrectPart | None, under("formulas")] = None
    multiverse: Annotated[MultiversePart | None, under("formula")] = None
    report: Annotated[ReportPart | None, under("path")] = None

    @pydantic.model_validator(mode="after")
    def _with_neighbours(self) -> Study:
        """Neighbours that `corpus: {text: ...}` names are read by what is tuned."""
        around = self.corpus.around
        if len(around) > 1:
            if self.tune.text not in (("text",), around):
                raise ValueError("corpus: text: and tune: text: name other columns; name them in one place")
            object.__setattr__(self, "tune", self.tune.model_copy(update={"text": around}))
        return self

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that are read beside the text: neighbours, a target, covariates."""
        return inputs_of(self.tune.model_dump()).more

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
    def of_multiverse(self) -> list[str]:
        """The files with the specifications, and their picture."""
        part = self.multiverse
        return [] if part is None else [*part.write, *([part.plot] if part.plot else [])]

    @property
    def as_recorded(self) -> dict[str, Any]:
        """Every key with its value, as a record has them."""
        content: dict[str, Any] = without_folders(self.model_dump(mode="json", by_alias=True))
        return content

    @property
    def outputs(self) -> list[str]:
        """Every file with results, which are all but records, scripts, the multiverse and the report."""
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
        return work_folder(self.path)

    def work_of(self, variable: str) -> Path:
        """The part of it for one variable, whose name may be anything."""
        return folder_for(self.work, variable)

    def beside(self, name: str) -> Path:
        """A path of the study: it is relative to the study file's folder."""
        return self.path.parent / name


def work_folder(study: Path) -> Path:
    """Where a study keeps its work: `annotune-work` beside study.yaml, `annotune-work-trust` beside trust.yaml.

    So studies in one folder leave each other alone. A folder `annotune-work` that an earlier annotune made beside
    trust.yaml goes on to be used, as long as no other study there uses it.
    """
    shared, own = study.with_name(WORK), study.with_name(f"{WORK}-{study.stem}")
    if study.stem == USUAL or (shared.exists() and not own.exists() and not any(map(_uses_shared, _others(study)))):
        return shared
    return own


def _others(study: Path) -> list[Path]:
    return [path for path in study.parent.glob("*.y*ml") if path.name != study.name]


def _uses_shared(study: Path) -> bool:
    """Whether a study works in `annotune-work`: by its name, or as it has run and has no folder of its own."""
    has_run = study.with_suffix(RECORD).exists()
    return study.stem == USUAL or (has_run and not study.with_name(f"{WORK}-{study.stem}").exists())


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
    if plan.tune.by_coder and plan.gold.rule != "shares":
        what = f"{path}: tune: by_coder: is for gold with its coders' shares."
        raise AnnotuneError(what, "Set gold: {rule: shares}, or leave it out.")
    _require_many_texts(path, plan.classify)
    if plan.classify.evidence:
        require_evidence(f"{path}: classify: evidence: the model under tune:", plan.tune.model_dump())
    if plan.multiverse is not None:
        _require_multiverse(path, plan, plan.multiverse)
    report = [plan.report.path] if plan.report else []
    for name in report:
        writer_for(Path(name))
    require_writable(
        [path.parent / name for name in (*plan.outputs, *plan.scripts, *plan.of_multiverse, *report)],
        [path, *(path.parent / name for name in (plan.codebook, plan.corpus.path, *plan.codings.paths))],
    )
    return StudyFile(path, plan)


def says_the_same(path: Path, recorded: Mapping[str, Any]) -> bool:
    """Whether a study file has the keys that a record has; one that a later annotune added has its default in both."""
    try:
        content, lines = read_yaml(path)
        study = validate(Study, content, path, lines)
        return study.as_recorded == Study.model_validate(recorded).as_recorded
    except (AnnotuneError, pydantic.ValidationError):
        return False


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


def _require_many_texts(path: Path, part: ClassifyPart) -> None:
    """Stop where it is said how very many texts are coded, and not which; or where a name of a cluster has no use."""
    others = part.model_dump(exclude_defaults=True).keys() - {"precision", "evidence", "texts"}
    if others and part.texts is None:
        what = f"{path}: classify: {sorted(others)[0]}: is about very many texts, and none are named."
        raise AnnotuneError(what, "Name the files or the folder: classify: {texts: tweets/, ...}.")
    if part.cluster is not None and part.on != "slurm":
        what = f"{path}: classify: cluster: {part.cluster!r} is named, and texts are coded on {part.on!r}."
        raise AnnotuneError(what, "Add on: slurm, or leave it out.")


def _require_correctable(path: Path, plan: Study, part: CorrectPart) -> None:
    """Stop where a correction is asked for and could not be made."""
    part.parsed()
    if part.coders is not None and plan.gold.rule != "shares":
        what = f"{path}: correct: coders: is for gold with its coders' shares."
        raise AnnotuneError(what, "Set gold: {rule: shares}, or leave it out.")
    if part.coders == "any" and part.method == "auto":
        what = f"{path}: correct: method: auto weighs estimates by their variance by text, which any coders' is not."
        raise AnnotuneError(what, "Take method: dsl or ppi, or coders: these.")
    if part.coders == "any" and len(part.cluster) > 1:
        what = f"{path}: correct: two columns of clusters, and coders, are three kinds of clusters."
        raise AnnotuneError(what, "Name one column, or take coders: these.")
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


def _require_multiverse(path: Path, plan: Study, part: MultiversePart) -> None:
    """Stop where there is no corrected regression to vary, or its table or picture could not be written."""
    if plan.correct is None:
        advice = "Add correct: and sample:, or leave multiverse: out."
        raise AnnotuneError(f"{path}: multiverse: no regression is corrected, so there is none to vary.", advice)
    if plan.correct.coders is not None:
        what = f"{path}: multiverse: with correct: coders: shares of coders are explained, which it does not vary."
        raise AnnotuneError(what, "Leave out coders:, or multiverse:.")
    for target in part.write:
        require_writer(Path(target))
    if part.plot:
        require_picture(Path(part.plot))
