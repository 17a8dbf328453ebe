"""The stand-alone file in a browser without any server: coded by keyboard, exported, read back."""

import json

import pytest

from annotune.hybrid.page.shell import stand_alone

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def offline(tmp_path, topics):
    """A file with four texts, as a browser opens it."""
    study = {"name": "Questions", "coder": "anna", "role": "coder", "version": 3, "language": "en", "offline": True}
    study["variables"] = topics.model_dump(mode="json")["variables"]
    texts = ["About nurses.", HOSTILE, "About judges.", "About wheat."]
    items = [{"place": i, "of": 4, "unit_id": f"u{i}", "text": text, "dir": "auto"} for i, text in enumerate(texts, 1)]
    items[0]["proposals"] = {"topic": [{"id": 0, "labels": ["Law"], "status": "ok"}]}
    path = tmp_path / "anna.html"
    path.write_text(stand_alone({"study": study, "items": items}), "utf-8")
    return path.as_uri()


def exported(shown, tmp_path):
    with shown.page.expect_download() as download:
        shown.page.click("#export")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_file_is_coded_without_a_server_and_exported(offline, window, tmp_path):
    requests = []
    anna = window(offline)
    anna.page.context.set_offline(True)
    anna.page.on("request", lambda request: requests.append(request.url))
    anna.press("a", "Enter")
    anna.wait_for_place(2)
    assert anna.text == HOSTILE
    anna.press("0", "q", "Enter")
    anna.wait_for_place(3)
    anna.press("2", "Enter")
    anna.wait_for_place(4)
    anna.press("u")
    anna.wait_for_place(3)
    anna.page.reload()
    anna.wait_for_place(3)
    assert anna.page.locator("#progress-share").inner_text() == "2 of 4"
    anna.press("3", "Enter")
    anna.wait_for_place(4)
    path = exported(anna, tmp_path)
    assert path.name == "answers_anna.json"
    content = json.loads(path.read_text("utf-8"))
    assert (content["format"], content["version"], content["study"], content["coder"]) == (
        "annotune-answers",
        1,
        "Questions",
        "anna",
    )
    entries = content["entries"]
    assert [entry["kind"] for entry in entries] == ["answer", "answer", "answer", "undo", "answer"]
    assert [entry["answers"]["topic"]["labels"] for entry in entries if "answers" in entry] == [
        ["Law"],
        [],
        ["Law"],
        ["Trade"],
    ]
    assert {entry["version"] for entry in entries if "answers" in entry} == {3}
    assert len({entry["key"] for entry in entries}) == 5
    assert not [url for url in requests if not url.startswith(("file:", "blob:"))]


def test_two_tabs_of_one_file_lose_nothing(offline, window, tmp_path):
    one = window(offline)
    other = window(offline, context=one.page.context)
    one.press("1", "Enter")
    one.wait_for_place(2)
    other.press("2", "Enter")
    other.wait_for_place(2)
    one.press("3", "Enter")
    one.wait_for_place(3)
    entries = json.loads(exported(one, tmp_path).read_text("utf-8"))["entries"]
    assert [entry["answers"]["topic"]["labels"] for entry in entries] == [["Health"], ["Law"], ["Trade"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_file(offline, window, violations, scheme):
    anna = window(offline, color_scheme=scheme)
    assert violations(anna.page) == []
    for _ in range(4):
        anna.press("1", "Enter")
        anna.wait_until_saved()
    anna.wait_for_view("finished")
    assert anna.page.locator("#finished-export").is_visible()
    assert violations(anna.page) == []
