"""Hierarchies: levels of a codebook, codings rolled up to them, and near misses that are less wrong."""

import contextlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.agreement.distances import tree
from annotune.data.hierarchy import ancestors_at, lowest, paths
from annotune.measures.evaluation import tabulate
from annotune.network.logits import softmax

LABELS = {
    "Economy": (1, None),
    "Prices": (101, 1),
    "Jobs": (103, 1),
    "Health": (3, None),
    "Insurance": (302, 3),
    "Drugs": (331, 3),
    "Nurses": (325, 3),
    "Defence": (16, None),
}


def book_of(labels=LABELS, kind="nominal", name="topic"):
    made = tuple(at.Label(code=code, name=label, parent=parent) for label, (code, parent) in labels.items())
    return at.Codebook(variables=(at.Variable(name=name, kind=kind, labels=made),))


BOOK = book_of()
TOPIC = BOOK.variable()
LEAVES = lowest(TOPIC)


def codings_of(labels, coder="anna", **columns):
    units = [str(i) for i in range(len(labels))]
    return pl.DataFrame({"unit_id": units, "variable": "topic", "coder": coder, "label": labels, **columns})


def by_unit(codings, variable):
    return dict(codings.filter(pl.col("variable") == variable).select("unit_id", "label").rows())


def test_levels_have_names_codes_and_no_parents():
    book = at.levels(BOOK)
    assert book.variable("topic_major").codes == {"Economy": 1, "Health": 3, "Defence": 16}
    assert book.variable("topic_minor").names == ["Prices", "Jobs", "Insurance", "Drugs", "Nurses", "Defence"]
    assert all(label.parent is None for entry in book.variables for label in entry.labels)


def test_three_levels_have_numbers():
    deeper = book_of({**LABELS, "Statins": (3311, 331), "Opioids": (3312, 331)})
    assert [entry.name for entry in at.levels(deeper).variables] == ["topic_level1", "topic_level2", "topic_level3"]
    rolled = at.roll_up(codings_of(["Statins", "Drugs", "Defence"]), deeper)
    assert by_unit(rolled, "topic_level1") == {"0": "Health", "1": "Health", "2": "Defence"}
    assert by_unit(rolled, "topic_level2") == {"0": "Drugs", "1": "Drugs", "2": "Defence"}
    assert by_unit(rolled, "topic_level3") == {"0": "Statins", "1": None, "2": "Defence"}


def test_a_level_with_one_label_is_left_out():
    one = book_of({"Economy": (1, None), "Prices": (101, 1), "Jobs": (103, 1)})
    assert [entry.name for entry in at.levels(one).variables] == ["topic_minor"]


def test_other_variables_stay_and_names_may_not_collide():
    party = at.Variable(name="party", labels=(at.Label(code=1, name="left"), at.Label(code=2, name="right")))
    both = at.Codebook(variables=(party, TOPIC))
    assert [entry.name for entry in at.levels(both).variables] == ["party", "topic_major", "topic_minor"]
    said = pl.DataFrame({"unit_id": ["0"], "variable": ["party"], "coder": ["anna"], "label": ["left"]})
    assert by_unit(at.roll_up(pl.concat([said, codings_of(["Jobs"])]), both), "party") == {"0": "left"}
    with pytest.raises(at.AnnotuneError, match=r"topic_major.*also the name of a level"):
        at.levels(at.Codebook(variables=(party.model_copy(update={"name": "topic_major"}), TOPIC)))


def test_without_parents_there_are_no_levels():
    flat = book_of({"Economy": (1, None), "Health": (3, None)})
    for verb in (lambda: at.levels(flat), lambda: at.roll_up(codings_of(["Health"]), flat)):
        with pytest.raises(at.AnnotuneError, match="No label of the codebook has a parent"):
            verb()


