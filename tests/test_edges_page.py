"""The figures of docs/when-not-to-trust.md are those of benchmarks/edges.md, each of them."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "when-not-to-trust.md").read_text(encoding="utf-8")
HALF = 0.5 + 1e-9  # the page rounds to whole samples of 100

ROWS: dict[str, tuple[str, ...]] = {  # a table's row on the page: the rows that are simulated
    "12 clusters, two groups": ("error_model, 12 unequal clusters, 2 groups",),
    "12 clusters, four groups": ("error_model, 12 unequal clusters, 4 groups",),
    "30 clusters, two groups": ("error_model, 30 unequal clusters, 2 groups",),
    "30 clusters, four groups": ("error_model, 30 unequal clusters, 4 groups",),
    "linear, 12 clusters": ("correct, linear, 12 unequal clusters, corrected",),
    "linear, 30 clusters": ("correct, linear, 30 unequal clusters, corrected",),
    "logit, 12 clusters": ("correct, logit, 12 unequal clusters, corrected",),
    "linear, 12 clusters crossed with 14 others": (
        "correct, linear, 12 unequal clusters crossed with 14 others, corrected",
    ),
    "logit, 12 clusters crossed with 14 others": (
        "correct, logit, 12 unequal clusters crossed with 14 others, corrected",
    ),
    "model 97 % right, `dsl`": ("share, model 97 % right, 100 coded, dsl",),
    "model 97 % right, `ppi`": ("share, model 97 % right, 100 coded, ppi",),
    "errors of one kind alone, `ppi`": ("share, errors of one kind, 100 coded, ppi",),
    "label of 3 %, `hand`": ("share, 3 % label, 100 coded, hand",),
    "label of 3 %, `ppi`": ("share, 3 % label, 100 coded, ppi",),
    "pi: `hand`": ("share, 3 % label, pi .5 and .005, hand",),
    "pi: `dsl`": ("share, 3 % label, pi .5 and .005, dsl",),
    "half: `hand`": ("share, half of 800 coded, hand",),
    "half: `dsl`": ("share, half of 800 coded, dsl",),
    "half: `ppi`": ("share, half of 800 coded, ppi",),
    "drawn at random, with one pi, or with different pi": (
        "drawn at random: found not to be",
        "drawn with different pi: found not to be",
    ),
    'drawn as whole documents, with `cluster="document"`': ("whole documents drawn: found not to be",),
    "three times as likely to be drawn where a covariate is positive": ("drawn by a covariate, pi says at random",),
    "drawn only where they are easy": ("easy texts coded, pi says at random",),
    "weak model, different pi, auto": ("weak model, different pi, auto",),
    "weak model, different pi, PPI": ("weak model, different pi, ppi",),
    "weak model, one pi, auto": ("weak model, one pi, auto",),
    "good model, one pi, auto": ("good model, one pi, auto",),
}
HEADS = {"pi .5 where": "pi: ", "400 of 800 coded": "half: "}  # tables whose rows have the same names as others

FOUR_GROUPS = [f"error_model, four groups, {n} coded, {share}% errors" for n in (200, 400) for share in (5, 10)]
ONE_PARTY = [f"coefficient, errors in one party, 100 coded, {method}" for method in ("dsl", "ppi", "dsl, logit")]


def edges() -> dict[str, dict[str, float]]:
    """Before and after of each row, in % of samples."""
    lines = (ROOT / "benchmarks" / "edges.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]
    return {
        row[0]: {name: float(cell) for name, cell in zip(("before", "after"), row[2:4], strict=True) if cell != "-"}
        for row in cells
    }


def tables() -> list[tuple[str, list[str]]]:
    """Each row of the page's tables: the row of edges.md is looked up by its name, and the figures follow."""
    rows, before = [], ""
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and not before.startswith("|"):
            mark = next((mark for words, mark in HEADS.items() if words in line), "")
        elif line.startswith("|") and set(line) - set("|-"):
            rows.append((mark + cells[0], cells[1:]))
        before = line
    return rows


def test_every_table_is_that_of_the_simulation() -> None:
    simulated = edges()
    assert len(tables()) == len(ROWS)
    for name, cells in tables():
        figures = [cell.removesuffix(" (bound)") for cell in cells]
        for row in ROWS[name]:
            columns = ("before", "after") if len(figures) == 2 else ("after",)
            for figure, column in zip(figures, columns, strict=True):
                allowed = HALF if "." not in figure else 0.05
                assert abs(float(figure) - simulated[row][column]) <= allowed, (name, row, column, figure)


SENTENCES: list[tuple[str, list[Callable[[dict[str, dict[str, float]]], float]]]] = [
    (
        r"found evidence in (\d+) to (\d+) of 100",
        [
            lambda e: min(e[row]["before"] for row in FOUR_GROUPS),
            lambda e: max(e[row]["before"] for row in FOUR_GROUPS),
        ],
    ),
    (r"score test there, whose size is (\d+)", [lambda e: e[FOUR_GROUPS[0]]["after"]]),
    (r"overlooked, (\d+) in 100 held before", [lambda e: e[ONE_PARTY[0]]["before"]]),
    (
        r"hand-coded one in (\d+) of 100 samples",
        [lambda e: 100 - e["weak model, different pi: no wider than by hand"]["before"]],
    ),
    (
        r"no larger in (\d+) of 100 samples; intervals held the truth in (\d+) \(one pi\) and (\d+) \(different",
        [
            lambda e: e["bare labels recalibrated: no wider than as they are"]["after"],
            lambda e: e["bare labels recalibrated, one pi"]["after"],
            lambda e: e["bare labels recalibrated, different pi"]["after"],
        ],
    ),
    (
        r"Its intervals hold \((\d+) in 100 with 12 clusters\)",
        [lambda e: e["correct, linear, 12 unequal clusters, auto"]["after"]],
    ),
]


@pytest.mark.parametrize(("sentence", "figures"), SENTENCES, ids=[sentence for sentence, _ in SENTENCES])
def test_every_sentence_is_that_of_the_simulation(sentence, figures) -> None:
    (found,) = re.findall(sentence, " ".join(PAGE.split()))
    written = found if isinstance(found, tuple) else (found,)
    simulated = edges()
    for figure, of in zip(written, figures, strict=True):
        assert abs(float(figure) - of(simulated)) <= HALF, (figure, of(simulated))


def test_no_sentence_has_a_figure_that_is_not_compared() -> None:
    prose = " ".join(line for line in PAGE.splitlines() if not line.startswith("|"))
    for sentence, _ in SENTENCES:
        prose = re.sub(sentence, "", " ".join(prose.split()))
    assert re.findall(r"\d+ (?:of|in) 100", prose) == []
