"""Everybody can use the page: axe finds nothing in any view, in light and in dark; it fits a phone and large print."""

import polars as pl
import pytest

import annotune as at


@pytest.fixture
def rich():
    """A codebook with a question of each kind, long names, and a hierarchy."""
    topics = (
        at.Label(code=1, name="Wirtschafts-_und_Finanzpolitik", definition="Haushalt, Steuern, Preise."),
        at.Label(code=11, name="Steuern", parent=1, examples=("Die Mehrwertsteuer muss sinken.",)),
        at.Label(code=12, name="Donaudampfschifffahrtsgesellschaftskapitänsmützen", parent=1),
        at.Label(code=2, name="Gesundheit"),
    )
    tones = ("sehr kritisch", "kritisch", "weder noch", "zustimmend", "sehr zustimmend")
    return at.Codebook(
        name="Bundestag",
        language="de",
        variables=(
            at.Variable(name="thema", labels=topics, instruction="Worum geht es hauptsächlich?"),
            at.Variable(
                name="ton", kind="ordinal", labels=tuple(at.Label(code=i, name=n) for i, n in enumerate(tones))
            ),
            at.Variable(
                name="wer", kind="multilabel", labels=tuple(at.Label(code=i, name=n) for i, n in enumerate("abc"))
            ),
        ),
    )


@pytest.fixture
def study(serve, rich):
    """Three texts with what stands around them, proposals, and two coders who differ about the first."""
    corpus = pl.DataFrame(
        {
            "unit_id": ["a", "b", "c"],
            "text": ["Der Satz davor.", "Die Steuern müssen endlich sinken.", "Der Satz danach."],
            "rede": [1, 1, 1],
            "partei": ["x", "y", "z"],
            "stelle": [None, "endlich", None],
        }
    )
    proposals = [("m1", unit, "thema", ["Steuern"]) for unit in "abc"] + [("m2", "b", "thema", ["Gesundheit"])]
    columns = {"document": "rede", "show": ["partei"], "mark": "stelle"}
    arms = dict.fromkeys("abc", "two")
    more = {"columns": columns, "arms": arms, "proposals": proposals, "adjudicator": "cara"}
    return serve(corpus, rich, ("anna", "ben"), **more)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(study, window, violations, scheme):
    anna = window(study.links["anna"], color_scheme=scheme)
    page = anna.page
    assert page.evaluate("getComputedStyle(document.body).color") != ("rgb(27, 31, 36)" if scheme == "dark" else "")
    anna.press("ArrowRight")
    anna.wait_for_place(2)
    anna.press("a", "2", "1", "q", "n")
    page.keyboard.type("Eine Notiz.")
    anna.press("Escape")
    assert violations(page) == [], "coding"
    anna.press("Enter")
    anna.wait_for_place(3)
    anna.press("Enter")
    assert violations(page) == [], "an answer that lacks"
    for key, dialog in (("?", "keys"), ("p", "paused")):
        anna.press(key)
        page.wait_for_selector(f"#{dialog}[open]")
        assert violations(page) == [], dialog
        anna.press("Escape")
    page.click("#open-display")
    assert violations(page) == [], "display"
    anna.press("Escape")
    page.locator(".sharpen").first.click()
    assert violations(page) == [], "sharpen"
    anna.press("Escape", "/")
    page.keyboard.type("ste")
    assert violations(page) == [], "search"
    anna.press("Escape")
    anna.page.context.route("**/api/answer", lambda route: route.abort())
    anna.press("1", "1", "1", "Enter")
    page.wait_for_selector("#trouble:not([hidden])")
    assert violations(page) == [], "no connection"
    anna.page.context.unroute("**/api/answer")
    anna.wait_until_saved()
    anna.press("o")
    assert violations(page) == [], "overview"
    anna.press("Escape", "2", "1", "1", "Enter")
    anna.wait_for_view("finished")
    assert violations(page) == [], "finished"
    ben = window(study.links["ben"])
    ben.press("ArrowRight")
    ben.wait_for_place(2)
    ben.press("4", "1", "1", "Enter")
    ben.wait_for_place(3)
    ben.wait_until_saved()
    cara = window(study.links["cara"], color_scheme=scheme)
    assert cara.page.locator(".offer").count() == 2
    assert violations(cara.page) == [], "differences"


