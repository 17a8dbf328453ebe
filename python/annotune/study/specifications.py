"""The specifications of a study's multiverse: which choices are combined, and what each combination gives."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from annotune.correction.choices import CHOICES
from annotune.correction.formulas import Formula
from annotune.correction.multiverse import FIGURES
from annotune.correction.result import CORRECTED, HAND, NAIVE, Correction
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, Codings, bind, of_people, sound_codings
from annotune.data.wide import attach
from annotune.errors import AnnotuneError, AnnotuneWarning, nearest, warn
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import write_whole
from annotune.records.fingerprints import file_sha256, fingerprint, versions
from annotune.study.coded import hand_coded
from annotune.study.corrected import coded_variables, columns_of, corrected_by, with_sampling
from annotune.study.file import StudyFile
from annotune.study.inputs import Inputs, with_gold
from annotune.study.models import base_of, n_folds
from annotune.study.parts import CorrectPart, GoldPart, MultiversePart
from annotune.study.sampling import SamplePart
from annotune.study.sources import codings_of, studied_codebook
from annotune.tuning.settings import Settings

if TYPE_CHECKING:
    from annotune.tuning.embedded import Embedded
    from annotune.tuning.folded import Folded

FOLDER = "multiverse"  # in the folder of work: embeddings, folds of tuned networks, and what each combination gave
SEEDS = 5
MOST_CODERS = 4  # whose codings alone are a gold rule, where nothing else is asked for
HALF = 0.5  # of the coded texts, at least, that such a coder coded
NAME = pl.concat_str("equation", "term", separator=": ", ignore_nulls=True)
VARIED = {  # keys of a study that a combination says anew, or that concern no estimate
    "tune": {"base", "method", "seed", "cutoffs"},
    "correct": {"formulas", "prediction", "method", "layout", "write"},
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """Choices that models are made by: each combination of them is learnt once."""

    base: str
    method: str
    codebook: str
    seed: int
    gold: GoldPart


@dataclass(frozen=True)
class Grid:
    """What is combined with what, in one regression of a study; choices that are not named are the study's own."""

    file: StudyFile
    inputs: Inputs
    part: MultiversePart
    formula: Formula
    own_method: str  # by which the study's own model is tuned

    @cached_property
    def codings(self) -> Codings:
        """All that was coded, proposals as well."""
        return codings_of(self.file, self.inputs.codebook)

    @cached_property
    def variables(self) -> list[Variable]:
        """What was coded, of what the formula is about; the first one's draw and folds count."""
        return coded_variables(self.formula, self.inputs.codebook, self.inputs.variables)

    @property
    def correct(self) -> CorrectPart:
        """How the study corrects its regressions."""
        assert self.file.study.correct is not None
        return self.file.study.correct

    @property
    def sample(self) -> SamplePart:
        """How the study's texts were drawn."""
        assert self.file.study.sample is not None
        return self.file.study.sample

    @cached_property
    def pieces(self) -> Checkpoints:
        """What every combination rests on, whatever the study itself chooses of what is varied."""
        keys = ("corpus", "codings", "tune", "correct", "sample")
        study = json.loads(self.file.study.model_dump_json(include=set(keys), exclude=VARIED))
        varied = [self.part.cutoffs, self.part.prediction, self.part.correction, self.formula.text]
        return Checkpoints(
            self.file.work / FOLDER, fingerprint([dict(self.inputs.files), study, *map(str, varied), versions()])
        )

    @cached_property
    def golds(self) -> list[GoldPart]:
        """Rules by which several answers become one: those that are named, or those that the codings allow."""
        return list(self.part.gold) or _usual_golds(self.file.study.gold, self.codings, self.variables)

    @cached_property
    def inputs_by_gold(self) -> dict[str, Inputs]:
        """The study's inputs with gold by each rule; of texts that a rule leaves without an answer a warning tells."""
        return {self.name(gold): self._with_gold(gold) for gold in self.golds}

    def _with_gold(self, gold: GoldPart) -> Inputs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AnnotuneWarning)
            inputs = with_gold(self.file, self.inputs, self.codings, gold)
        for sentence in dict.fromkeys(str(each.message) for each in caught if each.category is AnnotuneWarning):
            warn(f"Gold by the rule {self.name(gold)}: {sentence}")
        return inputs

    @property
    def seeds(self) -> Sequence[int]:
        """Those that are named, or the study's own and the next ones."""
        own = self.file.study.tune.seed
        return self.part.seed or range(own, own + SEEDS)

    def cells(self) -> list[Cell]:
        """Every combination of the choices that models are made by."""
        study = self.file.study
        bases, books = self.part.base or (study.tune.base,), self.part.codebook or (study.codebook,)
        return [Cell(*each) for each in product(bases, self.part.method, books, self.seeds, self.golds)]

    @cached_property
    def revisions(self) -> dict[str, str]:
        """Which version of each base model it is."""
        from annotune.network.base import find_base

        by_base = {cell.base: cell for cell in self.cells()}
        return {name: find_base(base_of(self.study_of(cell))).revision for name, cell in by_base.items()}

    def study_of(self, cell: Cell) -> StudyFile:
        """The study with the choices of a cell as its own."""
        tune = self.file.study.tune.model_copy(
            update={"base": cell.base, "method": cell.method, "seed": cell.seed, "test": None}
        )
        changes = {"tune": tune, "codebook": cell.codebook, "gold": cell.gold}
        return StudyFile(self.file.path, self.file.study.model_copy(update=changes))

    def name(self, gold: GoldPart) -> str:
        """A gold rule in a few words; ties are named where they are not settled as in the study."""
        rule = gold.rule if isinstance(gold.rule, str) else f"at least {next(iter(gold.rule.values()))}"
        who = f" {gold.coder}" if gold.coder else f" of {', '.join(gold.coders)}" if gold.coders else ""
        ties = f", ties {gold.ties}" if gold.ties != self.file.study.gold.ties else ""
        return f"{rule}{who}{ties}"

    def choices_of(self, cell: Cell) -> Row:
        """A cell's choices as they stand in the table."""
        return {
            "base": Path(cell.base).name,
            "method": cell.method,
            "codebook": cell.codebook,
            "seed": str(cell.seed),
            "gold": self.name(cell.gold),
        }

    def decisions(self, rule: str) -> list[tuple[str, str]]:
        """Predictions and corrections with a rule of cut-offs: all with the first, then those that it changes.

        Where there are none, one without a correction: naive estimates depend on every rule.
        """
        first = rule == self.part.cutoffs[0]
        predictions = [name for name in self.predictions if first or self.needs_labels(name)]
        corrections = self.part.correction or (self.correct.method,)
        return list(product(predictions, corrections)) or [(self.predictions[0], "none")]

    @property
    def predictions(self) -> tuple[str, ...]:
        """What stands for the outcome in the correction; where the outcome was not coded, there is no choice."""
        return self.part.prediction if self.is_of_outcome else self.part.prediction[:1]

    @property
    def is_of_outcome(self) -> bool:
        """Whether the outcome was coded."""
        explained = self.formula.explained
        return explained is not None and explained.column in self.coded_columns

    @property
    def coded_columns(self) -> set[str]:
        """The columns of the results that hold what was coded."""
        return {column for entry in self.variables for column in columns_of(entry)}

    def needs_labels(self, prediction: str) -> bool:
        """Whether the corrected estimate depends on which label is given, and so on cut-offs."""
        among = {entry.column for entry in self.formula.within(self.formula.terms).values()}
        return prediction != "prob" or bool(among & self.coded_columns) or not self.is_of_outcome


