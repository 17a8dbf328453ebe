"""What is to be paid is known, asked for, and kept to; batches lose nothing; a second asking is measured."""

import contextlib
import json
import sqlite3
import threading

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.propose.pace import Pace, backoff
from annotune.hybrid.propose.prices import find_price
from annotune.hybrid.propose.propose import lock_of
from annotune.hybrid.store import open_store
from annotune.records.lock import locked

LAW = '{"topic": "Law"}'


def ask(corpus, book, store, server, **options):
    return at.propose(corpus, book, "gpt-test", store=store, endpoint=server.address, **options)


def test_without_consent_nothing_is_asked(corpus, book, store, serve):
    server = serve()
    with pytest.raises(
        at.AnnotuneError, match=r"20 texts would be asked about for about 0\.0156 dollars\. Say with max_cost"
    ):
        ask(corpus, book, store, server, price=[10, 20])
    with pytest.raises(at.AnnotuneError, match="Nothing was asked"):
        ask(corpus, book, store, server, price=[10, 20], confirm=lambda plan: False)
    for most in (0, 0.001):
        with pytest.raises(at.AnnotuneError, match=f"more than max_cost={most:g}"):
            ask(corpus, book, store, server, price=[10, 20], max_cost=most)
    assert not server.asked
    plans = []
    ask(corpus, book, store, server, price=[10, 20], confirm=lambda plan: plans.append(plan) or True)
    assert plans[0].calls == 20
    assert len(server.asked) == 20


def test_this_machine_is_free_and_a_price_that_is_not_known_is_said(corpus, book, store, serve, monkeypatch):
    assert ask(corpus, book, store, serve(), max_cost=0).cost == 0
    monkeypatch.setenv("MY_KEY", "k")
    elsewhere = {"endpoint": "https://llm.example.org/v1", "allow_upload": "llm.example.org", "key": "MY_KEY"}
    with pytest.raises(at.AnnotuneError, match="at a price that is not known"):
        at.propose(corpus, book, "m", store=store, **elsewhere)
    with pytest.raises(at.AnnotuneError, match=r"so max_cost=5 cannot be kept\. Give price="):
        at.propose(corpus, book, "m", store=store, max_cost=5, **elsewhere)


def test_a_run_stops_before_it_costs_more_than_it_may(corpus, book, store, serve):
    server = serve(lambda text, n: {"content": LAW, "tokens": (1000, 1000)})  # far more than was reckoned with
    with pytest.warns(at.AnnotuneWarning, match="Stopped at"):
        proposals = ask(corpus, book, store, server, price=[1, 1], max_cost=0.01)
    assert proposals.cost == pytest.approx(0.002 * len(server.asked))
    assert proposals.cost <= 0.01
    assert set(proposals.codings["status"]) == {"ok", "missing"}
    assert proposals.requests["cost"].sum() == pytest.approx(proposals.cost)
    rest = ask(corpus, book, store, server, price=[1, 1], max_cost=1)
    assert set(rest.codings["status"]) == {"ok"}
    assert set(server.asked.values()) == {1}


def test_the_second_plan_knows_what_the_first_calls_took(corpus, book, store, serve):
    server = serve(lambda text, n: {"content": LAW, "tokens": (300, 50)})
    ask(corpus.head(10), book, store, server)
    plan = ask(corpus, book, store, server, dry_run=True).plan
    assert (plan.calls, plan.n_answered, plan.usage.calls) == (10, 10, 10)
    assert plan.tokens_in == pytest.approx(3000, rel=0.05)
    assert plan.tokens_out == 500


def test_prices_have_their_source():
    assert find_price("api.openai.com", "gpt-5-mini").source == "table of November 2026"
    assert find_price("api.openai.com", "gpt-5-mini", batch=True).written == 1.0
    assert find_price("api.mistral.ai", "mistral-large-latest-of-mine") is None
    for price in ([1], [1, -2], [1, 2, 3]):
        with pytest.raises(at.AnnotuneError, match="not two amounts"):
            find_price("a.org", "m", price)


def test_a_minute_has_so_many_tokens():
    pace = Pace(tokens=100)
    pace.take(0.0, 60)
    assert pace.wait(1.0, 40) == 0
    assert pace.wait(1.0, 41) == 59
    pace.pause(100.0)
    assert pace.wait(70.0, 1) == 30
    assert all(backoff(n + 1) <= 60 for n in range(40))


