"""What stands under the keys of study.yaml, but for `sample:` (sampling.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from annotune.correction.formulas import Formula, parse
from annotune.data.inputs import text_and_neighbours
from annotune.errors import AnnotuneError
from annotune.export.journal import Layout
from annotune.tuning.settings import Settings

Schema = dict[str, Any]


@dataclass(frozen=True)
class Shorthand:
    """A shorter form that a key of the study file may have: how it is read, and how the file's JSON schema says it.

    `read` makes the full form of whatever stands there; `described` adds the shorter forms to the full form's schema.
    """

    read: Callable[[Any], Any]
    described: Callable[[Schema, GetJsonSchemaHandler], Schema]

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        """The reader."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        """The schema."""
        return self.described(handler(core), handler)


def under(key: str) -> Shorthand:
    """Where a block is wanted and something else stands, that is the block's value of `key`."""

    def block(value: Any) -> Any:
        return value if value is None or isinstance(value, (dict, pydantic.BaseModel)) else {key: value}

    def described(schema: Schema, handler: GetJsonSchemaHandler) -> Schema:
        return {"anyOf": [handler.resolve_ref_schema(block_of(schema, handler))["properties"][key], schema]}

    return Shorthand(block, described)


def block_of(schema: Schema, handler: GetJsonSchemaHandler) -> Schema:
    """The block among the forms that a schema names."""
    forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
    blocks = [form for form in forms if "properties" in handler.resolve_ref_schema(form)]
    return blocks[0] if blocks else block_of(forms[-1], handler)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _or_one(schema: Schema, _: GetJsonSchemaHandler) -> Schema:
    return {"anyOf": [schema["items"], schema]}


Words = Annotated[tuple[str, ...], Shorthand(_several, _or_one)]  # a list, or its only word


class Part(pydantic.BaseModel):
    """What stands under one key: nothing else may."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class CorpusPart(Part):
    """Where the texts are; `text` is their column, or that among those of what is read before and after it."""

    path: str
    unit_id: str = "unit_id"
    text: str | tuple[str, ...] = "text"
    covariates: tuple[str, ...] | None = None
    encoding: str | None = None

    @pydantic.field_validator("text")
    @classmethod
    def _with_a_text(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = _several(value)
        if len(set(names)) < len(names):
            raise ValueError("it names each column once")
        try:
            text_and_neighbours(names)
        except AnnotuneError as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def column(self) -> str:
        """The text's own column."""
        return text_and_neighbours(_several(self.text))[0]

    @property
    def around(self) -> tuple[str, ...]:
        """The columns that a model reads in their order, the text's own as `text`."""
        return text_and_neighbours(_several(self.text))[1]


class CodingsPart(Part):
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


class ReliabilityPart(Part):
    """Which coders' agreement is reported, and how."""

    coders: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None
    by: str | None = None
    cluster: str | None = None
    n_boot: int = 1000
    seed: int = 1


class GoldPart(Part):
    """How several coders' answers become one (see `resolve`), and which of them count as coded by hand.

    `by_hand`: "blind", those that were given without a proposal in sight, or "all"; None is blind where people saw
    proposals and enough was coded without.
    """

    rule: str | dict[str, int] = "majority"
    ties: str = "drop"
    coder: str | None = None
    coders: tuple[str, ...] | None = None
    by_hand: Literal["blind", "all"] | None = None


class TunePart(Settings):
    """What is tuned (see `tune`); by default every variable that was coded.

    `by_coder`: whether what each coder would say is learnt as well; `coders=` of `tune`.
    """

    variable: Words | None = None
    test: float | dict[str, str | tuple[str, ...]] | None = None
    validation: float = pydantic.Field(default=0.15, gt=0, lt=1)
    folds: int | None = pydantic.Field(default=None, ge=2)
    group: str | None = None
    by_coder: bool = False
    pi: str | None = None
    prevalence: dict[str, float] | None = None


class ClassifyPart(Part):
    """How the corpus is coded, and which very many texts are coded into a folder as well (see `annotune.classify`).

    `evidence`: the passages that decided stand beside the codes, of the corpus and of very many texts.
    Of a cluster only the name is said: what its jobs run stands in the user's own file; a study may be a stranger's.
    """

    precision: Literal["float32", "bfloat16", "exact", "auto"] = "float32"
    texts: Words | None = None
    out: str = "coded"
    covariates: Words = ()
    on: Literal["local", "ray", "slurm"] = "local"
    cluster: str | None = None
    workers: int | None = pydantic.Field(default=None, ge=1)
    rows_per_shard: int | None = pydantic.Field(default=None, ge=1)
    probabilities: bool = True
    evidence: bool = False


class ProposePart(Part):
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
    evidence: bool = False
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


def as_proposers(value: Any) -> Any:
    """A model's name, or one block, as the list that it is of.

    Leave to send texts is not in it: a study may come from somebody else.
    """
    parts = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    if any(isinstance(part, dict) and "allow_upload" in part for part in parts):
        raise ValueError("allow_upload is said by who runs a study (annotune run --allow-upload HOST), not in its file")
    return [{"model": part} if isinstance(part, str) else part for part in parts]


def _proposers_described(schema: Schema, _: GetJsonSchemaHandler) -> Schema:
    name = {"type": "string"}
    return {"anyOf": [name, schema["items"], schema | {"items": {"anyOf": [name, schema["items"]]}}]}


Proposers = Annotated[tuple[ProposePart, ...], Shorthand(as_proposers, _proposers_described)]


class CodePart(Part):
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


class CorrectPart(Part):
    """Which regressions are corrected, and how (see `correct`; for `uncoded` see `crossfit`).

    `coders`: explained is the share of coders who would say so, of "these" or of "any" like them.
    """

    formulas: Words = pydantic.Field(min_length=1)
    model: Literal["linear", "logit", "poisson", "multinomial", "fixed_effects"] = "linear"
    method: Literal["dsl", "ppi", "auto"] = "dsl"
    prediction: Literal["prob", "label", "recalibrated"] = "prob"
    uncoded: Literal["folds", "model"] = "folds"
    coders: Literal["these", "any"] | None = None
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


def _as_list(value: Any) -> Any:
    return value if value is None or isinstance(value, (list, tuple)) else (value,)


_one_or_more = Shorthand(_as_list, _or_one)


class MultiversePart(Part):
    """Choices under which a coefficient is estimated again, a value or a list each (see `annotune.multiverse`)."""

    formula: str | None = None
    term: str | None = None
    base: Annotated[tuple[str, ...], _one_or_more] = ()
    method: Annotated[tuple[Literal["probe", "lora", "full"], ...], _one_or_more] = ("probe",)
    codebook: Annotated[tuple[str, ...], _one_or_more] = ()
    seed: Annotated[tuple[int, ...], _one_or_more] = ()
    gold: Annotated[tuple[Annotated[GoldPart, under("rule")], ...], _one_or_more] = ()
    cutoffs: Annotated[tuple[Literal["share", "f1", "likeliest"], ...], _one_or_more] = ("share", "f1", "likeliest")
    prediction: Annotated[tuple[Literal["prob", "label", "recalibrated"], ...], _one_or_more] = ("prob", "label")
    correction: Annotated[tuple[Literal["dsl", "ppi", "auto"], ...], _one_or_more] = ()
    coder: Annotated[tuple[str, ...], _one_or_more] = ()
    write: Words = ()
    plot: str | None = None


class ReportPart(Part):
    """Where the report goes, what it is called, and the covariates it shows errors by (see `report`)."""

    path: str
    by: Words | None = None
    title: str | None = None
