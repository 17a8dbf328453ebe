"""share and load("hf://..."): whole, at a commit, and nothing is sent that was not asked for.

No hub is reached: what is uploaded goes to a stand-in of its client, and what is fetched comes by the real client from
a server on this machine, which speaks as much of a hub's language as that needs.
"""

import hashlib
import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import polars as pl
import pytest
from huggingface_hub import constants

import annotune as at
from annotune import cli
from annotune.models.folder import CARD
from annotune.models.hub import SUFFIXES
from annotune.records.sealed import SEAL, sealed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret"


@pytest.fixture(scope="module")
def model(finished, tmp_path_factory):
    return shutil.copytree(
        finished.parent / "annotune-work" / "topic" / "model", tmp_path_factory.mktemp("m") / "model"
    )


@pytest.fixture(scope="module")
def bundles(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    return {texts: at.bundle(finished, folder / f"{texts}.zip", texts=texts) for texts in ("all", "none")}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of one folder, `user/name` at one commit; `asked` are the files that were fetched."""
    state = SimpleNamespace(folder=tmp_path / "hub", asked=[], uploads=[], private=True)
    state.folder.mkdir()

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self, with_content=False):
            repository, _, rest = self.path.lstrip("/").partition("/resolve/")
            commit, _, name = rest.partition("/")
            path = state.folder / name
            if (repository, commit) == ("user/name", COMMIT) and path.is_file():
                content = path.read_bytes()
                self.send_response(200)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if with_content:
                    state.asked.append(name)
                    self.wfile.write(content)
            else:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound" if repository == "user/name" else "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self):
            if self.path.startswith("/api/models/user/name"):
                content = json.dumps({"id": "user/name", "sha": COMMIT, "siblings": []}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            else:
                self.do_HEAD(with_content=True)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def uploads(hub, monkeypatch):
    """The hub's client, which puts what it is to upload into the hub's folder."""

    class Client:
        def create_repo(self, repository, **options):
            hub.uploads.append(("create", repository, options))

        def repo_info(self, repository, **options):
            return SimpleNamespace(private=hub.private)

        def upload_folder(self, *, folder_path, **options):
            hub.uploads.append(("upload", options["repo_id"], options))
            shutil.copytree(folder_path, hub.folder, dirs_exist_ok=True)
            return SimpleNamespace(oid=COMMIT)

    monkeypatch.setattr(huggingface_hub, "HfApi", Client)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: TOKEN)
    return hub.uploads


def test_a_model_that_was_shared_is_loaded_from_its_address_and_says_the_same(model, hub, uploads, tmp_path):
    plans = []
    address = at.share(model, "hf://user/name", confirm=lambda plan: plans.append(plan) or True)
    assert address == f"hf://user/name@{COMMIT}"
    assert [(kind, name) for kind, name, _ in uploads] == [("create", "user/name"), ("upload", "user/name")]
    assert (uploads[0][2]["private"], uploads[1][2]["repo_type"]) == (True, "model")
    assert (plans[0].kind, plans[0].public, set(plans[0].files)) == ("model", False, names_in(hub.folder))
    assert "may hold pieces of the texts" in plans[0].in_words()
    assert TOKEN not in repr((plans, uploads))
    (hub.folder / "evil.py").write_text("raise SystemExit")  # the rest of a repository is not looked at
    (hub.folder / "pytorch_model.bin").write_bytes(b"pickle")
    texts = ["A question about hospitals and doctors.", "The budget."]
    loaded, own = at.load(address), at.load(model)
    assert loaded.logits(texts).tolist() == own.logits(texts).tolist()
    assert loaded.evaluation.measures.equals(own.evaluation.measures)
    assert set(hub.asked) == set(json.loads((model / CARD).read_text())["files"]) | {CARD}
    assert {Path(name).suffix for name in hub.asked} <= set(SUFFIXES)
    hub.asked.clear()
    assert at.load(Path(address)).card == own.card  # as the command line has it; nothing is fetched twice
    assert hub.asked == []


def test_very_many_texts_are_coded_by_a_model_at_an_address(model, hub, tmp_path):
    shutil.copytree(model, hub.folder, dirs_exist_ok=True)
    texts = pl.DataFrame({"unit_id": ["a", "b"], "text": ["A question about hospitals.", "The budget."]})
    texts.write_parquet(tmp_path / "texts.parquet")
    address = f"hf://user/name@{COMMIT}"
    run = at.classify(tmp_path / "texts.parquet", Path(address), tmp_path / "coded", workers=1)  # as the verb has it
    assert run.is_complete
    codes = pl.read_parquet(tmp_path / "coded" / "*.parquet")
    assert codes["label"].to_list() == at.load(model).classify(texts)["label"].to_list()
    with pytest.raises(at.AnnotuneError, match="names no commit"):
        at.classify(tmp_path / "texts.parquet", "hf://user/name", tmp_path / "other", workers=1)
    assert not (tmp_path / "other").exists()


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_address_without_a_commit_is_refused_with_the_one_that_is_there_now(model, hub):
    shutil.copytree(model, hub.folder, dirs_exist_ok=True)
    for version in ("", "@main", "@0123456"):
        with pytest.raises(at.AnnotuneError, match=rf"names no commit.*hf://user/name@{COMMIT}"):
            at.load(f"hf://user/name{version}")
    assert hub.asked == []
    for address in ("hf://user", "hf://user/name/more", "hf://../name@" + COMMIT):
        with pytest.raises(at.AnnotuneError):
            at.load(address)


@pytest.mark.parametrize("name", ["code.py", "weights.bin", "../outside.json", "a/b/c/d/e.json", "head.pkl"])
def test_a_card_that_names_what_no_model_has_is_refused_before_that_is_fetched(model, hub, name):
    shutil.copytree(model, hub.folder, dirs_exist_ok=True)
    card = {key: part for key, part in json.loads((model / CARD).read_text()).items() if key != SEAL}
    card["files"] = {name: "0" * 64}
    (hub.folder / CARD).write_text(json.dumps(sealed(card)))
    with pytest.raises(at.AnnotuneError, match="no part of a model"):
        at.load(f"hf://user/name@{COMMIT}")
    assert hub.asked == [CARD]


def test_a_file_that_is_another_than_the_card_says_is_refused(model, hub):
    shutil.copytree(model, hub.folder, dirs_exist_ok=True)
    (hub.folder / "head.safetensors").write_bytes(b"x" + (hub.folder / "head.safetensors").read_bytes()[1:])
    with pytest.raises(at.AnnotuneError, match="missing or damaged"):
        at.load(f"hf://user/name@{COMMIT}")
    with pytest.raises(at.AnnotuneError, match=r"hf://user/other: .*Check the name"):
        at.load(f"hf://user/other@{COMMIT}")


def test_bundles_go_to_a_plain_folder_and_to_repositories_of_data(bundles, hub, uploads, tmp_path):
    plans = []
    folder = at.share(bundles["none"], tmp_path / "for-zenodo", confirm=lambda plan: plans.append(plan) or True)
    assert "Texts are not in it" in plans[0].texts
    assert names_in(Path(folder)) == set(plans[0].files)
    assert at.replicate(folder).state == "identical"
    assert uploads == []
    at.share(bundles["all"], "hf://user/data", public=True, confirm=lambda plan: plans.append(plan) or True)
    assert "TEXTS ARE IN IT" in plans[1].in_words()
    assert (uploads[0][2]["private"], uploads[1][2]["repo_type"]) == (False, "dataset")
    with pytest.raises(at.AnnotuneError, match="is there already"):
        at.share(bundles["none"], folder)


def test_nothing_is_sent_without_consent_a_login_or_to_a_public_place_unasked(model, hub, uploads, monkeypatch):
    with pytest.raises(at.AnnotuneError, match="Nothing was shared"):
        at.share(model, "hf://user/name", confirm=lambda plan: False)
    with pytest.raises(at.AnnotuneError, match="names a version"):
        at.share(model, f"hf://user/name@{COMMIT}")
    assert uploads == []
    hub.private = False
    with pytest.raises(at.AnnotuneError, match="everybody can read it"):
        at.share(model, "hf://user/name", confirm=lambda plan: True)
    assert [kind for kind, *_ in uploads] == ["create"]
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(at.AnnotuneError, match="hf auth login"):
        at.share(model, "hf://user/name")


def test_what_is_neither_a_bundle_nor_a_model_or_was_changed_is_not_shared(model, finished, tmp_path):
    with pytest.raises(at.AnnotuneError, match="annotune bundle"):
        at.share(finished, tmp_path / "out")
    changed = shutil.copytree(model, tmp_path / "changed")
    (changed / "held_out.parquet").write_bytes(b"other")
    with pytest.raises(at.AnnotuneError, match=r"held_out\.parquet is not what was saved"):
        at.share(changed, tmp_path / "out")
    with pytest.raises(at.AnnotuneError, match="no bundle"):
        at.share(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_shows_the_plan_and_asks_before_it_uploads(model, uploads, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("typer.confirm", lambda text, default: asked.append(text) or default)

    def verb(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", "share", str(model), *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capsys.readouterr()

    code, printed = verb("--to", "hf://user/name")
    assert (code, asked, uploads) == (2, ["Upload?"], [])
    assert "(a private repository)" in printed.out
    assert "annotune.json" in printed.out
    code, printed = verb("--to", "hf://user/name", "--yes")
    assert (code, len(asked)) == (0, 1)
    assert f"Shared: hf://user/name@{COMMIT}" in printed.out
    assert TOKEN not in printed.out + printed.err
    code, printed = verb("--to", str(tmp_path / "plain"))
    assert (code, len(asked)) == (0, 1)
    assert "# topic" in (tmp_path / "plain" / "README.md").read_text()
    assert at.load(tmp_path / "plain").labels