def test_a_batch_is_handed_in_once_and_collected_by_key(corpus, book, store, serve):
    server = serve()
    first = ask(corpus, book, store, server, batch=True)
    assert set(first.codings["status"]) == {"ok", "missing"}  # one was asked alone, to see what the endpoint takes
    assert first.requests["status"].to_list().count("waiting") == 19
    ask(corpus, book, store, server, batch=True)
    assert len(server.batches) == 1
    server.finish()
    done = ask(corpus, book, store, server, batch=True)
    expected = ["Law" if "court" in text else "Health" for text in corpus["text"]]
    assert done.codings["label"].to_list() == expected  # the endpoint gave them in another order
    assert set(server.asked.values()) == {1}
    assert len(server.batches) == 1


def test_what_a_batch_lacks_or_has_twice_is_no_other_texts_answer(corpus, book, store, serve):
    server = serve()

    def lines(done):
        other = {**done[3], "response": {"status_code": 200, "body": {"choices": []}}}
        failed = {**done[5], "response": {"status_code": 500, "body": {}}}
        return [*done[:5], failed, *done[7:], done[0], other, {**done[1], "custom_id": "a stranger"}, '{"custom_id": ']

    server.batch_lines = lines
    ask(corpus, book, store, server, batch=True)
    server.finish()
    with pytest.warns(at.AnnotuneWarning, match="3 lines of the batch"):
        done = ask(corpus.head(20), book, store, server, batch=True)
    expected = ["Law" if "court" in text else "Health" for text in corpus["text"]]
    right = [label is None or label == wanted for label, wanted in zip(done.codings["label"], expected, strict=True)]
    assert all(right)
    assert done.codings["status"].to_list().count("error") == 2
    server.batch_lines = None
    ask(corpus, book, store, server, batch=True)  # one of the two is asked alone, the other handed in again
    server.finish()
    assert ask(corpus, book, store, server, batch=True).codings["label"].to_list() == expected
    assert len(server.batches) == 2


def test_a_run_that_was_stopped_while_handing_in_finds_its_batch_again(corpus, book, store, serve):
    server = serve()
    ask(corpus, book, store, server, batch=True)
    (batch,) = server.batches.values()
    with sqlite3.connect(store) as connection:  # as it is before the endpoint's answer was written down
        connection.execute(
            "UPDATE requests SET batch = ? WHERE status = 'waiting'", ["handed in as " + batch["metadata"]["annotune"]]
        )
    server.finish()
    assert set(ask(corpus, book, store, server, batch=True).codings["status"]) == {"ok"}
    assert len(server.batches) == 1


def test_a_batch_that_never_came_is_handed_in_again(corpus, book, store, serve):
    server = serve()
    ask(corpus, book, store, server, batch=True)
    server.batches.clear()
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE requests SET batch = 'handed in as nothing' WHERE status = 'waiting'")
    ask(corpus, book, store, server, batch=True)  # it is not there
    ask(corpus, book, store, server, batch=True)
    server.finish()
    assert set(ask(corpus, book, store, server, batch=True).codings["status"]) == {"ok"}


def test_an_endpoint_without_batches_says_so_and_loses_nothing(corpus, book, store, serve, monkeypatch):
    server = serve()
    monkeypatch.setattr(type(server), "no_batches", True, raising=False)
    monkeypatch.setattr(server.RequestHandlerClass, "batch", lambda self, body: self.send(404, {"error": "no"}))
    with pytest.raises(at.AnnotuneError, match="takes no batch"):
        ask(corpus, book, store, server, batch=True)
    assert set(ask(corpus, book, store, server).codings["status"]) == {"ok"}
    assert set(server.asked.values()) == {1}


