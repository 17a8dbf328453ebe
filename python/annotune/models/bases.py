"""bases(): the base models that have a short name, with what was measured of each."""

from __future__ import annotations

from importlib import metadata

import polars as pl

from annotune.network.known_bases import KNOWN_BASES, LANGUAGES, KnownBase

SCHEMA = {
    "base": pl.String,
    "model": pl.String,
    "languages": pl.String,
    "parameters": pl.Int64,
    "megabytes": pl.Int64,
    "licence": pl.String,
    "package": pl.String,
    "extra": pl.String,
    "installed": pl.Boolean,
    "revision": pl.String,
    "texts_per_second": pl.Int64,
    **{f"macro_f1_{language.lower()}": pl.Float64 for language in LANGUAGES},
}


def bases() -> pl.DataFrame:
    """The base models that have a short name (`base=`), with what was measured of each.

    Whatever else a base is, a folder or a name on a hub, works as well and was not tried. Nothing is fetched.

    Returns
    -------
    polars.DataFrame
        One row per base: `base` (its short name), `model` (what its authors call it), `languages`, `parameters` (in
        millions), `megabytes` (of its folder), `licence`, `package` (of the index, in which its weights come),
        `extra` (of annotune, that brings it; null for the default), `installed`, `revision` (the beginning of its
        weights' SHA-256), `texts_per_second` (headlines, by one core in float32), and `macro_f1_...` by language: of a
        logistic regression on its embeddings of 600 coded texts, the mean over sets and draws (docs/bases.md).

    Examples
    --------
    >>> bases().select("base", "languages", "parameters", "licence").rows()
    [('minilm', 'English', 22, 'Apache-2.0'), ('multilingual', 'some 100', 118, 'MIT')]
    """
    return pl.DataFrame([_row(name, base) for name, base in KNOWN_BASES.items()], schema=SCHEMA)


def _row(name: str, base: KnownBase) -> dict[str, object]:
    return {
        "base": name,
        "model": base.model,
        "languages": base.languages,
        "parameters": base.parameters,
        "megabytes": base.megabytes,
        "licence": base.licence,
        "package": base.package,
        "extra": base.extra,
        "installed": _is_installed(base.package),
        "revision": base.sha256[:12],
        "texts_per_second": base.texts_per_second,
        **{f"macro_f1_{language.lower()}": base.macro_f1.get(language) for language in LANGUAGES},
    }


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
