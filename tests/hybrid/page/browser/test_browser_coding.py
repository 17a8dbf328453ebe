"""Coding in a browser, by keyboard alone: what was pressed is what the store holds, whatever happens meanwhile."""

import json

import polars as pl

import annotune as at


def test_thirty_texts_by_keyboard_with_a_reload_and_undo(serve, window, texts, topics, answers_in, decisions_in):
    corpus = texts(30)
    served = serve(corpus, topics)
    anna = window(served.links["anna"])
    for place in range(1, 13):
        assert anna.place == place
        anna.code()
    anna.press(anna.key_of("Law"))  # chosen and not confirmed: a reload keeps it
    anna.page.reload()
    anna.wait_for_place(13)
    assert anna.chosen() == ["Law"]
    anna.press("u")  # what is chosen is cleared first
    assert anna.chosen() == []
    for place in (12, 11, 10):
        anna.press("Backspace")
        anna.wait_for_place(place)
    undone = {f"u{i:02}" for i in (9, 10, 11)}
    assert not undone & {unit for unit, _, _ in answers_in(served.store)}
    for place in range(10, 31):
        assert anna.place == place
        anna.code()
    anna.wait_for_view("finished")
    assert "30 texts are coded" in anna.page.locator("#finished-words").inner_text()
    expected = {(unit, "topic", "anna"): [label] for unit, _, label in corpus.rows()}
    assert answers_in(served.store) == expected
    assert sum(row["status"] == "withdrawn" for row in decisions_in(served.store)) == 3
    seconds = [row["seconds"] for row in decisions_in(served.store) if row["status"] == "ok"]
    assert 0 < sum(seconds) < 120


def test_undo_shows_what_was_said_and_saying_it_again_is_one_key(serve, window, texts, topics, answers_in):
    served = serve(texts(3), topics)
    anna = window(served.links["anna"])
    anna.code("Trade")
    anna.press("u")
    anna.wait_for_place(1)
    assert anna.chosen() == ["Trade"]
    anna.press("Enter")
    anna.wait_for_place(2)
    anna.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Trade"]}


def test_what_held_before_an_undone_change_is_coded_still(serve, window, texts, topics, answers_in):
    served = serve(texts(2), topics)
    anna = window(served.links["anna"])
    far = anna.page.locator("#progress-share")
    anna.code("Health")
    anna.press("ArrowLeft")
    anna.wait_for_place(1)
    anna.code("Law")
    anna.press("u")
    anna.wait_for_place(1)
    anna.until(lambda: anna.chosen() == ["Health"])
    assert far.inner_text() == "1 of 2"
    anna.press("Enter")
    anna.wait_for_place(2)
    anna.code("Law")
    anna.wait_for_view("finished")  # the first text is not asked for again and again
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Health"], ("u01", "topic", "anna"): ["Law"]}


def test_an_undo_on_its_own_text_is_seen_there(serve, window, texts, topics, answers_in):
    served = serve(texts(2), topics)
    anna = window(served.links["anna"])
    anna.code("Health")
    anna.press("ArrowLeft")
    anna.wait_for_place(1)
    assert "Coded" in anna.page.locator("#state").inner_text()
    anna.wait_until_saved()
    anna.press("u")
    anna.until(lambda: anna.page.locator("#state").inner_text() == "")
    assert anna.page.locator("#progress-share").inner_text() == "0 of 2"
    assert anna.chosen() == ["Health"]
    anna.press("Enter")
    anna.wait_for_place(2)
    anna.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Health"]}


def test_a_key_that_is_held_down_counts_once(serve, window, texts, topics):
    anna = window(serve(texts(6), topics).links["anna"])
    for _ in range(4):
        anna.code()
    anna.wait_until_saved()
    for _ in range(10):  # as the keyboard sends it until it is let go
        anna.page.keyboard.down("Backspace")
    anna.page.keyboard.up("Backspace")
    anna.wait_for_place(4)
    anna.page.wait_for_timeout(300)
    assert anna.page.locator("#progress-share").inner_text() == "3 of 6"
    anna.press("n")
    for _ in range(3):
        anna.page.keyboard.down("Enter")  # leaves the note, and confirms nothing
    anna.page.keyboard.up("Enter")
    assert anna.place == 4


