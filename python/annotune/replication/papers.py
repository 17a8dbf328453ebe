"""What a bundle says to people and archives: a page, a model card, a citation, metadata for Dataverse and Zenodo."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from annotune.numbers import with_interval
from annotune.replication.builds import builds
from annotune.replication.own_wheel import WHEEL
from annotune.replication.sources import Source
from annotune.study.after_models import AfterModels
from annotune.version import __version__

OF_STUDIES = ("4bit", "multilingual", "tables")  # the extras that a study may rest on, where they are installed
KEYWORDS = ["annotune", "text as data", "content analysis", "replication"]
LICENSE = "Not chosen yet: choose one before you publish."
ENVIRONMENT = "environment"  # the folder with all that an environment is made from
LOCK = f"{ENVIRONMENT}/requirements.txt"
BUILDS = f"{ENVIRONMENT}/packages.json"


def write_papers(folder: Path, source: Source, after: AfterModels, with_texts: bool) -> None:
    """Write all of them into the bundle's folder."""
    title = after.inputs.codebook.name or "A study with annotune"
    files = {
        "README.md": _page(title, with_texts),
        "methods.md": methods_paragraph(after) + "\n",
        "model_card.md": "\n".join(_model_card(after, source)) + "\n",
        "CITATION.cff": yaml.safe_dump(_citation(title), sort_keys=False),
        "dataverse.json": _json(_dataverse(title, with_texts)),
        "zenodo.json": _json(_zenodo(title, with_texts)),
        LOCK: "\n".join(lock()) + "\n",
        BUILDS: _json(builds(name for name in installed() if name != "annotune")),  # which comes as a wheel
        "environment/machine.json": _json({"versions": source.part("versions"), "hardware": source.part("hardware")}),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def lock() -> list[str]:
    """annotune and every package that it needs here, each with its version: a requirements file for pip and uv.

    A local part of a version, as in torch's 2.13.0+cpu, is left out: the index of packages has no such versions.

    >>> [line for line in lock() if line.startswith("annotune")] == [f"annotune=={__version__}"]
    True
    """
    return [f"{name}=={version.partition('+')[0]}" for name, version in installed().items()]


def installed() -> dict[str, str]:
    """annotune and every package that it or a study needs here, with its version."""
    version_of: dict[str, str] = {}
    waiting = ["annotune", *(name for extra in OF_STUDIES for name in needed_by("annotune", extra))]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in version_of:
            continue
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # an extra that is not here
            continue
        version_of[name] = package.version
        waiting += needed_by(name)
    return dict(sorted((version_of | {"annotune": __version__}).items()))


def needed_by(name: str, extra: str = "") -> Iterator[str]:
    """The packages that an installed one needs here, without those of its extras but one, by the names of the index.

    >>> "numpy" in needed_by("annotune")
    True
    """
    for text in metadata.requires(name) or []:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name.lower().replace("_", "-")


def methods_paragraph(after: AfterModels) -> str:
    """The methods paragraph of the study's report."""
    from annotune.reporting.findings import findings
    from annotune.reporting.inputs import gather_inputs
    from annotune.reporting.methods import methods

    inputs = gather_inputs(
        model=list(after.models.values()),
        codings=after.inputs.codings,
        reliability=after.inputs.reliability,
        codebook=after.inputs.codebook,
        gold=after.inputs.gold,
        correct=after.outcome.corrections,
        errors=after.outcome.errors,
        coded=None,
        corpus=None,
        by=None,
        compare=None,
        curve=None,
        rounds=None,
        anchoring=None,
        multiverse=None,
        record=None,
        layout="journal",
        n_boot=100,
        seed=1,
    )
    results = findings(inputs)
    return methods(inputs, results.reliability, results.calibrations)


def _page(title: str, with_texts: bool) -> str:
    texts = (
        "It holds the texts, so that everything is run again."
        if with_texts
        else "It holds no texts: their fingerprints (SHA-256), codes and predictions are here, from which every table "
        "after the models is computed again. Who has a text can recognise it by its fingerprint."
    )
    own = f"annotune {__version__} itself is in `{ENVIRONMENT}/{WHEEL}`: `pip install -r {LOCK} {ENVIRONMENT}/{WHEEL}`."
    return f"""# {title}

A replication bundle, made by annotune {__version__}. {texts}

    annotune replicate .                          # here, or with the name of the .zip
    annotune replicate . --environment new-folder # by the packages it was made with, installed there: runs their code

{own}
`study/` is the study with its data and results, `methods.md` its methods paragraph, `model_card.md` how good its models
are, `{LOCK}` the packages it was made with, `bundle.json` the fingerprint of every file. `CITATION.cff`,
`dataverse.json` and `zenodo.json` are to be completed by the authors: names, licence, description.
"""


def _model_card(after: AfterModels, source: Source) -> Iterator[str]:
    """How good each model is, beside its baselines and the coders, and what it is for."""
    yield "# Models"
    for name, model in after.models.items():
        card = model.card
        yield from ("", f"## {name}: {model.name}", "", f"{model.variable.instruction or ''}".strip(), "")
        yield f"- Base: {card['base']['name']}, revision {card['base']['revision']}; seed {card['settings']['seed']}"
        yield f"- Labels: {', '.join(model.labels)}"
        yield f"- Tuned on {card['parts']['coded']:,} coded texts, measured on {card['parts']['held_out']:,} held out"
        yield from ("", "| model | measure | estimate (95 % interval) | texts |", "|---|---|---|---|")
        for row in source.part("evaluation").get(name, []):
            if row["measure"] in ("macro_f1", "micro_f1", "accuracy", "kappa", "exact_set"):
                interval = with_interval(row["estimate"], row["ci_low"], row["ci_high"])
                yield f"| {row['model']} | {row['measure']} | {interval} | {row['n_units']} |"
        yield from ("", "Agreement of the coders:", "")
        for row in source.rows("reliability"):
            if row["variable"] == name and row.get("category") is None and row.get("coder_a") is None:
                interval = with_interval(row["estimate"], row["ci_low"], row["ci_high"])
                yield f"- {row['metric']}: {interval} on {row['n_units']} texts"
    yield from (
        "",
        "## Intended use",
        "",
        "Coding texts of the population that the coded texts were drawn from, by this codebook.",
    )
    yield from (
        "",
        "## Limits",
        "",
        "On other texts, languages or years it was not measured. Its codes have errors that may be",
    )
    yield "related to covariates: regressions on them need a correction by texts coded by hand and drawn at random."


def _citation(title: str) -> dict[str, Any]:
    return {
        "cff-version": "1.2.0",
        "message": "Please cite the paper that this bundle belongs to.",
        "title": f"Replication bundle: {title}",
        "type": "dataset",
        "authors": [{"name": "To be named by the authors"}],
        "keywords": KEYWORDS,
        "references": [
            {
                "type": "software",
                "title": "annotune",
                "version": __version__,
                "authors": [{"name": "The annotune authors"}],
            }
        ],
    }


def _zenodo(title: str, with_texts: bool) -> dict[str, Any]:
    """The metadata of a deposition (developers.zenodo.org)."""
    return {
        "metadata": {
            "title": f"Replication bundle: {title}",
            "upload_type": "dataset",
            "description": _about(with_texts),
            "creators": [{"name": "To be named by the authors"}],
            "keywords": KEYWORDS,
            "access_right": "restricted" if with_texts else "open",
            "notes": LICENSE,
        }
    }


def _dataverse(title: str, with_texts: bool) -> dict[str, Any]:
    """A dataset version with the fields that a Dataverse requires (guides.dataverse.org, native API)."""

    def field(name: str, value: Any, kind: str = "primitive") -> dict[str, Any]:
        return {"typeName": name, "multiple": isinstance(value, list), "typeClass": kind, "value": value}

    author = {"authorName": field("authorName", "To be named by the authors")}
    contact = {
        "datasetContactName": field("datasetContactName", "To be named by the authors"),
        "datasetContactEmail": field("datasetContactEmail", "to.be.named@example.org"),
    }
    description = {"dsDescriptionValue": field("dsDescriptionValue", _about(with_texts))}
    keywords = [{"keywordValue": field("keywordValue", word)} for word in KEYWORDS]
    fields = [
        field("title", f"Replication bundle: {title}"),
        field("author", [author], "compound"),
        field("datasetContact", [contact], "compound"),
        field("dsDescription", [description], "compound"),
        field("subject", ["Social Sciences"], "controlledVocabulary"),
        field("keyword", keywords, "compound"),
    ]
    return {"datasetVersion": {"metadataBlocks": {"citation": {"displayName": "Citation Metadata", "fields": fields}}}}


def _about(with_texts: bool) -> str:
    texts = "" if with_texts else " without the texts"
    return f"Data, codings, models' predictions and results{texts}; annotune replicate computes the tables again."


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=dict) + "\n"
