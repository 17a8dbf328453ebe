"""Codings in every layout, and one answer from several coders."""

import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.data import codings

TOPIC = at.Variable(
    name="topic", labels=(at.Label(code=1, name="Health"), at.Label(code=3, name="Law"), at.Label(code=4, name="NA"))
)
ISSUES = at.Variable(
    name="issues",
    kind="multilabel",
    labels=tuple(at.Label(code=i, name=name) for i, name in enumerate(["tax", "war", "art"])),
)
BOOK = at.Codebook(variables=(TOPIC,))
SETS = at.Codebook(variables=(ISSUES,))
BOTH = at.Codebook(variables=(TOPIC, ISSUES))


def triples(codings, *columns):
    return sorted(codings.select("unit_id", "coder", "label", *columns).rows(), key=str)


EXPECTED = [("a", "anna", "Health"), ("a", "ben", "Law"), ("b", "anna", "Law"), ("b", "ben", None)]
LAYOUTS = {
    "long": pl.DataFrame(
        {"unit_id": list("aabb"), "coder": ["anna", "ben"] * 2, "label": ["Health", "Law", "Law", None]}
    ),
    "long, codes": pl.DataFrame({"unit_id": list("aabb"), "coder": ["anna", "ben"] * 2, "label": [1, 3, 3, None]}),
    "long, doubles": pl.DataFrame({"unit_id": list("aabb"), "coder": ["anna", "ben"] * 2, "label": [1.0, 3, 3, None]}),
    "long, with variable": pl.DataFrame(
        {
            "unit_id": list("aabb"),
            "variable": "topic",
            "coder": ["anna", "ben"] * 2,
            "label": [" health", "LAW", "3.0", ""],
        }
    ),
    "by variable": pl.DataFrame(
        {"unit_id": list("aabb"), "coder": ["anna", "ben"] * 2, "topic": ["1", "3", "Law", "."]}
    ),
    "wide": pl.DataFrame({"unit_id": ["a", "b"], "anna": ["Health", "Law"], "ben": [3, None]}, strict=False),
    "wide, codes": pl.DataFrame({"unit_id": ["a", "b"], "anna": [1, 3], "ben": [3.0, None]}),
    "wide, named after the variable": pl.DataFrame(
        {"unit_id": ["a", "b"], "topic_anna": ["Health", "Law"], "topic_ben": ["Law", None]}
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_table(layout):
    codings = at.read_codings(LAYOUTS[layout], BOOK)
    assert triples(codings) == EXPECTED
    assert codings.columns[:6] == ["unit_id", "variable", "coder", "label", "prob", "status"]
    assert set(codings["variable"]) == {"topic"}
    assert codings.filter(pl.col("label").is_null())["status"].to_list() == ["missing"]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "jsonl", "parquet"])
@pytest.mark.parametrize("layout", ["long, codes", "by variable", "wide, codes"])
def test_every_format_gives_the_same_table(tmp_path, layout, suffix):
    path = tmp_path / f"c.{suffix}"
    writer = {"csv": "write_csv", "xlsx": "write_excel", "jsonl": "write_ndjson", "parquet": "write_parquet"}[suffix]
    getattr(LAYOUTS[layout], writer)(path)
    assert triples(at.read_codings(path, BOOK)) == EXPECTED


@pytest.mark.parametrize("suffix", ["dta", "sav"])
def test_value_labels_of_stata_and_spss_are_labels(tmp_path, suffix):
    pd = pytest.importorskip("pandas")
    import pyreadstat

    path = tmp_path / f"coder_anna.{suffix}"
    frame = pd.DataFrame({"unit_id": ["a", "b", "c"], "topic": [3, 1, None]})
    labels = {"topic": {1: "Health", 3: "Law"}}
    getattr(pyreadstat, f"write_{suffix}")(frame, str(path), variable_value_labels=labels)
    expected = [("a", "anna", "Law"), ("b", "anna", "Health"), ("c", "anna", None)]
    assert triples(at.read_codings(path, BOOK)) == expected
    assert triples(at.read_codings(path, columns={"topic": "topic"})) == expected