def test_nothing_is_wider_than_the_screen(study, window):
    anna = window(study.links["anna"])
    for width, size in [(390, 2), (390, 5), (820, 2), (820, 4), (1280, 5), (1920, 1)]:
        anna.page.set_viewport_size({"width": width, "height": 844})
        anna.page.evaluate("size => localStorage.setItem('annotune:display', JSON.stringify({ size }))", size)
        anna.page.reload()
        anna.wait_for_place(1)
        for key in ("Escape", "o", "?"):
            anna.press(key)
            needed, room = anna.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert needed <= room, (width, size, key)


def test_on_a_phone_the_codebook_comes_over_the_text(study, window):
    anna = window(study.links["anna"], width=390, height=844, has_touch=True, is_mobile=True)
    page = anna.page
    assert not page.locator("#search").is_visible()
    page.tap("#open-codebook")
    assert page.locator("#search:focus").count() == 1
    page.tap("#codebook-close")
    page.wait_for_selector("#search", state="hidden")
    assert page.locator("#passage:focus").count() == 1
    page.locator("#questions .option", has_text="Gesundheit").tap()
    assert anna.chosen() == ["Gesundheit"]
    assert page.locator("#confirm").bounding_box()["height"] >= 44


def test_colours_print_and_motion_follow_the_person(study, window):
    anna = window(study.links["anna"], color_scheme="light", reduced_motion="reduce")
    page = anna.page
    colour = "getComputedStyle(document.querySelector('.sheet')).backgroundColor"
    light = page.evaluate(colour)
    page.click("#open-display")
    page.locator("#display label", has_text="Dark").click()
    dark = page.evaluate(colour)
    assert light != dark
    size = "parseFloat(getComputedStyle(document.querySelector('.text')).fontSize)"
    before = page.evaluate(size)
    anna.press("Escape", "+", "+", "+")
    assert page.evaluate(size) > 1.4 * before
    page.reload()
    anna.wait_for_place(1)
    assert (page.evaluate(colour), page.evaluate(size) > 1.4 * before) == (dark, True)
    transition = "getComputedStyle(document.querySelector('#codebook')).transitionDuration"
    assert page.evaluate(transition) in ("0s", "0s, 0s, 0s")


def test_what_happens_is_said_to_who_cannot_see_it(study, window):
    anna = window(study.links["anna"])
    page = anna.page
    said = page.locator("#live")
    assert page.locator("#passage:focus").count() == 1
    assert page.get_by_role("region", name="Text 1 of 3", description="Der Satz davor.").count() == 1
    spoken = page.locator(
        "#questions .groups .name, .scale .name, .instruction, legend span:first-child, #entries .name"
    )
    assert set(spoken.evaluate_all("all => all.map(node => node.lang)")) == {"de"}
    assert page.get_by_text("No label applies").first.evaluate("node => node.closest('[lang]').lang") == "en"
    assert page.get_by_role("group", name="thema").get_by_role("radio", name="Gesundheit").count() == 1
    page.evaluate("passage.addEventListener('focus', () => (document.body.dataset.focused = place.textContent))")
    anna.press("1", "1", "1", "Enter")
    anna.wait_for_place(2)
    assert page.locator("body").get_attribute("data-focused") == "Text 2 of 3"  # what is focused already is not read
    anna.until(lambda: "Saved. 1 of 3." in said.text_content())
    assert page.locator("#passage:focus").count() == 1
    anna.press("u")
    anna.wait_for_place(1)
    anna.until(lambda: "undone" in said.text_content())
    anna.press("u", "ArrowLeft")
    anna.until(lambda: "first text" in said.text_content())


def test_arrows_in_a_question_stay_in_it(study, window):
    anna = window(study.links["anna"])
    title = anna.page.locator("#codebook-title")
    anna.press("Tab", "Tab")  # over the proposal
    anna.press("ArrowDown")
    anna.until(lambda: anna.chosen() != [])
    anna.press("ArrowDown")
    assert title.inner_text() == "Codebook: thema"
    anna.press("Escape", "1")  # a key beside a label goes on to the next question
    assert title.inner_text() == "Codebook: ton"


@pytest.mark.parametrize(("width", "height"), [(375, 400), (320, 256)])
def test_what_has_the_focus_is_not_behind_the_bars(study, window, width, height):
    anna = window(study.links["anna"], width=width, height=height)
    bars = "['.top', '.bar'].map(name => document.querySelector(name).getBoundingClientRect())"
    for _ in range(10):
        anna.press("Tab")
        focused = anna.page.locator("#questions :focus")
        if focused.count():
            box, (above, below) = focused.bounding_box(), anna.page.evaluate(bars)
            assert above["bottom"] <= box["y"] + 1
            assert box["y"] + box["height"] <= below["top"] + 1
    assert anna.page.locator("#confirm span").bounding_box()["height"] < 30  # one line of print