def _usual_golds(own: GoldPart, codings: Codings, variables: Sequence[Variable]) -> list[GoldPart]:
    """The study's own rule, and those that several coders allow: all of them, and each who coded at least half."""
    rows = of_people(codings).filter(pl.col("variable").is_in([entry.name for entry in variables]))
    rows = rows if own.coders is None else rows.filter(pl.col("coder").is_in(own.coders))
    texts = rows.filter(pl.col("status").is_in(ANSWERED)).group_by("coder").agg(pl.col("unit_id").n_unique())
    if len(texts) < 2:
        return [own]
    n = rows["unit_id"].n_unique()
    many = texts.filter(pl.col("unit_id") >= HALF * n).sort("unit_id", "coder", descending=[True, False])
    others = [
        GoldPart(rule=rule, ties=own.ties, coders=own.coders) for rule in ("majority", "unanimous", "dawid_skene")
    ]
    others += [GoldPart(rule="coder", coder=name, ties=own.ties) for name in many["coder"].head(MOST_CODERS).sort()]
    return [own, *(gold for gold in others if gold != own)]


@dataclass
class Texts:
    """The base models' readings of all texts and of the codebooks' words, each base's once, when it is asked for."""

    grid: Grid
    codebooks: dict[str, Codebook]
    _read: dict[str, Embedded]

    def by(self, settings: Settings) -> Embedded:
        """What the settings' base makes of them."""
        from annotune.tuning.embedded import embedded

        if settings.base not in self._read:
            entries = [entry for book in self.codebooks.values() for entry in book.variables]
            words = [label.words for entry in entries for label in entry.labels]
            texts = [*self.grid.inputs.corpus["text"].drop_nulls(), *words]
            inputs, language = self.grid.inputs, self.grid.inputs.codebook.language
            coded = inputs.corpus.join(inputs.gold.select("unit_id").unique(), on="unit_id", how="semi")
            coded_texts = coded["text"].drop_nulls().to_list()
            self._read = {settings.base: embedded(texts, settings, self.grid.pieces, language, coded_texts)}
        return self._read[settings.base]