def test_coders_are_named_after_their_files(tmp_path):
    names = ["coder_anna.csv", "codings_ben.csv", "wave1.carla.csv", "wave1.dan.tsv"]
    for name in names:
        (tmp_path / name).write_text("unit_id\ttopic\na\tLaw\n")
    codings = at.read_codings([tmp_path / name for name in names], BOOK)
    assert codings["coder"].to_list() == ["anna", "ben", "wave1.carla", "wave1.dan"]


def test_several_frames_are_several_coders():
    frame = pl.DataFrame({"unit_id": ["a"], "topic": ["Law"]})
    assert at.read_codings([frame, frame], BOOK)["coder"].to_list() == ["coder1", "coder2"]
    assert at.read_codings(frame, BOOK)["coder"].to_list() == ["coder"]


def test_columns_may_be_named_by_the_caller():
    frame = pl.DataFrame({"id": [7], "who": ["anna"], "q1": [3], "q2": ["tax;war"], "round": [2]})
    codings = at.read_codings(
        frame, BOTH, unit_id="id", coder="who", columns={"topic": "q1", "issues": "q2"}, keep="round"
    )
    assert codings.select("unit_id", "variable", "coder", "label", "round").rows() == [
        ("7", "topic", "anna", "Law", 2),
        ("7", "issues", "anna", "tax", 2),
        ("7", "issues", "anna", "war", 2),
    ]
    wide = pl.DataFrame({"unit_id": ["a"], "x": ["Law"], "y": ["Health"], "z": ["Law"]})
    assert triples(at.read_codings(wide, BOOK, coders=["x", "y"])) == [("a", "x", "Law"), ("a", "y", "Health")]


def test_variables_whose_names_begin_alike_are_told_apart():
    tone, fine = (TOPIC.model_copy(update={"name": name}) for name in ("tone", "tone_fine"))
    wide = pl.DataFrame({"unit_id": ["a"], "tone_anna": ["Law"], "tone_fine_anna": ["Health"]})
    codings = at.read_codings(wide, at.Codebook(variables=(tone, fine)))
    assert codings.select("variable", "coder", "label").rows() == [
        ("tone", "anna", "Law"),
        ("tone_fine", "anna", "Health"),
    ]


@pytest.mark.parametrize("named", [{}, {"coder": "coder"}])
def test_where_a_column_says_who_coded_no_other_column_is_a_coder(named):
    frame = pl.DataFrame({"unit_id": ["a", "a"], "coder": ["anna", "ben"], "q1": ["Law", "Health"]})
    message = r"'coder' says who coded, and no column is called 'topic' .*columns=\{'topic': 'q1'\}.*--columns topic=q1"
    with pytest.raises(at.AnnotuneError, match=message):
        at.read_codings(frame, variable="topic", **named)
    assert triples(at.read_codings(frame, columns={"topic": "q1"})) == [("a", "anna", "Law"), ("a", "ben", "Health")]


def test_other_columns_of_a_wide_file_are_not_coders_and_it_is_said():
    wide = pl.DataFrame(
        {"unit_id": ["a", "b"], "text": ["Why?", "How?"], "anna": [1, 3], "ben": [1, 3], "year": [8, 9]}
    )
    with pytest.warns(at.AnnotuneWarning, match="'anna', 'ben' were read as coders', 'text', 'year' were left out"):
        assert set(at.read_codings(wide, BOOK)["coder"]) == {"anna", "ben"}
    with pytest.raises(at.AnnotuneError, match="no column holds labels of 'topic'"):
        at.read_codings(wide.select("unit_id", "text"), BOOK)
    many = pl.DataFrame({"unit_id": range(50), "text": [f"t{i}" for i in range(50)], "anna": [1, 2] * 25})
    with pytest.raises(at.AnnotuneError, match=r"the column 'text' holds too many different values \(50\)"):
        at.read_codings(many, variable="topic")


