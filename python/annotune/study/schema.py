"""The JSON schema of study.yaml, by which editors complete its keys and check them as they are typed."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from annotune.records.files import write_whole
from annotune.study.file import Study

NAME = "study.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
LINE = f"# yaml-language-server: $schema={NAME}\n"  # the first line of a study file, which editors understand


def study_schema() -> dict[str, Any]:
    """The schema as it follows from the keys that are read; the package has it as a file.

    Examples
    --------
    >>> schema = study_schema()
    >>> schema["required"], "tune" in schema["properties"]
    (['codebook', 'corpus'], True)
    """
    schema: dict[str, Any] = _as_in_yaml(Study.model_json_schema(by_alias=True))
    return {"$schema": DRAFT, **schema, "title": "A study of annotune"}


def write_schema(folder: Path) -> Path:
    """Put the schema beside a study file whose first line names it."""
    content = files("annotune.study").joinpath(NAME).read_text(encoding="utf-8")
    write_whole(folder / NAME, content)
    return folder / NAME


def _as_in_yaml(part: Any) -> Any:
    """The schema for YAML: what it takes for a number or a truth value is a word all the same where one is wanted."""
    if isinstance(part, list):
        return [_as_in_yaml(each) for each in part]
    if not isinstance(part, dict):
        return part
    content = {key: _as_in_yaml(value) for key, value in part.items() if not _is_noise(key, value)}
    if content.get("type") == "string" and "enum" not in content:
        content["type"] = ["string", "number", "boolean"]
    return content


def _is_noise(key: str, value: Any) -> bool:
    """Whether it is a title that was made of a key's name, or the default of a block, which its keys have."""
    return (key == "title" and isinstance(value, str)) or (key == "default" and isinstance(value, (dict, list)))


def as_text() -> str:
    """The schema as the file that is shipped."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"
