"""Sets of labels in 0/1 columns: read as they are written, and refused cell by cell."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.data.codings import check
from annotune.study.file import read_study

PARTS = tuple(at.Label(code=i, name=name) for i, name in enumerate(["Elite", "the people", "left/right"], start=1))
BOOK = at.Codebook(variables=(at.Variable(name="marks", kind="multilabel", labels=PARTS),))
POPULISM = at.Codebook(
    variables=(
        at.Variable(
            name="populism",
            kind="multilabel",
            labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(["elite", "centr", "left", "right"])),
        ),
    )
)
POPBERT = Path(__file__).parents[3] / "shared" / "data" / "popbert_bundestag" / "codings.parquet"


def answers(codings):
    return codings.select("unit_id", "coder", "label", "status").rows()


@pytest.mark.parametrize(
    "names",
    [
        ["marks_Elite", "marks_the_people", "marks_left_right"],
        ["marks.Elite", "marks.the people", "marks.left/right"],
        ["elite", "the people", "left/right"],
        ["Elite", "The_People", "left_right"],
    ],
)
def test_columns_named_like_the_labels_are_sets(names):
    cells = [["1", "0", "1"], ["FALSE", "false", "0"], [None, "NA", ""], ["1", None, "1.0"]]
    frame = pl.DataFrame([["a", *cells[0]], ["b", *cells[1]], ["c", *cells[2]], ["d", *cells[3]]], orient="row")
    frame.columns = ["unit_id", *names]
    assert answers(at.read_codings(frame.with_columns(coder=pl.lit("anna"), party=pl.lit("x")), BOOK)) == [
        ("a", "anna", "Elite", "ok"),
        ("a", "anna", "left/right", "ok"),
        ("b", "anna", None, "none"),
        ("c", "anna", None, "missing"),
        ("d", "anna", "Elite", "ok"),
        ("d", "anna", "left/right", "ok"),
    ]


@given(
    st.lists(st.one_of(st.none(), st.sets(st.sampled_from([label.name for label in PARTS]))), min_size=1, max_size=9)
)
def test_what_attach_writes_is_read_again(sets):
    units = [str(i) for i in range(len(sets))]
    rows = [
        (unit, "marks", "m", label, "missing" if said is None else "ok" if said else "none")
        for unit, said in zip(units, sets, strict=True)
        for label in sorted(said or []) or [None]
    ]
    table = pl.DataFrame(
        rows, schema=dict.fromkeys(("unit_id", "variable", "coder", "label", "status"), pl.String), orient="row"
    )
    wide = at.attach(pl.DataFrame({"unit_id": units, "text": ["a"] * len(units)}), table, codebook=BOOK)
    again = at.read_codings(wide.with_columns(coder=pl.lit("m")), BOOK)
    order = ["unit_id", "label"]
    assert again.sort(order).select(table.columns).equals(check(table).sort(order).select(table.columns))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([["1", "2", "0"]], r"row 1, column 'the people': '2' is neither 0 nor 1"),
        ([["1", "0", "0"], ["0", "", "0"]], r"row 2, column 'the people': the cell is empty beside others that are 0"),
    ],
)
def test_other_cells_are_refused(cells, message):
    frame = pl.DataFrame([[str(i), *row] for i, row in enumerate(cells)], orient="row")
    frame.columns = ["unit_id", "Elite", "the people", "left/right"]
    with pytest.raises(at.AnnotuneError, match=message):
        at.read_codings(frame, BOOK)


def test_a_label_without_a_column_is_named():
    frame = pl.DataFrame({"unit_id": ["a"], "Elite": ["1"], "the people": ["0"]})
    with pytest.raises(at.AnnotuneError, match=r"'left/right' has none"):
        at.read_codings(frame, BOOK)


@pytest.mark.skipif(not POPBERT.exists(), reason="needs popbert_bundestag")
def test_the_gold_of_popbert_is_what_any_coder_gave():
    """Erhard et al. (2024) count a sentence as populist where any of five coders says so."""
    frame = pl.read_parquet(POPBERT)
    frame = frame.join(frame.select("unit_id").unique().sort("unit_id").head(300), on="unit_id", how="semi")
    codings = at.read_codings(frame, POPULISM)
    for k in (1, 2):
        gold = at.resolve(codings, "any" if k == 1 else {"at_least": k}, codebook=POPULISM)
        expected = frame.group_by("unit_id").agg(pl.col("elite", "centr", "left", "right").sum() >= k).sort("unit_id")
        units = pl.DataFrame({"unit_id": expected["unit_id"], "text": "a"})
        mine = at.attach(units, gold, codebook=POPULISM).sort("unit_id")
        for name in ("elite", "centr", "left", "right"):
            assert mine[f"populism_{name}"].cast(pl.Boolean).to_list() == expected[name].to_list()


def test_the_command_line_and_a_study_know_the_rules(tmp_path):
    book, coders = tmp_path / "codebook.yaml", []
    labels = "".join(f"  - {{code: {label.code}, name: {label.name}}}\n" for label in PARTS)
    book.write_text(f"variables:\n- name: marks\n  kind: multilabel\n  labels:\n{labels}")
    for coder, rows in (("ann", "1,1,0,0\n2,0,0,0\n"), ("ben", "1,1,1,0\n2,0,0,1\n")):
        coders.append(tmp_path / f"coder_{coder}.csv")
        coders[-1].write_text(f"unit_id,Elite,the people,left/right\n{rows}")
    for options, expected in (
        (["--rule", "any"], [("1", "Elite"), ("1", "the people"), ("2", "left/right")]),
        (["--at-least", "2"], [("1", "Elite"), ("2", None)]),
    ):
        out = tmp_path / "gold.parquet"
        words = ["resolve", *map(str, coders), "--codebook", str(book), "--out", str(out), *options]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert pl.read_parquet(out).select("unit_id", pl.col("label").cast(pl.String)).rows() == expected
        out.unlink()
    both = CliRunner().invoke(app, [*words, "--rule", "any"])
    assert both.exit_code != 0
    plan = tmp_path / "study.yaml"
    plan.write_text(
        "codebook: codebook.yaml\ncorpus: texts.csv\ncodings: [coder_ann.csv, coder_ben.csv]\n"
        "gold: {rule: {at_least: 2}}\ntune: {variable: marks}\n"
    )
    assert read_study(plan).study.gold.rule == {"at_least": 2}
