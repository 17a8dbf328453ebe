"""What a record says that results came from, as a tree; and what nothing tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError
from annotune.records.beside import inputs_of, json_of, outputs_of
from annotune.replication.sources import AS_RECORDED, Source, makers_of, model_folders, settings_of
from annotune.replication.store_parts import day, store_branches
from annotune.replication.trees import without_blanks
from annotune.tables.store import SUFFIX as STORE

PLAN = (".annotune", "plan.json")  # how the name of a run's plan ends
UNSET: tuple[Any, ...] = (None, [], {}, "")


def origin(source: Source, passed: Collection[Path] = ()) -> tuple[dict[str, Any], list[str]]:
    """The tree of a record, with the records behind its inputs in it, and a sentence for each thing that is not known.

    `passed` are records further up, which are not told of again.
    """
    if "model_sha256" in source.content:
        return without_blanks(_model(source.content, [source])), _unknown_of_seal(source)
    content, chain = source.content, makers_of(source, inputs_of(source.content))
    before, unknown = _behind(chain, {*passed, source.path.resolve()})
    stores, of_stores = _stores(source)
    tree = {
        "made by": _maker(content),
        "record": f"{source.path.name}, {_seal(source)}",
        "data": _files(source, inputs_of(content), before),
        "codebook": f"SHA-256 {content['codebook_sha256']}" if content.get("codebook_sha256") else None,
        "codings": _codings(source),
        "stores": stores,
        "agreement": _agreement(source),
        "gold": _gold(source),
        "models": _models(source),
        "regressions": _regressions(source),
        "settings": {name: value for name, value in settings_of(source).items() if value not in UNSET},
        "base": content.get("base"),
        "format": content.get("format"),
        "versions": dict(source.part("versions")),
        "hardware": hardware(source.part("hardware")),
        "written": _files(source, outputs_of(content), {}),
    }
    return without_blanks(tree), [*_unknown_of_seal(source), *_unknown(source), *of_stores, *unknown]


def hardware(content: Mapping[str, Any]) -> str:
    """The machine in a few words.

    >>> hardware({"processor": "x86_64", "cores": 2, "gpu": None, "system": "Linux"})
    'x86_64, 2 cores, no GPU, Linux'
    """
    if not content:
        return ""
    cores = f"{content['cores']} cores" if content.get("cores") else ""
    return ", ".join(
        str(word)
        for word in (content.get("processor"), cores, content.get("gpu") or "no GPU", content.get("system"))
        if word
    )


def _maker(content: Mapping[str, Any]) -> str:
    time = content.get("time")
    timestamp = time.get("written") if isinstance(time, Mapping) else None
    return f"{content.get('what', 'annotune')}, {day(timestamp)}"


def _seal(source: Source) -> str:
    words = {True: "as it was written", False: "changed since it was written", None: "without a fingerprint of its own"}
    return words[source.is_sound]


def _files(source: Source, files: Mapping[str, str], before: Mapping[str, Any]) -> dict[str, Any]:
    """Each file's fingerprint and state, and what it was made by where another record says so."""
    branches: dict[str, Any] = {}
    for name, state in source.states(files).items():
        words = f"SHA-256 {files[name]}, {state}"
        branches[name] = {"file": words, "made by": before[name]} if name in before else words
        if Path(name).parts[-2:] == PLAN and (plan := json_of(source.folder / name)) is not None:
            branches[name] = {"file": words, "run": _run(plan)}
    return branches