def test_two_coders_at_once_have_each_their_own_answers(serve, window, texts, topics, answers_in):
    served = serve(texts(6), topics, ("anna", "ben"))
    anna, ben = (window(served.links[name]) for name in ("anna", "ben"))
    for _ in range(3):
        anna.code()
        ben.code("Farming")
    ben.press("u")
    ben.wait_for_place(3)
    for shown in (anna, ben):
        shown.wait_until_saved()
    said = answers_in(served.store)
    assert {key: value for key, value in said.items() if key[2] == "anna"} == {
        ("u00", "topic", "anna"): ["Health"],
        ("u01", "topic", "anna"): ["Law"],
        ("u02", "topic", "anna"): ["Trade"],
    }
    assert {unit for unit, _, coder in said if coder == "ben"} == {"u00", "u01"}


def test_every_kind_of_answer_has_a_key(serve, window, answers_in, decisions_in):
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(("the people", "experts", "courts")))
    tones = tuple(at.Label(code=code, name=name) for code, name in enumerate(("critical", "neither", "approving")))
    book = at.Codebook(
        variables=(
            at.Variable(name="appeals_to", kind="multilabel", labels=labels),
            at.Variable(name="tone", kind="ordinal", labels=tones),
        )
    )
    corpus = pl.DataFrame({"unit_id": ["a", "b", "c"], "text": ["First.", "Second.", "Third."]})
    served = serve(corpus, book)
    anna = window(served.links["anna"])
    anna.press("1", "3")  # a set
    anna.press("Enter")  # the scale has no answer yet
    assert anna.page.locator("#unanswered").inner_text() == "tone has no answer yet."
    anna.press("1", "ArrowUp", "1", "ArrowDown", "q", "n")
    anna.page.keyboard.type("Is 'courts' meant as people?")
    anna.press("Enter", "Enter")
    anna.wait_for_place(2)
    anna.press("0", "x", "Enter")  # no label of the set applies; on the scale it cannot be coded
    anna.wait_for_place(3)
    anna.press("ArrowLeft")
    anna.wait_for_place(2)
    assert anna.chosen() == ["none", "missing"]
    anna.wait_until_saved()
    rows = {(row["unit_id"], row["variable"]): row for row in decisions_in(served.store)}
    assert json.loads(rows["a", "appeals_to"]["labels"]) == ["courts"]
    assert json.loads(rows["a", "tone"]["labels"]) == ["critical"]
    assert (rows["a", "tone"]["unsure"], rows["a", "tone"]["note"]) == (1, "Is 'courts' meant as people?")
    assert (rows["a", "appeals_to"]["unsure"], rows["a", "appeals_to"]["note"]) == (0, "")
    assert rows["b", "appeals_to"]["status"] == "none"
    assert rows["b", "tone"]["status"] == "missing"


def test_a_hundred_labels_are_found_by_search(serve, window, answers_in):
    parents = tuple(at.Label(code=100 * i, name=f"Area {i}") for i in range(1, 10))
    children = tuple(
        at.Label(code=100 * i + j, name=f"Ernährung_und_Landwirtschaft {i}.{j}", parent=100 * i)
        for i in range(1, 10)
        for j in range(1, 11)
    )
    book = at.Codebook(language="de", variables=(at.Variable(name="thema", labels=(*parents, *children)),))
    served = serve(pl.DataFrame({"unit_id": ["a", "b"], "text": ["Erstens.", "Zweitens."]}), book)
    anna = window(served.links["anna"])
    assert anna.key_of("Area 1") == "1"
    assert anna.key_of("Ernährung und Landwirtschaft 1.1") == "2"
    anna.press("/")
    anna.page.keyboard.type("ernahrung 9.7")
    assert "1 label fits" in anna.page.locator("#hits").inner_text()
    anna.press("Enter")
    assert anna.chosen() == ["Ernährung_und_Landwirtschaft 9.7"]
    anna.press("Enter")
    anna.wait_for_place(2)
    anna.press("Shift+B", "Enter")  # beyond the letters: with shift
    anna.wait_for_view("finished")
    labels = list(answers_in(served.store).values())
    assert labels[0] == ["Ernährung_und_Landwirtschaft 9.7"]
    assert labels[1] == ["Ernährung_und_Landwirtschaft 3.6"]