def test_a_label_that_is_not_in_the_codebook_is_named():
    with pytest.raises(at.AnnotuneError, match=r"'Prizes'.*which the codebook does not have"):
        at.roll_up(codings_of(["Prizes"]), BOOK)


def test_a_text_coded_by_its_major_is_missing_among_minors():
    rolled = at.roll_up(codings_of(["Economy", "Jobs", None], status=["ok", "ok", "error"]), BOOK)
    assert by_unit(rolled, "topic_major") == {"0": "Economy", "1": "Economy", "2": None}
    assert rolled.filter(pl.col("variable") == "topic_minor")["status"].to_list() == ["missing", "ok", "error"]
    assert rolled.filter(pl.col("variable") == "topic_major")["status"].to_list() == ["ok", "ok", "error"]


stated = st.lists(st.lists(st.floats(-8, 8), min_size=len(LEAVES), max_size=len(LEAVES)), min_size=1, max_size=8).map(
    lambda rows: softmax(np.array(rows))
)


@given(stated)
def test_probabilities_of_children_add_up_to_their_parents(probabilities):
    best = probabilities.argmax(1)
    columns = {f"p_{name}": probabilities[:, i] for i, name in enumerate(LEAVES)}
    rows = codings_of([LEAVES[i] for i in best], prob=probabilities.max(1), **columns)
    rolled = at.roll_up(rows, BOOK)
    major, minor = (rolled.filter(pl.col("variable") == f"topic_{level}") for level in ("major", "minor"))
    assert len(major) == len(minor) == len(rows)
    above = ancestors_at(TOPIC, 0)
    for name in at.levels(BOOK).variable("topic_major").names:
        children = [f"p_{leaf}" for leaf in LEAVES if above[leaf] == name]
        np.testing.assert_allclose(
            major[f"p_{name}"], minor.select(pl.sum_horizontal(children)).to_series(), atol=1e-12
        )
    sums = major.select(pl.sum_horizontal("p_Economy", "p_Health", "p_Defence")).to_series()
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    own = [major[f"p_{label}"][row] for row, label in enumerate(major["label"])]
    np.testing.assert_allclose(major["prob"], own)
    assert (major["prob"] >= minor["prob"] - 1e-12).all()


def test_coders_shares_add_up_and_a_major_alone_says_nothing_of_minors():
    wide = pl.DataFrame({"unit_id": ["a"], "x": ["Prices"], "y": ["Jobs"], "z": ["Economy"], "w": ["Jobs"]})
    codings = at.read_codings(wide, BOOK, variable="topic", coders=["x", "y", "z", "w"])
    rolled = at.roll_up(at.resolve(codings, "shares", codebook=BOOK), BOOK)
    major, minor = (rolled.filter(pl.col("variable") == f"topic_{level}") for level in ("major", "minor"))
    assert major["share_Economy"].to_list() == [1.0]
    assert [minor[f"share_{name}"][0] for name in ("Prices", "Jobs")] == pytest.approx([1 / 3, 2 / 3])


def test_sets_have_each_parent_once_and_its_likeliest_probability():
    sets = book_of(kind="multilabel")
    rows = pl.DataFrame(
        {
            "unit_id": ["a", "a", "a", "b"],
            "variable": "topic",
            "coder": "m",
            "label": ["Prices", "Jobs", "Drugs", "Economy"],
            "p_Prices": [0.7, 0.7, 0.7, 0.2],
            "p_Jobs": [0.9, 0.9, 0.9, 0.1],
            "p_Economy": [0.1, 0.1, 0.1, 0.8],
        }
    )
    rolled = at.roll_up(rows, sets)
    major = rolled.filter(pl.col("variable") == "topic_major")
    assert major.select("unit_id", "label").rows() == [("a", "Economy"), ("a", "Health"), ("b", "Economy")]
    assert major["p_Economy"].to_list() == [0.9, 0.9, 0.8]
    minor = rolled.filter(pl.col("variable") == "topic_minor")
    assert minor.select("unit_id", "label", "status").rows() == [
        ("a", "Prices", "ok"),
        ("a", "Jobs", "ok"),
        ("a", "Drugs", "ok"),
        ("b", None, "missing"),
    ]


