"""Who may use the page: no other site, no other name, no link that ended, not too often, not too much, and no path."""

import json
import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from starlette.websockets import WebSocketDisconnect

import annotune as at
from annotune.hybrid.page import access, server
from annotune.hybrid.page.access import Limits, Person, is_own, new_links, own_hosts, person_of
from annotune.hybrid.store import open_store

ANSWER = {"key": "a-good-key", "unit_id": "u1", "version": 1, "answers": {"topic": {"labels": ["Law"]}}}


def refused(response, status, words=""):
    """Whether a request was refused with that status and a sentence of what is wrong and one of what to do."""
    assert response.status_code == status, response.text
    told = response.json()
    assert set(told) == {"error", "advice"}
    assert all(sentence.strip() for sentence in told.values())
    assert words in told["error"]


def post(coder, content=ANSWER, address="answer", **headers):
    body = content if isinstance(content, (bytes, str)) else json.dumps(content)
    sent = {**coder.headers, "Content-Type": "application/json", **headers}
    sent = {name: value for name, value in sent.items() if value is not None}
    return coder.client.post(f"/api/{address}", content=body, headers=sent)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://testserver:1234"},
        {"Origin": "https://testserver"},
        {"Origin": "null"},
        {"Origin": None},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},  # a name that was given our address
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_what_another_site_posts_is_refused(people, headers):
    refused(post(people["anna"], **headers), 421)
    assert people["anna"].get("list").json()["done"] == 0


def test_what_another_site_asks_for_is_refused(people):
    anna = people["anna"]
    for strange in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        refused(anna.client.get("/api/list", headers={**anna.headers, **strange}), 421)
    assert anna.client.get("/api/list", headers={"X-Annotune-Token": anna.token}).status_code == 200
    refused(anna.client.request("OPTIONS", "/api/answer", headers={"Origin": "http://evil.example"}), 421)


def test_a_link_that_is_unknown_or_somebody_elses_opens_nothing(people):
    anna = people["anna"]
    for token in ("", "wrong", people["ben"].token[:-1], b"\xe9"):
        refused(post(anna, **{"X-Annotune-Token": token}), 401)
        assert anna.client.get(f"/code/{token or 'x'!r}").status_code == 401
    assert anna.client.get(f"/code/{anna.token}").status_code == 200


def test_the_store_keeps_hashes_and_no_token(people, path):
    content = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    for coder in people.values():
        assert coder.token.encode() not in content
        assert access.hashed(coder.token).encode() in content
        assert len(coder.token) >= 43  # 32 bytes


def test_links_on_the_network_end_and_those_without_an_end_do_not_work_there(path, people):
    with open_store(path) as store:
        token = new_links(store, [Person("anna", "coder")], hours=1)["anna"]
        assert person_of(store, token, is_local=False) == Person("anna", "coder")
        assert person_of(store, people["anna"].token, is_local=True) == Person("anna", "coder")
        assert person_of(store, people["anna"].token, is_local=False) is None
        past = (datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat(timespec="milliseconds")
        with store.change() as connection:
            connection.execute("UPDATE links SET expires = ? WHERE hash = ?", [past, access.hashed(token)])
        assert person_of(store, token, is_local=False) is None
        assert person_of(store, token, is_local=True) is None
        new_links(store, [], hours=1)  # and links that ended are forgotten
        assert store.value("SELECT count(*) FROM links WHERE hash = ?", [access.hashed(token)]) == 0


def test_old_links_work_when_the_server_is_started_again(people, opened):
    again = opened(adjudicator="cara")["anna"]
    again.token = people["anna"].token
    assert again.get("list").status_code == 200


def test_the_page_and_its_files_come_with_a_strict_policy(people):
    anna = people["anna"]
    answers = [anna.client.get(f"/code/{anna.token}"), anna.get("list"), anna.get("nothing"), post(anna, Origin=None)]
    answers += [anna.client.get("/static/start.js"), anna.client.get("/static/page.css")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert not {"set-cookie", "server", "access-control-allow-origin"} & set(answer.headers)
    page = answers[0]
    assert page.headers["content-type"].startswith("text/html")
    assert "anna" not in page.text.replace("annotune", "")
    assert answers[4].headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "address",
    [
        "/static/../shell.py", "/static/..%2f..%2fshell.py", "/static/%2e%2e/shell.py", "/static//etc/passwd",
        "/static/page.css%00", "/static/PAGE.CSS", "/etc/passwd", "/", "/docs", "/openapi.json", "/code/", "/static/",
    ],
)  # fmt: skip
def test_no_path_of_a_request_reaches_the_disk(people, address):
    answer = people["anna"].client.get(address)
    assert answer.status_code in (401, 404)
    assert "import" not in answer.text


def test_files_are_read_before_anybody_asks(people, monkeypatch):
    anna = people["anna"]
    before = {name: anna.client.get(f"/static/{name}").content for name in server.shell.STATIC}
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("pathlib.Path.read_bytes", None)
    assert {name: anna.client.get(f"/static/{name}").content for name in before} == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400), (b"", 400), (b"\xff\xfe", 400), (b"[" * 100_000, 400), (b'{"key": NaN}', 400), (b"[]", 422),
        (b"null", 422), (b'"text"', 422), (json.dumps({**ANSWER, "more": 1}).encode(), 422),
        (json.dumps({**ANSWER, "unit_id": 7}).encode(), 422), (b" " * (server.LARGEST + 1), 413),
        (b'{"key": 1e999}', 422), (json.dumps({**ANSWER, "version": 10**30}).encode(), 422),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused_and_nothing_is_kept(people, path, content, status):
    refused(post(people["anna"], content), status)
    with open_store(path) as store:
        assert store.value("SELECT count(*) FROM decisions") == 0