def test_one_typing_error_in_a_coders_column_is_reported_with_its_place(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,anna,ben\na,Law,Law\nb,Law,Lwa\nc,Health,Law\nd,Law,Law\n")
    with pytest.raises(at.AnnotuneError, match=r"c\.csv, row 3, column 'ben': the label 'Lwa' .*Did you mean 'Law'"):
        at.read_codings(tmp_path / "c.csv", BOOK)
    with pytest.warns(at.AnnotuneWarning, match=r"row 3, column 'ben'.*1 such coding was left out"):
        assert len(at.read_codings(tmp_path / "c.csv", BOOK, unknown="drop")) == 7


def test_every_unknown_label_is_named_at_once(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,topic\na,Lwa\nb,Law\nc,Helth\nd,Lwa\n")
    with pytest.raises(
        at.AnnotuneError, match=r"'Lwa' is not .*\(3 such cells\)\. Nor is 'Helth'\. Did you mean 'Law'"
    ):
        at.read_codings(tmp_path / "c.csv", BOOK)


def test_a_set_with_an_unknown_label_is_left_out_as_a_whole(tmp_path):
    """The labels beside a typing error are not all that the coder gave."""
    (tmp_path / "coder_anna.csv").write_text("unit_id,issues\na,tax\nb,tax;wra\nc,wra\nd,war;tax\n")
    with pytest.warns(at.AnnotuneWarning, match=r"'wra' is not .* 2 such codings were left out, sets as a whole"):
        codings = at.read_codings(tmp_path / "coder_anna.csv", SETS, unknown="drop")
    assert set(codings["unit_id"]) == {"a", "d"}
    assert set(codings.filter(unit_id="d")["label"]) == {"tax", "war"}


def test_na_is_a_label_where_the_codebook_says_so_and_missing_elsewhere():
    frame = pl.DataFrame({"unit_id": list("abcd"), "topic": ["NA", "", None, "Law"]})
    codings = at.read_codings(frame, BOOK)
    assert codings["label"].to_list() == ["NA", None, None, "Law"]
    other = at.Codebook(variables=(TOPIC.model_copy(update={"labels": TOPIC.labels[:2]}),))
    codings = at.read_codings(pl.DataFrame({"unit_id": list("abcd"), "topic": ["NA", "nan", ".", " law "]}), other)
    assert codings["label"].to_list() == [None, None, None, "Law"]
    assert codings["status"].to_list() == ["missing"] * 3 + ["ok"]


def test_without_a_codebook_labels_are_taken_as_they_are():
    frame = pl.DataFrame({"unit_id": list("abcd"), "label": ["Yes", "yes ", "  ", "NA"]})
    assert at.read_codings(frame, variable="x")["label"].to_list() == ["Yes", "yes", None, None]
    with pytest.raises(at.AnnotuneError, match="does not say which variable"):
        at.read_codings(frame)


@pytest.mark.parametrize(
    ("cell", "labels", "status"),
    [
        ("tax;war", ["tax", "war"], "ok"),
        ("war | 0", ["war", "tax"], "ok"),
        (" ;tax; ;", ["tax"], "ok"),
        ("tax;TAX;0", ["tax"], "ok"),
        (["war", "art"], ["war", "art"], "ok"),
        (["war", None], ["war"], "ok"),
        ("none", [None], "none"),
        ("[]", [None], "none"),
        ([], [None], "none"),
        ("", [None], "missing"),
        (" ; ", [None], "missing"),
        (None, [None], "missing"),
        ([None], [None], "missing"),
        ("NA", [None], "missing"),
        ("NA;tax", ["tax"], "ok"),
    ],
)
def test_sets_of_labels(cell, labels, status):
    dtype = pl.List(pl.String) if isinstance(cell, list) else pl.String
    frame = pl.DataFrame({"unit_id": ["a"], "issues": pl.Series([cell], dtype=dtype)})
    codings = at.read_codings(frame, SETS)
    assert (codings["label"].to_list(), set(codings["status"])) == (labels, {status})


def test_a_set_in_a_frame_of_lists_of_codes():
    frame = pl.DataFrame({"unit_id": ["a", "b"], "anna": [[0, 2], []], "ben": [[1], None]})
    assert triples(at.read_codings(frame, SETS), "status") == sorted(
        [
            ("a", "anna", "tax", "ok"),
            ("a", "anna", "art", "ok"),
            ("b", "anna", None, "none"),
            ("a", "ben", "war", "ok"),
            ("b", "ben", None, "missing"),
        ],
        key=str,
    )


def test_faults_in_sets_say_how_labels_are_separated():
    with pytest.raises(at.AnnotuneError, match=r"'tax, war' is not in.*separated by ';'"):
        at.read_codings(pl.DataFrame({"unit_id": ["a"], "issues": ["tax, war"]}), SETS)
    with pytest.raises(at.AnnotuneError, match="row 2, column 'issues': 'none' stands beside other labels"):
        at.read_codings(pl.DataFrame({"unit_id": ["a", "b"], "issues": ["tax", "none;war"]}), SETS)


def test_faults_in_the_long_layout_are_named_by_row(tmp_path):
    def read(text):
        (tmp_path / "c.csv").write_text(text)
        return at.read_codings(tmp_path / "c.csv", BOOK)

    for bad, message in {
        "a,topic,anna,Law,0.5\n,topic,anna,Law,1\n": "row 3, column 'unit_id': the identifier is missing",
        "a,topic,anna,Law,0.5\nb,topic,,Law,1\n": "row 3, column 'coder': the coder is missing",
        "a,topic,anna,Law,0.5\nb,topci,anna,Law,1\n": "row 3, column 'variable': .*'topci'.*mean 'topic'",
        "a,topic,anna,Law,0.5\nb,,anna,Law,1\n": "row 3, column 'variable': the variable is missing",
        'a,topic,anna,Law,0.5\nb,topic,anna,Law,"0,9"\n': "row 3, column 'prob': '0,9' is no probability",
        "a,topic,anna,Law,1.5\n": "row 2, column 'prob': '1.5' is no probability",
    }.items():
        with pytest.raises(at.AnnotuneError, match=message):
            read("unit_id,variable,coder,label,prob\n" + bad)
    assert read("unit_id,variable,coder,label,prob\na,topic,m,Law,0.25\nb,topic,m,1,\n")["prob"].to_list() == [
        0.25,
        None,
    ]


def test_identifiers_of_codings_keep_their_digits(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,topic\n0012345678901234567,Law\n")
    assert at.read_codings(tmp_path / "c.csv", BOOK)["unit_id"].to_list() == ["0012345678901234567"]
    pl.DataFrame({"unit_id": [1234567890123456789.0], "topic": ["Law"]}).write_excel(tmp_path / "c.xlsx")
    with pytest.raises(at.AnnotuneError, match=r"c\.xlsx, row 2, column 'unit_id'.*lost digits"):
        at.read_codings(tmp_path / "c.xlsx", BOOK)


def test_a_coder_file_in_latin_1(tmp_path):
    book = at.Codebook(
        variables=(at.Variable(name="t", labels=(at.Label(code=1, name="Öl"), at.Label(code=2, name="Müll"))),)
    )
    (tmp_path / "jörg.csv").write_bytes("unit_id;t\n1;Öl\n2;Müll\n".encode("latin-1"))
    with pytest.warns(at.AnnotuneWarning, match="cp1252"):
        assert triples(at.read_codings(tmp_path / "jörg.csv", book)) == [("1", "jörg", "Öl"), ("2", "jörg", "Müll")]


def test_nothing_at_all(tmp_path):
    (tmp_path / "c.csv").write_text("unit_id,topic\n")
    for nothing, message in ((tmp_path / "c.csv", "has no rows"), ([], "No file with codings")):
        with pytest.raises(at.AnnotuneError, match=message):
            at.read_codings(nothing, BOOK)
    with pytest.raises(at.AnnotuneError, match="has no rows"):
        at.resolve(pl.DataFrame(schema={"unit_id": pl.String, "label": pl.String}))


def test_a_coder_who_codes_a_text_twice():
    rows = {"unit_id": ["a", "a", "b", "b", "c", "c"], "coder": "anna", "topic": [1, 1, 1, 3, 1, None]}
    with pytest.warns(at.AnnotuneWarning) as caught:
        codings = at.read_codings(pl.DataFrame(rows), BOOK)
    said = [str(warning.message) for warning in caught]
    assert said[0] == "1 coding is in the files twice and counted once."
    assert said[1].startswith("2 codings are by a coder who coded the same text more than once, such as 'anna'")
    assert len(codings) == 5
    rounds = pl.DataFrame(rows).filter(pl.col("unit_id") != "c").with_columns(round=pl.Series([1, 2, 1, 2]))
    assert len(at.read_codings(rounds, BOOK, keep=["round"])) == 4  # without a warning: they are two rounds


def test_a_variable_that_nobody_coded(tmp_path):
    codings = at.read_codings(pl.DataFrame({"unit_id": ["a"], "topic": ["Law"]}), BOTH)
    with pytest.raises(at.AnnotuneError, match=r"Nobody coded the variable 'issues'. There are: 'topic'"):
        at.widen(codings, "issues")


def test_bind_checks_and_fills_up():
    human = at.read_codings(pl.DataFrame({"unit_id": ["a"], "topic": ["Law"], "round": [1]}), BOOK, keep=["round"])
    model = pl.DataFrame({"unit_id": [1.0], "variable": "topic", "coder": "m", "label": ["Law"], "prob": [0.9]})
    both = at.bind(human, model)
    assert both.select("unit_id", "prob", "status", "round").rows() == [("a", None, "ok", 1), ("1", 0.9, "ok", None)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"status": ["done"]}, "The status 'done' is unknown"),
        ({"status": ["missing"]}, "'a' has the status 'missing' beside the label 'Law'"),
        ({"label": [None], "status": ["ok"]}, "'a' has the status 'ok' without a label"),
        ({"label": [["Law"]]}, "lists in its column 'label'"),
        ({"prob": ["high"]}, "words in its column 'prob'"),
        ({"unit_id": [None]}, "the identifier is missing"),
    ],
)
def test_a_table_that_is_no_table_of_codings(columns, message):
    frame = pl.DataFrame({"unit_id": ["a"], "label": ["Law"]}).with_columns(
        **{k: pl.Series(v) for k, v in columns.items()}
    )
    with pytest.raises(at.AnnotuneError, match=message):
        at.bind(frame)


