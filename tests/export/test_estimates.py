"""A correction written: read back as Stata's own words say it, by R, by Word, and by a browser's eye."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import polars as pl
import pytest

import annotune as at
from annotune.correction.result import METHODS, Correction, rows_of, three_rows
from annotune.export import ereturn
from annotune.export.journal import journal

TERMS = [(None, "Intercept"), (None, "party[T.left & <right>]"), (None, "C(year)[T.2016]:party[T.%_x]")]


def made(names=TERMS, seed=1, **options):
    """A correction with figures drawn at random."""
    rng = np.random.default_rng(seed)
    tables, covariance, k = [], {}, len(names)
    for method, n in zip(METHODS, (600, 6000, 6000), strict=True):
        root = rng.normal(size=(k, k)) * 10.0 ** rng.integers(-6, 2, k)
        covariance[method] = root @ root.T
        tables.append(rows_of(method, names, rng.normal(size=k), covariance[method], n))
    given = {"n": 6000, "n_coded": 600, "model": "linear", "method": "dsl"} | options
    return Correction(three_rows(tables), covariance, "topic == 'Health' ~ party + C(year):party", **given)


def estimate(found, method):
    return found.estimates.filter(pl.col("method") == method)["estimate"].to_numpy()


def posted(path):
    """What the do-file posts: (names, b, V) each time, by reading its matrix commands cell by cell."""
    matrices, results = {}, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"matrix (\w+) = J\((\d+), (\d+), 0\)", line):
            matrices[found[1]] = np.zeros((int(found[2]), int(found[3])))
        elif found := re.fullmatch(r"matrix (\w+)\[(\d+), (\d+)\] = \((.*)\)", line):
            cells = [float(cell) for cell in found[4].split(",")]
            first = int(found[3]) - 1
            matrices[found[1]][int(found[2]) - 1, first : first + len(cells)] = cells
        elif found := re.fullmatch(r"matrix colnames b = (.*)", line):
            names = found[1].split()
        elif line.startswith("ereturn post b V"):
            results.append((names, matrices.pop("b")[0], matrices.pop("V")))
    return results


def test_the_do_file_posts_every_digit(tmp_path):
    found = made()
    at.write(found, tmp_path / "b_v.do")
    results = posted(tmp_path / "b_v.do")
    assert len(results) == 3
    for (names, b, v), method in zip(results, METHODS, strict=True):
        np.testing.assert_array_equal(b, estimate(found, method))
        np.testing.assert_array_equal(v, found.covariance[method])
        assert names == ["_cons", "party_left_right", "year_2016_x_party_x"]
    text = (tmp_path / "b_v.do").read_text(encoding="utf-8")
    assert "ereturn post b V, obs(600) depname(topic_Health)" in text
    assert "* party_left_right: party[T.left & <right>]" in text
    assert text.rstrip().endswith("estimates table hand_coded_only naive corrected, b(%9.4f) se(%9.4f) stats(N)")


@pytest.mark.parametrize("equations", [("Health", "Law & order"), ("Wirtschaft" * 5, "Wirtschaft" * 5 + "!")])
def test_equations_have_names_of_their_own(tmp_path, equations):
    names = [(equation, term) for equation in equations for term in ("Intercept", "x" * 40, "x" * 40 + "y", "if")]
    found = made(names, model="multinomial")
    at.write(found, tmp_path / "b_v.do")
    told = posted(tmp_path / "b_v.do")[-1][0]
    assert len(set(told)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z_]\w{0,31}:[A-Za-z_]\w{0,31}", name) for name in told)
    assert [name.split(":")[1] for name in told].count("_cons") == 2
    assert not any(name.endswith(":if") for name in told)


def test_lines_stay_short_and_matrices_within_statas_limits(tmp_path, monkeypatch):
    found = made([(None, f"x{i}") for i in range(402)])
    at.write(found, tmp_path / "b_v.do")
    lines = (tmp_path / "b_v.do").read_text(encoding="utf-8").splitlines()
    assert "set matsize 402" in lines
    assert max(len(line) for line in lines if not re.match("matrix (col|row)names", line)) < 200
    np.testing.assert_array_equal(posted(tmp_path / "b_v.do")[-1][2], found.covariance["corrected"])
    monkeypatch.setattr(ereturn, "MOST", 400)
    with pytest.raises(at.AnnotuneError, match="more than a matrix"):
        at.write(found, tmp_path / "again.do")
    assert not (tmp_path / "again.do").exists()


def test_a_method_without_a_variance_is_left_out_and_named(tmp_path):
    found = made()
    covariance = {**found.covariance, "hand-coded only": np.full((3, 3), np.nan)}
    part = Correction(found.estimates, covariance, found.formula, "linear", "dsl", 6000, 600)
    at.write(part, [tmp_path / "b_v.do", tmp_path / "b_v.rds"])
    text = (tmp_path / "b_v.do").read_text(encoding="utf-8")
    assert len(posted(tmp_path / "b_v.do")) == 2
    assert "* hand-coded only: left out" in text
    assert "estimates table naive corrected" in text
    broken = Correction(
        found.estimates, {**covariance, "corrected": covariance["hand-coded only"]}, "y ~ x", "linear", "dsl", 10, 5
    )
    with pytest.raises(at.AnnotuneError, match="has a variance"):
        at.write(broken, tmp_path / "none.do")


def test_r_takes_the_object_as_a_model(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    found = made([*TERMS[:2], ("Gesundheit ä", "year")], n_clusters=40, notes=("One thing is to be known.",))
    at.write(found, tmp_path / "found.rds", notes=["Another."])
    script = """
      x <- readRDS("found.rds")
      stopifnot(inherits(x, "annotune_correction"), identical(names(coef(x)), rownames(x$vcov)), x$n_clusters == 40L,
                identical(x$notes, c("6,000 texts, 600 of them coded by hand, 40 clusters.",
                                     "One thing is to be known.", "Another.")),
                nrow(x$estimates) == 9, is.data.frame(x$estimates), is.na(x$estimates$equation[1]))
      vcov.annotune_correction <- function(object, ...) object$vcov
      stopifnot(isTRUE(all.equal(confint(x)[, 2], setNames(x$estimates$conf_high[x$estimates$method == "corrected"],
                                                           names(coef(x))))))
      cat(names(coef(x))[3], sprintf("%.17g", c(coef(x), x$vcov, x$covariance$naive)), sep = "\n", file = "told.txt")
    """
    done = subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    name, *told = (tmp_path / "told.txt").read_text(encoding="utf-8").splitlines()
    wanted = [
        estimate(found, "corrected"),
        found.covariance["corrected"].ravel("F"),
        found.covariance["naive"].ravel("F"),
    ]
    np.testing.assert_array_equal([float(number) for number in told], np.concatenate(wanted))
    assert name == "Gesundheit ä: year"


class Cells(HTMLParser):
    """The rows of an HTML table."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.inside = self.inside or tag in ("td", "th")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def of_html(path):
    parser = Cells()
    parser.feed(path.read_text(encoding="utf-8"))
    return [[cell.strip() for cell in row] for row in parser.rows]


