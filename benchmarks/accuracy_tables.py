"""The tables of docs/accuracy.md and docs/which-model.md, from the rows that benchmarks/accuracy.py has computed."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from accuracy import CELLS, DRAWN, METHODS, finished, names_of, parts
from accuracy_sets import encoded
from scipy import stats

DOCS = Path(__file__).parent.parent / "docs"
PAGE, FIRST_GUESS = DOCS / "accuracy.md", DOCS / "which-model.md"
KNOWN = {
    "banking77": "customers' questions",
    "napire": "open survey answers",
    "uk_manifestos": "immigration or not (4 % are)",
}
REPLICATES = 300
HEADS = ("set", "coded, test", "method", "draws", "accuracy", "macro-F1", "seconds", "annotune more, macro-F1")


def write_tables() -> None:
    """Put the tables in their places on the pages."""
    put("accuracy", table(pl.concat([finished(DRAWN), finished(CELLS)], how="diagonal")))
    put("how many coded", "\n".join(_first_guess(finished(DRAWN))), FIRST_GUESS)
    put("bases and shares", "\n".join(_other_bases(finished(DRAWN))))


def put(name: str, text: str, page: Path = PAGE) -> None:
    """Put a text on a page between the two comments with this name."""
    before, mark, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    page.write_text(f"{before}{mark}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def table(rows: pl.DataFrame) -> str:
    """A line for each set, size and method, of what annotune was measured on; means over draws."""
    measured = rows.filter(method="annotune").select("task", "size").unique()
    cells = rows.join(measured, on=["task", "size"], how="semi")
    drawn = cells.filter(pl.col("size").str.ends_with("drawn"))
    order = (pl.col("size").str.extract(r"(\d+)").cast(pl.Int64), "task")
    lines = ["| " + " | ".join(HEADS) + " |", "|---" * len(HEADS) + "|"]
    for part in (drawn, cells.join(drawn, on=["task", "size"], how="anti")):
        for (task, size), cell in part.sort(*order).group_by("task", "size", maintain_order=True):
            lines += _lines(str(task), str(size), cell)
    return "\n".join([*lines, "", *_over_sets(drawn)])


def _first_guess(drawn: pl.DataFrame) -> Iterator[str]:
    """Macro-F1 by how many texts were coded, of the sets in a language that the base reads."""
    yield "| set | labels | 100 coded | 500 coded |"
    yield "|---|---|---|---|"
    ours = drawn.filter(method="annotune")
    for task, what in KNOWN.items():
        scores = [ours.filter(task=task, size=f"{coded} drawn")["macro_f1"].mean() for coded in (100, 500)]
        yield f"| {task}, {what} | {len(names_of(task))} | {scores[0]:.3f} | {scores[1]:.3f} |"


def _over_sets(drawn: pl.DataFrame) -> Iterator[str]:
    """By how much annotune's macro-F1 is above each method's on the average of the sets; they are independent."""
    yield "| coded | method | sets | annotune more, mean of sets | lowest | highest |"
    yield "|---|---|---|---|---|---|"
    for size, method in product(sorted(drawn["size"].unique()), METHODS[1:]):
        cells = [(task, drawn.filter(task=task, size=size)) for task in sorted(drawn["task"].unique())]
        more = [both for task, cell in cells if (both := ahead(cell, task, size, method)) is not None]
        if len(more) > 1:
            means = np.array([draws.mean() for draws, _ in more])
            reach = 1.96 * np.sqrt(sum(map(sum, (_variances(*both) for both in more)))) / len(more)
            interval = f"{means.mean():+.3f} ({means.mean() - reach:+.3f} to {means.mean() + reach:+.3f})"
            coded = size.split()[0]
            yield f"| {coded} | {method} | {len(more)} | {interval} | {means.min():+.3f} | {means.max():+.3f} |"


def _other_bases(drawn: pl.DataFrame) -> Iterator[str]:
    """The probe on a multilingual base, learnt from labels and from shares, beside the methods on minilm."""
    ours = ("multilingual", "shares")
    yield "| set | coded, test | method | draws | accuracy | macro-F1 | multilingual more | shares more |"
    yield "|---" * 8 + "|"
    measured = drawn.filter(method="multilingual")
    for task, size in measured.select("task", "size").unique().sort("task", "size").iter_rows():
        cell = drawn.filter(task=task, size=size)
        cell = cell.join(cell.filter(method="multilingual"), on="seed", how="semi")
        for method in (*METHODS[1:], *ours):
            rows = cell.filter(method=method)
            if len(rows):
                mean = rows.select(pl.col("n_train", "n_test", "accuracy", "macro_f1").mean()).row(0)
                both = [None if method == one else ahead(cell, task, size, method, one) for one in ours]
                more = " | ".join("" if pair is None else with_interval(*pair) for pair in both)
                figures = f"{mean[2]:.3f} | {mean[3]:.3f} | {more}"
                yield f"| {task} | {mean[0]:,.0f}, {mean[1]:,.0f} | {method} | {len(rows)} | {figures} |"


def _lines(task: str, size: str, cell: pl.DataFrame) -> Iterator[str]:
    """Of one set and size: always the most frequent label, then every method."""
    truth = encoded(parts(task, size, 1)[1]["label"], names_of(task))
    frequent = np.zeros_like(truth) if truth.ndim == 2 else np.full(len(truth), np.bincount(truth).argmax())
    baseline = "no label" if truth.ndim == 2 else "most frequent label"
    score = scores_of(truth, frequent[None], np.ones((1, len(truth))))[0, 0]
    yield f"| {task} | 0, {len(truth):,} | {baseline} | | {(truth == frequent).mean():.3f} | {score:.3f} | | |"
    for method in METHODS:
        rows = cell.filter(method=method).sort("seed")
        if len(rows):
            mean = rows.select(pl.col("n_train", "accuracy", "macro_f1", "seconds").mean()).row(0)
            of = " of each" if not size.endswith("drawn") else ""
            coded = f"{size}{of}" if of else f"{mean[0]:,.0f}"
            figures = f"{mean[1]:.3f} | {mean[2]:.3f} | {mean[3]:.0f}"
            both = None if method == "annotune" else ahead(cell, task, size, method)
            more = "" if both is None else with_interval(*both)
            yield f"| {task} | {coded}, {len(truth):,} | {method} | {len(rows)} | {figures} | {more} |"


def ahead(
    cell: pl.DataFrame, task: str, size: str, method: str, ours: str = "annotune"
) -> tuple[np.ndarray, float] | None:
    """By how much our macro-F1 is above the method's on each draw that both had, and its variance over texts."""
    mine, theirs = (cell.filter(method=name).sort("seed") for name in (ours, method))
    mine, theirs = (one.join(other, on="seed", how="semi") for one, other in ((mine, theirs), (theirs, mine)))
    mine, theirs = (one.drop_nulls("answers") for one in (mine, theirs))
    if not len(mine) or len(mine) != len(theirs):
        return None
    truth = encoded(parts(task, size, 1)[1]["label"], names_of(task))
    counts = np.random.default_rng(0).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), REPLICATES)
    counts = np.concatenate([np.ones((1, len(truth))), counts])
    scores = [scores_of(truth, answers_of(one, truth.shape), counts) for one in (mine, theirs)]
    more = scores[0] - scores[1]  # (draws, replicates), the first of which is the texts themselves
    return more[:, 0], float(more[:, 1:].mean(0).var(ddof=1))