def test_85_coders_of_7322_sentences():
    folder = Path(__file__).parents[3] / "shared" / "data" / "uk_manifestos_immigration"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    with pytest.warns(at.AnnotuneWarning) as caught:
        codings = at.read_codings(
            folder / "immigration_codings.parquet",
            unit_id="sentence_id",
            coder="coder_id",
            columns={"area": "label_immigration"},
            keep="round",
        )
    doubles = int(str(caught[0].message).split(" ")[0])
    assert len(codings) + doubles == 49_225  # the figures of the data's own README
    assert (codings["unit_id"].n_unique(), codings["coder"].n_unique()) == (7_322, 85)
    assert at.resolve(codings, ties="immigration")["label"].null_count() == 0


# --- widen --------------------------------------------------------------------------------------

labels = st.sampled_from(["Health", "Law", "NA", None])
tables = st.integers(1, 4).flatmap(
    lambda coders: st.lists(st.lists(labels, min_size=coders, max_size=coders), min_size=1, max_size=12)
)


def as_wide(rows):
    names = [f"coder {i}" for i in range(len(rows[0]))]
    cells = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return cells.select(pl.Series("unit_id", [f"u{i}" for i in range(len(rows))]), *names)


@given(tables)
def test_wide_to_long_and_back_is_the_same(rows):
    wide = as_wide(rows)
    codings = at.read_codings(wide, BOOK, coders=wide.columns[1:])
    assert len(codings) == wide.height * (wide.width - 1)
    assert at.widen(codings, "topic").equals(wide)