def of_docx(path):
    space = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    with zipfile.ZipFile(path) as parts:
        tree = ElementTree.fromstring(parts.read("word/document.xml"))
    return [
        ["".join(text.text or "" for text in cell.iter(f"{space}t")) for cell in row.iter(f"{space}tc")]
        for row in tree.iter(f"{space}tr")
    ]


def of_tex(path):
    plain = re.sub(r"\\emph\{(.*)\}", r"\1", path.read_text(encoding="utf-8"))
    plain = re.sub(r"\\text(less|greater)\{\}", lambda found: {"less": "<", "greater": ">"}[found[1]], plain)
    plain = re.sub(r"\\([&%_$#])", lambda found: {"&": "\0"}.get(found[1], found[1]), plain)
    rows = [line.removesuffix(r"\\").split("&") for line in plain.splitlines() if line.endswith(r"\\")]
    return [[cell.strip().replace("\0", "&") for cell in row] for row in rows]


@pytest.mark.parametrize(("suffix", "read"), [(".html", of_html), (".docx", of_docx), (".tex", of_tex)])
def test_tables_have_three_rows_a_coefficient(tmp_path, suffix, read):
    pytest.importorskip("maketables")
    found = made()
    at.write(found, tmp_path / f"table{suffix}", title="Health & <care>", layout="stacked")
    rows = read(tmp_path / f"table{suffix}")
    figures = [row for row in rows if row[0] in METHODS]
    assert [row[0] for row in figures] == list(METHODS) * 3
    for row, wanted in zip(figures, found.estimates.to_dicts(), strict=True):
        assert float(row[1]) == pytest.approx(wanted["estimate"], abs=wanted["std_error"] * 0.06 + 5e-4)
        low, high = map(float, row[3].split(" to "))
        assert low < wanted["estimate"] < high
        assert row[5] == f"{wanted['n']:,}"
    assert [name for _, name in TERMS] == [row[0] for row in rows if row[0] in {name for _, name in TERMS}]
    text = (tmp_path / f"table{suffix}").read_bytes()
    at.write(found, tmp_path / f"table{suffix}", title="Health & <care>", layout="stacked")
    assert (tmp_path / f"table{suffix}").read_bytes() == text  # the same table has the same bytes


