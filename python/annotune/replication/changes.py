"""A study out of a bundle: with a choice changed where a reader asks for it, and with no path out of its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from annotune.data.codebook import validate
from annotune.data.yaml_file import read_yaml
from annotune.errors import AnnotuneError
from annotune.replication.parts import is_inside
from annotune.study.file import Study

AFTER_MODELS = ("gold", "reliability", "correct", "codings")  # what can be changed where there are no texts


def prepare(path: Path, changes: Mapping[str, Any], with_texts: bool) -> None:
    """Write the study file anew: with these changes, and without `propose`, as its answers are in the store.

    Raises
    ------
    AnnotuneError
        For a file that is no study, a change that it does not know, and one that needs texts where there are none; and
        where the study reads or writes anything outside of its folder.
    """
    content, lines = read_yaml(path)
    study = validate(Study, content, path, lines)
    plain = study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    plain.pop("propose", None)
    for key, value in changes.items():
        if not with_texts and key.split(".")[0] not in AFTER_MODELS:
            what = f"{key!r} cannot be changed: the bundle has no texts, and models are as they are."
            raise AnnotuneError(what, f"Change one of {', '.join(AFTER_MODELS)}, or ask for the bundle with its texts.")
        _put(plain, key, value)
    changed = validate(Study, plain, path, {}) if changes else Study.model_validate(plain)
    require_inside(changed)
    path.write_text(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), encoding="utf-8")


def require_inside(study: Study) -> None:
    """Stop where a study from somebody else names a path that leads out of its folder."""
    sample = study.sample
    waves = [*sample.waves, *([sample.rounds] if sample.rounds else [])] if sample is not None else []
    names = [study.codebook, study.corpus.path, *study.codings.paths, *study.outputs, *study.scripts]
    names += [study.report.path] if study.report else []
    names += [wave.write for wave in waves if wave.write]
    names += [sample.draws] if sample is not None and sample.draws else []
    for name in names:
        if not is_inside(name):
            what = f"The bundle's study names {name!r}, which is not in its folder."
            raise AnnotuneError(what, "A bundle that annotune made names none: ask its authors.")
    base = study.tune.base
    if base.startswith(("/", "~")) or "\\" in base or ":" in base or ".." in base.split("/"):
        what = f"The bundle's study names the base model {base!r}, which is not in its folder."
        raise AnnotuneError(what, "Give one that you have: --set tune.base=minilm")


def parsed(pairs: Sequence[str]) -> dict[str, Any]:
    """What `--set key=value` says, values as in a study file.

    >>> parsed(["gold.rule=unanimous", "gold.coder=null", "tune.folds=3"])
    {'gold.rule': 'unanimous', 'gold.coder': None, 'tune.folds': 3}
    """
    changes: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        try:
            changes[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not key or not equals:
            raise AnnotuneError(f"--set {pair!r} is not key=value.", "Such as gold.rule=unanimous; it may be repeated.")
    return changes


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Put a value under a dotted key; nothing takes the key away."""
    *above, last = key.split(".")
    part: Any = content
    for name in above:
        if isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        else:
            part = part.setdefault(name, {}) if isinstance(part, dict) else None
    if not isinstance(part, dict):
        raise AnnotuneError(f"{key!r} is no key of this study.", "Name it as in study.yaml, such as gold.rule.")
    if value is None:
        part.pop(last, None)
    else:
        part[last] = value
