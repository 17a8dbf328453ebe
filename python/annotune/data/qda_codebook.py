"""Codebooks of programs for qualitative work: REFI-QDA (.qdc), and the sheets of Taguette, NVivo and MAXQDA.

They name codes and describe them; whole-number codes, kinds and variables they do not have. So their codes become one
variable that any number of labels may be given of, numbered in their order. REFI-QDA is the exchange format of
ATLAS.ti, MAXQDA, NVivo, QualCoder, Taguette and others: https://www.qdasoftware.org, Codebook 1.0.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError, listing, warn
from annotune.tables.annotation_tools import SEPARATORS, parts, short_names

_SHEETS = (("tag", "description"), ("Name", "Description"), ("Code", "Memo"))  # Taguette, NVivo, MAXQDA
_ROOTS = ("Codes", "Nodes")  # the folder of all codes, in NVivo's paths


@dataclass(frozen=True)
class Code:
    """A code: the names from the broadest one down to it, and what it means."""

    path: tuple[str, ...]
    description: str = ""


def sheet_columns(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns with codes and descriptions, None in a sheet that is no such codebook."""
    return next((pair for pair in _SHEETS if set(pair) <= set(names)), None)


def codes_of_sheet(rows: Sequence[Mapping[str, Any]], columns: tuple[str, str]) -> list[Code]:
    """The codes of a sheet with a row per code; rows without a name are left out."""
    codes = []
    for row in rows:
        path = parts(str(row[columns[0]] or ""))
        path = path[1:] if len(path) > 1 and path[0] in _ROOTS else path
        if any(path):
            codes.append(Code(tuple(path), str(row[columns[1]] or "").strip()))
    return codes


def codes_of_qdc(path: Path) -> list[Code]:
    """The codes of a REFI-QDA codebook, broader ones before theirs; those that only group others are left out."""
    try:
        root = ET.fromstring(path.read_bytes())
    except ET.ParseError as error:
        line = error.position[0]
        raise AnnotuneError(f"{path}, line {line}: this is not XML: {error}.", "Export the codebook again.") from None
    except (LookupError, ValueError) as error:
        raise AnnotuneError(
            f"{path}, line 1: this is not XML: {str(error)[:60]}.", "Export the codebook again."
        ) from None
    if _name(root) != "CodeBook":
        what = f"{path} is no REFI-QDA codebook: it holds {_name(root)!r}, not 'CodeBook'."
        raise AnnotuneError(what, "Export the codebook alone (.qdc).")
    groups: list[str] = []
    codes = list(_codes_below(root, (), groups))
    if not all(code.path[-1] for code in codes):
        raise AnnotuneError(f"{path} has a code without a name.", "Name it, and export the codebook again.")
    if groups:
        warn(f"{path}: {listing(groups)} cannot be given to a text (isCodable is false), and were left out.")
    return codes


def _codes_below(element: ET.Element, above: tuple[str, ...], groups: list[str]) -> Iterator[Code]:
    for child in element:
        if _name(child) == "Codes":
            yield from _codes_below(child, above, groups)
        if _name(child) != "Code":
            continue
        names = (*above, child.get("name", "").strip())
        if child.get("isCodable", "true").lower() in ("true", "1"):
            yield Code(names, " ".join(part.text or "" for part in child if _name(part) == "Description").strip())
        else:
            groups.append(names[-1])
        yield from _codes_below(child, names, groups)


def _name(element: ET.Element) -> str:
    """The name without its namespace, which differs between versions."""
    return element.tag.rpartition("}")[2]


def variable_of_codes(codes: Sequence[Code], name: str) -> dict[str, Any]:
    """The variable, as a codebook's file would have it; a code below another one has that as its parent."""
    paths = [SEPARATORS[0].join(code.path) for code in codes]
    labels, number = short_names(paths), {path: n for n, path in enumerate(paths, start=1)}
    entries = [
        {"code": number[path], "name": labels[path], "definition": code.description}
        | ({"parent": number[above]} if (above := SEPARATORS[0].join(code.path[:-1])) in number else {})
        for code, path in zip(codes, paths, strict=True)
    ]
    return {"name": name, "kind": "multilabel", "labels": entries}
