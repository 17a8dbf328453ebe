"""Learning from all coders' answers or from what most of them said, measured against the coders of other texts.

    python benchmarks/coder_shares.py popbert --base FOLDER [--sizes 600,2500,5000] [--draws 1,2,3]
    python benchmarks/coder_shares.py uk_manifestos

popbert: sentences of the Bundestag, four marks of populist style that may hold together, five coders on each (Erhard et
al. 2024). uk_manifestos: sentences of manifestos, about immigration or not, some six coders of a crowd on each (Benoit
et al. 2016), without the test questions put to the crowd. In each draw models learn from so many texts, once from gold
by `rule="majority"` and once by `rule="shares"`, and are measured on all others: log score, Brier score and distance
against the shares of the coders there, macro-F1 and accuracy (of sets: the share of exact ones) against the label that
most of them gave. Every text is embedded once, and kept in --cache; with `--method lora` networks are tuned.

The model by shares also learns what each coder would say (`coders=`): its log score against the coders' own answers
is set beside that of what any of them would.

Prints the means over draws, and the gain of shares with a 95 % interval: 2,000 bootstrap samples of the texts, in which
each text keeps the draws in which it was tested.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import annotune as at
from annotune.data.coder_shares import shares_of
from annotune.data.codings import Codings
from annotune.data.encoded import encode
from annotune.measures.baselines import TF_IDF
from annotune.measures.share_scores import OVERALL, SHARE_MEASURES, scores_of_texts
from annotune.network.encoder import Encoder
from annotune.tuning import held_out, task
from annotune.tuning.coder_answers import answers_of_coders
from annotune.tuning.coder_offsets import CoderOffsets

DATA = Path(__file__).parents[2] / "shared" / "data"
RULES = ("majority", "shares")
BASELINES = (OVERALL, TF_IDF)
REPLICATES = 2000


def popbert(folder: Path) -> tuple[pl.DataFrame, Codings, at.Codebook]:
    """Texts, all coders' sets, and the codebook."""
    names = ("elite", "centr", "left", "right")
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(names))
    book = at.Codebook(variables=(at.Variable(name="marks", kind="multilabel", labels=labels),))
    source = folder / "popbert_bundestag"
    texts = pl.read_parquet(source / "sentences.parquet").select("unit_id", "text")
    return texts, at.read_codings(source / "codings.parquet", book), book


def uk_manifestos(folder: Path) -> tuple[pl.DataFrame, Codings, at.Codebook]:
    """Texts, the crowd's answers, and the codebook."""
    labels = (at.Label(code=0, name="not immigration"), at.Label(code=1, name="immigration"))
    book = at.Codebook(variables=(at.Variable(name="area", labels=labels),))
    rows = pl.read_parquet(folder / "uk_manifestos_immigration" / "immigration_codings.parquet")
    rows = rows.filter(~pl.col("gold_test_item"))
    answers = rows.select(
        pl.col("sentence_id").cast(pl.String).alias("unit_id"),
        pl.format("{}-{}", "coder_id", "round").alias("coder"),
        pl.col("label_immigration").alias("label"),
        "text",
    )
    texts = answers.unique("unit_id", maintain_order=True).select("unit_id", "text")
    return texts, at.read_codings(answers.drop("text"), book), book


SETS: dict[str, Callable[[Path], tuple[pl.DataFrame, Codings, at.Codebook]]] = {
    "popbert": popbert,
    "uk_manifestos": uk_manifestos,
}


def embed_once(cache: Path) -> None:
    """Let annotune read each text's embedding from a file where it was computed before; probes leave the base alone."""
    kept: dict[str, np.ndarray] = dict(np.load(cache)) if cache.exists() else {}
    plain = task.outputs

    def remembered(model: Any, tokens: Any, *, what: str = "", embeddings: bool = False, **options: Any) -> np.ndarray:
        keys = [hashlib.sha256(json.dumps(list(map(int, ids))).encode()).hexdigest() for ids in tokens.ids]
        new = np.array([i for i, key in enumerate(dict.fromkeys(keys)) if key not in kept], dtype=int)
        places = {key: i for i, key in enumerate(keys)}
        if missing := [places[key] for key in dict.fromkeys(keys) if key not in kept]:
            vectors = plain(model, tokens.take(np.array(missing)), what=what, embeddings=True, **options)
            kept.update(dict(zip([keys[i] for i in missing], vectors, strict=True)))
            if len(new) > 1000:
                np.savez(cache, **kept)
        found = np.stack([kept[key] for key in keys])
        if embeddings or not isinstance(model, Encoder):
            return found
        head = model.head
        return np.asarray(found @ head.weight.detach().numpy().T + head.bias.detach().numpy())

    task.outputs = held_out.outputs = remembered  # type: ignore[assignment]


