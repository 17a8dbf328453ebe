"""The coders of a comparison: their codings gathered, and each coder's or group's answers on the gold's units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from annotune.agreement.gold import resolve
from annotune.data.codebook import Codebook, Variable
from annotune.data.codings import ANSWERED, SCHEMA, Codings, bind, check
from annotune.data.encoded import SAME_IDS, encode
from annotune.errors import AnnotuneError, listing, nearest, warn
from annotune.evidence.paired import Answers, one_coder, several_coders
from annotune.models.classifier import Classifier


def about_units(units: pl.Series, given: Codings) -> Codings:
    """The codings of the gold's units; who coded none of them is said in a warning."""
    known = given.join(units.to_frame(), on="unit_id", how="semi")
    if known.is_empty():
        raise AnnotuneError("None of the coders coded a unit of the gold.", SAME_IDS)
    strange = given.join(known.select("coder").unique(), on="coder", how="anti")
    if len(strange):
        absent = strange["coder"].unique(maintain_order=True).to_list()
        ids = f"(its units are such as {strange['unit_id'][0]!r}, those of the gold such as {units[0]!r})"
        told = f"{listing(absent)} coded no unit of the gold {ids} and {'is' if len(absent) == 1 else 'are'} left out."
        warn(f"{told} {SAME_IDS}")
    return Codings(known)


def gathered(codings: Any) -> Codings:
    """All codings in one table; those of a name, or of a table of a list, have their coder."""
    if isinstance(codings, Mapping):
        named = [_table(given).with_columns(pl.lit(str(name)).alias("coder")) for name, given in codings.items()]
    else:
        named = [_table(given) for given in (codings if isinstance(codings, (list, tuple)) else [codings])]
    if not named:
        raise AnnotuneError("No codings to compare were given.", "Give a table of codings, or several.")
    coders = [set(table["coder"].unique()) for table in named]
    for (i, first), (j, second) in combinations(enumerate(coders, start=1), 2):
        if first & second:
            what = f"The tables {i} and {j} have both codings by {sorted(first & second)[0]!r}."
            raise AnnotuneError(what, "Name each: compare({'first': ..., 'second': ...}, gold).")
    return bind(*(table.select(*SCHEMA) for table in named))


def _table(given: Any) -> pl.DataFrame:
    if not isinstance(given, Classifier):
        return check(given)
    if given.held_out is None:
        raise AnnotuneError(f"The model {given.name} has no held-out predictions.", "Tune it with test= or folds=.")
    return check(given.held_out)


def rows_of(
    given: pl.DataFrame,
    units: pl.Series,
    truth: np.ndarray,
    entry: Variable,
    people: Mapping[str, Sequence[str]],
) -> Iterator[tuple[str, Answers]]:
    """Each coder by name; each group of people twice, one at a time and by their majority."""
    grouped = {person for members in people.values() for person in members}
    for (coder,), said in given.filter(~pl.col("coder").is_in(grouped)).group_by("coder", maintain_order=True):
        yield str(coder), one_coder(truth, *encode(Codings(said), units, entry), entry)
    for name, members in people.items():
        said = of_people(given, name, members)
        yield f"{name}, one at a time", _one_at_a_time(said, units, truth, entry)
        mode = resolve(said, codebook=codebook_of(entry))
        asked = units.is_in(said["unit_id"].implode()).to_numpy()
        yield f"{name}, majority", one_coder(truth, *encode(mode, units, entry), entry).only(asked)


def codebook_of(entry: Variable) -> Codebook | None:
    """A codebook where the kind of the variable matters."""
    return None if entry.kind == "nominal" else Codebook(variables=(entry,))


def of_people(given: pl.DataFrame, name: str, members: Sequence[str]) -> pl.DataFrame:
    said = given.filter(pl.col("coder").is_in(list(members)) & pl.col("status").is_in(ANSWERED))
    there = said["coder"].unique().to_list()
    strange = [person for person in members if person not in there]
    if strange or not members:
        what = f"{strange[0]!r} of the group {name!r} coded" if strange else f"Nobody of the group {name!r} coded"
        known = given["coder"].unique().sort().to_list()
        raise AnnotuneError(f"{what} no unit of the gold.", nearest(str(strange[0]) if strange else name, known))
    return said


def _one_at_a_time(said: pl.DataFrame, units: pl.Series, truth: np.ndarray, entry: Variable) -> Answers:
    key = ["unit_id", "coder"] if entry.kind == "multilabel" else ["_row"]  # a set is several rows
    one = said.with_row_index("_row").with_columns(pl.struct(key).rank("dense").cast(pl.String).alias("_coding"))
    codings = one.select("_coding", "unit_id").unique(maintain_order=True)
    alone = Codings(one.with_columns(pl.col("_coding").alias("unit_id")).select(*SCHEMA))
    answers, _ = encode(alone, codings["_coding"].alias("unit_id"), entry)
    place = pl.DataFrame({"unit_id": units, "_place": np.arange(len(units))})
    unit = codings.join(place, on="unit_id", how="left", maintain_order="left")["_place"].to_numpy()
    return several_coders(truth, unit, answers, entry)
