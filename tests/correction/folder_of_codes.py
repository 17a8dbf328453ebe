"""Folders of codes as `classify` makes them, by a coder whose answers stand in the texts."""

import json

import numpy as np
import polars as pl

from annotune.bulk.manifest import RunFolder
from annotune.bulk.plan import begin
from annotune.bulk.run import Worker
from annotune.data.codebook import Label, Variable

TOPIC = Variable(name="topic", labels=tuple(Label(code=i, name=name) for i, name in enumerate("abc")))
THEMES = Variable(
    name="themes", kind="multilabel", labels=tuple(Label(code=i, name=name) for i, name in enumerate(["War", "Aid"]))
)


class Told:
    """A coder that says what stands in the text: for each variable labels, and the probability of each label."""

    def __init__(self, variables, name):
        self.variables, self.name = variables, name
        self.names = list(dict.fromkeys(label for one in variables for label in one.names))

    def read(self, texts):
        return texts

    def code(self, units, texts, advance):
        rows = [
            {"unit_id": unit, "variable": one.name, "coder": self.name, "label": label, "prob": None, "status": status}
            | {f"p_{name}": p for name, p in answer.get(one.name, {}).get("p", {}).items()}
            for unit, text in zip(units, texts, strict=True)
            for answer in [{} if text is None else json.loads(text)]
            for one in self.variables
            for label, status in self._labels(answer.get(one.name), one.kind)
        ]
        schema = dict.fromkeys(("unit_id", "variable", "coder", "label"), pl.String) | {"prob": pl.Float64}
        schema |= {"status": pl.String, **{f"p_{name}": pl.Float64 for name in self.names}}
        advance(len(units))
        return pl.DataFrame(rows, schema=schema), 0

    def _labels(self, answer, kind):
        if answer is None:
            return [(None, "missing")]
        given = answer["label"] if kind == "multilabel" else [answer["label"]]
        return [(label, "ok") for label in given] or [(None, "none")]


def spec_of(variables, name="told"):
    """What a plan knows of that coder."""
    labels = list(dict.fromkeys(label for one in variables for label in one.names))
    entries = [one.model_dump(mode="json") for one in variables]
    return {"kind": "zero-shot", "name": name, "variables": entries, "labels": labels, "sha256": "0" * 64}


def coded_folder(place, files, variables=(TOPIC,), covariates=(), rows_per_shard=None, coders=("told",), only=None):
    """Files of texts, and the folder of their codes; `only` that many shards are coded."""
    for name, frame in files.items():
        path = place / "texts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)
    folder, columns = RunFolder(place / "coded"), {"unit_id": "unit_id", "text": "text", "covariates": list(covariates)}
    settings = {"precision": "float32", "device": "cpu", "probabilities": True, "threads": 1, "evidence": False}
    settings["rows_per_shard"] = rows_per_shard
    plan = begin(folder, place / "texts", columns, settings, [spec_of(variables, one) for one in coders], lambda _: 1)
    readers = [Told(variables, one) for one in coders]
    Worker(folder, plan, plan.shards[:only], lambda _: None, readers).work(wait=False)
    return folder.out


def told(labels, likely):
    """The text in which an answer for the topic stands."""
    return json.dumps(
        {"topic": {"label": labels, "p": {n: round(float(p), 6) for n, p in zip("abc", likely, strict=True)}}}
    )


def topics(n=1200, seed=1, share=0.2, differential=True):
    """n texts on three topics in two parties and four years; a random `share` of them is coded by hand (`gold`)."""
    rng = np.random.default_rng(seed)
    party = rng.choice(["left", "right"], n)
    truth = np.where(rng.random(n) < 0.2 + 0.2 * (party == "right"), 0, rng.integers(1, 3, n))
    accuracy = np.where((party == "right") & differential, 0.6, 0.85)
    guess = np.where(rng.random(n) < accuracy, truth, rng.integers(0, 3, n))
    likely = rng.dirichlet([1, 1, 1], n) * 0.4
    likely[np.arange(n), guess] += 0.6
    names, pi = np.array(list("abc")), rng.uniform(share / 2, share * 1.5, n)
    frame = pl.DataFrame({"unit_id": [f"u{i}" for i in range(n)], "party": party, "year": rng.integers(2015, 2019, n)})
    gold = pl.Series(names[truth]).set(pl.Series(rng.random(n) >= pi), None)
    texts = [told(names[label], row) for label, row in zip(guess, likely, strict=True)]
    return frame.with_columns(
        text=pl.Series(texts), gold=gold, pi=pl.Series(pi), author=pl.Series(rng.integers(0, n // 8, n)).cast(pl.String)
    )