def test_a_second_asking_says_how_far_a_model_agrees_with_itself(corpus, book, store, serve):
    other = {"Text 1: court", "Text 2: court"}
    server = serve(lambda text, n: '{"topic": "Health"}' if "nurse" in text or (n > 1 and text in other) else LAW)
    proposals = ask(corpus, book, store, server, again=20)
    percent, alpha = proposals.agreement.to_dicts()
    assert (percent["n"], percent["n_same"], percent["estimate"]) == (20, 18, 0.9)
    assert (percent["ci_low"], percent["ci_high"]) == pytest.approx((0.6990, 0.9721), abs=1e-4)  # Wilson 1927
    coded = at.read_codings(store, book)
    same = at.reliability(coded, codebook=book, metrics="alpha")
    assert alpha["estimate"] == pytest.approx(same["estimate"][0])
    assert set(coded["coder"]) == {proposals.coder, f"{proposals.coder}-again"}
    asked = sum(server.asked.values())
    assert ask(corpus, book, store, server, again=20).agreement.equals(proposals.agreement)
    assert sum(server.asked.values()) == asked == 40


def test_texts_without_any_answer_are_no_agreement(corpus, book, store, serve):
    server = serve(lambda text, n: "Well," if "nurse" in text or (n > 1 and text == "Text 1: court") else LAW)
    agreement = ask(corpus, book, store, server, again=20).agreement
    assert agreement.select("metric", "n", "n_same").rows()[0] == ("percent", 13, 12)
    assert ask(corpus.filter(pl.col("text").str.contains("nurse")), book, store, server, again=7).agreement.is_empty()


def test_only_as_many_texts_as_were_wanted_are_asked_again(corpus, book, store, serve):
    server = serve()
    assert ask(corpus, book, store, server, again=5).agreement["n"].to_list() == [5, 5]
    assert sorted(server.asked.values()) == [1] * 15 + [2] * 5


@contextlib.contextmanager
def held_by_another(folder):
    """The lock of a folder is another thread's, as it would be another process's."""
    taken, free = threading.Event(), threading.Event()

    def hold():
        with locked(folder):
            taken.set()
            free.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    try:
        yield
    finally:
        free.set()
        holder.join()


def test_a_store_of_another_study_and_one_that_is_in_use_are_refused(corpus, book, store, serve):
    server = serve()
    ask(corpus, book, store, server)
    others = corpus.with_columns(unit_id="x" + pl.col("unit_id"))
    with pytest.raises(at.AnnotuneError, match="is of another study: none of its 20 texts is in the corpus"):
        ask(others, book, store, server)
    sentence = pytest.raises(at.AnnotuneError, match=r"annotune is worked in by process \d+")
    with held_by_another(lock_of(store)), sentence:
        ask(corpus, book, store, server, temperature=0.5)
    assert server.asked.total() == 20
    ask(corpus, book, store, server, temperature=0.5)
    assert server.asked.total() == 40


def test_a_store_that_is_locked_says_so_before_anything_is_sent(corpus, book, store, serve, monkeypatch):
    monkeypatch.setattr("annotune.hybrid.store.PATIENCE", 0.1)
    server = serve()
    sentence = pytest.raises(at.AnnotuneError, match="is in use by another process")
    with open_store(store) as holder, holder.change(), sentence:
        ask(corpus, book, store, server)
    assert not server.asked


def test_only_drawn_texts_are_asked_about(corpus, book, store, serve):
    server = serve()
    with pytest.raises(at.AnnotuneError, match="No text was drawn"):
        ask(corpus, book, store, server, drawn=True)
    with open_store(store) as opened, opened.change() as connection:
        connection.execute("INSERT INTO waves VALUES (1, 'now', 'simple', 1, 20, '', '{}')")
        connection.executemany("INSERT INTO draws VALUES (1, ?, 0.1, NULL, NULL)", [["u03"], ["u11"]])
    assert ask(corpus, book, store, server, drawn=True).codings["unit_id"].to_list() == ["u03", "u11"]
    assert len(server.asked) == 2


def test_what_an_answer_rested_on_is_kept(corpus, book, store, serve):
    ask(corpus, book, store, serve(), seed=7)
    with open_store(store) as opened:
        settings, version = opened.table("SELECT settings, codebook FROM requests").row(0)
        assert (
            at.Codebook.model_validate_json(opened.value("SELECT content FROM codebooks")).variables == book.variables
        )
    assert {key: json.loads(settings)[key] for key in ("seed", "temperature", "host")} == {
        "seed": 7,
        "temperature": 0.0,
        "host": "127.0.0.1",
    }
    assert version == 1