def test_only_json_is_taken(people):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        refused(post(people["anna"], **{"Content-Type": kind}), 415)


def test_other_methods_find_nothing(people):
    anna = people["anna"]
    for method, address in (("GET", "/api/answer"), ("POST", "/api/list"), ("DELETE", "/api/list"), ("PUT", "/code/x")):
        assert anna.client.request(method, address, headers=anna.headers).status_code in (404, 405)


def test_who_asks_too_often_waits(opened):
    clock = iter(range(1000))
    limits = Limits(rate=0.001, burst=3, clock=lambda: float(next(clock)))
    people = opened(limits=limits)
    answers = [people["anna"].get("list") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    refused(answers[3], 429)
    assert answers[3].headers["retry-after"] == "1"
    assert people["ben"].get("list").status_code == 200  # each for himself


def test_who_guesses_links_is_soon_told_to_wait(people):
    client = people["anna"].client
    tried = [client.get("/api/list", headers={"X-Annotune-Token": f"guess {i}"}).status_code for i in range(30)]
    assert tried[:20] == [401] * 20
    assert set(tried[20:]) == {429}
    assert people["anna"].get("list").status_code == 200


def test_a_limit_refills_with_time():
    now = [0.0]
    limits = Limits(rate=2.0, burst=4.0, clock=lambda: now[0])
    assert [limits.allow("a") for _ in range(5)] == [True] * 4 + [False]
    now[0] = 1.0
    assert [limits.allow("a") for _ in range(3)] == [True, True, False]


def test_a_full_disk_is_a_sentence_and_what_was_acknowledged_is_there(path, opened):
    people = opened()
    anna = people["anna"]
    anna.say("u1", "Law")
    desk = anna.client.app.user_middleware[0].kwargs["site"].desk
    pages = desk.store.value("PRAGMA page_count")
    desk.store.value(f"PRAGMA max_page_count = {pages}")
    saved, answer = 1, None
    for number in range(2, 12):
        answer = anna.say(f"u{number}", "Law", note="x" * 3000)
        if answer.status_code != 200:
            break
        saved += 1
    refused(answer, 507, "the disk is full")
    assert anna.get("list").json()["done"] == saved
    desk.store.value(f"PRAGMA max_page_count = {pages + 1000}")
    assert anna.say("u11", "Law").status_code == 200  # and it goes on where there is room again


def test_a_store_that_another_process_holds_is_tried_again(path, people, monkeypatch):
    store = people["anna"].client.app.user_middleware[0].kwargs["site"].desk.store
    store.value("PRAGMA busy_timeout = 50")
    with sqlite3.connect(path) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = people["anna"].say("u1")
        other.execute("ROLLBACK")
    refused(answer, 503, "in use")
    assert answer.headers["retry-after"] == "1"


def test_a_fault_is_a_sentence_without_texts(people, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("annotune.hybrid.page.desk.next_task", lambda tasks: 1 / 0)
    answer = people["anna"].get("item")
    refused(answer, 500, "a fault of annotune")
    assert "ZeroDivision" not in answer.text
    (report,) = tmp_path.glob("annotune-fault-*.txt")
    assert "ZeroDivisionError" in report.read_text()


@pytest.mark.parametrize(
    ("headers", "is_change", "expected"),
    [
        ({"host": "127.0.0.1:80"}, False, True),
        ({"host": "127.0.0.1:80"}, True, False),
        ({"host": "127.0.0.1:80", "origin": "http://127.0.0.1:80"}, True, True),
        ({"host": "127.0.0.1:80", "origin": "http://localhost:80"}, True, False),
        ({"host": "127.0.0.1"}, False, False),
        ({}, False, False),
        ({"host": "127.0.0.1:80", "sec-fetch-site": "none"}, False, True),
    ],
)
def test_own_pages_are_told_from_others(headers, is_change, expected):
    assert is_own(headers, own_hosts("127.0.0.1", 80), is_change) is expected


def test_on_the_network_the_server_has_its_own_names_and_no_others():
    hosts = own_hosts("0.0.0.0", 8470)
    assert "127.0.0.1:8470" in hosts
    assert not {"0.0.0.0:8470", "evil.example:8470"} & hosts
    assert all(host.endswith(":8470") for host in hosts)
    assert len(own_hosts("127.0.0.1", 8470)) == 3


def test_without_the_extra_it_is_one_sentence(monkeypatch, people, tmp_path, corpus, topics):
    import sys

    for name in ("starlette", "uvicorn"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(at.AnnotuneError, match=rf"the package {name}, which is not installed.*annotune\[page\]"):
            at.code(tmp_path / "other.annotune", corpus, topics, ["anna"], browser=False, wait=False)
        monkeypatch.undo()
    assert not (tmp_path / "other.annotune").exists()


def test_a_web_socket_is_closed(people):
    client = people["anna"].client
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/list"):
        pass
