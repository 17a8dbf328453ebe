"""Does a coder read the codebook? The same texts, coded by the codebook written in other ways, and what moves."""

# ruff: noqa: PT028  (test_codebook is a verb of annotune, and no test of pytest)
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from annotune.data.codebook import Codebook, Variable, read_codebook
from annotune.data.codings import ANSWERED, SCHEMA, read_codings
from annotune.data.corpus import read_corpus
from annotune.errors import AnnotuneError, counted
from annotune.hybrid.codebook_variants import (
    AS_WRITTEN,
    NEUTRAL,
    ORDER,
    PARAPHRASE,
    SENTENCE,
    SWAPPED,
    UNDEFINED,
    Variant,
    variants,
)
from annotune.measures.limits import wilson
from annotune.pictures import Point, forest, saved
from annotune.progress import bar
from annotune.readable import Part, Readable, brief_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Coder = Callable[[pl.DataFrame, Codebook], Any]
NORMAL = 1.959964  # standard errors to each side of 95 % limits
MOST_DRAWN = 20  # sentences in the picture
NONE, IN_OTHER_WORDS = "(none)", "the codebook in other words"
CELLS = {"n_units": pl.Int64, "changed": pl.Int64, "share": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64}
QUESTIONS = {
    ORDER: "do codes depend on the order of the labels?",
    NEUTRAL: "can it do without the labels' names?",
    UNDEFINED: "do the definitions matter?",
    SWAPPED: "does it follow the definitions (0%) or the names (100%)?",
    PARAPHRASE: "do codes depend on the wording?",
}


@dataclass(frozen=True, repr=False)
class CodebookTest(Readable):
    """What came of `test_codebook`.

    Attributes
    ----------
    variable, coder
        What was coded, and by whom.
    tests
        A row per way in which the codebook was written, beside the codebook as written: test, variant, n_units (texts
        that have an answer both times), changed (answers that differ, labels being compared by what they stand for),
        share with 95 % limits, unanswered (texts that only then have no answer).
    sentences
        The same for each sentence that was left out: part (a label, or "the instruction"), sentence, and the move that
        is most frequent among the changes, in words. Those that move most codes first.
    recognized
        A row per definition and example of the codebook, given as a text: label, part (definition or example), text,
        answer, right.
    moves
        How many codes went from which label to which: variant, before, after, n_units.
    codings
        The codings of all variants, by the codebook's own names of labels; the coder is named after the variant.
    """

    variable: str
    coder: str
    tests: pl.DataFrame
    sentences: pl.DataFrame
    recognized: pl.DataFrame
    moves: pl.DataFrame
    codings: pl.DataFrame

    def in_words(self) -> list[str]:
        """The findings, a sentence each."""
        right, n = int(self.recognized["right"].sum()), len(self.recognized)
        texts = counted(n, "definition or example", "definitions and examples")
        first = f"{self.coder} gives its own label to {right} of {texts}."
        lines = [first] if n else []
        for test in self.tests["test"].unique(maintain_order=True):
            rows = self.tests.filter(pl.col("test") == test)
            total, changed = int(rows["n_units"].sum()), int(rows["changed"].sum())
            share = f"{changed / total:.0%}" if total else "none"
            lines.append(f"{test.capitalize()} ({QUESTIONS[test]}): {share} of codes change.")
        leading = self.sentences.filter(pl.col("changed") > 0).head(1)
        for row in leading.iter_rows(named=True):
            what = (
                f"Of single sentences, leaving out {row['sentence']!r} of {row['part']} moves most: {row['share']:.0%}"
            )
            lines.append(f"{what}, mostly {row['move']}.")
        if len(self.sentences) and not len(leading):
            lines.append("No single sentence moves any code.")
        return lines

    def _parts(self) -> Iterator[Part]:
        yield f"Codebook test of {self.variable}, by {self.coder}"
        yield from self.in_words()
        yield brief_table(self.tests, ["variant", "n_units", "changed", "share", "ci_low", "ci_high"])
        if len(self.sentences):
            yield brief_table(self.sentences, ["part", "sentence", "changed", "share", "move"])

    def plot(self, path: str | Path | None = None) -> Figure:
        """The share of codes that change, for each way of writing the codebook and for the 20 leading sentences."""
        ways = [(row["variant"], row, IN_OTHER_WORDS) for row in self.tests.iter_rows(named=True)]
        leading = self.sentences.head(MOST_DRAWN).iter_rows(named=True)
        ways += [(f"{row['part']}: {row['sentence']}", row, "without a sentence of") for row in leading]
        points = [Point(name, row["share"], row["ci_low"], row["ci_high"], "", group) for name, row, group in ways]
        return saved(forest(points, "share of codes that change", (-0.01, 1.01)), path)


