"""The coded texts of benchmarks/accuracy.py and benchmarks/fresh_texts.py, looked for in ../shared/data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

DATA = Path(__file__).parents[2] / "shared" / "data"
TESTED = {
    "ecosent_en": 120,
    "napire": 600,
    "uk_manifestos": 1_500,
}  # where texts are drawn at random
MOST_TESTED = 1_000  # elsewhere


def banking77() -> pl.DataFrame:
    """77 kinds of bank customers' questions; the published test part."""
    frame = pl.read_csv(DATA / "banking77" / "banking77.csv")
    return frame.select("text", "label", test=pl.col("split") == "test")


def manifestos() -> pl.DataFrame:
    """Sentences on immigration in British manifestos, by the crowd's majority; three whole manifestos are the test."""
    folder = DATA / "uk_manifestos_immigration"
    codings = pl.read_parquet(folder / "immigration_codings.parquet").filter(~pl.col("gold_test_item"))
    share = pl.col("label_immigration") == "immigration"
    gold = codings.group_by("sentence_id", "manifesto", "text", maintain_order=True).agg(share.mean())
    label = pl.when(pl.col("label_immigration") >= 0.5).then(pl.lit("immigration")).otherwise(pl.lit("other"))
    held = pl.col("manifesto").is_in(["BNP 2010", "LD 2010", "UKIP 2010"])
    return gold.sort("sentence_id").select("text", label=label, test=held)


def headlines(column: str, n_test: int) -> pl.DataFrame:
    """Sentiment of Dutch economic headlines as students coded it; the 284 of the gold part also in English."""
    frame = pl.read_csv(DATA / "ecosent_dutch_headlines" / "headlines.csv").drop_nulls(column).sort("id")
    return _draw(frame.select(text=pl.col(column), label=pl.col("label").cast(pl.String)), n_test)


def survey() -> pl.DataFrame:
    """Open answers on causes and effects of problems, those with one code that 20 answers or more have."""
    frame = pl.read_csv(DATA / "napire2018_open_answers" / "final_codes.csv", infer_schema_length=0)
    frame = frame.filter(pl.col("question").is_in([f"v_{i}" for i in range(277, 287)]) & pl.col("text").is_not_null())
    code = pl.col("code").str.strip_chars().str.to_lowercase()  # some codes are there in two spellings
    answers = frame.group_by("respondent", "question", "text", maintain_order=True).agg(code.unique())
    one = answers.filter(pl.col("code").list.len() == 1).with_columns(label=pl.col("code").list.first())
    return _draw(one.filter(pl.len().over("label") >= 20).select("text", "label"), 600)


def popbert(more_than: float = 0.5) -> pl.DataFrame:
    """German sentences with four marks of populist style, any of which may hold; by majority of five coders.

    Or by another share of the coders, of which more have to give a mark; `shares` are the shares that gave each.
    """
    folder = DATA / "popbert_bundestag"
    labels = ["elite", "centr", "left", "right"]
    shares = [pl.col(label).cast(pl.Float64).mean() for label in labels]
    gold = pl.read_parquet(folder / "codings.parquet").group_by("unit_id").agg(shares)
    frame = pl.read_parquet(folder / "sentences.parquet").join(gold, on="unit_id").sort("unit_id")
    sets = pl.concat_list(pl.when(pl.col(one) > more_than).then(pl.lit(one)) for one in labels).list.drop_nulls()
    return frame.select("text", label=sets, shares=pl.struct(labels))


def _draw(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    chosen = np.random.default_rng(0).permutation(len(frame)) < n
    return frame.with_columns(test=pl.Series(chosen))


TASKS: dict[str, Callable[[], pl.DataFrame]] = {
    "banking77": banking77,
    "uk_manifestos": manifestos,
    "ecosent": lambda: headlines("text", 1500),
    "ecosent_en": lambda: headlines("text_english", 120),
    "napire": survey,
}
SETS: dict[str, Callable[[], pl.DataFrame]] = {**TASKS, "popbert": popbert, "popbert_any": lambda: popbert(0)}


def texts_of(name: str) -> pl.DataFrame:
    """A set's different texts that say anything: text, label (a label, or a list of labels), and shares if there."""
    frame = SETS[name]().filter(pl.col("text").str.contains(r"\w"))  # what says nothing is coded by no model
    return frame.unique("text", maintain_order=True)


def at_random(name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A set's texts drawn into a pool to code from, and a test part that stays the same."""
    mixed = texts_of(name).drop("test", strict=False).sample(fraction=1, shuffle=True, seed=0)
    n = TESTED.get(name, MOST_TESTED)
    return mixed[n:], mixed[:n]


def encoded(labels: pl.Series, names: list[str]) -> np.ndarray:
    """Label numbers (n,), of labels that are not among the names and of none -1; or truth values (n, labels)."""
    if labels.dtype == pl.List:
        return np.array([[name in one for name in names] for one in labels.to_list()])
    numbers = {name: i for i, name in enumerate(names)}
    return np.array([numbers.get(label, -1) for label in labels])