@given(st.lists(st.lists(st.sampled_from(["tax", "war", "art"]), unique=True), min_size=1, max_size=8))
def test_sets_survive_widening(rows):
    frame = pl.DataFrame(
        {"unit_id": [f"u{i}" for i in range(len(rows))], "anna": pl.Series(rows, dtype=pl.List(pl.String))}
    )
    codings = at.read_codings(frame, SETS, coders="anna")
    again = at.read_codings(at.widen(codings, "issues"), SETS, coders="anna")
    assert again.equals(codings)


# --- resolve ------------------------------------------------------------------------------------


def gold(rows, **how):
    return at.resolve(at.read_codings(as_wide(rows), BOOK, coders=as_wide(rows).columns[1:]), **how)


@pytest.mark.parametrize(
    ("said", "drop", "first", "law", "unanimous"),
    [
        (["Health", "Health", "Law"], "Health", "Health", "Health", None),
        (["Health", "Law", None], None, "Health", "Law", None),
        (["NA", "Health", None], None, "Health", None, None),
        (["NA", "Law", "Health"], None, "Health", "Law", None),
        (["Law", None, None], "Law", "Law", "Law", "Law"),
        ([None, None, None], None, None, None, None),
    ],
)
def test_the_rules_and_the_ties(said, drop, first, law, unanimous):
    for ties, expected in (("drop", drop), ("first", first), ("Law", law)):
        found = gold([said], ties=ties, codebook=BOOK)
        assert found["label"].to_list() == [expected]
        assert found["status"].to_list() == ["missing" if expected is None else "ok"]
    found = gold([said], rule="unanimous", codebook=BOOK)
    assert found["label"].to_list() == [unanimous]
    assert found["n_coders"].to_list() == [sum(label is not None for label in said)]


