"""What coders see: texts as texts, proposals without their makers, differences, and the codebook as it grows."""

import json

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.page.versions import bring_in
from annotune.hybrid.store import open_store

HOSTILE = "<script>document.title = 'owned'; alert(1)</script><img src=x onerror=\"alert(2)\"> {{7*7}} &amp; ]]>"


def test_a_text_that_is_a_script_is_shown_and_never_run(serve, window, answers_in):
    label = at.Label(code=1, name="<b>bold</b>", definition=HOSTILE, examples=(HOSTILE,))
    other = at.Label(code=2, name="javascript:alert(3)")
    variable = at.Variable(name="<i>topic</i>", instruction=HOSTILE, labels=(label, other))
    book = at.Codebook(name=HOSTILE, variables=(variable,))
    corpus = pl.DataFrame({"unit_id": [HOSTILE, "b"], "text": [HOSTILE, "b"], "party": [HOSTILE, HOSTILE]})
    served = serve(corpus, book, columns={"show": ["party"], "before": "party"})
    anna = window(served.links["anna"])
    assert anna.text == HOSTILE
    assert anna.page.locator("#facts dd").inner_text() == HOSTILE
    assert HOSTILE in anna.page.locator("#entries").inner_text()
    anna.press("1", "n")
    anna.page.keyboard.type(HOSTILE)
    anna.press("Enter", "Enter")
    anna.wait_for_place(2)
    anna.press("o")
    # Rows far down are not laid out, and none is before the next frame: what they say does not depend on that.
    assert HOSTILE[:90].strip() in anna.page.locator("#rows").text_content()
    assert anna.page.locator("#rows img, #rows script, main img, main script").count() == 0
    assert "owned" not in anna.page.title()[:5]
    assert list(answers_in(served.store).values()) == [["<b>bold</b>"]]


def test_an_arm_of_each_kind(serve, window, texts, topics, decisions_in):
    corpus = texts(4)
    arms = dict(zip(corpus["unit_id"], ("open", "blind", "two", "decoy"), strict=True))
    models = ("model-of-one-maker", "model-of-another")
    proposals = [(model, unit, "topic", ["Law"]) for unit in corpus["unit_id"] for model in models[:1]]
    proposals.append((models[1], "u02", "topic", ["Trade"]))
    served = serve(corpus, topics, arms=arms, proposals=proposals)
    anna = window(served.links["anna"])
    offers = anna.page.locator(".offer .name")
    shown = []
    for place in range(1, 5):
        anna.wait_for_place(place)
        shown.append(offers.all_inner_texts())
        assert not [word for word in (*models, "decoy", "blind") if word in anna.page.content()]
        anna.press("b" if place == 3 else "1" if place == 2 else "a", "Enter")
    anna.wait_for_place(4)  # the text of the decoy comes again, without it and without what was said
    anna.page.wait_for_selector("#again:not([hidden])")
    assert "once more" in anna.page.locator("#again").inner_text()
    assert (offers.count(), anna.chosen()) == (0, [])
    anna.press("1", "Enter")
    anna.wait_for_view("finished")
    assert shown[0] == ["Law"]
    assert shown[1] == []
    assert sorted(shown[2]) == ["Law", "Trade"]
    assert len(shown[3]) == 1
    assert shown[3] != ["Law"]
    rows = decisions_in(served.store)
    assert [row["arm"] for row in rows] == ["open", "blind", "two", "decoy", "blind"]
    labels = [json.loads(row["labels"]) for row in rows]
    assert labels == [["Law"], ["Health"], [shown[2][1]], shown[3], ["Health"]]
    stored = [[proposal["labels"] for proposal in json.loads(row["proposals"])] for row in rows]
    assert stored == [[["Law"]], [], [[label] for label in shown[2]], [shown[3]], []]


def test_a_sharper_definition_brings_texts_back_and_says_why(serve, window, texts, topics, decisions_in):
    served = serve(texts(4), topics, ("anna", "ben"))
    anna, ben = (window(served.links[name]) for name in ("anna", "ben"))
    anna.code("Law")
    anna.code("Health")
    ben.page.locator(".entry", has_text="Law").locator(".sharpen").click()
    form = ben.page.locator("#sharpen-form")
    assert form.locator("[name=definition]").input_value() == "Courts, police and prisons."
    form.locator("[name=definition]").fill("Courts and prisons; the police is Order.")
    form.locator("[name=reason]").fill("Two of us disagree about the police.")
    form.locator("button[type=submit]").click()
    ben.page.wait_for_selector("#noted:not([hidden])")
    assert "Saved as version 2. 1 text comes up again." in ben.page.locator("#noted").inner_text()
    assert "the police is Order" in ben.page.locator("#entries").inner_text()
    assert ben.page.locator("#passage:focus").count() == 1
    anna.code("Health")  # its receipt tells of the new version
    anna.wait_until_saved()
    anna.code("Health")
    anna.wait_for_place(1)
    words = anna.page.locator("#again").inner_text()
    assert "the definition of “Law” was sharpened by ben" in words
    assert "Two of us disagree about the police." in words
    assert "Courts, police and prisons." in words
    assert anna.chosen() == ["Law"]
    assert anna.page.locator(".entry.changed .name").all_inner_texts() == ["Law"]
    anna.press("Enter")  # it stays as it is, and is said anew
    anna.wait_for_view("finished")
    assert [row["codebook"] for row in decisions_in(served.store)][-1] == 2