def test_codebook(
    corpus: Any,
    codebook: Codebook,
    coder: str | Coder,
    *,
    variable: str | None = None,
    paraphrase: Codebook | str | Path | None = None,
    n: int | None = 100,
    orders: int = 3,
    ablation: bool = True,
    seed: int = 1,
    unit_id: str = "unit_id",
    text: str = "text",
    options: Mapping[str, Any] | None = None,
) -> CodebookTest:
    """Test whether a coder that is given a codebook reads it, before its codes are believed or paid for.

    The same texts are coded by the codebook as written and by others that should give the same codes (labels in another
    order, with neutral names, a paraphrase), or that show what the codes rest on (without definitions, with the
    definitions of each other's labels, without each single sentence). Each definition and example is also given as a
    text, which should get its own label. After Halterman and Keith (2025), "Codebook LLMs", Political Analysis.

    Parameters
    ----------
    corpus
        Texts, as `read_corpus` takes them; they need not be coded.
    codebook
        What is coded.
    coder
        A decoder (a folder or a hub name, see `zero_shot`), whose weights are read once and which reads each variant's
        codebook once for all texts; or any function `coder(corpus, codebook)` that gives codings of the frame (unit_id,
        text) by the codebook's only variable.
    variable
        The variable; may be left out where the codebook has only one.
    paraphrase
        The same codebook in other words, or its file: its labels have the same codes.
    n
        How many texts are coded, drawn at random where the corpus has more; None for all.
    orders
        In how many other orders the labels are given.
    ablation
        Whether each sentence of each definition, and of the instruction, is left out in turn: one run each.
    seed
        Of the draw and of the orders.
    unit_id, text
        The corpus's columns.
    options
        Options of `zero_shot` for a decoder, such as `{"template": "plain"}`.

    Returns
    -------
    CodebookTest

    Raises
    ------
    AnnotuneError
        Where no text can be coded, the paraphrase has other codes, or the coder gives no codings of the texts, or
        labels that are not in the codebook it was given.

    Examples
    --------
    >>> import annotune as at, polars as pl
    >>> labels = (at.Label(code=1, name="war", definition="About tanks."), at.Label(code=2, name="trade"))
    >>> book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    >>> texts = pl.DataFrame({"unit_id": ["a", "b"], "text": ["tanks", "tariffs"]})
    >>> def first(corpus, book):  # a coder that does not read, and always takes the first label
    ...     about = {"variable": book.variables[0].name, "coder": "first", "label": book.variables[0].names[0]}
    ...     return corpus.select("unit_id", **{name: pl.lit(value) for name, value in about.items()})
    >>> found = at.test_codebook(texts, book, first)
    >>> found.tests.select("variant", "share").rows()
    [('other order 1', 1.0), ('neutral names', 0.0), ('no definitions', 0.0)]
    """
    entry = codebook.variable(variable)
    texts = _drawn(read_corpus(corpus, unit_id, text).select("unit_id", "text"), n, seed)
    if orders < 0:
        raise AnnotuneError(f"{orders} orders of labels cannot be tried.", "Give 0 or more.")
    ways = variants(entry, _paraphrase_of(paraphrase, entry), orders, ablation, seed)
    code = _coder(coder, options or {})
    own = _own_texts(entry)
    own_texts = own.select("unit_id", "text")
    coded: dict[str, pl.DataFrame] = {}
    with bar("Testing the codebook", len(ways)) as advance:
        for way in ways:
            asked = pl.concat([texts, own_texts]) if way.kind == AS_WRITTEN and len(own_texts) else texts
            coded[way.name] = _codings_of(code, asked, way)
            advance(1)
    return _tested(entry, ways, coded, own)


def _drawn(texts: pl.DataFrame, n: int | None, seed: int) -> pl.DataFrame:
    """So many of the texts that are not empty, in the corpus's order."""
    whole = texts.drop_nulls("text")
    if not len(whole):
        raise AnnotuneError("The corpus has no text to code.", "Give texts that are not empty.")
    if n is not None and n < 1:
        raise AnnotuneError(f"{n} texts cannot be coded.", "Give 1 or more, or None for all.")
    if n is None or n >= len(whole):
        return whole
    return whole[np.sort(np.random.default_rng(seed).choice(len(whole), n, replace=False))]


def _paraphrase_of(paraphrase: Codebook | str | Path | None, entry: Variable) -> Variable | None:
    if paraphrase is None:
        return None
    book = paraphrase if isinstance(paraphrase, Codebook) else read_codebook(paraphrase)
    return book.variable(entry.name if len(book.variables) > 1 else None)


def _coder(coder: str | Coder, options: Mapping[str, Any]) -> Coder:
    if callable(coder):
        if options:
            raise AnnotuneError("options= are for a decoder, and the coder is a function.", "Leave them out.")
        return coder
    from annotune.models.zeroshot import decoder

    return decoder(coder, **options)


def _own_texts(entry: Variable) -> pl.DataFrame:
    """The codebook's own definitions and examples as texts: unit_id, label, part, text."""
    rows = [(label.name, "definition", label.definition) for label in entry.labels if label.definition]
    rows += [
        (label.name, "example", example) for label in entry.labels for example in label.examples if example.strip()
    ]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("label", "part", "text"), pl.String), orient="row")
    return frame.with_columns(unit_id=pl.format("\u2063{}", pl.int_range(pl.len())))  # no id of the corpus