def test_first_means_the_codebooks_order_or_the_alphabet():
    wide = pl.DataFrame({"unit_id": ["a"], "x": ["tax"], "y": ["art"]})
    codings = at.read_codings(wide, variable="issues")
    assert at.resolve(codings, ties="first")["label"].to_list() == ["art"]
    nominal = at.Codebook(variables=(ISSUES.model_copy(update={"kind": "nominal"}),))
    assert at.resolve(codings, ties="first", codebook=nominal)["label"].to_list() == ["tax"]


def test_the_share_behind_a_label():
    found = gold([["Health", "Health", "Law"]])
    assert found["prob"].to_list() == [pytest.approx(2 / 3)]
    assert (found["coder"][0], found["variable"][0], found["n_coders"][0]) == ("gold", "topic", 3)


def test_a_named_coder():
    codings = at.read_codings(LAYOUTS["long"], BOOK)
    assert at.resolve(codings, "coder", coder="ben")["label"].to_list() == ["Law", None]
    with pytest.raises(at.AnnotuneError, match=r"There is no coder 'bne'. Did you mean 'ben'"):
        at.resolve(codings, "coder", coder="bne")
    for how in ({"rule": "coder"}, {"rule": "majority", "coder": "ben"}):
        with pytest.raises(at.AnnotuneError, match="go together"):
            at.resolve(codings, **how)


@pytest.mark.parametrize(
    ("said", "anybody", "two", "three"),
    [
        (["tax;war", "tax", "tax;art"], ["tax", "art", "war"], ["tax"], ["tax"]),
        (["tax", "none", None], ["tax"], [None], None),
        (["none", "none", "none"], [None], [None], [None]),
        (["art", None, None], ["art"], None, None),
    ],
)
def test_labels_that_any_coder_or_so_many_gave(said, anybody, two, three):
    wide = as_wide([said])
    codings = at.read_codings(wide, SETS, coders=wide.columns[1:])
    for rule, expected in (
        ("any", anybody),
        ({"at_least": 1}, anybody),
        ({"at_least": 2}, two),
        ({"at_least": 3}, three),
    ):
        found = at.resolve(codings, rule, codebook=SETS)
        status = "missing" if expected is None else "none" if expected == [None] else "ok"
        assert set(found["status"]) == {status}
        assert sorted(map(str, found["label"])) == sorted(map(str, expected or [None]))


def test_any_and_at_least_of_a_single_label():
    rows = [["Health", "Health", "Law"], ["Health", "Law", "Law"], ["Law", None, None], ["NA", "Law", "Health"]]
    assert gold(rows, rule={"at_least": 2})["label"].to_list() == ["Health", "Law", None, None]
    assert gold(rows, rule="any", ties="Health")["label"].to_list() == ["Health", "Health", "Law", "Health"]
    assert gold(rows, rule="any")["label"].to_list() == [None, None, "Law", None]