def test_an_answer_whose_label_is_gone_is_given_anew(serve, window, texts, topics, answers_in):
    served = serve(texts(2), topics)
    anna = window(served.links["anna"])
    anna.code("Health")
    anna.wait_until_saved()
    (topic,) = topics.variables
    fewer = topics.model_copy(update={"variables": (topic.model_copy(update={"labels": topic.labels[1:]}),)})
    with open_store(served.store) as store:
        bring_in(store, fewer)
    anna.page.reload()
    anna.wait_for_place(1)
    assert "“Health” is no label any more" in anna.page.locator("#again").inner_text()
    anna.press("Enter")
    assert anna.page.locator("#unanswered").inner_text() == "topic has no answer yet."
    anna.code("Law")
    anna.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Law"]}


def test_differences_are_settled_side_by_side(serve, window, texts, topics, answers_in):
    served = serve(texts(3), topics, ("anna", "ben"), adjudicator="cara")
    anna, ben = (window(served.links[name]) for name in ("anna", "ben"))
    for label in ("Health", "Law", "Trade"):
        anna.code(label)
    ben.code("Health")
    ben.press(ben.key_of("Farming"), "q", "n")
    ben.page.keyboard.type("Or is it trade?")
    ben.press("Enter", "Enter")
    ben.wait_for_place(3)
    ben.code("Health")
    ben.wait_until_saved()
    cara = window(served.links["cara"])
    assert cara.page.locator("#place").inner_text() == "Text 1 of 2"
    codings = cara.page.locator(".offer")
    assert codings.locator(".name").all_inner_texts() == ["Law", "Farming"]
    assert codings.locator(".aside").all_inner_texts()[0] == "anna"
    assert "Or is it trade?" in codings.last.inner_text()
    assert "unsure" in codings.last.inner_text()
    cara.press("a", "Enter")
    cara.wait_for_place(2)
    cara.press("Backspace")
    cara.wait_for_place(1)
    cara.press("b", "Enter")
    cara.wait_for_place(2)
    cara.wait_until_saved()
    cara.page.reload()
    cara.wait_for_place(2)
    cara.press("Backspace")  # of what was settled before the page was loaded
    cara.wait_for_place(1)
    cara.press("b", "Enter")
    cara.wait_for_place(2)
    cara.code("Farming")  # neither of the two
    cara.wait_for_view("finished")
    assert "2 differences are settled" in cara.page.locator("#finished-words").inner_text()
    own = {unit: labels for (unit, _, coder), labels in answers_in(served.store).items() if coder == "cara"}
    assert own == {"u01": ["Farming"], "u02": ["Farming"]}


def test_the_marked_passage_of_a_long_text_is_in_view(serve, window, topics):
    text = "😀 " + "A sentence that says nothing in particular. " * 200 + "Here it is. " + "And so on. " * 200
    served = serve(
        pl.DataFrame({"unit_id": ["a"], "text": [text], "said": ["Here it is."]}), topics, columns={"mark": "said"}
    )
    anna = window(served.links["anna"])
    mark = anna.page.locator("mark")
    assert mark.inner_text() == "Here it is."
    box, outer = mark.bounding_box(), anna.page.locator("#passage").bounding_box()
    assert outer["y"] <= box["y"] < outer["y"] + outer["height"] - box["height"]


def test_what_decided_for_a_proposal_is_underlined_and_moves_nothing(serve, window, topics, violations):
    text = "😀 " + "A sentence that says nothing in particular. " * 200 + "More nurses, please. " + "And so on. " * 200
    corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": [text, text], "said": ["nurses", "nurses"]})
    served = serve(
        corpus, topics, arms={"b": "blind"},
        proposals=[("tuned", unit, "topic", ["Health"]) for unit in "ab"],
        passages=[("tuned", unit, "topic", 0, "More nurses, please.", 0.624) for unit in "ab"],
    )  # fmt: skip
    anna = window(served.links["anna"])
    page, passage = anna.page, anna.page.locator("#passage")
    assert page.locator("mark").all_inner_texts() == ["More nurses, please."]
    assert passage.evaluate("box => box.scrollTop") == 0
    said = page.locator(".to-passage")
    assert said.inner_text() == "62 % of what speaks for it is in the underlined passage"
    assert violations(page) == []
    said.click()
    anna.until(lambda: passage.evaluate("box => box.scrollTop") > 0)
    box, outer = page.locator("mark").bounding_box(), passage.bounding_box()
    assert outer["y"] <= box["y"] < outer["y"] + outer["height"] - box["height"]
    anna.press("a", "Enter")  # keys answer as before
    anna.wait_for_place(2)
    assert page.locator("mark, .to-passage, .offer").count() == 0


