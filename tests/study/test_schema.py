"""The JSON schema of study.yaml knows the keys that the reader knows, no others, and takes what it takes."""

from __future__ import annotations

import json
import re
import types
from importlib.resources import files
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import jsonschema
import pydantic
import pytest
import yaml

import annotune as at
from annotune.data.codebook import validate
from annotune.data.yaml_file import read_yaml
from annotune.study.file import Study, read_study
from annotune.study.schema import DRAFT, NAME, as_text, study_schema

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Core(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `on` is a word, and only true and false are truth values."""


Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def as_editors_read(text: str) -> Any:
    return yaml.load(text, Loader=Core)


def shipped() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(files("annotune.study").joinpath(NAME).read_text(encoding="utf-8"))
    return schema


def keys_of_schema(schema: dict[str, Any]) -> set[tuple[str, str]]:
    """Every key that the schema knows, with the block in which it stands."""
    blocks = {"Study": schema, **schema["$defs"]}
    return {(name, key) for name, block in blocks.items() for key in block.get("properties", {})}


def blocks_in(hint: Any) -> list[type[pydantic.BaseModel]]:
    """The blocks that a type has somewhere in it."""
    if isinstance(hint, type) and issubclass(hint, pydantic.BaseModel):
        return [hint]
    inner = get_args(hint) if get_origin(hint) in (tuple, dict, list, Union, types.UnionType) else ()
    return [block for each in inner for block in blocks_in(each)]


def keys_of_reader(block: type[pydantic.BaseModel]) -> set[tuple[str, str]]:
    """Every key that the reader knows, found by its own types."""
    keys = {(block.__name__, field.alias or name) for name, field in block.model_fields.items()}
    below = {inner for field in block.model_fields.values() for inner in blocks_in(field.annotation)}
    return keys.union(*(keys_of_reader(inner) for inner in below))


def test_every_key_of_the_reader_is_in_the_schema_and_the_reverse():
    assert keys_of_schema(shipped()) == keys_of_reader(Study)
    assert ("WavePart", "for") in keys_of_reader(Study)


def test_the_file_that_is_shipped_is_the_schema_of_the_code():
    again = "from annotune.study import schema; print(schema.as_text(), end='')"
    assert files("annotune.study").joinpath(NAME).read_text(encoding="utf-8") == as_text(), f"python -c {again!r}"
    jsonschema.Draft202012Validator.check_schema(study_schema())
    assert shipped()["$schema"] == DRAFT


def studies() -> list[str]:
    """The study files of the repository and of its pages, whole ones and single keys."""
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
    blocks = [block for page in pages for block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    keys = set(Study.model_fields)
    of_studies = [block for block in blocks if set(as_editors_read(block)) <= keys]
    return [*of_studies, *(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*/study.yaml"))]


def faults_of(content: Any) -> list[str]:
    whole = {"codebook": "codebook.yaml", "corpus": "questions.csv", "codings": "anna.xlsx", **content}
    return [error.message for error in jsonschema.Draft202012Validator(shipped()).iter_errors(whole)]


@pytest.mark.parametrize("text", studies(), ids=lambda text: text[:30].replace("\n", " "))
def test_what_the_pages_show_is_valid(text: str):
    assert faults_of(as_editors_read(text)) == []


def test_there_are_pages_that_show_studies():
    assert len(studies()) > 6


@pytest.mark.parametrize(
    "content",
    [
        "sample: simple",
        "sample: 0.1",
        "sample: {pi: chance}",
        "sample: {n: 300, strata: party, for: Health}",
        "sample: [{n: 100}, {n: 50, design: active, for: share}]",
        "sample: {rounds: {n: 60, evaluation: 40}}",
        "propose: gpt-5-mini",
        "propose: [gpt-5-mini, {model: qwen, schema: false}]",
        "code: [anna, ben]",
        "correct: topic ~ party",
        "gold: {rule: {at_least: 2}, coder: 17}",
        "codings: [1, 2]",
    ],
)
def test_short_forms_are_valid_where_the_reader_takes_them(content: str, tmp_path: Path):
    path = tmp_path / "study.yaml"
    path.write_text(f"codebook: codebook.yaml\ncorpus: questions.csv\n{content}\n")
    assert faults_of(as_editors_read(content)) == []
    assert isinstance(validate(Study, *in_order(path)), Study)


def in_order(path: Path) -> tuple[Any, Path, Any]:
    content, lines = read_yaml(path)
    return content, path, lines


@pytest.mark.parametrize(
    "content",
    [
        "tuen: {seed: 1}",
        "tune: {sede: 1}",
        "tune: {method: loar}",
        "tune: {folds: 1}",
        "sample: {n: 0}",
        "propose: [{mdoel: x}]",
        "correct: []",
        "report: {title: x}",
    ],
)
def test_what_the_reader_refuses_is_not_valid(content: str, tmp_path: Path):
    assert faults_of(as_editors_read(content))
    text = f"codebook: codebook.yaml\ncorpus: questions.csv\ncodings: anna.csv\n{content}\n"
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(at.AnnotuneError, match=r"study\.yaml, line 4"):
        read_study(tmp_path / "study.yaml")
