"""The connection is lost, the server is gone, a disk is full: the page says so, and what was pressed is kept."""

import json


def test_a_lost_connection_loses_nothing(serve, window, texts, topics, answers_in):
    corpus = texts(9)
    served = serve(corpus, topics)
    anna = window(served.links["anna"])
    anna.code()
    anna.wait_until_saved()
    anna.page.context.route("**/api/**", lambda route: route.abort())
    for _ in range(3):
        anna.code()  # the next texts were fetched before
    anna.page.wait_for_selector("#trouble:not([hidden])")
    words = anna.page.locator("#trouble-words").inner_text()
    assert "Not connected" in words
    assert "3 answers are kept in this browser" in words
    kept = anna.page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('annotune:unsent:')).length")
    assert kept == 3
    assert len(answers_in(served.store)) == 1
    anna.press("u")  # undone while nobody hears it
    anna.wait_for_place(4)
    anna.code()
    anna.page.context.unroute("**/api/**")
    anna.page.evaluate("window.dispatchEvent(new Event('online'))")
    anna.wait_until_saved()
    anna.page.wait_for_selector("#trouble", state="hidden")
    assert answers_in(served.store) == {(unit, "topic", "anna"): [label] for unit, _, label in corpus.rows()[:4]}
    anna.page.wait_for_timeout(300)
    assert anna.place == 5  # the undo was shown when it was pressed, and not once more when the server heard of it


def test_a_tab_that_was_closed_unsent_is_sent_by_the_next(serve, window, texts, topics, answers_in, decisions_in):
    served = serve(texts(4), topics)
    anna = window(served.links["anna"])
    context = anna.page.context
    context.route("**/api/answer", lambda route: route.abort())
    anna.code()
    anna.code()
    anna.page.close()
    assert decisions_in(served.store) == []
    context.unroute("**/api/answer")
    again = window(served.links["anna"], context=context)
    again.wait_for_place(3)
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Health"], ("u01", "topic", "anna"): ["Law"]}


def test_an_answer_whose_receipt_is_lost_counts_once(serve, window, texts, topics, decisions_in):
    served = serve(texts(3), topics)
    anna = window(served.links["anna"])
    lost = []

    def lose(route):
        if not lost:
            lost.append(route.fetch())  # the server has it; the page never hears
            route.abort()
        else:
            route.continue_()

    anna.page.route("**/api/answer", lose)
    anna.code()
    anna.wait_until_saved()
    assert lost[0].ok
    assert len(decisions_in(served.store)) == 1


def test_a_full_disk_is_said_and_the_answer_kept(serve, window, texts, topics, answers_in):
    served = serve(texts(3), topics)
    anna = window(served.links["anna"])
    full = {"error": "The disk is full.", "advice": "Free some space."}

    def refuse(route):
        route.fulfill(status=507, content_type="application/json", body=json.dumps(full))

    anna.page.route("**/api/answer", refuse)
    anna.code()
    anna.page.wait_for_selector("#trouble:not([hidden])")
    words = anna.page.locator("#trouble-words").inner_text()
    assert "The disk is full. Free some space. 1 answer is kept in this browser" in words
    anna.page.unroute("**/api/answer")
    anna.wait_until_saved()
    assert answers_in(served.store) == {("u00", "topic", "anna"): ["Health"]}


def test_a_link_that_is_no_more_is_said_at_once(serve, window, texts, topics):
    served = serve(texts(3), topics)
    anna = window(served.links["anna"])
    gone = {"error": "This link is not known, or has expired.", "advice": "Ask for a new one."}
    answer = {"status": 401, "content_type": "application/json", "body": json.dumps(gone)}
    anna.page.route("**/api/**", lambda route: route.fulfill(**answer))
    anna.code()
    anna.page.wait_for_selector("#trouble:not([hidden])")
    assert "Ask for a new one. 1 answer is kept in this browser" in anna.page.locator("#trouble-words").inner_text()
    anna.page.reload()
    anna.wait_for_view("finished")
    assert "has expired. Ask for a new one." in anna.page.locator("#finished-words").inner_text()
