"""Two workers on Ray beside two processes of one machine: the same shards, in turns, in one run.

    python benchmarks/places.py [--texts 4000] [--rounds 3]

Prints texts a second of each and their ratio: coding alone, from the first shard begun to the last one done, and all in
all, with the start of Ray, the workers and the models. Under three minutes on two cores.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import annotune as at
from annotune.bulk.manifest import RunFolder
from annotune.bulk.ray_cluster import OnRay
from annotune.data.codebook import Codebook

WORDS = "hospital doctor patient nurse court judge crime police cattle wheat farmer milk the minister asked about cost"


def write_texts(folder: Path, n: int, shards: int) -> None:
    """Files with texts of 8 to 24 words, of which hardly one is there twice."""
    folder.mkdir()
    chance = np.random.default_rng(1)
    words = WORDS.split()
    for number, part in enumerate(np.array_split(np.arange(n), shards)):
        texts = [" ".join(chance.choice(words, chance.integers(8, 25))) for _ in part]
        pl.DataFrame({"unit_id": part.astype(str), "text": texts}).write_parquet(folder / f"{number}.parquet")


def tuned(folder: Path) -> Path:
    """MiniLM with a head that was fitted to a few texts: it codes as fast as any other."""
    names = ["health" if number % 2 else "justice" for number in range(80)]
    chance = np.random.default_rng(2)
    texts = [
        " ".join(chance.choice(WORDS.split()[:4] if name == "health" else WORDS.split()[4:8], 6)) for name in names
    ]
    units = [str(number) for number in range(80)]
    gold = pl.DataFrame({"unit_id": units, "label": names})
    gold = gold.with_columns(variable=pl.lit("topic"), coder=pl.lit("anna"), status=pl.lit("ok"))
    labels = [{"code": 1, "name": "health"}, {"code": 2, "name": "justice"}]
    book = Codebook.model_validate({"variables": [{"name": "topic", "kind": "nominal", "labels": labels}]})
    return at.tune(pl.DataFrame({"unit_id": units, "text": texts}), gold, book, method="probe", n_boot=20).save(folder)


def coding_seconds(out: Path) -> float:
    """From the first shard begun to the last one done, as each shard's entry says and its file's time."""
    paths = list((RunFolder(out).books / "shards").iterdir())
    ends = [path.stat().st_mtime for path in paths]
    begins = [end - json.loads(path.read_text("utf-8"))["seconds"] for path, end in zip(paths, ends, strict=True)]
    return max(ends) - min(begins)


def main() -> None:
    """Code the same texts here and on Ray, in turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_texts(root / "texts", options.texts, 8)
        model = tuned(root / "model")
        with OnRay(workers=2)._connected(1):
            for number in range(options.rounds):
                for on in seconds:
                    out, began = root / f"{on}{number}", time.perf_counter()
                    at.classify(root / "texts", model, out, on=on, workers=2, threads=1)
                    seconds[on].append((coding_seconds(out), time.perf_counter() - began))
                    print(f"{on}: {seconds[on][-1][0]:.1f} s coding, {seconds[on][-1][1]:.1f} s in all", flush=True)
    for place_in_pair, what in enumerate(("coding", "in all")):
        pairs = [(one[place_in_pair], two[place_in_pair]) for one, two in zip(*seconds.values(), strict=True)]
        here, ray = (options.texts / statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(ray / here for here, ray in pairs)
        print(f"{what}: {here:,.0f} texts a second here, {ray:,.0f} on Ray; Ray takes {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