def test_a_model_that_codes_majors_has_no_probabilities_of_minors():
    rows = codings_of(["Economy", "Drugs"], p_Economy=[0.7, 0.1], p_Drugs=[0.3, 0.9])
    rolled = at.roll_up(rows, BOOK)
    assert "p_Drugs" not in rolled.columns
    assert rolled.filter(pl.col("variable") == "topic_major")["p_Health"].to_list() == [0.3, 0.9]


# --- near misses -----------------------------------------------------------------------------------------------------


@given(st.sampled_from(list(LABELS)), st.sampled_from(list(LABELS)))
def test_the_distance_of_two_labels_is_one_minus_their_hierarchical_f1(truth, predicted):
    names, whole = TOPIC.names, paths(TOPIC)
    one, other = set(whole[truth]), set(whole[predicted])
    by_hand = 2 * len(one & other) / (len(one) + len(other))
    found = tabulate(
        np.array([names.index(truth)]), {"m": (np.array([names.index(predicted)]), np.array([True]))}, TOPIC, n_boot=0
    )
    assert found.get("hierarchical_f1") == pytest.approx(by_hand)
    distance = tree(tuple(whole.values()))[names.index(truth), names.index(predicted)]
    assert distance == pytest.approx(1 - by_hand)


def test_a_miss_within_a_parent_is_less_wrong():
    truth = codings_of(["Prices", "Jobs", "Drugs", "Defence"])
    near = codings_of(["Jobs", "Jobs", "Drugs", "Defence"], "near")
    far = codings_of(["Drugs", "Jobs", "Drugs", "Defence"], "far")
    results = {name: at.evaluate(truth, table, codebook=BOOK) for name, table in (("near", near), ("far", far))}
    assert results["near"].get("accuracy") == results["far"].get("accuracy") == 0.75
    # 7 labels and parents are true and given; of those 6 are right, and 5 where the miss is far
    assert results["near"].get("hierarchical_f1") == pytest.approx(6 / 7)
    assert results["far"].get("hierarchical_f1") == pytest.approx(5 / 7)
    row = results["near"].measures.filter(pl.col("measure") == "hierarchical_f1", pl.col("model") == "near")
    assert row["ci_low"][0] < 6 / 7 < row["ci_high"][0]


def test_labels_below_a_parent_that_no_text_has_are_near():
    """What is tuned has the labels that occur alone, so that their parents may be gone."""
    left = TOPIC.model_copy(update={"labels": tuple(label for label in TOPIC.labels if label.name in LEAVES)})
    assert tree(tuple(paths(left).values()))[:3, :3].tolist() == [[0, 0.5, 1], [0.5, 0, 1], [1, 1, 0]]


def test_alpha_with_the_distance_of_the_tree():
    def by_hand(a, b):
        one, other = set(paths(TOPIC)[a]), set(paths(TOPIC)[b])
        return 1 - 2 * len(one & other) / (len(one) + len(other))

    rng = np.random.default_rng(3)
    labels = list(LABELS)
    drawn = [labels[i] for i in rng.integers(len(labels), size=40)]
    noisy = [labels[(labels.index(name) + (rng.random() < 0.4)) % len(labels)] for name in drawn]
    codings = pl.concat([codings_of(drawn), codings_of(noisy, "ben")])
    usual = at.reliability(codings, codebook=BOOK, ci="analytic")
    own = usual.filter(pl.col("metric") == "alpha", pl.col("level") == "tree")["estimate"]
    custom = at.reliability(codings, codebook=BOOK, level=by_hand, metrics="alpha", ci="analytic")["estimate"]
    assert own.to_list() == pytest.approx(custom.to_list())
    nominal = usual.filter(pl.col("metric") == "alpha", pl.col("level") == "nominal")["estimate"][0]
    assert own[0] > nominal  # neighbours in the codebook are mostly of one parent
    flat = at.Variable(name="topic", labels=tuple(label.model_copy(update={"parent": None}) for label in TOPIC.labels))
    with pytest.raises(at.AnnotuneError, match="no labels with a parent"):
        at.reliability(codings, codebook=at.Codebook(variables=(flat,)), level="tree")


