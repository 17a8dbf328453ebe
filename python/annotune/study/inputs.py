"""What a study reads: its files, and what coders' agreement and gold come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from annotune.agreement.gold import require_answers, resolve
from annotune.correction.expected_coder import require_enough_coders
from annotune.data.codebook import Codebook, Variable, read_codebook
from annotune.data.codings import ANSWERED, Codings, bind, of_people, sound_codings
from annotune.data.corpus import Corpus
from annotune.data.drawn import drawn_only
from annotune.data.frames import require_columns as require_columns_of_corpus
from annotune.data.hierarchy import has_levels, level_variables
from annotune.data.wide import blank, require_room, shares_added
from annotune.errors import AnnotuneError, nearest
from annotune.export.scripts import Regression, require_regression_columns
from annotune.export.sheet import describe
from annotune.hybrid.decisions import codebook_of
from annotune.hybrid.page.versions import warn_of_difference
from annotune.hybrid.store import open_store
from annotune.records.fingerprints import frame_sha256, reading
from annotune.study.corrected import (
    corrected_variables,
    require_codings,
    require_formulas,
    require_no_shares,
    require_pi,
    require_references,
)
from annotune.study.file import Study, StudyFile
from annotune.study.hand_codings import BlindCodings, blind_codings
from annotune.study.parts import GoldPart
from annotune.study.sources import (
    codings_of,
    counted,
    counted_codings,
    drawn_corpus,
    files_of,
    stores_of,
    studied_codebook,
    words_of_file,
)
from annotune.tables.table import Labels


@dataclass(frozen=True)
class Inputs:
    """What a study's files hold.

    Attributes
    ----------
    files
        The fingerprint of every file that is read, of the bytes that were.
    codebook, corpus
        As their files say.
    codings, reliability
        What the coders said whose agreement is reported, and that agreement.
    gold
        One answer a coded unit, but for those that are kept apart.
    evaluation
        The same of the texts that rounds keep apart for evaluation: nothing is tuned and nothing decided on them.
    coders
        How many texts each coder answered of each variable: `variable`, `coder`, `n_texts`; models that proposed too.
    blind
        What was coded without a proposal in sight, where that alone counts as coded by hand; else None.
    variables
        The names of what is tuned.
    labels, headings
        The value labels and variable labels that the corpus's file has.
    """

    files: Mapping[str, str]
    codebook: Codebook
    corpus: Corpus
    codings: Codings
    reliability: pl.DataFrame
    gold: Codings
    coders: pl.DataFrame
    variables: tuple[str, ...]
    labels: Labels = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    evaluation: Codings | None = None
    blind: BlindCodings | None = None

    @property
    def all_gold(self) -> Codings:
        """One answer a coded unit, of those that are kept apart as well."""
        return self.gold if self.evaluation is None else bind(self.gold, self.evaluation)

    @cached_property
    def read_as(self) -> tuple[str, str]:
        """The fingerprints of texts and gold: a changed annotune may make others of the same files."""
        return frame_sha256(self.corpus.select("unit_id", "text")), frame_sha256(self.gold)

    @property
    def by_hand(self) -> Codings:
        """One answer a unit, of those that count as coded by hand in corrections."""
        return self.all_gold if self.blind is None else self.blind.gold


def read_inputs(file: StudyFile, say: Callable[[str], None], until: int | None = None) -> Inputs:
    """Read all that the study names; what could not be written in the end is refused here, before it is tuned.

    With `until` all is as if later waves were not drawn, and agreement is that on the texts that are not kept apart.
    """
    names = files_of(file)
    with reading(*map(file.beside, names)) as fingerprints:
        codebook = studied_codebook(file)
        say("Reading the corpus")
        corpus, (labels, headings) = drawn_corpus(file, until), words_of_file(file)
        say("Reading the codings")
        codings = codings_of(file, codebook, until)
    say("Comparing the coders")
    apart = _kept_apart(file, corpus)
    compared, gold = _compared(file, codings), _gold(file, codings, codebook)
    require_answers(gold, file.study.gold.rule)
    if "wave" in corpus.columns and file.study.sample is not None and file.study.sample.drawn:
        gold = drawn_only(corpus, gold)
    if until is not None:
        compared = sound_codings(compared.filter(~pl.col("unit_id").is_in(apart)))
    agreement = _reliability(file, compared, codebook)
    gold, evaluation = _parted(gold, apart)
    variables = _variables(file, gold, codebook)
    if until is None:
        _warn_of_definitions(file, read_codebook(file.beside(file.study.codebook)))
    subjects = corrected_variables(file.study.correct, codebook, variables) or variables
    if file.study.level is not None and file.study.propose:
        what = f"{file.path}: level: and propose: exclude each other."
        raise AnnotuneError(what, "Roll codings up with roll_up(), and study these.")
    blind = blind_codings(file, codings, codebook, subjects, until, apart if until is not None else ())
    files = {name: fingerprints[file.beside(name)] for name in names} | stores_of(file, until)
    coders, words = _answers_by_coder(codings), (labels, headings)
    about = (files, codebook, corpus, compared, agreement, gold, coders, variables, *words)
    inputs = Inputs(*about, evaluation=evaluation, blind=blind)
    _require_formulas(file, inputs)
    return inputs


def _warn_of_definitions(file: StudyFile, codebook: Codebook) -> None:
    """Say so where coders sharpened definitions that the codebook's file has not."""
    sample = file.study.sample
    if sample is None or not sample.draws_texts or not file.store.exists():
        return
    with open_store(file.store) as store:
        if codebook_of(store) is not None:
            warn_of_difference(store, codebook)