def test_passages_that_overlap_are_marked_by_parts(serve, window, topics):
    corpus = pl.DataFrame(
        {"unit_id": ["a"], "text": ["We thank the nurses, all of them."], "said": ["the nurses, all"]}
    )
    served = serve(
        corpus, topics, arms={"a": "two"}, columns={"mark": "said"},
        proposals=[("m1", "a", "topic", ["Health"]), ("m2", "a", "topic", ["Law"])],
        passages=[
            ("m1", "a", "topic", 0, "We thank the nurses", 0.7),
            ("m2", "a", "topic", 0, "nurses, all of them.", 1),
        ],
    )  # fmt: skip
    page = window(served.links["anna"]).page
    parts = [(part.get_attribute("class"), part.text_content()) for part in page.locator("mark").all()]
    assert parts == [
        ("decided", "We thank "), ("own decided", "the "), ("own decided", "nurses"), ("own decided", ", all"),
        ("decided", " of them."),
    ]  # fmt: skip
    words = {button.text_content().split(" of ")[0] for button in page.locator(".to-passage").all()}
    assert words == {"70 %", "all"}
    assert page.locator("#passage .text").inner_text() == "We thank the nurses, all of them."


@pytest.mark.parametrize(
    ("text", "direction"), [("الصحة حق لكل مواطن.", "rtl"), ("(שלום) לכולם", "rtl"), ("Health.", "ltr")]
)
def test_a_text_runs_as_its_script_does(serve, window, topics, text, direction):
    served = serve(pl.DataFrame({"unit_id": ["a"], "text": [text]}), topics)
    anna = window(served.links["anna"])
    computed = anna.page.locator("#passage .text").evaluate("text => getComputedStyle(text).direction")
    assert computed == direction


def test_neighbours_and_facts_stand_beside_the_text(serve, window, topics):
    corpus = pl.DataFrame(
        {
            "unit_id": ["a", "b", "c"],
            "text": ["One.", "Two.", "Three."],
            "speech": [1, 1, 1],
            "year": [2019, 2020, 2021],
        }
    )
    served = serve(corpus, topics, columns={"document": "speech", "show": ["year"]})
    anna = window(served.links["anna"])
    anna.press("ArrowRight")
    anna.wait_for_place(2)
    before, after = anna.page.locator(".neighbour").all_inner_texts()
    assert ("One." in before, "Three." in after) == (True, True)
    assert anna.page.locator("#facts").inner_text().split() == ["year", "2020"]


def test_a_name_that_is_longer_than_its_value_stays_whole(serve, window, topics):
    corpus = pl.DataFrame({"unit_id": ["a"], "text": ["One."], "tongue": ["en"]})
    anna = window(serve(corpus, topics, columns={"show": ["tongue"]}).links["anna"], width=375, height=667)
    assert anna.page.locator("#facts dt").bounding_box()["height"] < 30  # one line of print


def test_the_overview_finds_texts_and_leads_to_them(serve, window, texts, topics):
    served = serve(texts(8), topics)
    anna = window(served.links["anna"])
    anna.press("1", "q", "Enter")
    anna.wait_for_place(2)
    anna.code()
    anna.press("o")
    rows = anna.page.locator("#rows .row")
    assert rows.count() == 8
    anna.page.locator("#filters label", has_text="Unsure").click()
    assert rows.count() == 1
    assert "Health" in rows.text_content()
    anna.page.locator("#filters label", has_text="All").click()
    anna.page.locator("#overview-search").fill("wheat")
    assert rows.count() == 2
    rows.last.click()
    anna.wait_for_place(8)
    assert "wheat" in anna.text


def test_progress_and_the_time_that_is_left_are_said(serve, window, texts, topics):
    served = serve(texts(8), topics)
    anna = window(served.links["anna"])
    for _ in range(4):
        anna.page.wait_for_timeout(120)
        anna.code()
    anna.wait_until_saved()
    assert anna.page.locator(".progress").inner_text().split("·")[0].strip() == "4 of 8"
    assert "left" in anna.page.locator("#progress-left").inner_text()
    assert anna.page.locator("#progress").evaluate("bar => bar.value / bar.max") == 0.5
    assert anna.page.title().startswith("4 of 8")
