"""The report: what is on the page, what is not and why, and that nothing given to it can break it."""

from __future__ import annotations

import dataclasses
import html
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import annotune as at
from annotune.reporting.references import WORKS

VOID = {"meta", "br", "hr", "img", "link", "input"}
UGLY = [
    "<script>alert(1)</script>",
    "</svg><b>",
    'a & b "q" \'s',
    "$x_1$ costs $5",
    "😀 and نص",
    "x" * 120,
    "[a] *b",
    "NA",
]


class Reader(HTMLParser):
    """The elements of a page, its ids, and whether every element that is opened is closed."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def ids(self) -> list[str | None]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def headings(page: Path) -> list[str]:
    return [html.unescape(found) for found in re.findall(r"<h2[^>]*>(.*?)</h2>", page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def model(topics, gold, book, tiny_base):
    return at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=3, n_boot=100)


@pytest.fixture(scope="module")
def coders(gold):
    """Anna coded as the gold says; ben took every tenth text for law; cem left out most."""
    slip = pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("Law")).otherwise("label").alias("label")
    people = {"anna": gold, "ben": gold.with_columns(slip), "cem": gold[:30]}
    return pl.concat([rows.with_columns(coder=pl.lit(name)) for name, rows in people.items()])


@pytest.fixture(scope="module")
def corpus(topics):
    """Two covariates, and one that is different for every text."""
    side = pl.Series("side", ["left", "right", "left"] * 30)
    return topics.with_columns(side, year=pl.int_range(pl.len()) % 20 + 2000, number=pl.int_range(pl.len()))


@pytest.fixture(scope="module")
def comparison(gold):
    other = gold.with_columns(label=pl.Series(["Law"] * 40 + gold["label"][40:].to_list()))
    return at.compare({"first": gold, "second": other[:80]}, gold, n_boot=100)


@pytest.fixture(scope="module")
def curve(topics, gold, book, tiny_base):
    return at.learning_curve(
        topics, gold, book(), sizes=[25, 40, 60], seeds=1, base=str(tiny_base), method="probe", n_boot=50
    )


@pytest.fixture(scope="module")
def correction():
    rng = np.random.default_rng(3)
    x, said = rng.normal(size=600), rng.integers(0, 2, 600)
    gold = pl.Series(np.where(rng.random(600) < 0.9, said, 1 - said)).cast(pl.Int64)
    coded = pl.Series(rng.random(600) < 0.3)
    frame = pl.DataFrame(
        {"x": x, "y_hat": said, "y_gold": gold.zip_with(coded, pl.Series([None] * 600, dtype=pl.Int64))}
    )
    return at.correct("y ~ x", frame, pi=0.3)


@pytest.fixture(scope="module")
def whole(model, coders, corpus, gold, book, comparison, curve, correction, tmp_path_factory):
    """A report with everything in it."""
    path = tmp_path_factory.mktemp("report") / "page.html"
    return at.report(
        path, model=model, codings=coders, codebook=book(), gold=gold, corpus=corpus, by=["side", "year"],
        coded=model.classify(corpus),
        compare=comparison, curve=curve, correct=correction, n_boot=100,
    )  # fmt: skip


def test_everything_is_on_the_page(whole):
    assert headings(whole) == [
        "Summary",
        "The corpus as coded: topic",
        "Agreement of the coders",
        "The model against its baselines: topic",
        "Labels and their confusions: topic",
        "Calibration: topic",
        "Error by subgroup: topic",
        "Learning curve",
        "Comparison of coders",
        "Regressions, corrected for the model's error",
        "Methods, ready to paste",
        "Record",
    ]


def test_the_summary_has_five_lines_at_most_with_the_figures_of_the_sections(whole, model, correction):
    text = whole.read_text(encoding="utf-8")
    summary = html.unescape(text[text.index(">Summary</h2>") : text.index("</section>")])
    assert 4 <= summary.count("<p>") <= 5
    assert "Krippendorff's alpha" in summary
    assert f"macro-F1 {model.evaluation.get('macro_f1'):.2f}" in summary
    assert "texts as the model codes them" in summary
    term, estimate = list(correction.coefficients().items())[1]
    assert term in summary
    assert f"corrected {estimate:.3f}".replace("-", "−") in summary


def test_a_correction_that_does_not_help_is_said_at_the_top(correction, tmp_path):
    note = "Corrected intervals are up to 1.40 times as wide as the hand-coded ones ('x'): to do."
    worse = dataclasses.replace(correction, notes=(note,))
    page = Reader(at.report(tmp_path / "page.html", correct=[correction, worse])).text
    assert f"To be careful about: {note}" in page
    assert (
        "To be careful about"
        not in Reader(at.report(tmp_path / "p.html", correct=dataclasses.replace(correction, notes=()))).text
    )


def test_its_figures_are_those_of_the_verbs(whole, model, coders, book, comparison, gold):
    text = Reader(whole).text
    assert f"{model.evaluation.get('macro_f1'):.3f}" in text
    assert f"{model.evaluation.get('macro_f1', 'TF-IDF + logistic regression'):.3f}" in text
    alpha = at.reliability(coders, codebook=book(), metrics=["alpha"], n_boot=100).row(0, named=True)
    assert f"{alpha['ci_low']:.2f} to {alpha['ci_high']:.2f}" in text
    assert comparison.in_words()[0] in text
    assert at.calibration(model, gold, n_boot=0).in_words() in text


def test_what_single_coders_would_say_is_a_table_in_words(model, tmp_path):
    columns = ["coder", "n_texts", "log_score", "log_score_as_coder", "gain", "ci_low", "ci_high", "offered"]
    rows = [
        (None, 1200, 0.523, 0.501, -0.022, -0.031, -0.013, True),
        ("anna", 800, 0.534, 0.498, -0.036, -0.05, -0.022, True),
        ("ben", 400, 0.501, 0.507, 0.006, -0.004, 0.016, False),
    ]
    scores = pl.DataFrame(rows, schema=columns, orient="row")
    page = at.report(tmp_path / "page.html", model=replace(model, coder_scores=scores), n_boot=100)
    text = Reader(page).text
    assert "What single coders would say" in " ".join(headings(page))
    assert "of 1 of 2 coders the model says what that coder would" in text
    assert "all coders 1,200 texts 0.523 0.501 −0.022 −0.031 to −0.013 yes anna 800 texts" in text
    nobody = scores.with_columns(offered=pl.lit(False))
    plain = at.report(tmp_path / "plain.html", model=replace(model, coder_scores=nobody), n_boot=100)
    assert "the model speaks for all coders alike" in Reader(plain).text
    assert "single coders" not in Reader(at.report(tmp_path / "none.html", model=model, n_boot=100)).text


def test_shares_of_the_corpus_stand_beside_held_out_ones(whole, model, corpus, topics, tmp_path):
    told = Reader(whole).text
    health = at.shares(model, model.classify(corpus)).row(0, named=True)
    figures = " ".join(f"{health[name]:.1%}" for name in ("corpus", "held_out", "people"))
    assert f"Health {figures}" in told
    assert "The model gives no label to the corpus more or less often" in told
    fewer = pl.concat([topics.filter(label="Farming")] * 6).with_columns(unit_id=pl.int_range(90).cast(pl.String))
    with pytest.warns(at.AnnotuneWarning, match="more than chance") as said:
        coded = model.classify(fewer)
    book = at.Codebook(variables=(model.variable,))
    wide = at.attach(fewer.drop("label"), coded, codebook=book)
    pages = [at.report(tmp_path / f"{i}.html", model=model, coded=of, n_boot=100) for i, of in enumerate((coded, wide))]
    for page in map(Reader, pages):
        assert str(said[0].message) in page.text
        assert "Farming 100.0%" in page.text
    without = Reader(at.report(tmp_path / "none.html", model=model, n_boot=100)).text
    assert "The corpus as coded (topic). Pass coded" in without


def test_the_methods_say_how_labels_follow_and_whom_texts_stand_for(topics, gold, book, tiny_base, tmp_path):
    rules = {
        "share": "as often as their probabilities",
        "f1": "cut-offs of the highest macro-F1",
        "likeliest": "most likely label",
    }
    drawn = {"share": {"pi": "pi"}, "f1": {"prevalence": {"Farming": 0.1}}, "likeliest": {}}
    counted = {"share": "inverse of its probability", "f1": "Farming 10.0%"}
    corpus = topics.with_columns(pi=pl.when(pl.col("label") == "Farming").then(1.0).otherwise(0.5))
    for rule, more in drawn.items():
        options = {"base": str(tiny_base), "method": "probe", "folds": 3, "n_boot": 0, "cutoffs": rule}
        told = Reader(
            at.report(tmp_path / f"{rule}.html", model=at.tune(corpus, gold, book(), **options, **more), n_boot=100)
        ).text
        assert "Probabilities were scaled on coded texts outside the training data" in told
        assert [name for name, words in rules.items() if words in told] == [rule]
        assert [name for name, words in counted.items() if words in told] == ([rule] if more else [])
        assert ("Horvitz, D. G." in told) == ("pi" in more)


def test_nothing_is_run_and_nothing_is_fetched(whole):
    page, found = whole.read_text(encoding="utf-8"), Reader(whole)
    assert "http" not in page.replace("http-equiv", "")
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in found.elements
    }
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    referred = [value for _, given in found.elements for name, value in given.items() if name in ("src", "href")]
    assert all(value.startswith(("#", "data:image/png")) for value in referred)
    assert "@import" not in page
    assert ("meta", "default-src 'none'") in [
        (tag, (given.get("content") or "").split(";")[0]) for tag, given in found.elements
    ]


def test_names_within_figures_are_their_own(whole):
    found = Reader(whole)
    assert len(found.ids) == len(set(found.ids))
    page = whole.read_text(encoding="utf-8")
    used = set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'href="#([^"]+)"', page))
    assert used <= set(found.ids)
    assert sum(tag == "svg" for tag, _ in found.elements) == 8


def test_who_does_not_see_the_page_is_told_what_it_shows(whole):
    found = Reader(whole).elements
    pictures = [given for tag, given in found if tag == "svg"]
    assert all(given["role"] == "img" and len(given["aria-label"]) > 20 for given in pictures)
    ids = {given.get("id") for tag, given in found if tag == "figcaption"}
    assert all(given["aria-labelledby"] in ids for tag, given in found if tag == "table")
    assert {given.get("scope") for tag, given in found if tag == "th"} == {"row", "col"}
    assert ("html", {"lang": "en"}) in found


def test_letters_can_be_read_on_every_shade():
    """Contrast of at least 4.5 to 1, as the Web Content Accessibility Guidelines ask for (WCAG 2.2, 1.4.3)."""
    from annotune.reporting.files import shade

    def luminance(colour):
        parts = [int(part) / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    inks = {"#fff": (255, 255, 255), "#000": (0, 0, 0)}
    for share in np.linspace(0.001, 1, 200):
        ground, ink = re.search(r"rgb\((.*?)\);color:(#\w+)", shade(share)).groups()
        pair = sorted([luminance(ground.split(",")), luminance(inks[ink])])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, share


def test_the_same_input_gives_the_same_bytes(model, coders, comparison, tmp_path):
    for suffix in ("html", "tex", "docx"):
        made = [
            at.report(tmp_path / f"{name}.{suffix}", model=model, codings=coders, compare=comparison, n_boot=100)
            for name in ("one", "two")
        ]
        assert made[0].read_bytes() == made[1].read_bytes()


def test_no_text_of_the_corpus_is_printed(whole, topics):
    page = whole.read_text(encoding="utf-8")
    assert not [text for text in topics["text"] if text in page]


@pytest.mark.parametrize("suffix", ["html", "tex", "docx"])
def test_whatever_is_given_the_page_stays_whole(tmp_path, suffix):
    truth, said = [UGLY[i % 8] for i in range(160)], [UGLY[(i + (i % 7 == 0)) % 8] for i in range(160)]
    units = [f"{2**62 + i}" for i in range(160)]
    wide = pl.DataFrame({"unit_id": units, 'ann "<i>"': truth, "ben": said, "cem": truth[::-1]})
    gold = pl.DataFrame({"unit_id": units, "label": truth})
    found = at.compare({name: pl.DataFrame({"unit_id": units, "label": said}) for name in UGLY[:6]}, gold, n_boot=100)
    page = at.report(
        tmp_path / f"page.{suffix}", model=at.evaluate(truth, said, name="</title><script>", n_boot=100), compare=found,
        codings=at.read_codings(wide, variable="v<b>"), title="<script>\x00\x07</script>", n_boot=100,
    )  # fmt: skip
    if suffix == "html":
        read = Reader(page)
        assert not [tag for tag, _ in read.elements if tag in ("script", "b", "i")]
        assert read.elements.count(("title", {})) == 1
        assert all(name in read.text for name in UGLY)
        assert "\x00" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["nominal", "ordinal", "multilabel"])
def test_every_kind_of_variable(topics, book, tiny_base, tmp_path, kind):
    gold = topics.select("unit_id", "label", variable=pl.lit("topic"), coder=pl.lit("gold"))
    if kind == "multilabel":
        gold = pl.concat([gold, gold[::5].with_columns(label=pl.lit("Law"))]).unique(["unit_id", "label"])
    model = at.tune(topics, gold, book(kind), base=str(tiny_base), method="probe", test=0.4, n_boot=100)
    folder = model.save(tmp_path / "model")
    page = at.report(
        tmp_path / "page.html", model=folder, corpus=topics.with_columns(half=pl.int_range(90) % 2), n_boot=100
    )
    assert headings(page)[:4] == [
        "Summary",
        "The model against its baselines: topic",
        "Labels: topic" if kind == "multilabel" else "Labels and their confusions: topic",
        "Calibration: topic",
    ]
    assert "Error by subgroup: topic" in headings(page)
    told = Reader(page).text
    assert "were held out and evaluated once" in told
    assert ("cut points such that each level is as frequent" in told) == (kind == "ordinal")
    assert ("quadratic kappa" in told) == (kind == "ordinal")
    words = "It was also trained on the codebook's names and definitions" in told
    assert words == model.card["choices"]["words"]


def test_a_saved_model_alone_has_all_but_covariates(model, tmp_path):
    page = at.report(tmp_path / "page.html", model=str(model.save(tmp_path / "model")), n_boot=100)
    assert headings(page) == [
        "Summary",
        "The model against its baselines: topic",
        "Labels and their confusions: topic",
        "Calibration: topic",
        "Methods, ready to paste",
        "Record",
        "Missing sections",
    ]
    assert model.card["model_sha256"] in Reader(page).text
    assert "Error by subgroup (topic). Pass corpus" in Reader(page).text


def test_texts_that_people_could_not_settle_are_counted(whole, coders, topics, gold, book, tiny_base, tmp_path):
    assert "were not settled" not in whole.read_text("utf-8")  # each of them was decided, and predicted
    two = coders.filter(pl.col("coder") != "cem")
    differ = two.group_by("unit_id").agg(pl.col("label").n_unique()).filter(pl.col("label") > 1)
    agreed = gold.join(differ, on="unit_id", how="anti")
    model = at.tune(topics, agreed, book(), base=str(tiny_base), method="probe", folds=3, n_boot=100)
    page = at.report(tmp_path / "two.html", model=model, codings=two, codebook=book(), n_boot=100).read_text("utf-8")
    assert f"{len(differ)} texts on which people differ were not settled" in page
    with pytest.warns(at.AnnotuneWarning, match="because their coders disagree"):
        resolved = at.resolve(two, rule="majority")  # which has a row for texts that are not settled
    with pytest.warns(at.AnnotuneWarning, match="no true label"):
        page = at.report(tmp_path / "gold.html", model=model, gold=resolved, codings=two, codebook=book(), n_boot=100)
    assert f"{len(differ)} texts on which people differ were not settled" in page.read_text("utf-8")
    part = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0.4, n_boot=100)
    page = at.report(tmp_path / "part.html", model=part, codings=two, codebook=book(), n_boot=100).read_text("utf-8")
    assert "were not settled" not in page  # most of them were settled, and learnt from


def test_two_models_for_one_variable_are_told_apart(model, topics, gold, book, tiny_base, tmp_path):
    other = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0.3, n_boot=100)
    page = at.report(tmp_path / "page.html", model=[model, other], n_boot=100)
    assert [found for found in headings(page) if found.startswith("Calibration")] == [
        f"Calibration: topic, {model.name}",
        f"Calibration: topic, {other.name}",
    ]
    assert len(Reader(page).ids) == len(set(Reader(page).ids))


def test_a_model_without_held_out_texts_says_so(topics, gold, book, tiny_base, tmp_path):
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", test=0)
    text = Reader(at.report(tmp_path / "page.html", model=model)).text
    assert f"Evaluation of {model.name}. No texts were held out" in text


def test_labels_that_are_many_stay_readable(tmp_path):
    names = [f"a label with a rather long name, number {i}" for i in range(77)]
    truth = [names[i % 77] for i in range(770)]
    said = [names[(i + (i % 3 == 0)) % 77] for i in range(770)]
    page = at.report(tmp_path / "page.html", model=at.evaluate(truth, said, n_boot=100))
    text = page.read_text(encoding="utf-8")
    widest = max(row.count("<td") + row.count("<th") for row in text.split("<tr>"))
    assert widest <= 10
    assert "Confusions of 77 labels as a grid" in text
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", text)]
    assert min(sizes) >= 8
    assert (
        at.report(tmp_path / "tables.tex", model=at.evaluate(truth, said, n_boot=100)).read_text().count("longtable")
        > 1
    )


def test_what_is_cited_is_listed_and_nothing_else(whole, comparison, tmp_path):
    text = Reader(whole).text
    cited = [name for name in WORKS if name in text]
    listed = [name for name, work in WORKS.items() if work in text]
    assert cited == listed
    assert {"Krippendorff 2019", "Holm 1979", "Guo et al. 2017", "Egami et al. 2023"} <= set(cited)
    assert "Hu et al. 2022" not in cited  # the model is a probe
    alone = Reader(at.report(tmp_path / "page.html", compare=comparison)).text
    assert "Krippendorff" not in alone
    assert "after Carammia, Iacus and Porro 2024" in alone


def test_the_report_says_whether_texts_were_drawn_as_pi_says(whole, correction, tmp_path):
    text = Reader(whole).text
    assert "Were the hand-coded texts drawn as pi says?" in text
    assert correction.balance.verdict in text
    assert correction.sensitivity_in_words() in text
    bare = replace(correction, balance=None, sensitivity=None)
    assert "drawn as pi says?" not in Reader(at.report(tmp_path / "page.html", correct=bare)).text


def test_the_methods_name_the_weights_by_coefficient(correction, tmp_path):
    text = Reader(at.report(tmp_path / "page.html", correct=replace(correction, method="auto"))).text
    assert "weighed against the hand-coded estimate for each coefficient (Chen and Chen 2000; Miao et al. 2023)" in text
    assert "double-sampling designs" in text


def test_the_methods_say_what_was_done(whole, model):
    said = Reader(whole).text.split("Methods, ready to paste")[-1]
    assert "90 texts were coded by hand for topic by 3 coders, each of them by more than one." in said
    assert "Krippendorff's alpha is 0." in said
    assert "a logistic regression on the text embeddings of" in said
    assert "3-fold cross-validation over the 90 hand-coded texts" in said
    assert f"macro-F1 is {model.evaluation.get('macro_f1'):.2f} (95 % interval" in said
    assert "was corrected for the classifier's error by design-based supervised learning (Egami et al. 2023)" in said


def test_the_methods_say_what_computed_the_codes_where_that_was_tried(model, tmp_path):
    why = "Computed in bfloat16, 2.6 times as fast as float32: in a trial 998 of 1,000 labels were those of float32."
    choice = {"precision": "auto", "runtime": "bfloat16", "why": why, "trials": [{"runtime": "float32"}]}
    record = {"what": "annotune run", "runtimes": {"topic": choice}}
    text = Reader(at.report(tmp_path / "page.html", model=model, record=record)).text
    assert "Codes for topic were computed in bfloat16, 2.6 times as fast as float32: in a trial 998" in text
    record["runtimes"]["topic"]["trials"] = []
    text = Reader(at.report(tmp_path / "page.html", model=model, record=record)).text
    assert "Codes for topic were" not in text


def test_a_record_is_printed_without_times_and_folders(comparison, tmp_path):
    record = {"what": "annotune run", "time": {"written": "2026-01-01"}, "study": {"gold": {"rule": "majority"}}}
    record |= {"inputs": {"/home/anna/texts.csv": "f00d"}}
    text = Reader(at.report(tmp_path / "page.html", compare=comparison, record=record)).text
    assert "inputs.texts.csv : f00d" in text.replace("csv f00d", "csv : f00d")
    assert "/home" not in text
    assert "2026-01-01" not in text
    assert "Differences between coders were settled by majority." in text


def test_tables_for_a_paper(whole, model, comparison, tmp_path):
    tex = at.report(tmp_path / "tables.tex", model=model, compare=comparison, n_boot=100).read_text(encoding="utf-8")
    assert tex.count(r"\begin{tabular}") == tex.count(r"\caption{") == 7
    assert "TF-IDF + logistic regression & " in tex
    docx = pytest.importorskip("docx").Document(
        str(at.report(tmp_path / "t.docx", model=model, compare=comparison, n_boot=100))
    )
    assert len(docx.tables) == 7
    cells = [cell.text for cell in docx.tables[0].rows[1].cells]
    assert cells[0] == model.name
    assert cells[1].startswith(f"{model.evaluation.get('macro_f1'):.3f} (")
    with zipfile.ZipFile(tmp_path / "t.docx") as parts:
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_without_the_library_for_word_it_says_how_to_get_it(monkeypatch, comparison, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "docx", None)
    with pytest.raises(at.AnnotuneError, match=r"python-docx, .* Run: pip install 'annotune\[tables\]'"):
        at.report(tmp_path / "page.docx", compare=comparison)
    assert not list(tmp_path.iterdir())


def test_a_format_that_the_ending_does_not_say(comparison, tmp_path):
    assert at.report(tmp_path / "page", compare=comparison, format="html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "nothing to report"),
        ({"model": "nowhere"}, "no model saved by annotune"),
        ({"model": 3}, "Pass a tuned model, its folder, or the result of evaluate"),
        ({"record": "nowhere.json"}, "not a record"),
        ({"n_boot": 5}, "too few"),
        ({"by": "sied"}, "Did you mean 'side'"),
        ({"by": "side", "corpus": None}, "there is no corpus"),
        ({"path": "page.pdf"}, "cannot be written as 'pdf'"),
        ({"path": "none/page.html"}, "no folder"),
        ({"compare": "first"}, "compare="),
    ],
)
def test_what_cannot_be_is_said(model, corpus, tmp_path, given, told):
    one = {} if given == {} else {"model": model, "corpus": corpus}
    with pytest.raises(at.AnnotuneError, match=told):
        at.report(
            **{"path": tmp_path / "page.html", **one, **given} | {"path": tmp_path / given.get("path", "page.html")}
        )
    assert not list(tmp_path.iterdir())


def test_an_older_page_stays_where_a_new_one_fails(model, corpus, tmp_path):
    page = at.report(tmp_path / "page.html", model=model, n_boot=100)
    before = page.read_bytes()
    with pytest.raises(at.AnnotuneError):
        at.report(page, model=model, corpus=corpus, by="nobody")
    assert page.read_bytes() == before


def test_a_model_that_was_measured_without_a_bootstrap_is_reported(topics, gold, book, tiny_base, tmp_path):
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", folds=2, n_boot=0)
    page = at.report(tmp_path / "page.html", model=model, n_boot=100)
    assert "90 texts, macro-F1 is" in Reader(page).text
    for suffix in ("tex", "docx"):
        assert at.report(tmp_path / f"page.{suffix}", model=model, n_boot=100).stat().st_size > 0