def with_gold(file: StudyFile, inputs: Inputs, codings: Codings, part: GoldPart) -> Inputs:
    """The inputs with gold by another rule, from the study's codings."""
    part = part if part.by_hand else part.model_copy(update={"by_hand": file.study.gold.by_hand})
    study = file.study.model_copy(update={"gold": part})
    other = StudyFile(file.path, study)
    gold = _gold(other, codings, inputs.codebook)
    if "wave" in inputs.corpus.columns and study.sample is not None and study.sample.drawn:
        gold = drawn_only(inputs.corpus, gold)
    gold, evaluation = _parted(gold, _kept_apart(file, inputs.corpus))
    subjects = corrected_variables(study.correct, inputs.codebook, inputs.variables) or inputs.variables
    blind = None if inputs.blind is None else blind_codings(other, codings, inputs.codebook, subjects)
    return replace(inputs, gold=gold, evaluation=evaluation, blind=blind)


def _answers_by_coder(codings: Codings) -> pl.DataFrame:
    answers = codings.filter(pl.col("status").is_in(ANSWERED))
    return answers.group_by("variable", "coder").agg(n_texts=pl.col("unit_id").n_unique()).sort("variable", "coder")


def _kept_apart(file: StudyFile, corpus: Corpus) -> list[str]:
    """The texts of the evaluation set."""
    sample = file.study.sample
    if sample is None or sample.rounds is None or not sample.rounds.evaluation:
        return []
    return corpus.filter(pl.col("wave") < sample.at_once)["unit_id"].to_list()


def _parted(gold: Codings, apart: Sequence[str]) -> tuple[Codings, Codings | None]:
    if not apart:
        return gold, None
    is_apart = gold["unit_id"].is_in(apart)
    return sound_codings(gold.filter(~is_apart)), sound_codings(gold.filter(is_apart))


def words_of_columns(inputs: Inputs, columns: Sequence[str]) -> tuple[Labels, dict[str, str]]:
    """The value labels and variable labels that the corpus's file has for these columns."""
    labels, headings = inputs.labels, inputs.headings
    return (
        {name: dict(labels[name]) for name in columns if name in labels},
        {name: headings[name] for name in columns if name in headings},
    )


def answers_by_hand(file: StudyFile, inputs: Inputs) -> Codings:
    """What each coder said of the texts that count as coded by hand in corrections."""
    if inputs.blind is None:
        return counted_codings(file, inputs.codebook)
    return counted(inputs.blind.sight.blind, file.study.gold)


def _compared(file: StudyFile, codings: Codings) -> Codings:
    """What those coders said whose agreement is reported."""
    coders = file.study.reliability.coders
    if coders is None:
        return of_people(codings)
    names = codings["coder"].unique().to_list()
    for name in coders:
        if name not in names:
            raise AnnotuneError(f"{file.path}: reliability: there is no coder {name!r}.", nearest(name, names))
    return sound_codings(codings.filter(pl.col("coder").is_in(coders)).drop("kind", strict=False))  # named is named


def _reliability(file: StudyFile, codings: Codings, codebook: Codebook) -> pl.DataFrame:
    from annotune.agreement.reliability import reliability

    return reliability(codings, codebook=codebook, **file.study.reliability.model_dump(exclude={"coders"}))


def _gold(file: StudyFile, codings: Codings, codebook: Codebook) -> Codings:
    part = file.study.gold
    options = {"ties": part.ties, "coder": part.coder, "coders": part.coders}
    return resolve(codings, part.rule, codebook=codebook, **options)  # type: ignore[arg-type]