def _codings_of(code: Coder, texts: pl.DataFrame, way: Variant) -> pl.DataFrame:
    """The codings by one variant, with the names that labels have in the codebook."""
    codings = read_codings(code(texts, way.codebook), way.codebook)
    rows = codings.filter(
        (pl.col("variable") == way.variable.name) & pl.col("unit_id").is_in(texts["unit_id"].implode())
    )
    if not rows["unit_id"].n_unique():
        raise AnnotuneError(
            f"The coder gave no codings of {way.variable.name!r}.", "It must code the texts it is given."
        )
    if rows["coder"].n_unique() > 1:
        raise AnnotuneError("The codings are of several coders.", "Test one coder at a time.")
    names = pl.col("label").cast(pl.String).replace_strict(way.original, default=None, return_dtype=pl.String)
    return rows.select(*SCHEMA).with_columns(label=names)


def _answers(codings: pl.DataFrame) -> pl.DataFrame:
    """Each unit's answer, the names of its labels: unit_id, answer; null where there is none."""
    answered = pl.col("status").is_in(ANSWERED).any()
    labels = pl.col("label").drop_nulls().unique().sort().str.join("; ")
    label_names = pl.when(labels == "").then(pl.lit(NONE)).otherwise(labels)
    return codings.group_by("unit_id", maintain_order=True).agg(answer=pl.when(answered).then(label_names))


def _tested(entry: Variable, ways: list[Variant], coded: Mapping[str, pl.DataFrame], own: pl.DataFrame) -> CodebookTest:
    everything = _answers(coded[AS_WRITTEN])
    base = everything.join(own, on="unit_id", how="anti")
    rows, moves = [], []
    for way in ways[1:]:
        pairs = base.join(_answers(coded[way.name]), on="unit_id", how="left", suffix="_then")
        rows.append(
            {"test": way.kind, "variant": way.name, "part": way.part, "sentence": way.sentence, **_change(pairs)}
        )
        moves.append(_moves(pairs, way.name))
    about = dict.fromkeys(("test", "variant", "part", "sentence"), pl.String)
    table = pl.DataFrame(rows, schema={**about, **CELLS, "unanswered": pl.Int64, "move": pl.String})
    in_words = table.filter(pl.col("test") != SENTENCE).drop("part", "sentence", "move")
    without = table.filter(pl.col("test") == SENTENCE).drop("test", "unanswered")
    schema = {"variant": pl.String, "before": pl.String, "after": pl.String, "n_units": pl.Int64}
    hits = coded[AS_WRITTEN].select("unit_id", "label", right=pl.lit(True)).unique()
    recognized = (
        own.join(everything, on="unit_id", how="left", maintain_order="left")
        .join(hits, on=["unit_id", "label"], how="left", maintain_order="left")
        .select("label", "part", "text", "answer", pl.col("right").fill_null(False))
    )
    coder = str(coded[AS_WRITTEN]["coder"][0])
    by_variant = [
        coded[way.name].join(own, on="unit_id", how="anti").with_columns(coder=pl.lit(f"{coder}, {way.name}"))
        for way in ways
    ]
    return CodebookTest(
        entry.name,
        coder,
        in_words,
        without.sort("share", descending=True, nulls_last=True, maintain_order=True),
        recognized,
        pl.concat([pl.DataFrame(schema=schema), *moves]),
        pl.concat(by_variant),
    )


def _change(pairs: pl.DataFrame) -> dict[str, Any]:
    """How many answers differ, of the texts that have one both times; the most frequent move in words."""
    both = pairs.drop_nulls()
    changed, n = int((both["answer"] != both["answer_then"]).sum()), len(both)
    low, high = wilson(np.array([changed / max(n, 1)]), np.array([max(n, 1)]), np.array([NORMAL]))
    moved = _moves(pairs, "").head(1).rows()
    share = {"share": changed / n, "ci_low": float(low[0]), "ci_high": float(high[0])} if n else {}
    lost = int((pairs["answer"].is_not_null() & pairs["answer_then"].is_null()).sum())
    move = f"{moved[0][1]} → {moved[0][2]} ({moved[0][3]})" if moved else None
    return {"n_units": n, "changed": changed, **share, "unanswered": lost, "move": move}


def _moves(pairs: pl.DataFrame, variant: str) -> pl.DataFrame:
    moved = pairs.drop_nulls().filter(pl.col("answer") != pl.col("answer_then"))
    counts = moved.group_by("answer", "answer_then", maintain_order=True).len("n_units")
    counts = counts.sort("n_units", descending=True, maintain_order=True)
    columns = {"before": "answer", "after": "answer_then"}
    return counts.select(
        pl.lit(variant).alias("variant"), *(pl.col(old).alias(new) for new, old in columns.items()),
        pl.col("n_units").cast(pl.Int64),
    )  # fmt: skip
