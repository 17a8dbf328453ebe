"""Nothing leaves the machine for where it was not allowed to go, and keys are nowhere."""

import sqlite3
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import annotune as at
from annotune.hybrid.propose import privacy
from annotune.hybrid.propose.redaction import RULES, Redaction

SECRET = "sk-proj-abcdefghijklmnop1234567890"


@pytest.mark.parametrize(
    "endpoint", ["https://api.openai.com/v1", "http://10.0.0.3:8000/v1", "https://llm.example.org/v1"]
)
def test_nothing_is_sent_to_a_host_that_is_not_named(corpus, book, store, monkeypatch, endpoint):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setattr("annotune.hybrid.propose.openai.Endpoint.ask", lambda *_: pytest.fail("it was sent"))
    with pytest.raises(at.AnnotuneError, match=r"was not allowed.*add allow_upload='"):
        at.propose(corpus, book, "gpt", store=store, endpoint=endpoint, key="OPENAI_API_KEY", max_cost=1)
    with pytest.raises(at.AnnotuneError, match=r"allowed: 'openai\.com'"):
        at.propose(corpus, book, "gpt", store=store, endpoint=endpoint, allow_upload="openai.com", max_cost=1)
    assert not store.exists()


def test_a_mistyped_folder_is_not_answered_with_leave_to_send_alone(corpus, book, store):
    with pytest.raises(at.AnnotuneError, match=r"If 'modle' is meant as a path of yours, no saved model .* is there"):
        at.propose(corpus, book, "modle", store=store, max_cost=1)


def test_a_plan_needs_neither_leave_nor_a_key(corpus, book, store):
    plan = at.propose(corpus, book, "gpt-5-mini", store=store, dry_run=True).plan
    assert (plan.calls, plan.host) == (20, "api.openai.com")
    assert plan.cost == pytest.approx((plan.tokens_in * 0.25 + plan.tokens_out * 2) / 1e6)
    assert "table of November 2026" in repr(plan)


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("localhost:8000", "is no address"),
        ("ftp://a.org", "is no address"),
        ("http://u:p@a.org/v1", "a password in it"),
    ],
)
def test_an_address_is_one(corpus, book, store, endpoint, says):
    with pytest.raises(at.AnnotuneError, match=says):
        at.propose(corpus, book, "gpt", store=store, endpoint=endpoint)


def test_a_key_goes_to_the_host_that_it_was_named_for_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert privacy.read_key(None, "api.openai.com") == SECRET
    assert privacy.read_key(None, "localhost") == ""
    with pytest.raises(at.AnnotuneError, match=r"not said where the key to llm\.example\.org is"):
        privacy.read_key(None, "llm.example.org")


@pytest.mark.parametrize("key", [SECRET, "my key", "Zugang#1"])
def test_a_key_itself_is_refused_and_not_repeated(corpus, book, store, key):
    with pytest.raises(at.AnnotuneError) as caught:
        at.propose(corpus, book, "gpt", store=store, key=key, allow_upload="api.openai.com")
    assert key not in str(caught.value)
    assert "never" in caught.value.advice


def test_a_variable_that_is_empty_is_named(monkeypatch):
    monkeypatch.setenv("MISTRAL_API_KEY", " ")
    with pytest.raises(at.AnnotuneError, match="MISTRAL_API_KEY is empty or not there"):
        privacy.read_key("MISTRAL_API_KEY", "api.mistral.ai")


def test_a_key_comes_from_the_keyring(monkeypatch):
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1

        def get_password(self, service, username):
            return {("vllm", "anna"): SECRET}.get((service, username))

        def set_password(self, *_): ...

        def delete_password(self, *_): ...

    monkeypatch.setattr("keyring.core._keyring_backend", Memory())
    assert keyring.get_password("vllm", "anna") == SECRET
    assert privacy.read_key("keyring:vllm/anna", "llm.example.org") == SECRET
    with pytest.raises(at.AnnotuneError, match="no key for vllm/ben"):
        privacy.read_key("keyring:vllm/ben", "llm.example.org")
    with pytest.raises(at.AnnotuneError, match="names no service and user"):
        privacy.read_key("keyring:vllm", "llm.example.org")


def test_a_key_is_in_no_file_error_or_message(corpus, book, store, serve, monkeypatch, capfd):
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    said = f"Something is wrong with {SECRET}"
    server = serve(lambda text, n: (418, said) if "Text 3" in text else (500, said) if n == 1 else '{"topic": "Law"}')
    proposals = at.propose(corpus, book, "gpt", store=store, endpoint=server.address, key="MY_KEY")
    assert all(header["authorization"] == f"Bearer {SECRET}" for header in server.headers)
    assert not any("org-of-somebody" in str(header) for header in server.headers)
    assert "[key]" in " ".join(proposals.requests["reason"])
    for path in store.parent.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
    shown = repr(proposals) + str(proposals.requests.to_dicts()) + "".join(capfd.readouterr())
    assert SECRET not in shown


def test_the_ledger_says_what_left_when_where_to_and_how_much(corpus, book, store, serve):
    server = serve()
    ledger = at.propose(corpus, book, "gpt", store=store, endpoint=server.address).ledger
    sizes = [sum(len(turn["content"]) for turn in body["messages"]) for body in server.bodies]
    assert sorted(ledger["characters"]) == sorted(sizes)
    assert set(ledger["host"]) == {"127.0.0.1"}
    assert sorted(ledger["unit_id"]) == sorted(corpus["unit_id"])
    assert ledger["at"].is_sorted()


