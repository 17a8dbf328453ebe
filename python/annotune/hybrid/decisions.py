"""record(): what people coded goes into the study's store, and nothing that is there is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import ANSWERED, check, read_codings
from annotune.data.exported_answers import is_export
from annotune.errors import AnnotuneError, counted, listing, warn
from annotune.hybrid.page.offline import take_in
from annotune.hybrid.page.versions import version_of
from annotune.hybrid.store import Store, now, open_store

KEY = ["unit_id", "variable", "coder"]
ADD = """
    INSERT INTO decisions (at, unit_id, variable, coder, labels, status, wave, arm, codebook)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
LAST = """
    SELECT unit_id, variable, coder, labels AS last, status AS last_status FROM decisions
    WHERE id IN (SELECT max(id) FROM decisions GROUP BY unit_id, variable, coder) AND status <> 'withdrawn'
"""
LAST_SCHEMA = dict.fromkeys((*KEY, "last", "last_status"), pl.String)


def record(store: str | Path, codings: Any, codebook: Codebook | None = None) -> pl.DataFrame:
    """Put what people coded into the study's store: returned coding sheets, or any other table of their codings.

    An answer that is there already is not recorded twice; one that has changed is added, and the last one holds. Cells
    that are empty are not yet coded, and leave what is there as it is.

    Parameters
    ----------
    store
        The study's store (.annotune), in which the texts were drawn.
    codings
        A file, several of them, or a table, as `read_codings` takes them. What a stand-alone coding page exported is
        recorded with all that was undone, the times, and the proposals that were shown.
    codebook
        Says which labels there are; by default that of the store, if it has one.

    Returns
    -------
    polars.DataFrame
        One row per coder: `coder`, `new`, `changed` and `same` answers, `open` (texts that the coder is to code and of
        which there is none).

    Raises
    ------
    AnnotuneError
        For codings by models, for a store of another study, which drew none of these texts, for a text with two answers
        by one coder, and for what `read_codings` refuses. Nothing is recorded then.

    Warns
    -----
    AnnotuneWarning
        Where texts were coded that no wave drew, which no correction can count, and by coders who were given none.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> store = Path(tempfile.mkdtemp()) / "study.annotune"
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b", "c", "d"], "text": ["...", "...", "...", "..."]})
    >>> texts = at.sample(corpus, 4, store=store, coders=["anna"]).texts
    >>> sheet = pl.DataFrame({"unit_id": ["a", "b", "c"], "coder": "anna", "label": ["yes", "no", None]})
    >>> at.record(store, at.read_codings(sheet, variable="agree")).rows()
    [('anna', 2, 0, 0, 2)]
    >>> at.read_codings(store)["label"].to_list()
    ['yes', 'no']
    """
    sources = list(codings) if isinstance(codings, (list, tuple)) else [codings]
    exports = [Path(source) for source in sources if is_export(source)]
    if exports and len(exports) < len(sources):
        sheets = [source for source in sources if not is_export(source)]
        return pl.concat([record(store, exports, codebook), record(store, sheets, codebook)])
    with open_store(store, create=False) as kept:
        book = codebook or codebook_of(kept)
        rows = (
            codings
            if isinstance(codings, pl.DataFrame) and "status" in codings.columns
            else read_codings(codings, book)
        )
        answers = _answers(check(rows), book)
        if not exports:  # of which a text that was not the coder's is refused
            _require_drawn(kept, answers)
            _tell_of_strangers(kept, answers)
        query = "SELECT unit_id, max(wave) AS wave FROM draws GROUP BY unit_id"  # of all texts on offer some are drawn
        places = kept.table(query, schema={"unit_id": pl.String, "wave": pl.Int64})
        arms = kept.table(
            "SELECT unit_id, wave, coder, arm FROM assignments",
            schema={"unit_id": pl.String, "wave": pl.Int64, "coder": pl.String, "arm": pl.String},
        )
        placed = answers.join(places, on="unit_id", how="left").join(arms, on=["unit_id", "wave", "coder"], how="left")
        with kept.change() as connection:
            before = kept.table(LAST, schema=LAST_SCHEMA)
            marked = _marked(placed, before)
            version = None if book is None else version_of(connection, book)
            added = marked.filter(pl.col("mark") != "same" if not exports else False)
            values = added.select(*KEY, "labels", "status", "wave", "arm").rows()
            connection.executemany(ADD, [(now(), *row, version) for row in values])
        for path in exports:  # with more than a table of codings has
            take_in(kept, path)
        return _summary(kept, marked)


def codebook_of(store: Store) -> Codebook | None:
    """The last codebook that was coded with, if there was one."""
    content = store.value("SELECT content FROM codebooks ORDER BY version DESC LIMIT 1")
    return None if content is None else Codebook.model_validate_json(content)