def _variables(file: StudyFile, gold: Codings, codebook: Codebook) -> tuple[str, ...]:
    names = _at_its_levels(file, codebook)
    coded = set(gold.filter(pl.col("status").is_in(ANSWERED))["variable"])
    if names is None:
        return tuple(entry.name for entry in codebook.variables if entry.name in coded)
    for name in names:
        if codebook.variable(name).name not in coded:
            raise AnnotuneError(f"{file.path}: nobody coded the variable {name!r}.", nearest(name, sorted(coded)))
    return names


def _at_its_levels(file: StudyFile, codebook: Codebook) -> tuple[str, ...] | None:
    """What is to be tuned: a variable that has levels stands for those that are studied."""
    names = file.study.tune.variable
    if names is None or file.study.level is None:
        return names
    whole = read_codebook(file.beside(file.study.codebook))
    levels_of = {entry.name: level_variables(entry).values() for entry in whole.variables if has_levels(entry)}
    there = [entry.name for entry in codebook.variables]
    each = ([level.name for level in levels_of[name]] if name in levels_of else [name] for name in names)
    return tuple(level for part in each for level in part if level in there or level in names)


def _require_draw(study: Study, inputs: Inputs) -> None:
    """Stop where what is said of the draw does not fit the corpus and the variables."""
    if study.sample:
        require_pi(study.sample, inputs.corpus)
    if study.tune.pi and study.tune.pi not in inputs.corpus.columns:
        what = f"tune: pi: the corpus has no column {study.tune.pi!r}."
        raise AnnotuneError(what, nearest(study.tune.pi, inputs.corpus.columns))
    if study.tune.prevalence and len(inputs.variables) > 1:
        what = f"tune: prevalence: is about the labels of one variable, and {len(inputs.variables)} are tuned."
        raise AnnotuneError(what, "Name one in variable:, or give the corpus a column pi.")


def _require_formulas(file: StudyFile, inputs: Inputs) -> None:
    """Stop where a column has no room, or a formula names what the written table will not have."""
    study, codebook = file.study, inputs.codebook
    variables = [codebook.variable(name) for name in inputs.variables]
    require_room(inputs.corpus, variables, gold=True, evidence=study.classify.evidence)
    if study.report:
        require_columns_of_corpus(inputs.corpus, study.report.by or (), "The corpus")
    table = blank(inputs.corpus, variables)
    if inputs.blind is None:  # shares are of all codings
        table = table.hstack(pl.DataFrame(schema=dict.fromkeys(_shares(inputs, variables), pl.Float64)))
    _require_draw(study, inputs)
    if study.correct and study.sample:
        require_formulas(study.correct, table, codebook, inputs.variables)
        require_references(study.correct, inputs.corpus)
        for formula in study.correct.parsed():
            if study.multiverse and formula.text == (study.multiverse.formula or study.correct.formulas[0]):
                require_no_shares(formula, codebook, inputs.variables)
        _require_codings(file, inputs)
        _require_coders(file, inputs)
    if study.regressions:
        sheet = describe(table.lazy(), codebook, words_of_columns(inputs, table.columns)[0])
        require_regression_columns(sheet, [Regression(formula) for formula in study.regressions])


def _shares(inputs: Inputs, variables: Sequence[Variable]) -> list[str]:
    """The columns of the results with shares of coders."""
    by_hand = ((entry, inputs.all_gold.filter(variable=entry.name)) for entry in variables)
    return [column for entry, gold in by_hand for column in shares_added(gold, entry).values()]


def _require_codings(file: StudyFile, inputs: Inputs) -> None:
    """Stop where too little was coded by hand for the regressions, and say so where more was coded with proposals."""
    assert file.study.correct is not None
    try:
        require_codings(file.study.correct, inputs.by_hand, inputs.codebook, inputs.variables)
    except AnnotuneError as error:
        if inputs.blind is None:
            raise
        more = "Coded by hand is what was coded without a proposal in sight (gold: {by_hand: all} counts the rest)."
        raise AnnotuneError(error.what, f"{error.advice} {more}") from None


def _require_coders(file: StudyFile, inputs: Inputs) -> None:
    """Stop where regressions speak of any coders, and too few coded by hand."""
    assert file.study.correct is not None
    if file.study.correct.coders != "any":
        return
    answers = answers_by_hand(file, inputs).filter(pl.col("status").is_in(ANSWERED))
    for name in corrected_variables(file.study.correct, inputs.codebook, inputs.variables):
        require_enough_coders(answers.filter(pl.col("variable") == name)["coder"].n_unique())