def test_agreement_of_each_level():
    wide = pl.DataFrame({"unit_id": list("abcd"), "anna": ["Prices", "Jobs", "Drugs", "Defence"]})
    wide = wide.with_columns(ben=pl.Series(["Jobs", "Economy", "Drugs", "Health"]))
    codings = at.read_codings(wide, BOOK, variable="topic", coders=["anna", "ben"])
    table = at.reliability(at.roll_up(codings, BOOK), codebook=at.levels(BOOK), metrics="percent")
    assert table.select("variable", "estimate", "n_pairable").rows() == [
        ("topic_major", 0.75, 4),
        ("topic_minor", 0.5, 2),
    ]


def test_files_have_a_labelled_column_of_each_level(tmp_path):
    texts = pl.DataFrame({"unit_id": ["0", "1"], "text": ["a", "b"], "party": ["x", "y"]})
    book = at.levels(BOOK)
    gold = at.roll_up(codings_of(["Jobs", "Health"]), BOOK)
    coded = at.attach(texts, at.roll_up(codings_of(["Prices", "Drugs"], "model"), BOOK), codebook=book, gold=gold)
    at.write(coded, tmp_path / "coded.dta", codebook=book)
    import pyreadstat

    frame, about = pyreadstat.read_dta(str(tmp_path / "coded.dta"))
    assert frame["topic_major"].tolist() == [1, 3]
    assert frame["topic_minor"].tolist() == [101, 331]
    assert about.variable_value_labels["topic_major_gold"] == {1: "Economy", 3: "Health", 16: "Defence"}
    assert frame["topic_minor_gold"].isna().tolist() == [False, True]


def test_the_command_line_rolls_up(tmp_path, monkeypatch, capsys):
    from annotune import cli

    (tmp_path / "book.yaml").write_text(
        "variables: [{name: topic, labels: [{code: 1, name: Economy}, {code: 101, name: Prices, parent: 1},"
        " {code: 3, name: Health}]}]"
    )
    (tmp_path / "anna.csv").write_text("unit_id,topic\na,Prices\nb,Health\n")
    (tmp_path / "model.csv").write_text(
        "unit_id,topic,topic_prob,topic_status,topic_p_Prices,topic_p_Health\na,Prices,.6,ok,.6,.4\n"
    )
    monkeypatch.chdir(tmp_path)
    for words in (
        ["levels", "book.yaml", "--write", "levels.csv"],
        ["roll-up", "anna.csv", "--codebook", "book.yaml", "--out", "rolled.csv"],
        ["roll-up", "model.csv", "--codebook", "book.yaml", "--out", "predicted.csv"],
        ["evaluate", "rolled.csv", "predicted.csv", "--codebook", "levels.csv", "--variable", "topic_major"],
    ):
        monkeypatch.setattr("sys.argv", ["annotune", *words])
        with contextlib.suppress(SystemExit):
            cli.main()
        assert "annotune:" not in capsys.readouterr().err.lower(), words
    assert at.read_codebook("levels.csv") == at.levels(at.read_codebook("book.yaml")).model_copy(
        update={"name": "levels"}
    )
    assert by_unit(at.read_codings("rolled.csv", at.read_codebook("levels.csv")), "topic_major") == {
        "a": "Economy",
        "b": "Health",
    }
    assert pl.read_csv("predicted.csv").filter(pl.col("variable") == "topic_major")["p_Economy"].to_list() == [0.6]
