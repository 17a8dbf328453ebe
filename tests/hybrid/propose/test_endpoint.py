"""A model behind an endpoint that fails in every way; what was asked and answered is counted at the endpoint."""

import json
import random
import threading
import time

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.store import open_store


def right(text):
    return json.dumps({"topic": "Law" if "court" in text else "Health"})


def expected(corpus):
    return ["Law" if "court" in text else "Health" for text in corpus["text"]]


def ask(corpus, book, store, server, **options):
    return at.propose(corpus, book, "gpt-test", store=store, endpoint=server.address, **options)


def test_every_text_has_its_label_and_a_second_run_asks_nothing(corpus, book, store, serve):
    server = serve()
    proposals = ask(corpus, book, store, server)
    assert proposals.codings["unit_id"].to_list() == corpus["unit_id"].to_list()
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert set(server.asked.values()) == {1}
    again = ask(corpus, book, store, server)
    assert again.codings.equals(proposals.codings)
    assert (sum(server.asked.values()), again.plan.calls, len(again.ledger)) == (20, 0, 0)
    stored = at.read_codings(store, book)
    assert stored.select("unit_id", "label").rows() == proposals.codings.select("unit_id", "label").rows()
    assert stored["coder"].unique().to_list() == [proposals.coder]


FAULTS = [500, 503, 429, (429, {"retry-after": "0"}), "drop", "half", b"garbage", b"[]", b'{"choices": []}']


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_tried_again(corpus, book, store, serve, fault):
    server = serve(lambda text, n: fault if n < 3 else right(text))
    proposals = ask(corpus, book, store, server)
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert set(server.asked.values()) == {3}
    assert proposals.requests["attempts"].to_list() == [3] * 20
    assert len(proposals.ledger) == 60  # what left the machine, left three times


def test_a_mixture_of_faults_loses_nothing_and_asks_nothing_after_its_answer(corpus, book, store, serve):
    draw, lock = random.Random(1), threading.Lock()

    def reply(text, n):
        with lock:
            return draw.choice([*FAULTS, *[right(text)] * 9])

    server = serve(reply)
    proposals = ask(corpus, book, store, server, retries=20)
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert len(proposals.ledger) == sum(server.asked.values())
    assert proposals.requests["attempts"].sum() == sum(server.asked.values())


def test_what_does_not_pass_is_given_up_with_its_row_and_asked_again_by_the_next_run(corpus, book, store, serve):
    broken = {"Text 3: nurse", "Text 4: court"}
    server = serve(lambda text, n: 500 if text in broken else right(text))
    proposals = ask(corpus, book, store, server, retries=2)
    assert [server.asked[text] for text in sorted(broken)] == [3, 3]
    errors = proposals.codings.filter(pl.col("status") == "error")
    assert errors["unit_id"].to_list() == ["u03", "u04"]
    reasons = proposals.requests.filter(pl.col("status") == "error")["reason"].to_list()
    assert reasons == ["status 500 (3 attempts)"] * 2
    broken.clear()
    proposals = ask(corpus, book, store, server)
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert sum(server.asked.values()) == 18 + 2 * 4


def test_an_answer_that_does_not_come_in_time_is_tried_again(corpus, book, store, serve):
    server = serve(lambda text, n: "slow" if n == 1 and "Text 5" in text else right(text))
    proposals = ask(corpus, book, store, server, timeout=2)
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert server.asked["Text 5: court"] == 2


def test_a_model_that_is_not_the_one_that_was_asked_is_told_and_kept(corpus, book, store, serve):
    server = serve(lambda text, n: {"content": right(text), "model": "other-7b", "system_fingerprint": "fp_1"})
    with pytest.warns(at.AnnotuneWarning, match="says that 'other-7b' answered, and 'gpt-test' was asked"):
        proposals = ask(corpus, book, store, server)
    assert set(proposals.requests["reported"]) == {"other-7b"}
    assert set(proposals.requests["fingerprint"]) == {"fp_1"}