@pytest.mark.parametrize("rule", ["any", "unanimous", "majority"])
def test_texts_that_drop_out_because_coders_disagree_are_told(rule):
    rows = [["Health", "Law", None]] * 5 + [["Law", "Law", None]] * 95
    with pytest.warns(at.AnnotuneWarning, match="5 of 100 coded texts .* biased towards easy ones"):
        answers = gold(rows, rule=rule)
    assert answers["label"].null_count() == 5
    gold([*rows, ["Law", "Law", None]], rule=rule)  # below 5 %: no warning
    gold(rows[1:10], rule=rule)  # four texts
    gold(rows, rule="any", ties="Law")
    gold([["Health", None, None]] * 9, rule={"at_least": 2})  # too few coders, but no disagreement


@pytest.mark.parametrize("rule", [{"at_most": 2}, {"at_least": 0}, {"at_least": True}, {}, "at_least"])
def test_a_rule_that_names_no_number_of_coders_is_refused(rule):
    with pytest.raises(at.AnnotuneError, match="at_least"):
        at.resolve(at.read_codings(LAYOUTS["long"], BOOK), rule)


def test_unknown_rules_and_ties_are_refused():
    codings = at.read_codings(LAYOUTS["long"], BOOK)
    with pytest.raises(at.AnnotuneError, match=r"no rule 'mayority'. Did you mean 'majority'"):
        at.resolve(codings, "mayority")
    with pytest.raises(at.AnnotuneError, match="ties='Lwa' is neither"):
        at.resolve(codings, ties="Lwa")


@pytest.mark.parametrize(
    ("said", "majority", "unanimous"),
    [
        (["tax;war", "tax", "tax;art"], (["tax"], "ok"), ([None], "missing")),
        (["war;tax", "tax;war", None], (["tax", "war"], "ok"), (["tax", "war"], "ok")),
        (["tax", "none", None], ([None], "none"), ([None], "missing")),
        (["none", "none", None], ([None], "none"), ([None], "none")),
        ([None, None, None], ([None], "missing"), ([None], "missing")),
    ],
)
def test_sets_are_resolved_label_by_label(said, majority, unanimous):
    wide = as_wide([said])
    codings = at.read_codings(wide, SETS, coders=wide.columns[1:])
    for rule, (expected, status) in (("majority", majority), ("unanimous", unanimous)):
        found = at.resolve(codings, rule, codebook=SETS)
        assert (found["label"].to_list(), set(found["status"])) == (expected, {status})


def test_several_variables_are_resolved_each_by_its_kind():
    frame = pl.DataFrame({"unit_id": ["a", "a"], "coder": ["x", "y"], "topic": [1, 1], "issues": ["tax;war", "tax"]})
    found = at.resolve(at.read_codings(frame, BOTH), codebook=BOTH)
    assert found.select("variable", "label").rows() == [("topic", "Health"), ("issues", "tax")]


@pytest.mark.filterwarnings("ignore:.* have no answer for")
@given(tables, st.randoms(use_true_random=False))
def test_neither_row_order_nor_names_nor_the_number_of_agreeing_coders_matter(rows, draw):
    codings = at.read_codings(as_wide(rows), BOOK, coders=as_wide(rows).columns[1:])
    for rule, ties in itertools.product(("majority", "unanimous"), ("drop", "first", "Law")):
        found = at.resolve(codings, rule, ties=ties, codebook=BOOK)
        assert found["unit_id"].to_list() == [f"u{i}" for i in range(len(rows))]  # rows in = rows out, in order
        order = draw.sample(range(len(codings)), len(codings))
        renamed = codings[order].with_columns(pl.col("coder").str.replace("coder", "person"))
        assert at.resolve(renamed, rule, ties=ties, codebook=BOOK).sort("unit_id").equals(found.sort("unit_id"))


@pytest.mark.filterwarnings("ignore:.* have no answer for")
@given(tables)
def test_a_majority_is_what_counting_says(rows):
    for (unit, label), said in zip(gold(rows).select("unit_id", "label").rows(), rows, strict=True):
        counts = {name: said.count(name) for name in set(said) - {None}}
        top = [name for name, n in counts.items() if n == max(counts.values())]
        assert label == (top[0] if len(top) == 1 else None), unit