@pytest.mark.parametrize(("suffix", "read"), [(".html", of_html), (".docx", of_docx), (".tex", of_tex)])
def test_a_journal_has_a_column_for_each_method_and_errors_in_brackets(tmp_path, suffix, read):
    pytest.importorskip("maketables")
    found = made(n_clusters=40, cluster="district", n_clusters_coded=31, references={"party": "none"})
    at.write(found, tmp_path / f"table{suffix}")
    rows = [[cell.replace("$-$", "−").strip() for cell in row] for row in read(tmp_path / f"table{suffix}")]
    assert ["", "Hand-coded only", "Naive", "Corrected"] in rows
    table = found.estimates.to_dicts()
    for place, (_, term) in enumerate(TERMS):
        at_row = next(i for i, row in enumerate(rows) if row[0] == term)
        for column, wanted in enumerate(table[3 * place : 3 * place + 3], start=1):
            estimate, error = rows[at_row][column], rows[at_row + 1][column]
            assert "-" not in estimate
            assert float(estimate.replace("−", "-")) == pytest.approx(wanted["estimate"], abs=5e-4)
            assert float(error.strip("()")) == pytest.approx(wanted["std_error"], rel=0.06)
            assert error.startswith("(")
    sizes = {row[0]: row[1:] for row in rows if row[0] in ("Texts", "of them coded by hand", "Clusters (district)")}
    assert sizes["Texts"] == ["600", "6,000", "6,000"]
    assert sizes["of them coded by hand"] == ["600", "0", "600"]
    assert sizes["Clusters (district)"] == ["31", "40", "40"]


def test_the_caption_and_the_notes_are_in_words(tmp_path):
    found = made(n_clusters=40, cluster="district", references={"party": "none"})
    cells = journal(found)
    assert cells.caption == (
        "Linear regression of topic = Health on party and year × party: by hand codings alone, naive, and corrected by "
        "design-based supervised learning."
    )
    assert cells.notes == ("Standard errors in brackets, robust to clusters by district.",)
    summary = found.summary(80)
    assert max(map(len, summary.splitlines())) <= 80
    assert "Standard errors in brackets, robust to clusters by district." in summary
    with pytest.raises(at.AnnotuneError, match="Did you mean 'journal'"):
        found.summary(80, "jurnal")


def test_nothing_of_the_table_is_markup(tmp_path):
    pytest.importorskip("maketables")
    at.write(made(), [tmp_path / "table.tex", tmp_path / "table.html"], title="50 % of A&B <script>", notes=["x_1"])
    tex, page = ((tmp_path / f"table.{suffix}").read_text(encoding="utf-8") for suffix in ("tex", "html"))
    assert r"\caption{50 \% of A\&B \textless{}script\textgreater{}}" in tex
    assert r"x\_1" in tex
    assert "<script>" not in page
    assert "left &amp; &lt;right&gt;" in page
    assert page.startswith("<!DOCTYPE html>")
    if shutil.which("pandoc"):
        plain = subprocess.run(["pandoc", tmp_path / "table.tex", "-t", "plain"], capture_output=True, text=True)
        assert plain.returncode == 0
        assert "party[T.left & <right>]" in plain.stdout


def test_without_the_library_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "maketables", None)
    with pytest.raises(at.AnnotuneError, match=r"annotune\[tables\]"):
        at.write(made(), tmp_path / "table.docx")
    assert list(tmp_path.iterdir()) == []


def test_the_estimates_are_data_elsewhere(tmp_path, capsys):
    found = made(notes=("One thing.",))
    at.write(found, [tmp_path / "e.csv", tmp_path / "e.dta", tmp_path / "e.parquet"], say=print)
    assert "missing" in capsys.readouterr().out
    for table in (pl.read_csv(tmp_path / "e.csv"), pl.read_parquet(tmp_path / "e.parquet")):
        assert table["term"].to_list() == found.estimates["term"].to_list()
        np.testing.assert_allclose(table["std_error"], found.estimates["std_error"], rtol=1e-14)
    with pd.io.stata.StataReader(tmp_path / "e.dta") as reader:
        assert reader.data_label.startswith("topic == 'Health'")
        np.testing.assert_array_equal(reader.read()["conf_low"], found.estimates["conf_low"])


@pytest.mark.parametrize(
    ("paths", "options", "told"),
    [
        ("e.txt", {}, "no writer for '.txt'"),
        (["e.csv", "e.odt"], {}, "no writer for '.odt'"),
        ("nowhere/e.do", {}, "is no folder"),
        ("e.rds", {"labels": {"a": {1: "b"}}}, "takes no codebook"),
        ([], {}, "No file"),
    ],
)
def test_bad_input_stops_with_a_sentence(tmp_path, paths, options, told):
    found = made()
    wanted = [tmp_path / path for path in paths] if isinstance(paths, list) else tmp_path / paths
    with pytest.raises(at.AnnotuneError, match=told):
        at.write(found, wanted, **options)
    assert list(Path(tmp_path).iterdir()) == []


def test_data_do_not_go_where_only_a_correction_goes(tmp_path):
    with pytest.raises(at.AnnotuneError, match=r"for the result of correct\(\)"):
        at.write(pl.DataFrame({"x": [1]}), tmp_path / "e.docx")


def test_few_clusters_give_stata_the_fewest_degrees_of_freedom(tmp_path):
    degrees = {method: np.array([9.7, 4.6, 6.0]) for method in METHODS}
    for df, says in ((degrees, " dof(4)"), ({method: np.full(3, np.inf) for method in METHODS}, ")")):
        at.write(made(n_clusters=12, df=df), tmp_path / "fit.do")
        posts = [line for line in (tmp_path / "fit.do").read_text().splitlines() if line.startswith("ereturn post")]
        assert len(posts) == 3
        assert all(line.endswith(says) for line in posts)