def test_letters_of_other_keyboards_mean_the_same(serve, window, texts, topics):
    served = serve(texts(2), topics)
    anna = window(served.links["anna"])
    send = """([key, code]) => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))"""
    anna.page.evaluate(send, ["é", "Digit2"])  # the 2 of a French keyboard
    assert anna.chosen() == ["Law"]
    anna.page.evaluate(send, ["й", "KeyQ"])  # the q of a Russian one
    assert anna.page.locator("#questions .rest input").last.is_checked()


def test_single_keys_can_be_switched_off(serve, window, texts, topics):
    served = serve(texts(2), topics)
    anna = window(served.links["anna"])
    anna.page.click("#open-display")
    anna.page.locator("#display input[name=keys]").uncheck()
    anna.press("Escape", "1", "u", "o")
    assert anna.chosen() == []
    assert anna.page.locator("body").get_attribute("data-view") == "coding"


def test_the_clock_stands_still_in_a_pause_and_where_nobody_is(chromium, serve, window, texts, topics, decisions_in):
    """Time stands still but where it is moved on, so that a slow machine adds none."""
    served = serve(texts(3), topics)
    context = chromium.new_context()
    context.clock.install(time=0)
    context.clock.pause_at(1_000)
    anna = window(served.links["anna"], context=context)
    clock = anna.page.clock
    clock.run_for(5_000)
    anna.press("p")
    anna.page.wait_for_selector("#paused[open]")
    clock.run_for(3_600_000)
    anna.press("Enter")
    anna.page.wait_for_selector("#passage:focus")
    clock.run_for(7_000)
    anna.press("1", "Enter")
    anna.wait_for_place(2)
    anna.wait_until_saved()  # two hours would break off what is still on its way
    clock.run_for(7_200_000)  # without a key
    anna.press("1", "Enter")
    anna.wait_for_place(3)
    anna.wait_until_saved()
    assert [row["seconds"] for row in decisions_in(served.store)] == [12, 600]
    context.close()


def test_what_one_tab_saved_is_not_asked_in_the_other(serve, window, texts, topics, answers_in):
    served = serve(texts(4), topics)
    one = window(served.links["anna"])
    other = window(served.links["anna"], context=one.page.context)
    one.code("Law")
    other.wait_for_place(2)
    other.code("Trade")
    one.wait_for_place(3)
    one.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Law"], ("u01", "topic", "anna"): ["Trade"]}


def test_a_tab_with_something_chosen_says_that_another_was_first(serve, window, texts, topics):
    served = serve(texts(2), topics)
    one = window(served.links["anna"])
    other = window(served.links["anna"], context=one.page.context)
    one.press("1")
    other.code("Law")
    one.until(lambda: "Coded in another tab" in one.page.locator("#state").inner_text())
    assert (one.place, one.chosen()) == (1, ["Health"])


def test_what_the_server_will_never_take_is_said_with_the_way_back(serve, window, texts, topics, answers_in):
    served = serve(texts(3), topics)
    anna = window(served.links["anna"])

    def refuse(route):
        content = {"error": "The variable has no such label.", "advice": "Load the page again."}
        route.fulfill(status=400, content_type="application/json", body=json.dumps(content))

    anna.page.route("**/api/answer", refuse)
    anna.code("Law")
    anna.page.wait_for_selector("#refused:not([hidden])")
    assert "Text 1 was not saved. The variable has no such label." in anna.page.locator("#refused").inner_text()
    anna.page.unroute("**/api/answer")
    anna.page.click("#refused button")
    anna.wait_for_place(1)
    assert anna.chosen() == ["Law"]
    anna.press("Enter")
    anna.wait_for_place(2)
    anna.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Law"]}


def test_what_one_coder_has_chosen_is_not_shown_to_the_next_in_the_same_tab(serve, window, texts, topics):
    served = serve(texts(3), topics, ("anna", "ben"))
    anna = window(served.links["anna"])
    anna.press(anna.key_of("Law"))
    assert anna.chosen() == ["Law"]
    anna.page.goto(served.links["ben"])
    anna.until(lambda: anna.page.locator("#coder").inner_text() == "ben")
    anna.wait_for_place(1)
    assert anna.chosen() == []