def _answers(codings: pl.DataFrame, book: Codebook | None) -> pl.DataFrame:
    """One row per text, variable and coder with an answer: its labels as a JSON list, and its status."""
    if "kind" in codings.columns:
        codings = codings.filter(pl.col("kind").fill_null("person") != "model")
    machine = codings.filter(pl.col("prob").is_not_null() | pl.col("status").is_in(["unparsed", "error"]))
    if len(machine):
        what = f"The codings by {machine['coder'][0]!r} have probabilities, or answers that could not be read."
        raise AnnotuneError(what, "Those of models are not people's decisions: record what people coded.")
    given = codings.filter(pl.col("status").is_in(ANSWERED))
    if given.is_empty():
        what = f"No text has an answer ({len(codings):,} cells are empty)."
        of_sets = any(entry.kind == "multilabel" for entry in book.variables) if book else False
        where = " Where no label applies, write none; in a column of one label, 0." if of_sets else ""
        raise AnnotuneError(what, f"Record sheets when people have coded.{where}")
    _require_one_answer(given, book)
    sets = given.group_by(KEY, maintain_order=True).agg(pl.col("label").drop_nulls().unique(maintain_order=True))
    labels = [json.dumps(sorted(cell), ensure_ascii=False) for cell in sets["label"].to_list()]
    status = ["ok" if len(cell) else "none" for cell in sets["label"].to_list()]
    return sets.drop("label").with_columns(
        labels=pl.Series(labels, dtype=pl.String), status=pl.Series(status, dtype=pl.String)
    )


def _require_one_answer(given: pl.DataFrame, book: Codebook | None) -> None:
    """Stop where a coder gave a text two labels of which one can hold: a row twice, an old sheet beside a new one."""
    single = [entry.name for entry in book.variables if entry.kind != "multilabel"] if book else []
    several = given.filter(pl.col("variable").is_in(single)).group_by(KEY, maintain_order=True)
    twice = several.agg(pl.col("label").unique(maintain_order=True)).filter(pl.col("label").list.len() > 1)
    if len(twice):
        unit, variable, coder, labels = twice.row(0)
        what = f"{coder!r} coded {variable!r} of the text {unit!r} twice, as {listing(labels)}"
        advice = "Leave the answer that holds; of two versions of a sheet record the older first, then the newer."
        raise AnnotuneError(f"{what} ({counted(len(twice), 'such answer', 'such answers')}).", advice)


def _tell_of_strangers(store: Store, answers: pl.DataFrame) -> None:
    """Warn of coders who were given no text, which may be a name that was written otherwise."""
    known = store.table("SELECT DISTINCT coder FROM assignments ORDER BY coder", schema={"coder": pl.String})["coder"]
    strangers = [name for name in answers["coder"].unique(maintain_order=True) if name not in known]
    if len(known) and strangers:
        what = f"{listing(strangers)} coded and had been given no text; those who had are {listing(known.to_list())}."
        warn(f"{what} If a name was written otherwise, mend the column with the coders and record it again.")


def _require_drawn(store: Store, answers: pl.DataFrame) -> None:
    """Stop where the store drew none of the texts that were coded; count those of which that is so."""
    drawn = set(store.table("SELECT DISTINCT unit_id FROM draws", schema={"unit_id": pl.String})["unit_id"])
    units = answers["unit_id"].unique(maintain_order=True)
    strange = [unit for unit in units if unit not in drawn]
    if drawn and len(strange) == len(units):
        what = f"{store.path} drew none of the {len(units):,} texts that were coded, such as {strange[0]!r}."
        raise AnnotuneError(what, "They are of another study: name its store.")
    if drawn and strange:
        texts = counted(len(strange), "text was", "texts were")
        warn(
            f"{texts} coded that no wave drew, such as {listing(strange[:1])}: recorded, but no correction counts them."
        )


def _marked(answers: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The answers, each marked as new, changed or the same as the one that is there."""
    beside = answers.join(before, on=KEY, how="left", maintain_order="left")
    same = (pl.col("labels") == pl.col("last")) & (pl.col("status") == pl.col("last_status"))
    mark = pl.when(pl.col("last").is_null()).then(pl.lit("new")).when(same).then(pl.lit("same"))
    return beside.with_columns(mark.otherwise(pl.lit("changed")).alias("mark"))


def _summary(store: Store, marked: pl.DataFrame) -> pl.DataFrame:
    """What was recorded of each coder, and what is left to code."""
    marks = [(pl.col("mark") == mark).sum().cast(pl.Int64).alias(mark) for mark in ("new", "changed", "same")]
    by_coder = marked.group_by("coder", maintain_order=True).agg(marks)
    query = """
        SELECT a.coder, count(*) AS "open" FROM assignments a
        WHERE NOT EXISTS (SELECT 1 FROM people p WHERE p.unit_id = a.unit_id AND p.coder = a.coder) GROUP BY a.coder
    """
    left = store.table(query, schema={"coder": pl.String, "open": pl.Int64})
    return by_coder.join(left, on="coder", how="left", maintain_order="left").with_columns(pl.col("open").fill_null(0))