def test_what_is_redacted_does_not_leave_and_is_undone_here(book, store, serve):
    text = "Ana (@ana_b, ana@example.org, +44 20 7946 0958) wrote to https://a.org/x about case 2024/123456."
    server = serve(lambda text, n: '{"topic": "Law", "reasons": {"topic": "[HANDLE_1] wrote about case [ID_1]."}}')
    corpus = pl.DataFrame({"unit_id": ["a"], "text": [text]})
    kinds = ["mails", "phones", "handles", "urls", "ids"]
    proposals = at.propose(corpus, book, "gpt", store=store, endpoint=server.address, redact=kinds, reasons=True)
    sent = server.bodies[0]["messages"][1]["content"]
    assert sent == "Ana ([HANDLE_1], [MAIL_1], [PHONE_1]) wrote to [URL_1] about case [ID_1]."
    assert proposals.reasons["reason"].to_list() == ["@ana_b wrote about case 2024/123456."]
    assert proposals.ledger["redacted"].to_list() == [5]
    before, after = proposals.plan.examples.row(0)
    assert "[HANDLE_1]" in after
    assert "@ana_b" in before
    with sqlite3.connect(store) as connection:
        (answer,) = connection.execute("SELECT answer FROM requests").fetchone()
    assert "@ana_b" not in answer  # kept as it came


def test_examples_of_the_codebook_are_redacted_as_the_texts_are(store, serve):
    labels = (at.Label(code=1, name="A", examples=("Write to ana@example.org",)), at.Label(code=2, name="B"))
    book = at.Codebook(variables=(at.Variable(name="topic", labels=labels),))
    server = serve(lambda text, n: '{"topic": "A"}')
    corpus = pl.DataFrame({"unit_id": ["a"], "text": ["Hello"]})
    at.propose(corpus, book, "gpt", store=store, endpoint=server.address, redact="mails", examples=1)
    assert "Write to [MAIL_1]" in server.bodies[0]["messages"][0]["content"]


def test_ten_examples_are_in_the_plan(book, store):
    corpus = pl.DataFrame(
        {"unit_id": [str(n) for n in range(30)], "text": [f"Ask p{n}@example.org" for n in range(30)]}
    )
    plan = at.propose(corpus, book, "gpt", store=store, dry_run=True, redact="mails").plan
    assert len(plan.examples) == 10
    assert "-> Ask [MAIL_1]" in repr(plan)


def test_names_are_found_by_a_model_that_is_on_this_machine(book, store, tmp_path, serve):
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Keir Starmer"}])
    pipeline.to_disk(tmp_path / "names")
    redaction = Redaction(("names",), str(tmp_path / "names"))
    assert redaction.redact("Keir Starmer met Keir Starmer.") == (
        "[NAME_1] met [NAME_1].",
        {"[NAME_1]": "Keir Starmer"},
    )
    spacy.blank("en").to_disk(tmp_path / "no_names")
    corpus = pl.DataFrame({"unit_id": ["a"], "text": ["Hello"]})
    for model, says in [(None, "needs a model"), ("not_there", "no model 'not_there'"), ("no_names", "knows no names")]:
        named = None if model is None else str(tmp_path / model) if model == "no_names" else model
        with pytest.raises(at.AnnotuneError, match=says):
            at.propose(corpus, book, "g", store=store, redact="names", names_model=named, dry_run=True)


def test_kinds_that_there_are_not_and_libraries_that_are_not_there(corpus, book, store, monkeypatch):
    with pytest.raises(at.AnnotuneError, match=r"redact= cannot be 'phone'\. Did you mean 'phones'"):
        at.propose(corpus, book, "g", store=store, redact="phone", dry_run=True)
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(at.AnnotuneError, match=r"annotune\[redact\]"):
        at.propose(corpus, book, "g", store=store, redact="phones", dry_run=True)
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(at.AnnotuneError, match=r"annotune\[propose\]"):
        at.propose(corpus, book, "g", store=store, dry_run=True)


MAILS = ["ana@example.org", "a.b+c@intern", "o'neil@x.co.uk", "jürgen@müller.de", "x_1@mail.example.museum"]
FOUND = {
    "mails": ["ana@example.org", "o'neil@x.co.uk", "jürgen@müller.de", "x_1@mail.example.museum"],
    "urls": ["https://a.org/b?c=d", "www.example.org", "HTTP://A.ORG", "ftp://x.y/z"],
    "handles": ["@ana", "@ana_b", "@ana.b"],
    "ids": ["123456", "AB123456C", "12-34-56", "4111 1111 1111 1111", "DE89370400440532013000"],
}


@pytest.mark.parametrize("kind", FOUND)
def test_the_rules_find_what_they_are_for_within_a_sentence(kind):
    for original in FOUND[kind]:
        text, originals = Redaction((kind,)).redact(f"See {original}, or not ({original}).")
        assert list(originals.values()) == [original]
        assert original not in text


@pytest.mark.parametrize("text", ["In 2024, 300 people (12.5 %) came.", "Email us @ home", "a@b", "1,234,567 pounds"])
def test_the_rules_leave_plain_words_and_numbers(text):
    redacted, _ = Redaction(tuple(RULES)).redact(text)
    assert redacted == text


@given(st.text(alphabet="ab@.1234567890 [MAIL_1]ID", max_size=60))
def test_what_was_redacted_can_be_undone_whatever_the_text(text):
    redacted, originals = Redaction(("mails", "handles", "urls", "ids")).redact(text)
    for placeholder, original in originals.items():
        assert text.count(placeholder) == 0
        redacted = redacted.replace(placeholder, original)
    assert redacted == text