def texts_of(grid: Grid) -> Texts:
    """Readings of the grid's texts, none of them there yet."""
    return Texts(grid, {name: studied_codebook(grid.file, name) for name in {c.codebook for c in grid.cells()}}, {})


def kept_rows(grid: Grid, cell: Cell) -> list[Row] | None:
    """The specifications of one cell from an earlier run, where nothing that they rest on has changed."""
    content = grid.pieces.read(f"{_piece(grid, cell)}.json")
    return None if content is None else json.loads(content)


def learnt_rows(grid: Grid, cell: Cell, texts: Texts) -> list[Row]:
    """The specifications of one cell, which are kept; none, and a warning, where it cannot be estimated."""
    name = _piece(grid, cell)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AnnotuneWarning)  # each is told of once, by the study's own run
            rows = list(_computed(grid, cell, texts, name))
    except AnnotuneError as error:
        warn(f"{', '.join(grid.choices_of(cell).values())}: left out of the multiverse. {error.what}")
        return []
    write_whole(grid.pieces.start(f"{name}.json"), json.dumps(rows, ensure_ascii=False))
    grid.pieces.finish(f"{name}.json")
    return rows


def _piece(grid: Grid, cell: Cell) -> str:
    """The name under which a cell is kept."""
    wording, revision = file_sha256(grid.file.beside(cell.codebook)), grid.revisions[cell.base]
    read_as = grid.inputs_by_gold[grid.name(cell.gold)].read_as
    return fingerprint([cell.base, revision, cell.method, wording, cell.seed, str(cell.gold), read_as])[:16]


def _computed(grid: Grid, cell: Cell, texts: Texts, name: str) -> Iterator[Row]:
    inputs = grid.inputs_by_gold[grid.name(cell.gold)]
    file = grid.study_of(cell)
    book = texts.codebooks[cell.codebook]
    folded = [_folded(grid, file, inputs, entry.name, book, texts, name) for entry in grid.variables]
    for rule in grid.part.cutoffs:
        codings = [one.codings(rule) for one in folded]
        data = attach(inputs.corpus, bind(*codings), codebook=inputs.codebook, gold=inputs.all_gold)
        data = data if inputs.blind is None else inputs.blind.in_place_of_gold(data)
        units = hand_coded(inputs, folded[0].variable.name, folded[0].coded, grid.correct.uncoded)
        coded = codings[0].select("unit_id", "fold", coded=pl.col("unit_id").is_in(units.implode()))
        data = with_sampling(data, grid.variables[0], grid.sample, coded)
        for prediction, correction in grid.decisions(rule):
            decided = {**grid.choices_of(cell), "cutoffs": rule, "prediction": prediction, "correction": correction}
            yield from specifications(grid, _corrected(grid, data, prediction, correction), decided)


def _corrected(grid: Grid, data: pl.DataFrame, prediction: str, correction: str) -> Correction:
    part = grid.correct.model_copy(update={"prediction": prediction, "method": correction})
    return corrected_by(part, grid.formula, grid.variables[0], data)


