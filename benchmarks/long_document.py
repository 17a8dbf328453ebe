"""Time and memory of documents of 100,000 words, read whole: one alone, and twenty among short texts in files.

    python benchmarks/long_document.py [--cell 0] [--folder FOLDER]

The document is of sentences of British manifestos (uk_manifestos, in ../shared/data), one behind the other. A probe on
minilm, learnt from 360 single sentences (whose are they?), reads it with `long_texts="whole"`. Each cell is computed in
a process of its own, whose most memory and processor seconds it prints: a text of 200 words, the document, the document
with the passage that decided, and its words as 500 texts. Beside these are files of 2,000 sentences, without and with
twenty such documents, coded by `classify` into a folder; the network there has two layers and random weights, since
memory is what is asked.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl

import annotune as at

DATA = Path(__file__).parents[2] / "shared" / "data" / "uk_manifestos_immigration" / "immigration_sentences.parquet"
WORDS, SHORT, DOCUMENTS = 100_000, 2_000, 20


def sentences() -> pl.DataFrame:
    """unit_id, text and whose manifesto it is."""
    frame = pl.read_parquet(DATA).filter(pl.col("text").str.contains(r"\w"))
    return frame.select(pl.col("sentence_id").cast(pl.String).alias("unit_id"), "text", label="manifesto").unique(
        "text", maintain_order=True
    )


def document(n_words: int) -> str:
    """So many words of manifestos."""
    return " ".join(" ".join(sentences()["text"]).split()[:n_words])


def tuned(folder: Path, base: str) -> Path:
    """A model that reads texts whole, made where it is not there yet."""
    kept = folder / f"model-{Path(base).name}"
    if not kept.exists():
        texts = sentences().sample(360, seed=1)
        labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(sorted(texts["label"].unique())))
        book = at.Codebook(variables=(at.Variable(name="whose", labels=labels),))
        gold = texts.select("unit_id", "label", variable=pl.lit("whose"))
        corpus = texts.drop("label")
        at.tune(corpus, gold, book, base=base, method="probe", long_texts="whole", test=0, n_boot=0).save(kept)
    return kept


def small_base(folder: Path) -> str:
    """minilm's tokenizer before a network of two layers with random weights."""
    from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

    from annotune.network.base import find_base

    small, base = folder / "small", find_base("minilm")
    if not small.exists():
        tokenizer = AutoTokenizer.from_pretrained(base.folder)
        size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(small)
        tokenizer.save_pretrained(small)
        assert AutoModel.from_pretrained(small) is not None
    return str(small)


def in_memory(folder: Path, n_words: int, evidence: bool = False, texts: int = 1) -> dict[str, Any]:
    """So many words coded in memory, as one text or as several; how the first is coded."""
    model = at.load(tuned(folder, "minilm"))
    words = document(n_words).split()
    each = n_words // texts
    parts = [" ".join(words[i * each : (i + 1) * each]) for i in range(texts)]
    began = time.process_time()
    coded = model.classify(pl.DataFrame({"unit_id": range(texts), "text": parts}), evidence=evidence)
    about = coded.select(pl.exclude("^p_.*$", "evidence")).row(0, named=True)
    return {"seconds": time.process_time() - began, **about}


def files(folder: Path, n_documents: int) -> dict[str, Any]:
    """Sentences, and so many documents among them, in two files, coded into a folder."""
    kept = tuned(folder, small_base(folder))
    there = Path(mkdtemp(dir=folder))
    texts = pl.DataFrame({"text": [*sentences()["text"][:SHORT], *[document(WORDS)] * n_documents]})
    texts = texts.with_columns(text=pl.format("{} {}", pl.int_range(pl.len()), "text")).sample(
        fraction=1, shuffle=True, seed=1
    )
    (there / "texts").mkdir()
    for i, part in enumerate(texts.with_row_index("unit_id").iter_slices(-(-len(texts) // 2))):
        part.write_parquet(there / "texts" / f"{i}.parquet")
    began = time.process_time()
    run = at.classify(there / "texts", kept, there / "coded", workers=1)
    coded = pl.read_parquet(there / "coded" / "*.parquet")
    return {"seconds": time.process_time() - began, "complete": run.is_complete, "coded": len(coded)}


CELLS: tuple[tuple[str, Callable[[Path], dict[str, Any]]], ...] = (
    ("200 words", lambda folder: in_memory(folder, 200)),
    (f"{WORDS:,} words", lambda folder: in_memory(folder, WORDS)),
    (f"{WORDS:,} words with evidence", lambda folder: in_memory(folder, WORDS, evidence=True)),
    (f"files of {SHORT:,} sentences", lambda folder: files(folder, 0)),
    (f"files with {DOCUMENTS} documents", lambda folder: files(folder, DOCUMENTS)),
    (f"{WORDS:,} words in 500 texts", lambda folder: in_memory(folder, WORDS, texts=500)),
)


def main() -> None:
    """Every cell in a process of its own, after the models were made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cell", type=int, help="compute this one here")
    parser.add_argument("--folder", type=Path, help="where models stay; a temporary one when left out")
    options = parser.parse_args()
    folder = options.folder or Path(mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if options.cell is None:
        tuned(folder, "minilm")
        tuned(folder, small_base(folder))
        for cell in range(len(CELLS)):
            subprocess.run([sys.executable, __file__, "--cell", str(cell), "--folder", str(folder)], check=True)
        return
    name, compute = CELLS[options.cell]
    row = compute(folder)
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"cell": name, "megabytes": round(most / 1024), **row}, default=str), flush=True)


if __name__ == "__main__":
    main()
