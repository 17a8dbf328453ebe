"""The coders of a comparison: their codings in one table, and the answers of each coder or group to the gold units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.gold import majority_of
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, SCHEMA, Codings, bind, check
from annotune.data.encoded import SAME_IDS, encode
from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.evidence.paired import Answers, one_coder, several_coders
from annotune.evidence.probabilities import held_out_codings
from annotune.models.classifier import Classifier


def about_units(units: pl.Series, codings: Codings) -> Codings:
    """The codings of the gold units; a warning names coders who coded none of them."""
    relevant = codings.join(units.to_frame(), on="unit_id", how="semi")
    if relevant.is_empty():
        raise AnnotuneError("None of the coders coded a unit of the gold.", SAME_IDS)
    strange = codings.join(relevant.select("coder").unique(), on="coder", how="anti")
    if len(strange):
        absent = strange["coder"].unique(maintain_order=True).to_list()
        ids = f"(its units are such as {strange['unit_id'][0]!r}, those of the gold such as {units[0]!r})"
        sentence = (
            f"{listing(absent)} coded no unit of the gold {ids} and {'is' if len(absent) == 1 else 'are'} left out."
        )
        warn(f"{sentence} {SAME_IDS}")
    return Codings(relevant)


def gathered(codings: Any) -> Codings:
    """All codings in one table; the key of a mapping is the coder of its table."""
    if isinstance(codings, Mapping):
        tables = [
            _codings_of(source).with_columns(pl.lit(str(name)).alias("coder")) for name, source in codings.items()
        ]
    else:
        tables = [_codings_of(source) for source in (codings if isinstance(codings, (list, tuple)) else [codings])]
    if not tables:
        raise AnnotuneError("There are no codings to compare.", "Pass a table of codings, or several.")
    coders = [set(part["coder"].unique()) for part in tables]
    for (i, first), (j, second) in combinations(enumerate(coders, start=1), 2):
        if first & second:
            what = f"The tables {i} and {j} have both codings by {sorted(first & second)[0]!r}."
            raise AnnotuneError(what, "Name each: compare({'first': ..., 'second': ...}, gold).")
    return bind(*(part.select(*SCHEMA, "^p_.*$") for part in tables))


def sources_in_folds(codings: Any) -> list[Codings]:
    """The tables of predictions that were made in folds, which have a row for every coded text."""
    sources = codings.values() if isinstance(codings, Mapping) else codings
    tables = [_codings_of(source) for source in (sources if isinstance(codings, (Mapping, list, tuple)) else [codings])]
    return [table for table in tables if "fold" in table.columns]


def _codings_of(source: Any) -> Codings:
    return held_out_codings(source) if isinstance(source, Classifier) else check(source)


def answers_by_row(
    codings: pl.DataFrame,
    units: pl.Series,
    truth: np.ndarray,
    entry: Variable,
    people: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, Answers]]:
    """The answers of each coder by name; of each group of people twice, one at a time and by their majority."""
    grouped = {person for members in people.values() for person in members}
    for (coder,), answers in codings.filter(~pl.col("coder").is_in(grouped)).group_by("coder", maintain_order=True):
        yield str(coder), one_coder(truth, *encode(Codings(answers), units, entry), entry)
    for name, members in people.items():
        answers = of_people(codings, name, members)
        yield f"{name}, one at a time", _one_at_a_time(answers, units, truth, entry)
        mode = majority_of(answers, entry)
        coded = units.is_in(answers["unit_id"].implode()).to_numpy()
        yield f"{name}, majority", one_coder(truth, *encode(mode, units, entry), entry).only(coded)


def codebook_of(entry: Variable) -> Codebook | None:
    """A codebook with the variable, where its kind matters."""
    return None if entry.kind == "nominal" else Codebook(variables=(entry,))


def of_people(codings: pl.DataFrame, name: str, members: Sequence[str]) -> pl.DataFrame:
    """The valid codings by the members of a group; refused where one of them has none."""
    answers = codings.filter(pl.col("coder").is_in(list(members)) & pl.col("status").is_in(ANSWERED))
    coders = answers["coder"].unique().to_list()
    strange = [person for person in members if person not in coders]
    if strange or not members:
        what = f"{strange[0]!r} of the group {name!r} coded" if strange else f"Nobody of the group {name!r} coded"
        names = codings["coder"].unique().sort().to_list()
        raise AnnotuneError(f"{what} no unit of the gold.", nearest(str(strange[0]) if strange else name, names))
    return answers


def _one_at_a_time(answers: pl.DataFrame, units: pl.Series, truth: np.ndarray, entry: Variable) -> Answers:
    key = ["unit_id", "coder"] if entry.kind == "multilabel" else ["_row"]  # a set is several rows
    one = answers.with_row_index("_row").with_columns(pl.struct(key).rank("dense").cast(pl.String).alias("_coding"))
    codings = one.select("_coding", "unit_id").unique(maintain_order=True)
    alone = Codings(one.with_columns(pl.col("_coding").alias("unit_id")).select(*SCHEMA))
    labels, _ = encode(alone, codings["_coding"].alias("unit_id"), entry)
    place = pl.DataFrame({"unit_id": units, "_place": np.arange(len(units))})
    unit = codings.join(place, on="unit_id", how="left", maintain_order="left")["_place"].to_numpy()
    return several_coders(truth, unit, labels, entry)