UNPARSED = {
    "Health": "no JSON object",
    '{"topic": "health"}': "'health' is no label",
    '{"topic": "Health"': "breaks off",
    '{"topic": "Health", "topic": "Law"}': "is there twice",
    '{"topic": "Health"}{"topic": "Health"}': "more than one JSON object",
    'The answer is {"topic": "Health"}': "no JSON object",
    '{"topic": ["Health"]}': "is no label",
    '{"topics": "Health"}': "was not asked for",
    "{}": "there is no answer",
    "": "no JSON object",
}


@pytest.mark.parametrize("answer", UNPARSED)
def test_an_answer_off_the_list_keeps_its_row_and_its_words_and_is_not_paid_twice(corpus, book, store, serve, answer):
    server = serve(lambda text, n: answer if text == "Text 7: court" else right(text))
    proposals = ask(corpus, book, store, server)
    row = proposals.requests.filter(pl.col("unit_id") == "u07").row(0, named=True)
    assert (row["status"], row["answer"]) == ("unparsed", answer)
    assert UNPARSED[answer] in row["reason"]
    codings = proposals.codings.filter(pl.col("unit_id") == "u07")
    assert codings.select("label", "status").rows() == [(None, "unparsed")]
    ask(corpus, book, store, server)
    assert server.asked["Text 7: court"] == 1


def test_an_answer_that_is_too_long_or_refused_says_so(corpus, book, store, serve):
    long = json.dumps({"choices": [{"finish_reason": "length", "message": {"content": '{"topic": "Health"}'}}]})
    no = json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": None, "refusal": "No."}}]})
    server = serve(lambda text, n: {"Text 0: nurse": long, "Text 1: court": no}.get(text, right(text)))
    server.reply = lambda text, n: {"Text 0: nurse": long.encode(), "Text 1: court": no.encode()}.get(text, right(text))
    proposals = ask(corpus, book, store, server, max_tokens=9)
    reasons = proposals.requests.sort("unit_id")["reason"].to_list()[:2]
    assert reasons == ["the answer is longer than max_tokens=9", "the model refused to answer"]
    assert proposals.codings["status"].to_list()[:3] == ["unparsed", "unparsed", "ok"]


def test_several_variables_sets_scales_and_reasons_come_in_one_call(store, serve):
    labels = tuple(at.Label(code=code, name=name) for code, name in enumerate(["low", "middle", "high"]))
    areas = tuple(at.Label(code=code, name=name) for code, name in enumerate(["Law", "Health", "Work"]))
    book = at.Codebook(
        variables=(
            at.Variable(name="tone", kind="ordinal", labels=labels),
            at.Variable(name="areas", kind="multilabel", labels=areas),
            at.Variable(name="reasons", labels=labels),
        )
    )
    answers = {
        "a": {"tone": "high", "areas": ["Work", "Law", "Work"], "reasons": "low", "reasons_": {"tone": "It shouts."}},
        "b": {"tone": "low", "areas": [], "reasons": "none of them", "reasons_": {}},
        "c": {"tone": "low", "areas": ["Law", "Cooking"], "reasons": "low"},
    }
    server = serve(lambda text, n: json.dumps(answers[text]))
    corpus = pl.DataFrame({"unit_id": ["1", "2", "3"], "text": ["a", "b", "c"]})
    proposals = ask(corpus, book, store, server, reasons=True)
    assert sum(server.asked.values()) == 3
    assert proposals.codings.select("unit_id", "variable", "label", "status").rows() == [
        ("1", "tone", "high", "ok"),
        ("1", "areas", "Law", "ok"),
        ("1", "areas", "Work", "ok"),
        ("1", "reasons", "low", "ok"),
        ("2", "tone", "low", "ok"),
        ("2", "areas", None, "none"),
        ("2", "reasons", None, "unparsed"),
        ("3", "tone", "low", "ok"),
        ("3", "areas", None, "unparsed"),
        ("3", "reasons", "low", "ok"),
    ]
    assert proposals.reasons.rows() == [("1", "tone", "It shouts.")]
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["areas"] == {
        "type": "array",
        "items": {"type": "string", "enum": ["Law", "Health", "Work"]},
    }
    assert schema["required"] == ["tone", "areas", "reasons", "reasons_"]
    assert "an ordered scale, from low to high" in server.bodies[0]["messages"][0]["content"]