def test_blanks_around_a_label_are_none_of_it():
    found = codings.check(pl.DataFrame({"unit_id": list("abcd"), "label": [" Law", "Law\n", "  ", "Law and order"]}))
    assert found["label"].to_list() == ["Law", "Law", None, "Law and order"]
    assert found["status"].to_list() == ["ok", "ok", "missing", "ok"]
    assert at.evaluate(["a ", "b"], ["a", " b"], n_boot=0).get("accuracy") == 1


TONE = at.Codebook(
    variables=(
        at.Variable(name="tone", labels=tuple(at.Label(code=i, name=n) for i, n in enumerate(["-1", "0", "1"]))),
    )
)


@pytest.mark.parametrize("spelt", [["1", "0", "1"], ["1.0", "0.0", "1.0"]])
def test_names_that_are_numbers_are_names_in_every_spelling(spelt):
    """Pandas writes whole numbers beside gaps with a point."""
    frame = pl.DataFrame({"unit_id": list("abc"), "tone": spelt})
    assert at.read_codings(frame, TONE)["label"].to_list() == ["1", "0", "1"]


def test_codes_that_are_other_labels_names_are_refused():
    frame = pl.DataFrame({"unit_id": list("abc"), "tone": ["2", "0", "1"]})
    with pytest.raises(at.AnnotuneError, match="'2' is the code of a label, and '0' one label's code and another's"):
        at.read_codings(frame, TONE)


def test_without_a_codebook_too_a_point_is_no_answer():
    wide = pl.DataFrame({"unit_id": list("abcd"), "anna": ["1", ".", "2", "NA"], "ben": ["1", "2", "nan", "."]})
    found = at.read_codings(wide, variable="x", coders=["anna", "ben"])
    assert sorted(found["label"].drop_nulls()) == ["1", "1", "2", "2"]


def test_files_of_two_people_with_one_name_are_told_of(tmp_path):
    for folder, unit in (("first", "a"), ("second", "b")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "codings.csv").write_text(f"unit_id,label\n{unit},yes\n")
    files = [tmp_path / folder / "codings.csv" for folder in ("first", "second")]
    with pytest.warns(at.AnnotuneWarning, match=r"first/codings.csv and .*second/codings.csv are both taken for"):
        at.read_codings(files, variable="v")


def test_labels_that_the_codebook_lacks_are_resolved_by_no_rule():
    said = pl.DataFrame({"unit_id": ["a"], "variable": ["tone"], "coder": ["x"], "label": ["perhaps"]})
    for rule in ("majority", "unanimous", "dawid_skene"):
        with pytest.raises(at.AnnotuneError, match="'perhaps'"):
            at.resolve(said, rule, codebook=TONE)


def test_codings_without_the_identifier_say_what_to_write_in_a_study():
    with pytest.raises(at.AnnotuneError) as error:
        at.read_codings(pl.DataFrame({"id": ["a", "b"], "topic": ["x", "y"]}), variable="topic")
    assert "unit_id='id'; in a study, codings: {paths: [...], unit_id: id}" in str(error.value)


def test_what_resolve_wrote_is_read_beside_files_that_name_the_identifier_otherwise(tmp_path):
    coders = {"id": ["a", "b"], "anna": ["x", "y"], "ben": ["x", "y"]}
    codings = at.read_codings(pl.DataFrame(coders), unit_id="id", variable="topic", coders=["anna", "ben"])
    at.resolve(codings).write_csv(tmp_path / "gold.csv")
    assert at.read_codings(tmp_path / "gold.csv", unit_id="id")["unit_id"].to_list() == ["a", "b"]
    pl.DataFrame({"unit_id": ["a"], "topic": ["x"]}).write_csv(tmp_path / "coder_cem.csv")
    with pytest.raises(at.AnnotuneError, match="has no column 'id'"):
        at.read_codings(tmp_path / "coder_cem.csv", unit_id="id", variable="topic")