def answers_of(rows: pl.DataFrame, shape: tuple[int, ...]) -> np.ndarray:
    """The answers of every row: label numbers (rows, n), or truth values (rows, n, labels)."""
    packed = [zlib.decompress(base64.b64decode(row)) for row in rows["answers"]]
    return np.array([np.frombuffer(one, np.int8).reshape(shape) for one in packed])


def scores_of(truth: np.ndarray, answers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Macro-F1 (draws, replicates) over the labels that occur in truth, each text counted so often."""
    labels = np.unique(truth)
    wanted = truth if truth.ndim == 2 else truth[:, None] == labels
    totals = []
    for answer in answers:
        given = answer if answer.ndim == 2 else answer[:, None] == labels
        both = counts @ (wanted * given) * 2
        either = counts @ wanted + counts @ given
        totals.append(np.divide(both, either, out=np.zeros_like(both), where=either > 0).mean(1))
    return np.array(totals)


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """By how much answers that are right (draws, test texts) are more, and a 95 % interval over texts and draws."""
    more = ours.astype(float) - theirs
    return with_interval(more.mean(1), float(more.mean(0).var(ddof=1)) / more.shape[1])


def _variances(more: np.ndarray, of_texts: float) -> tuple[float, float]:
    """Of a mean of draws' differences: over other test texts, and over other draws, which one draw says nothing of."""
    return of_texts, float(more.var(ddof=1)) / len(more) if len(more) > 1 else 0.0


def with_interval(more: np.ndarray, of_texts: float) -> str:
    """The mean of the draws' differences and its 95 % interval, from the variance over texts and that over draws."""
    of_texts, of_draws = _variances(more, of_texts)
    freedom = (len(more) - 1) * ((of_texts + of_draws) / of_draws) ** 2 if of_draws else np.inf  # Satterthwaite 1946
    half = stats.t.ppf(0.975, freedom) * np.sqrt(of_texts + of_draws)
    return f"{more.mean():+.3f} ({more.mean() - half:+.3f} to {more.mean() + half:+.3f})"