def _folded(
    grid: Grid, file: StudyFile, inputs: Inputs, name: str, codebook: Codebook, texts: Texts, folder: str
) -> Folded:
    """What folds' models say of every text: probes on embeddings, or tuned networks, which are kept fold by fold."""
    from annotune.tuning.embedded import material_of
    from annotune.tuning.folded import folded_networks, folded_probes
    from annotune.tuning.task import basis, prepare

    part, drawn = file.study.tune, file.study.drawn
    settings, k = settings_of(file), n_folds(part)
    about: dict[str, Any] = {"pi": drawn, "prevalence": part.prevalence}
    if settings.method == "probe":
        read = texts.by(settings)
        material = material_of(inputs.corpus, inputs.gold, codebook, name, read, settings, group=part.group, **about)
        return folded_probes(material, read, inputs.corpus, k, part.group)
    task = prepare(inputs.corpus, inputs.gold, codebook, name, part.group, part.validation, settings, **about)
    kept = Checkpoints(grid.file.work / FOLDER / folder, basis(task, k))
    return folded_networks(task, inputs.corpus, k, kept, part.group)


def settings_of(file: StudyFile) -> Settings:
    """How a study's models are tuned, its base looked for beside the study file."""
    values = file.study.tune.model_dump(include=set(Settings.model_fields))
    return Settings(**values | {"base": base_of(file)})


def specifications(grid: Grid, correction: Correction, choices: Row) -> Iterator[Row]:
    """The rows of one correction, of all its coefficients: each estimator with the choices that it makes use of."""
    learnt = ("coder", "base", "method", "codebook", "seed", "gold", "cutoffs")
    used = {HAND: ("gold",), NAIVE: learnt, CORRECTED: (*learnt, "correction")}
    if grid.is_of_outcome:
        used[CORRECTED] = (*used[CORRECTED], "prediction")
    if not grid.needs_labels(choices.get("prediction") or "label"):
        used[CORRECTED] = tuple(name for name in used[CORRECTED] if name != "cutoffs")
    for row in correction.estimates.with_columns(NAME.alias("term")).to_dicts():
        mine = {name: value for name, value in choices.items() if name in used[row["method"]]}
        figures = {name: row[name] for name in FIGURES}
        sizes = {"n": row["n"], "n_coded": correction.n_coded}
        yield {"term": row["term"], "estimator": row["method"], **mine, **figures, **sizes}


def is_own(grid: Grid, choices: Row) -> bool:
    """Whether the study itself chose so."""
    tune = grid.file.study.tune
    own = Cell(tune.base, grid.own_method, grid.file.study.codebook, tune.seed, grid.file.study.gold)
    whole = {**grid.choices_of(own), "cutoffs": tune.cutoffs}
    whole |= {"prediction": grid.correct.prediction, "correction": grid.correct.method}
    return all(whole.get(name) == choices[name] for name in CHOICES if choices.get(name) is not None)


def rows_of_coder(grid: Grid, coder: str) -> Iterator[Row]:
    """The specifications with another model's codings of all texts in place of a tuned one's: by every gold rule."""
    rows = grid.codings.filter(pl.col("coder") == coder)
    if rows.is_empty():
        names = grid.codings["coder"].unique().sort().to_list()
        raise AnnotuneError(f"multiverse: coder: nobody is called {coder!r}.", nearest(coder, names))
    entry, answered = grid.variables[0], rows.filter(pl.col("status").is_in(ANSWERED))
    n, done = grid.inputs.corpus["text"].count(), answered.filter(variable=entry.name)["unit_id"].n_unique()
    if done < n:
        what = f"multiverse: coder: {coder!r} coded {done:,} of {n:,} texts, and regressions are about all of them."
        raise AnnotuneError(what, "Have the others coded too, or leave it out.")
    for gold, inputs in grid.inputs_by_gold.items():
        data = attach(inputs.corpus, sound_codings(rows), codebook=inputs.codebook, gold=inputs.all_gold)
        data = data if inputs.blind is None else inputs.blind.in_place_of_gold(data)
        units = inputs.all_gold.filter(pl.col("status").is_in(ANSWERED), variable=entry.name)["unit_id"]
        units = hand_coded(inputs, entry.name, units, grid.correct.uncoded)
        coded = data.select("unit_id", coded=pl.col("unit_id").is_in(units.implode()))
        data = with_sampling(data, entry, grid.sample, coded)
        for correction in grid.part.correction or (grid.correct.method,):
            choices = {"coder": coder, "gold": gold, "correction": correction}
            yield from specifications(grid, _corrected(grid, data, "label", correction), choices)
