"""The corpus with its codes beside it: one row per text, ready to be written and analysed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook, Variable
from annotune.data.coder_shares import share_columns
from annotune.data.codings import ANSWERED, Codings, check, require_labels
from annotune.data.columns_of_sets import label_columns
from annotune.data.deciding import evidence_beside, evidence_headings, evidence_of_labels
from annotune.data.drawn import drawn_only, with_draws
from annotune.data.frames import as_frame, identified, require_columns
from annotune.errors import AnnotuneError, listing, warn


def attach(
    corpus: Any, codings: Any, *, codebook: Codebook, gold: Any = None, text: bool = False, draws: Any = None
) -> pl.DataFrame:
    """Put each unit's codes beside its covariates.

    Parameters
    ----------
    corpus
        n rows: unit_id, text, covariates.
    codings
        A table of codings by one coder a variable, as `Classifier.classify` returns it.
    codebook
        Gives each column its labels, in order.
    gold
        What people decided; adds `<variable>_gold` where they coded the unit, and `<variable>_share_<label>`, the
        share of its coders who gave the label, where the gold has shares (see `resolve`).
    text
        Whether the text stays in.
    draws
        How texts were drawn for coding: a study's store (.annotune), or a table of draws as `sample` and `read_draws`
        give it. Adds `pi` and `wave`, which `correct` and `prevalence` find by themselves.

    Returns
    -------
    polars.DataFrame
        n rows in the corpus's order: unit_id, covariates, and for a variable `topic` the columns
        `topic` (its label, `pl.Enum`), `topic_prob`, `topic_status`, `topic_p_<label>`, `topic_gold`.
        A multi-label variable has a 0/1 column `topic_<label>` for each label in place of `topic`.
        With deciding passages (see `Classifier.classify`) also `topic_evidence`, `topic_evidence_share`,
        `topic_evidence_start` and `topic_evidence_end`, of a multi-label variable for each label.
        With draws also `pi`, each text's probability of being drawn, and `wave`, null where it was not drawn. Texts
        that the corpus does not have are left out, and counted in a warning.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> vote = at.Variable(name="vote", labels=(at.Label(code=1, name="yes"), at.Label(code=2, name="no")))
    >>> said = pl.DataFrame({"unit_id": ["b"], "variable": ["vote"], "label": ["no"]})
    >>> texts = pl.DataFrame({"unit_id": ["a", "b"], "text": ["...", "..."]})
    >>> at.attach(texts, said, codebook=at.Codebook(variables=(vote,)))["vote"].to_list()
    [None, 'no']
    """
    frame = identified(corpus)
    frame = frame if text else frame.drop("text", strict=False)
    frame = frame if draws is None else with_draws(frame, draws)
    table = check(codings)
    coded, names = set(table["variable"]), [entry.name for entry in codebook.variables]
    variables = [entry for entry in codebook.variables if entry.name in coded]
    require_room(frame, variables, gold is not None, "evidence" in table.columns)
    if not coded & set(names):
        variables_there = f"The codings are of {listing(sorted(coded))}." if coded else "There are no codings."
        raise AnnotuneError("Nobody coded a variable of the codebook.", variables_there)
    gold_rows = None if gold is None else check(gold)
    if gold_rows is not None and draws is not None:
        gold_rows = drawn_only(frame, gold_rows)
    _tell_strangers(frame, table.filter(pl.col("variable").is_in(names)), "codings")
    if gold_rows is not None:
        _tell_strangers(frame, gold_rows.filter(pl.col("variable").is_in(names)), "gold")
    for entry in codebook.variables:
        require_labels(table.filter(pl.col("variable") == entry.name), entry, "codings")
        if gold_rows is not None:
            require_labels(gold_rows.filter(pl.col("variable") == entry.name), entry, "gold")
    for entry in codebook.variables:
        rows = table.filter(pl.col("variable") == entry.name)
        if len(rows):
            frame = _beside(frame, rows, entry)
            if gold_rows is not None:
                by_hand = gold_rows.filter(pl.col("variable") == entry.name)
                frame = _shares_beside(gold_beside(frame, by_hand, entry), by_hand, entry)
    return frame


def detach(table: Any, entry: Variable, coder: str = "model") -> Codings:
    """The codings of a variable out of a table that `attach` made, or of a file of one.

    They have `p_<label>` and the passages that decided where the table has them. A text that was not coded keeps a row,
    with the status `missing`.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> vote = at.Variable(name="vote", labels=(at.Label(code=1, name="yes"), at.Label(code=2, name="no")))
    >>> wide = pl.DataFrame({"unit_id": ["a", "b"], "vote": ["no", None], "vote_prob": [0.8, None]})
    >>> detach(wide, vote).select("unit_id", "label", "prob", "status").rows()
    [('a', 'no', 0.8, 'ok'), ('b', None, None, 'missing')]
    """
    frame, name, column_of = as_frame(table), entry.name, label_columns(entry, entry.name)
    require_columns(frame, ["unit_id", *(column_of.values() if entry.kind == "multilabel" else [name])], "The table")
    stated = {f"p_{label}": column for label, column in label_columns(entry, f"{name}_p").items()}
    source_of = {new: old for new, old in {"prob": f"{name}_prob", **stated}.items() if old in frame.columns}
    if entry.kind == "multilabel":
        coded: pl.Expr = pl.all_horizontal(pl.col(*column_of.values()).is_not_null())
        label_if_set = [pl.when(pl.col(column) == 1).then(pl.lit(label)) for label, column in column_of.items()]
        labels_of_set = pl.concat_list(label_if_set).list.drop_nulls()
        label: pl.Expr = pl.when(labels_of_set.list.len() > 0).then(labels_of_set)  # an empty list would be a row less
    else:
        coded, label = pl.col(name).is_not_null(), pl.concat_list(pl.col(name).cast(pl.String))
    about = {"variable": pl.lit(name), "coder": pl.lit(coder), "label": label, "_coded": coded}
    passages = [column for column in evidence_headings(entry) if column in frame.columns]
    long = frame.select("unit_id", *passages, **about, **{new: pl.col(old) for new, old in source_of.items()})
    long = evidence_of_labels(long.explode("label"), entry)
    absent = pl.when(pl.col("_coded")).then(pl.lit("none")).otherwise(pl.lit("missing"))
    status = pl.when(pl.col("label").is_null()).then(absent).otherwise(pl.lit("ok"))
    return check(long.with_columns(status.alias("status")).drop("_coded"))


def _tell_strangers(corpus: pl.DataFrame, codings: pl.DataFrame, table_name: str) -> None:
    """Say how many units of the codings are lost, because the corpus does not have them."""
    units = codings["unit_id"].unique(maintain_order=True)
    strange = units.filter(~units.is_in(corpus["unit_id"].implode()))
    if len(strange):
        of = f"{len(strange):,} of {len(units):,} texts of the {table_name}"
        warn(f"{of} are not in the corpus and are left out, such as {strange[0]!r}.")


def require_room(corpus: pl.DataFrame, variables: Sequence[Variable], gold: bool, evidence: bool = False) -> None:
    """Stop where a column of the corpus has the name of one that `attach` adds, with gold and evidence or without."""
    added = [name for entry in variables for name in _added(entry, gold)]
    passages = [name for entry in variables for name in evidence_headings(entry)] if evidence else []
    _require_free(corpus, [*added, *passages])


def _require_free(corpus: pl.DataFrame, added: Sequence[str]) -> None:
    names_in_use = [name for name in added if name in corpus.columns]
    if names_in_use:
        raise AnnotuneError(
            f"The corpus has a column {names_in_use[0]!r} already.", "Rename it, or leave it out (covariates)."
        )


def blank(corpus: pl.DataFrame, variables: Sequence[Variable]) -> pl.DataFrame:
    """No rows, and the columns that `attach` gives the corpus when these variables are coded and have gold."""
    added = {name: _type_of(name, entry) for entry in variables for name in _added(entry, gold=True)}
    return corpus.drop("text", strict=False).clear().hstack(pl.DataFrame(schema=added))


def _type_of(name: str, entry: Variable) -> pl.DataType:
    if name == f"{entry.name}_status":
        return pl.String()
    if name in (entry.name, f"{entry.name}_gold"):
        return pl.Enum(entry.names)
    return pl.Float32() if name.startswith((f"{entry.name}_p_", f"{entry.name}_prob")) else pl.Int8()


def _added(entry: Variable, gold: bool) -> list[str]:
    """The columns that a variable can add, whatever the codings hold."""
    name = entry.name
    probabilities = [f"{name}_status", *label_columns(entry, f"{name}_p").values()]
    if entry.kind == "multilabel":
        gold_columns = list(label_columns(entry, f"{name}_gold").values())
        return [*label_columns(entry, name).values(), *probabilities, *(gold_columns if gold else [])]
    return [name, f"{name}_prob", *probabilities, *([f"{name}_gold"] if gold else [])]


def headings(codebook: Codebook, columns: Collection[str]) -> dict[str, str]:
    """What those of these columns hold that `attach` added, for the variable labels of data files."""
    heading_of = {}
    for entry in codebook.variables:
        heading_of[f"{entry.name}_prob"] = f"{entry.name}: the coder's probability for its label"
        heading_of[f"{entry.name}_status"] = f"{entry.name}: why there is a label, or none"
        heading_of[f"{entry.name}_gold"] = f"{entry.name}: what people decided"
        for label, column in label_columns(entry, f"{entry.name}_p").items():
            heading_of[column] = f"{entry.name}: the coder's probability for {label}"
        heading_of |= evidence_headings(entry)
        heading_of |= _set_headings(entry) if entry.kind == "multilabel" else {}
        for label, column in label_columns(entry, f"{entry.name}_share").items():
            heading_of[column] = f"{entry.name}: the share of the text's coders who gave {label}"
    return {column: heading for column, heading in heading_of.items() if column in columns}


def _set_headings(entry: Variable) -> dict[str, str]:
    """Of the 0/1 columns of a variable of sets: the coder's, and people's."""
    whose = {entry.name: "the coder", f"{entry.name}_gold": "people"}
    return {
        column: f"{entry.name}: whether {who} gave {label}"
        for stem, who in whose.items()
        for label, column in label_columns(entry, stem).items()
    }


def _beside(frame: pl.DataFrame, rows: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    if rows["coder"].n_unique() > 1:
        raise AnnotuneError(f"{entry.name!r} was coded by several coders.", "Choose one, or resolve them first.")
    name, sets = entry.name, entry.kind == "multilabel"
    probability_columns = label_columns(entry, f"{name}_p")
    probabilities = [
        pl.col(f"p_{label}").alias(probability_columns[label]) for label in entry.names if f"p_{label}" in rows.columns
    ]
    first = rows.unique("unit_id", keep="first", maintain_order=True)
    if not sets and len(first) < len(rows):
        raise AnnotuneError(f"A unit has several answers for {name!r}.", "Make them one with resolve().")
    answer = (
        _columns_of_sets(rows, entry, name)
        if sets
        else first.select("unit_id", _label(entry).alias(name), pl.col("prob").alias(f"{name}_prob"))
    )
    about_answer = first.select("unit_id", pl.col("status").alias(f"{name}_status"), *probabilities)
    joined = frame.join(answer, on="unit_id", how="left", maintain_order="left")
    joined = joined.join(about_answer, on="unit_id", how="left", maintain_order="left")
    return evidence_beside(joined, rows, entry) if "evidence" in rows.columns else joined


def gold_beside(frame: pl.DataFrame, rows: pl.DataFrame, entry: Variable, role: str = "gold") -> pl.DataFrame:
    """The frame with one answer per text: `<variable>_gold`, or another role; of sets a 0/1 column a label."""
    if entry.kind == "multilabel":
        answer = _columns_of_sets(rows, entry, f"{entry.name}_{role}")
    else:
        if rows["unit_id"].is_duplicated().any():
            what = f"A unit has several answers for {entry.name!r} in the {role}."
            raise AnnotuneError(what, "Make them one with resolve().")
        answer = rows.select("unit_id", _label(entry).alias(f"{entry.name}_{role}"))
    return frame.join(answer, on="unit_id", how="left", maintain_order="left")


def _shares_beside(frame: pl.DataFrame, rows: pl.DataFrame, entry: Variable) -> pl.DataFrame:
    """The frame with the shares of coders who gave each label, where the gold has them."""
    named = shares_added(rows, entry)
    _require_free(frame, list(named.values()))
    first = rows.unique("unit_id", keep="first", maintain_order=True)
    shares = first.select("unit_id", *(pl.col(share).alias(new) for share, new in named.items()))
    return frame.join(shares, on="unit_id", how="left", maintain_order="left")


def shares_added(gold: pl.DataFrame, entry: Variable) -> dict[str, str]:
    """The columns of a variable's gold that have shares of coders, and what they are called beside the corpus."""
    named = dict(zip(share_columns(entry), label_columns(entry, f"{entry.name}_share").values(), strict=True))
    return {share: new for share, new in named.items() if share in gold.columns and gold[share].is_not_null().any()}


def _label(entry: Variable) -> pl.Expr:
    return pl.col("label").cast(pl.Enum(entry.names))


def _columns_of_sets(rows: pl.DataFrame, entry: Variable, stem: str) -> pl.DataFrame:
    """A 0/1 column a label; null where the unit was not coded."""
    coded = pl.col("status").is_in(ANSWERED).any()
    labels = [
        pl.when(coded).then((pl.col("label") == label).fill_null(False).any()).cast(pl.Int8).alias(column)
        for label, column in label_columns(entry, stem).items()
    ]
    return rows.group_by("unit_id", maintain_order=True).agg(labels)