FENCE = [("\n", -0.1), ("```", -0.1), ("json", -0.1)]  # what llama-server cuts around an answer


@pytest.mark.parametrize(("before", "after"), [([], []), ([], [("\n", -0.1), ("", 0.0)]), (FENCE, FENCE)])
def test_probabilities_are_those_of_the_labels_own_words(corpus, book, store, serve, before, after):
    pieces = [('{"', 0.0), ("topic", -0.1), ('": "', 0.0), ("He", -0.2), ("alth", -0.3), ('"}', -0.4)]
    pieces = [*before, *pieces, *after]
    server = serve(lambda text, n: {"content": '{"topic": "Health"}', "logprobs": pieces})
    proposals = ask(corpus, book, store, server)
    assert proposals.codings["prob"].to_list() == pytest.approx([2.718281828**-0.5] * 20)
    assert server.bodies[0]["logprobs"] is True


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("Unknown field: response_format", {"response_format"}),
        ("logprobs are not supported by this model", {"logprobs"}),
        ("Unsupported value: 'temperature' does not support 0.", {"temperature"}),
        ("something is wrong", {"logprobs"}),
    ],
)
def test_what_an_endpoint_does_not_know_is_left_out_and_told(corpus, book, store, serve, words, gone):
    def reply(text, n):
        return (400, words) if gone & set(server.bodies[-1]) else right(text)

    server = serve(reply)
    with pytest.warns(at.AnnotuneWarning, match="knows nothing of"):
        proposals = ask(corpus, book, store, server)
    assert proposals.codings["label"].to_list() == expected(corpus)
    assert sum(server.asked.values()) == 21  # it was learned once
    assert set(proposals.requests["attempts"]) == {1}


def test_an_endpoint_without_a_turn_for_the_system_gets_all_in_one(corpus, book, store, serve):
    def reply(text, n):
        return (400, "System role not supported") if len(server.bodies[-1]["messages"]) == 2 else right(text)

    server = serve(reply)
    with pytest.warns(at.AnnotuneWarning, match="system"):
        proposals = ask(corpus.head(3), book, store, server, concurrency=1)
    assert set(proposals.codings["status"]) == {"ok"}
    assert "Text:\nText 0: nurse" in server.bodies[1]["messages"][0]["content"]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((401, "Incorrect API key provided: sk-secret"), "does not take the key"),
        ((403, "no"), "does not take the key"),
        ((404, "The model `gpt-test` does not exist"), "has no model 'gpt-test'"),
        ((429, "You exceeded your current quota: insufficient_quota"), "the account is used up"),
        ((429, {"retry-after": "3600"}), "takes nothing more for 60 minutes"),
        ((307, {"location": "http://example.org/"}), "sends on to another address"),
    ],
)
def test_what_no_further_question_would_change_stops_at_once(corpus, book, store, serve, monkeypatch, reply, says):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    server = serve(lambda text, n: reply if text == "Text 9: nurse" else right(text))
    with pytest.raises(at.AnnotuneError, match=says) as caught:
        ask(corpus, book, store, server, key="MY_KEY", concurrency=1)
    assert "sk-secret" not in str(caught.value)
    with open_store(store) as opened:
        assert opened.value("SELECT count(*) FROM requests WHERE status = 'ok'") == 9  # what was answered is kept
    server.reply = lambda text, n: right(text)
    ask(corpus, book, store, server, key="MY_KEY")
    assert {text: n for text, n in server.asked.items() if n > 1} == {"Text 9: nurse": 2}


def test_an_endpoint_that_answers_nothing_is_left_after_ten(corpus, book, store, serve):
    server = serve(lambda text, n: 500)
    with pytest.raises(at.AnnotuneError, match="answered none of the last 10 questions: status 500"):
        ask(corpus, book, store, server, retries=1)
    assert len(server.asked) == 10
    with open_store(store) as opened:
        assert opened.value("SELECT count(*) FROM proposals WHERE status = 'error'") == 10


def test_an_endpoint_that_is_not_there_is_one_sentence(corpus, book, store, serve):
    server = serve()
    server.shutdown()
    server.server_close()
    with pytest.raises(at.AnnotuneError, match=r"is not there: nobody answers there\. Start it, or check endpoint="):
        ask(corpus, book, store, server)