def _run(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What coded texts into a folder, which texts, and with what settings."""
    both = (plan.get(name) or [] for name in ("models", "sources"))
    coders, texts = ([row for row in rows if isinstance(row, Mapping)] for rows in both)
    return {
        "coders": {str(coder.get("name")): f"{coder.get('kind')}, SHA-256 {coder.get('sha256')}" for coder in coders},
        "texts": {str(text.get("name")): f"{text.get('rows') or 0:,} texts" for text in texts},
        "settings": {name: value for name, value in (plan.get("settings") or {}).items() if value not in UNSET},
    }


def _behind(chain: Mapping[str, Source], passed: set[Path]) -> tuple[dict[str, Any], list[str]]:
    trees, unknown = {}, []
    for name, maker in chain.items():
        if maker.path.resolve() in passed:
            trees[name] = {"record": maker.path.name}
            continue
        trees[name], sentences = origin(maker, passed)
        unknown += sentences
    return trees, unknown


def _stores(source: Source) -> tuple[dict[str, Any], list[str]]:
    """What the study's stores tell, where they are still here; the record has a fingerprint of draws and codings."""
    branches: dict[str, Any] = {}
    unknown = []
    for name, sha256 in source.part("stores").items():
        path = source.folder / str(name)
        branches[str(name)] = {"draws and codings": f"SHA-256 {sha256}"}
        try:
            if path.suffix == STORE:
                branches[str(name)] |= store_branches(path)
        except AnnotuneError as error:
            unknown.append(f"What is in {name}, with draws, people and proposals: {error.what}")
    return branches, unknown


def _codings(source: Source) -> dict[str, Any]:
    branches: dict[str, Any] = {}
    for row in source.rows("coders"):
        branches.setdefault(str(row.get("coder")), []).append(f"{row.get('variable')}: {row.get('n_texts'):,} texts")
    return branches


def _agreement(source: Source) -> dict[str, Any]:
    """The estimate of each measure of agreement at its level, by variable, with the texts that it rests on."""
    branches: dict[str, Any] = {}
    for row in source.rows("reliability"):
        if row.get("category") is None and row.get("coder_a") is None:
            words = f"{_number(row.get('estimate'))} on {row.get('n_pairable')} texts coded twice"
            branches.setdefault(str(row.get("variable")), {})[f"{row.get('metric')} ({row.get('level')})"] = words
    return branches


def _gold(source: Source) -> dict[str, Any]:
    branches: dict[str, Any] = {}
    for row in source.rows("gold"):
        label = row.get("label") or f"({row.get('status')})"
        branches.setdefault(str(row.get("variable")), {})[str(label)] = row.get("n_texts")
    rule = source.part("study").get("gold") if source.is_study else None
    settings = {name: value for name, value in rule.items() if value not in UNSET} if isinstance(rule, Mapping) else {}
    return {"rule": settings} | branches


def _models(source: Source) -> dict[str, Any]:
    cards = dict(source.part("models")) | ({"": source.part("model")} if source.part("model") else {})
    saved = list(model_folders(source.folder)) if cards else []
    branches = {name or "model": _model(card, saved) for name, card in cards.items() if isinstance(card, Mapping)}
    same = dict(source.part("versions"))
    return {name: {key: part for key, part in model.items() if part != same} for name, model in branches.items()}


def _model(card: Mapping[str, Any], saved: list[Source]) -> dict[str, Any]:
    """A card: base, revision, seed, texts, choices, files, versions, and the time that tuning took."""
    parts, time, base = (card.get(name) or {} for name in ("parts", "time", "base"))
    settings = {name: value for name, value in (card.get("settings") or {}).items() if value not in UNSET}
    return {
        "base": f"{base.get('name')}, revision {base.get('revision')}",
        "seed": settings.pop("seed", None),
        "texts": f"{parts.get('coded')} coded, {parts.get('held_out')} held out, folds: {parts.get('folds') or 'none'}",
        "settings": settings,
        "chosen": _chosen(card.get("choices") or {}),
        "drawn": {name: value for name, value in (card.get("drawn") or {}).items() if value},
        "coded texts": f"SHA-256 {card.get('coded_sha256')}" if card.get("coded_sha256") else None,
        "weights": f"SHA-256 {card.get('model_sha256')}, held as {card.get('weights', 'float32')}",
        "files": _model_files(card, saved),
        "versions": dict(card.get("versions") or {}),
        "hardware": hardware(card.get("hardware") or {}),
        "seconds of tuning": time.get("seconds"),
    }


def _chosen(choices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: choices[name] for name in ("penalty", "balanced", "words", "epochs", "rule") if name in choices}


def _model_files(card: Mapping[str, Any], saved: list[Source]) -> dict[str, Any]:
    """Where the model is saved, and each of its files."""
    branches = {}
    for place in saved:
        files = place.content.get("files")
        if place.content.get("model_sha256") == card.get("model_sha256") and isinstance(files, Mapping):
            states = place.states({str(name): str(sha256) for name, sha256 in files.items()})
            branches[place.folder.as_posix()] = {
                name: f"SHA-256 {files[name]}, {state}" for name, state in states.items()
            }
    return branches


def _regressions(source: Source) -> dict[str, Any]:
    branches: dict[str, Any] = {}
    for formula, rows in source.part("corrections").items():
        for row in rows if isinstance(rows, list) else []:
            words = f"{_number(row.get('estimate'))} ({_number(row.get('std_error'))})"
            branches.setdefault(formula, {}).setdefault(str(row.get("method")), {})[str(row.get("term"))] = words
    return branches


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–" if value is None else str(value)


def _unknown_of_seal(source: Source) -> list[str]:
    if source.is_sound is False:
        return [f"Whether what {source.path.name} says was so: it was changed since it was written."]
    return []


def _unknown(source: Source) -> list[str]:
    """A sentence for each thing that a reader may ask, and that neither record nor files tell."""
    absent = [name for name, state in source.states(inputs_of(source.content)).items() if state != AS_RECORDED]
    sentences = [f"What is in {', '.join(absent)} as it was read: it is changed or not here."] if absent else []
    if not source.is_study:
        return sentences
    study = source.part("study")
    if not study.get("sample"):
        sentences.append("How the coded texts were chosen: the study has no sample.")
    if not source.rows("coders"):
        sentences.append("How many texts each coder answered: the record is of an annotune that did not note it.")
    if not source.part("stores"):
        sentences.append("When people coded, and what they saw meanwhile: codings in files do not tell.")
    return sentences
