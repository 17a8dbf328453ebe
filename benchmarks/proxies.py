"""Are several coders' predictions at once worth as much as the best of them, whichever that is?

python benchmarks/proxies.py [--samples 500] [--data ../shared/data/ecosent_dutch_headlines]

Writes proxies.md: for a simulation and for the 284 Dutch headlines that experts and three machines coded, the error
and the coverage of a corrected coefficient by each coder alone (recalibrated) and by all together.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at

HERE = Path(__file__).parent
MACHINES = {"svm": ("svm", None), "cnn": ("cnn", 0.0), "naive Bayes": ("nb", None)}


def simulated(seed: int, rights: tuple[float, ...], n: int = 4000, coded: int = 300) -> pl.DataFrame:
    """Texts on health or law, and coders who are right with these probabilities, less so where x > 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    health = rng.random(n) < 1 / (1 + np.exp(1 - 0.6 * x))
    labels = {
        f"coder {k + 1}": np.where((rng.random(n) < right - 0.05 * (x > 0)) == health, "Health", "Law")
        for k, right in enumerate(rights)
    }
    truth = np.where(health, "Health", "Law")
    return pl.DataFrame({"x": x, "pi": coded / n, "truth": truth, **labels})


def with_gold(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    drawn = rng.random(len(frame)) < frame["pi"][0]
    return frame.with_columns(topic_gold=pl.when(pl.Series(drawn)).then("truth"))


def slope(frame: pl.DataFrame, coders: list[str]) -> dict[str, float]:
    predicted = {"topic": ("topic_gold", coders)}
    fit = at.correct("topic == 'Health' ~ x", frame, predicted=predicted, prediction="recalibrated")
    return fit.tidy().filter(term="x", method="corrected").row(0, named=True)


def rows_of(name: str, frames, truths, coders: list[str]) -> list[str]:
    """A line per coder, and one of all; frames come anew for each sample."""
    choices = {coder: [coder] for coder in coders} | {"all": coders, "all, the worst first": coders[::-1]}
    errors, covered, stated = ({choice: [] for choice in choices} for _ in range(3))
    for frame, truth in zip(frames, truths, strict=True):
        for choice, chosen in choices.items():
            row = slope(frame, chosen)
            errors[choice].append(row["estimate"] - truth)
            covered[choice].append(row["conf_low"] <= truth <= row["conf_high"])
            stated[choice].append(row["std_error"])
    best = min(np.mean(np.square(errors[coder])) for coder in coders)
    lines = []
    for choice in choices:
        square = np.mean(np.square(errors[choice]))
        lines.append(
            f"| {name} | {choice} | {np.sqrt(square):.4f} | {np.median(stated[choice]):.4f} | "
            f"{100 * np.mean(covered[choice]):.1f} | {best / square:.2f} |"
        )
    return lines


def simulation(name: str, rights: tuple[float, ...], samples: int) -> list[str]:
    big = simulated(10**6, rights, 400_000)
    truth = np.polyfit(big["x"], (big["truth"] == "Health").to_numpy().astype(float), 1)[0]
    rng = np.random.default_rng(1)
    frames = (with_gold(simulated(seed, rights), rng) for seed in range(samples))
    return rows_of(name, frames, [truth] * samples, [f"coder {k + 1}" for k in range(len(rights))])


def headlines(folder: Path, samples: int) -> list[str]:
    """Whether a headline is negative, by whether it is a newspaper's; half of the 284 are coded by hand."""
    texts = pl.read_csv(folder / "headlines.csv").drop_nulls("gold_label")
    machines = pl.read_parquet(folder / "machine_predictions.parquet").filter(method="ml")
    frame = texts.select("id", truth=_word(pl.col("gold_label")), x=(pl.col("medtype") != "Internet").cast(pl.Float64))
    for name, (variable, repetition) in MACHINES.items():
        rows = machines.filter(pl.col("variable") == variable)
        rows = rows if repetition is None else rows.filter(pl.col("repetition") == repetition)
        frame = frame.join(rows.select("id", _word(pl.col("value")).alias(name)), on="id")
    frame = frame.with_columns(pi=pl.lit(0.5))
    truth = np.polyfit(frame["x"], (frame["truth"] == "Health").to_numpy().astype(float), 1)[0]
    rng = np.random.default_rng(2)
    frames = (with_gold(frame, rng) for _ in range(samples))
    name = f"{len(frame)} headlines, negative ~ newspaper"
    return rows_of(name, frames, [truth] * samples, list(MACHINES))


def _word(tone: pl.Expr) -> pl.Expr:
    return pl.when(tone < 0).then(pl.lit("Health")).otherwise(pl.lit("Law"))  # the outcome's name in `slope`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data/ecosent_dutch_headlines")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        *simulation("right 90, 80, 50 %", (0.9, 0.8, 0.5), chosen.samples),
        *simulation("right 80, 80, 80 %", (0.8, 0.8, 0.8), chosen.samples),
        *simulation("right 50, 50, 50 %", (0.5, 0.5, 0.5), chosen.samples),
        *(headlines(chosen.data, chosen.samples) if chosen.data.is_dir() else []),
    ]
    off = 196 * (0.95 * 0.05 / chosen.samples) ** 0.5
    head = f"""# Several coders at once

`correct(predicted={{"topic": ("topic_gold", [...])}})` beside each coder alone, recalibrated: the slope of a linear
regression. Simulated: 4,000 texts, 300 of them coded by hand, coders right with the probabilities named, 5 points less
where x > 0. Headlines: those that experts and three machines coded (Van Atteveldt, Van der Velden and Boukes 2021),
half of them drawn; the truth there is the slope in all of them, so that intervals, which are for a larger population,
hold it too often. *Effective sample*: how many hand codings of the best coder alone one of this row is worth.
{chosen.samples:,} samples each; the simulation error of a coverage of 95 is ±{off:.1f}. Rows on one kind of texts
are of the same samples, and so are off together.

| texts | coders | error (root mean square) | stated | coverage | effective sample |
|---|---|---|---|---|---|
"""
    (HERE / "proxies.md").write_text(head + "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
