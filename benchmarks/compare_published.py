"""Published predictions compared, for docs/compare.md: policy codes, subjects of data sets, tone of headlines.

    python benchmarks/compare_published.py [folder with the data sets] [folder for pages]

Prints each table in Markdown, the sentences below it, and how long it took; and writes each as a page.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

import annotune as at

TONE = {-1: "negative", 0: "neutral", 1: "positive"}


def policy_codes(folder: Path, **options: Any) -> at.Comparison:
    """European Parliament questions: 21 policy codes by a fine-tuned Llama-2-7B."""
    rows = pl.read_csv(folder / "labels_predictions.csv").filter(pl.col("split") == "test")
    key = {"unit_id": pl.col("id_coding").cast(pl.String), "variable": pl.lit("topic")}
    said = {"llama-2-7b": rows.select(**key, label="llama2_7b_ft")}
    return at.compare(said, rows.select(**key, label="label"), **options)


def subjects(folder: Path, **options: Any) -> at.Comparison:
    """Subjects of 32,619 data sets, sets of 15 labels, by two fine-tuned models."""
    truth = _sets(pl.read_parquet(folder / "true_labels.parquet").select("id", said="labels"), "truth")
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(sorted(truth["label"].unique())))
    book = at.Codebook(variables=(at.Variable(name="subject", kind="multilabel", labels=labels),))
    predictions = pl.read_parquet(folder / "predictions.parquet")
    models = predictions["model"].unique(maintain_order=True)
    said = [_sets(predictions.filter(model=name).select("id", said="predicted_clean"), name) for name in models]
    return at.compare(said, truth, codebook=book, **options)


def _sets(said: pl.DataFrame, coder: str) -> pl.DataFrame:
    split = said.with_columns(label=pl.col("said").replace("", "N/A").str.split("|")).explode("label").unique()
    return split.select(unit_id="id", variable=pl.lit("subject"), coder=pl.lit(coder), label="label")


def tone(folder: Path, **options: Any) -> at.Comparison:
    """Dutch headlines: the crowd, students, a convolutional network and two dictionaries against experts."""
    key = {"unit_id": pl.col("id").cast(pl.String), "variable": pl.lit("tone")}
    gold = pl.read_csv(folder / "headlines.csv").filter(pl.col("gold_label").is_not_null())
    people = pl.read_csv(folder / "codings.csv").with_columns(pl.col("coder").cast(pl.String))
    machines = pl.read_parquet(folder / "machine_predictions.parquet")
    one = (pl.col("method") == "ml") & pl.col("repetition").fill_null(0).eq(0) & (pl.col("variable") == "cnn")
    machines = machines.filter(one | pl.col("variable").is_in(["boukes", "LSD_google"]))
    book = at.Codebook(
        variables=(
            at.Variable(
                name="tone",
                kind="ordinal",
                labels=tuple(at.Label(code=code, name=name) for code, name in enumerate(TONE.values())),
            ),
        )
    )
    groups = {kind: people.filter(kind=kind)["coder"].unique().sort().to_list() for kind in ("crowd", "student")}
    said = [
        frame.select(**key, coder=coder, label=_label("value"))
        for frame, coder in ((people, "coder"), (machines, "variable"))
    ]
    return at.compare(said, gold.select(**key, label=_label("gold_label")), codebook=book, people=groups, **options)


def _label(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).replace_strict(TONE, default=None, return_dtype=pl.String)


def main() -> None:
    pages = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data"
    sources = (
        (policy_codes, "seed_cap_ep_questions", "accuracy"),
        (subjects, "seed_dataverse_predictions", "macro_f1"),
        (tone, "ecosent_dutch_headlines", "accuracy"),
    )
    for compare, name, measure in sources:
        started = time.perf_counter()
        found = compare(root / name)
        print(f"\n{compare.__doc__} ({time.perf_counter() - started:.1f} s)\n")
        with pl.Config(
            tbl_formatting="ASCII_MARKDOWN",
            tbl_hide_column_data_types=True,
            tbl_hide_dataframe_shape=True,
            tbl_cols=20,
            tbl_rows=20,
            fmt_str_lengths=40,
            tbl_width_chars=200,
            float_precision=3,
        ):
            print(found.table())
        print(*found.in_words(measure), sep="\n")
        if pages is not None:
            title = str(compare.__doc__).split(":")[0].rstrip(".")
            print(at.report(pages / f"{compare.__name__}.html", compare=found, title=title))


if __name__ == "__main__":
    main()