def one_draw(
    texts: pl.DataFrame, codings: Codings, book: at.Codebook, rule: Any, size: int, seed: int, settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    """What a model by this rule, and the baselines, say of the texts not learnt from, beside their coders' shares."""
    entry = book.variables[0]
    place = np.argsort(np.random.default_rng(seed).permutation(len(texts)))
    corpus = texts.with_columns(part=pl.Series(np.where(place < size, "learn", "test")))
    to_learn = pl.col("unit_id").is_in(corpus.filter(part="learn")["unit_id"].implode())
    tested = Codings(at.resolve(codings, "shares", codebook=book).filter(~to_learn))
    mine = at.resolve(codings, rule, codebook=book).filter(to_learn)
    gold = pl.concat([mine, tested.select(mine.columns)])
    coders = codings if rule == "shares" else None
    model = at.tune(corpus, gold, book, test={"part": "test"}, n_boot=0, coders=coders, **settings)
    assert model.held_out is not None
    assert model.evaluation is not None
    said = model.held_out.unique("unit_id", maintain_order=True).sort("unit_id")
    units, shares = said["unit_id"], shares_of(tested, said["unit_id"], entry)
    assert shares is not None
    found = {
        rule: said.select([f"p_{name}" for name in entry.names]).to_numpy(),
        f"{rule}: labels": encode(Codings(model.held_out), units, entry)[0],
        "truth": encode(tested, units, entry)[0],
        "shares of coders": shares,
        "units": units.to_numpy().astype(str),
    }
    if rule == "shares":
        found |= scored_by_coder(model, codings, found[rule], units)
        for name in BASELINES:
            found[name] = np.array([model.evaluation.get(measure, name) for measure in SHARE_MEASURES])
    return found


def scored_by_coder(
    model: at.Classifier, codings: Codings, stated: np.ndarray, units: pl.Series
) -> dict[str, np.ndarray]:
    """Each text's log score against its coders' own answers: by what any of them would say, and by what each would."""
    answers, known = answers_of_coders(codings, units, model.variable), model.card["choices"]["coders"]
    assert known is not None
    logits = (np.log(stated) - (np.log1p(-stated) if answers.sets else 0))[answers.text]
    added = CoderOffsets(**known).rows(answers.names, stated.shape[1])[answers.coder]
    scores = {"any coder": answers.scores(logits), "each coder": answers.scores(logits + added)}
    return {name: answers.by_text(values, len(units)) for name, values in scores.items()} | {
        "spread": np.array(known["spread"]),
        "coders": np.array(len(known["by_coder"])),
    }


def macro_f1(truth: np.ndarray, said: np.ndarray, n_labels: int, counts: np.ndarray) -> float:
    """The mean F1 of labels, texts counted so often."""
    if truth.ndim == 1:
        truth, said = np.eye(n_labels)[truth], np.eye(n_labels)[said]
    truth, said = truth.astype(float), said.astype(float)
    right = counts @ (truth * said)
    return float((2 * right / np.maximum(counts @ truth + counts @ said, 1e-9)).mean())


def exact(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Whether each text's answer is right, (n,)."""
    return np.asarray((truth == said).all(1) if truth.ndim == 2 else truth == said).astype(float)


def compared(draws: list[dict[str, Any]], n_labels: int) -> pl.DataFrame:
    """Means over draws by rule, and the gain of shares over the majority with its interval."""
    names = np.unique(np.concatenate([draw["units"] for draw in draws]))
    places = [np.searchsorted(names, draw["units"]) for draw in draws]
    sampled = np.random.default_rng(1).multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES)
    rows = []
    for place, measure in enumerate((*SHARE_MEASURES, "macro_f1", "accuracy")):
        values = {rule: _values(draws, places, sampled, rule, measure, n_labels) for rule in RULES}
        gain = values["shares"] - values["majority"]
        low, high = np.percentile(gain[1:], [2.5, 97.5])
        of_baselines = {
            name: float(np.mean([draw[name][place] for draw in draws])) if measure in SHARE_MEASURES else None
            for name in BASELINES
        }
        rows.append((measure, values["majority"][0], values["shares"][0], gain[0], low, high, *of_baselines.values()))
    columns = ["measure", "majority", "shares", "gain", "ci_low", "ci_high", OVERALL, "TF-IDF"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def gain_by_coder(draws: list[dict[str, Any]]) -> str:
    """Log scores against single coders' answers, by what any would say and by what each would, and the gain."""
    names = np.unique(np.concatenate([draw["units"] for draw in draws]))
    places = [np.searchsorted(names, draw["units"]) for draw in draws]
    sampled = np.random.default_rng(1).multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES)
    counts = [np.vstack([np.ones(len(place)), sampled[:, place]]) for place in places]
    shared, own = (
        np.mean([count @ draw[name] / count.sum(1) for draw, count in zip(draws, counts, strict=True)], axis=0)
        for name in ("any coder", "each coder")
    )
    gain, spreads = own - shared, ", ".join(f"{float(draw['spread']):g}" for draw in draws)
    low, high = np.percentile(gain[1:], [2.5, 97.5])
    coders = f"{max(int(draw['coders']) for draw in draws):,}"
    return f"{coders} | {spreads} | {shared[0]:.4f} | {own[0]:.4f} | {gain[0]:+.4f} ({low:+.4f} to {high:+.4f})"


def _values(
    draws: list[dict[str, Any]],
    places: list[np.ndarray],
    sampled: np.ndarray,
    rule: str,
    measure: str,
    n_labels: int,
) -> np.ndarray:
    """The measure over all texts, and then in every bootstrap sample: means over draws."""
    by_draw = []
    for draw, place in zip(draws, places, strict=True):
        truth, said = draw["truth"], draw[f"{rule}: labels"]
        counts = np.vstack([np.ones(len(place)), sampled[:, place]])
        if measure == "macro_f1":
            by_draw.append([macro_f1(truth, said, n_labels, weight) for weight in counts])
            continue
        sets = truth.ndim == 2
        per_text = (
            exact(truth, said)
            if measure == "accuracy"
            else scores_of_texts(draw[rule], draw["shares of coders"], sets)[measure]
        )
        by_draw.append(counts @ per_text / counts.sum(1))
    return np.mean(by_draw, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", choices=sorted(SETS))
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--method", default="probe")
    parser.add_argument("--sizes", default="600,2500,5000")
    parser.add_argument("--draws", default="1,2,3")
    parser.add_argument("--texts", type=int, help="Only so many of the texts, drawn by chance.")
    parser.add_argument("--cache", type=Path, default=Path("embeddings.npz"))
    parser.add_argument(
        "--keep", type=Path, default=Path(), help="A folder for finished draws, which are not repeated."
    )
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.method == "probe":
        embed_once(options.cache)
    texts, codings, book = SETS[options.set](options.data)
    if options.texts:
        texts = texts.sample(options.texts, seed=1, shuffle=True)
        codings = Codings(codings.filter(pl.col("unit_id").is_in(texts["unit_id"].implode())))
    settings = {"base": options.base, "method": options.method}
    by_coder = ["| texts learnt from | coders | standard deviation | any coder | each coder | gain (95 % interval) |"]
    by_coder.append("|---|---|---|---|---|---|")
    print("| texts learnt from | measure | overall shares | TF-IDF | majority | shares | gain (95 % interval) |")
    print("|---|---|---|---|---|---|---|")
    for size in map(int, options.sizes.split(",")):
        draws = []
        for seed in map(int, options.draws.split(",")):
            draws.append({})
            for rule in RULES:
                name = f"{options.set}-{Path(options.base).name}-{options.method}-{size}-{seed}-{rule}.npz"
                if not (options.keep / name).exists():
                    np.savez(options.keep / name, **one_draw(texts, codings, book, rule, size, seed, settings))  # type: ignore[arg-type]
                draws[-1] |= dict(np.load(options.keep / name, allow_pickle=False))
        by_coder.append(f"| {size:,} | {gain_by_coder(draws)} |")
        for row in compared(draws, len(book.variables[0].labels)).to_dicts():
            baselines = " | ".join("" if row[name] is None else f"{row[name]:.4f}" for name in (OVERALL, "TF-IDF"))
            gain = f"{row['gain']:+.4f} ({row['ci_low']:+.4f} to {row['ci_high']:+.4f})"
            named = row["measure"].replace("_", " ")
            print(
                f"| {size:,} | {named} | {baselines} | {row['majority']:.4f} | {row['shares']:.4f} | {gain} |",
                flush=True,
            )
    print("\n".join(["", "Log score against single coders' answers:", "", *by_coder]))


if __name__ == "__main__":
    main()