def test_a_codebook_that_is_longer_than_the_context_is_one_sentence(corpus, book, store, serve):
    server = serve(lambda text, n: (400, "This model's maximum context length is 64 tokens."))
    with pytest.raises(at.AnnotuneError, match="longer than the context of gpt-test"):
        ask(corpus, book, store, server)
    assert sum(server.asked.values()) == 10


def test_one_text_that_is_too_long_is_one_error(corpus, book, store, serve):
    server = serve(lambda text, n: (400, "maximum context length is 64 tokens") if "Text 8" in text else right(text))
    proposals = ask(corpus, book, store, server)
    assert proposals.codings.filter(pl.col("status") == "error")["unit_id"].to_list() == ["u08"]
    assert server.asked["Text 8: court"] == 1


def test_equal_texts_are_asked_about_once_and_each_has_its_row(book, store, serve):
    server = serve()
    corpus = pl.DataFrame({"unit_id": list("abcd"), "text": ["nurse", "court", "nurse", None]})
    with pytest.warns(at.AnnotuneWarning, match="empty"):
        proposals = ask(corpus, book, store, server, price=[1, 1], max_cost=1.0)
    assert server.asked == {"nurse": 1, "court": 1}
    assert proposals.codings.select("label", "status").rows() == [
        ("Health", "ok"),
        ("Law", "ok"),
        ("Health", "ok"),
        (None, "missing"),
    ]
    assert proposals.requests.sort("unit_id")["cost"].to_list()[2:] == [0.0, None]
    assert proposals.cost == pytest.approx(2 * 48 / 1e6)


@pytest.mark.parametrize(
    "change", [{"temperature": 0.5}, {"seed": 2}, {"reasons": True}, {"examples": 1}, {"schema": False}]
)
def test_another_setting_is_another_coder(corpus, book, store, serve, change):
    labels = tuple(label.model_copy(update={"examples": ("A court.",)}) for label in book.variables[0].labels)
    book = at.Codebook(variables=(book.variables[0].model_copy(update={"labels": labels}),))
    server = serve()
    first = ask(corpus.head(2), book, store, server)
    second = ask(corpus.head(2), book, store, server, **change)
    assert first.coder != second.coder
    assert set(server.asked.values()) == {2}
    with pytest.raises(at.AnnotuneError, match="another codebook, model or settings"):
        ask(corpus.head(2), book, store, server, coder=first.coder, **change)


def test_a_text_that_was_corrected_is_asked_about_again_and_has_one_row(corpus, book, store, serve):
    server = serve()
    ask(corpus, book, store, server)
    corrected = corpus.with_columns(text=pl.col("text").replace("Text 4: court", "Text 4: nurse!"))
    proposals = ask(corrected, book, store, server)
    assert sum(server.asked.values()) == 21
    assert proposals.codings["label"].to_list() == expected(corrected)
    assert len(at.read_codings(store)) == 20


def test_requests_keep_to_so_many_a_minute(corpus, book, store, serve, monkeypatch):
    monkeypatch.setattr("annotune.hybrid.propose.pace.MINUTE", 0.5)
    server = serve()
    began = time.monotonic()
    ask(corpus, book, store, server, requests_per_minute=8)
    assert time.monotonic() - began > 1.0  # twenty questions, eight in each half second


def test_the_width_is_one_until_something_was_answered(corpus, book, store, serve):
    """After that, a question waits for its answer until there is another one beside it."""
    together, most, changed = [0], [0], threading.Condition()

    def reply(text, n):
        with changed:
            together[0] += 1
            most[0] = max(most[0], together[0])
            changed.notify_all()
            if text != "Text 0: nurse":
                changed.wait_for(lambda: most[0] > 1, timeout=60)
            together[0] -= 1
        return 500 if n == 1 and text == "Text 0: nurse" else right(text)

    server = serve(reply)
    ask(corpus, book, store, server, concurrency=4)
    assert 1 < most[0] <= 4
    assert server.bodies[0]["messages"][-1] == server.bodies[1]["messages"][-1]  # the first was asked alone, twice
