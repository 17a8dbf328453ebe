"""A shard as a table of codes: read a few thousand rows at a time, coded by each model, and checked to be whole."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
import polars.selectors as cs

from annotune.bulk.coders import Reader, Spec, label_names
from annotune.bulk.plan import Plan
from annotune.bulk.shards import Shard, read_rows
from annotune.data.codings import SCHEMA
from annotune.data.corpus import texts_of
from annotune.data.deciding import EVIDENCE
from annotune.data.frames import identifiers
from annotune.errors import AnnotuneError, AnnotuneWarning, counted

Told = dict[str, Any]


def coded(
    shard: Shard, plan: Plan, readers: Sequence[Reader], types: pl.Schema, advance: Callable[[int], None]
) -> tuple[pl.DataFrame, Told]:
    """The codes of a shard, and what is told of it: a fingerprint of what was read, counts, and notes.

    Parameters
    ----------
    types
        Of the covariates.
    advance
        Is told of texts as they are done.

    Raises
    ------
    AnnotuneError
        Where rows cannot be read, an identifier is missing or double, or a covariate has another type.
    """
    parts, units, digest, cut = [], [], hashlib.sha256(), 0
    with _collected() as notes:
        for first, frame in read_rows(shard, plan.names):
            texts = clean(shard, plan, frame, first, types)
            digest.update(read_bytes(texts, plan))
            part, n_cut = _by_all(texts, plan, readers, advance)
            parts.append(part)
            units.append(texts["unit_id"])
            cut += n_cut
    codings, all_units = pl.concat(parts), pl.concat(units).rechunk()
    require_whole(codings, all_units, shard.source.name, plan.models)
    if cut:
        notes.append(f"{counted(cut, 'distinct text is', 'distinct texts are')} longer than what the model reads.")
    return codings, {"input_sha256": digest.hexdigest(), "notes": notes, **counts_of(codings, len(all_units))}


def clean(shard: Shard, plan: Plan, frame: pl.DataFrame, first: int, types: pl.Schema) -> pl.DataFrame:
    """`unit_id`, `text` and the covariates of some rows."""
    name, columns = shard.source.name, plan.columns
    texts = frame[columns["text"]]
    if texts.dtype == pl.Binary:
        texts = _from_bytes(texts, name)
    units = identifiers(frame[columns["unit_id"]], name, first).alias("unit_id")
    covariates = [_typed(frame[column], types[column], name) for column in columns["covariates"]]
    return pl.DataFrame([units, texts_of(texts, name).alias("text"), *covariates])


def read_bytes(texts: pl.DataFrame, plan: Plan) -> bytes:
    """All that the models read of some rows, of which the fingerprint is taken: texts, and what they read beside."""
    beside = dict.fromkeys(name for spec in plan.models for name in spec.get("reads", ()))
    return texts.select("unit_id", "text", *beside).write_csv(include_header=False).encode()


def _from_bytes(texts: pl.Series, name: str) -> pl.Series:
    """Texts that a file holds as bytes, in UTF-8; what is none is replaced, and told."""
    decoded = [None if text is None else text.decode("utf-8", "replace") for text in texts]
    lost = sum(text is not None and "\ufffd" in text for text in decoded)
    if lost:
        cells = counted(lost, "text has", "texts have")
        warnings.warn(f"{name}: {cells} bytes that are not UTF-8; they became '\ufffd'.", AnnotuneWarning, stacklevel=2)
    return pl.Series(texts.name, decoded, dtype=pl.String)


def _typed(column: pl.Series, dtype: pl.DataType, name: str) -> pl.Series:
    try:
        return column.cast(dtype, strict=True)
    except pl.exceptions.PolarsError:
        what = f"{name}: the column {column.name!r} holds {column.dtype}, and in other files {dtype}."
        raise AnnotuneError(what, "Give it the same type in all files, or leave it out of the covariates.") from None


def _by_all(
    texts: pl.DataFrame, plan: Plan, readers: Sequence[Reader], advance: Callable[[int], None]
) -> tuple[pl.DataFrame, int]:
    """The codes by each model, one below the other, with the covariates beside them; and how many texts were cut."""
    before = 0

    def first_model(step: int) -> None:  # a text is done when the last model is; for a bar, the first one will do
        nonlocal before
        step = min(step, len(texts) - before)
        before += step
        advance(step)

    tables, cut = [], 0
    for number, reader in enumerate(readers):
        table, n_cut = reader.code(texts["unit_id"], reader.read(texts)["text"], _nothing if number else first_model)
        tables.append(table)
        cut += n_cut
    advance(len(texts) - before)
    codings = pl.concat(tables, how="diagonal")
    labels = [f"p_{name}" for name in label_names(plan.models)] if plan.settings["probabilities"] else []
    passages = EVIDENCE if plan.settings["evidence"] else ()
    codings = codings.select(*SCHEMA, *labels, *passages).with_columns(cs.by_name(labels).cast(pl.Float32))
    covariates = texts.drop("text")
    if covariates.width > 1:
        codings = codings.join(covariates.unique("unit_id"), on="unit_id", how="left", maintain_order="left")
    return codings, cut


def _nothing(_: int) -> None:
    """Not told."""


def require_whole(codings: pl.DataFrame, units: pl.Series, name: str, models: Sequence[Spec]) -> None:
    """Stop where not every text was coded for every variable by every model, each once and in its place.

    Raises
    ------
    AnnotuneError
        Where an identifier is there twice, which is the input's fault, or where codes are missing, which is ours.
    """
    double = units.filter(units.is_duplicated())
    if len(double):
        what = f"{name}: the identifier {double[0]!r} is there more than once"
        raise AnnotuneError(f"{what}; so are {double.n_unique() - 1:,} others.", "Every text needs one of its own.")
    for spec in models:
        for variable in spec["variables"]:
            rows = codings.filter(pl.col("coder") == spec["name"], pl.col("variable") == variable["name"])
            if not rows["unit_id"].unique(maintain_order=True).equals(units):
                what = f"{name}: the codes by {spec['name']} are not those of the {len(units):,} texts."
                raise AnnotuneError(what, "Run the same again; if that does not help, report it.")


def counts_of(codings: pl.DataFrame, n: int) -> Told:
    """How many texts and rows of codes there are, and how often each status and each label."""
    once = codings.unique(["unit_id", "variable", "coder"], maintain_order=True)
    return {
        "texts": n,
        "rows": len(codings),
        "statuses": _counted(once, "status"),
        "labels": _counted(codings.drop_nulls("label"), "label"),
    }


def _counted(codings: pl.DataFrame, column: str) -> list[Told]:
    counts = codings.group_by("variable", "coder", column).len("n")
    return counts.sort("variable", "coder", column).to_dicts()


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Warnings of annotune's as a list, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notes: list[str] = []
        yield notes
    notes[:0] = dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, AnnotuneWarning))
