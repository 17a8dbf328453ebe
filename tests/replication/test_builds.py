"""A package under the same name and version has the files that the bundle's authors had, or nothing of it is run."""

import base64
import hashlib
import json
from importlib import metadata

import pytest

import annotune as at
from annotune.replication import environment
from annotune.replication.builds import build_of, builds, listed_hash, real_hash, require_same_builds
from annotune.replication.papers import BUILDS, LOCK


def install(packages, code="answer = 42\n", version="1.0", tag="py3-none-any", compiled=False):
    """The package `small`, as an installer lays it down."""
    about = packages / f"small-{version}.dist-info"
    (packages / "small" / "__pycache__").mkdir(parents=True)
    about.mkdir()
    (packages / "small" / "__init__.py").write_text(code)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Small\nVersion: {version}\n")
    (about / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"answer = 42\n").digest()).rstrip(b"=").decode()
    rows = [f"small/__init__.py,sha256={digest},12", "../../bin/small,,", f"{about.name}/METADATA,,"]
    if compiled:
        (packages / "small" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"compiled")
        rows.append("small/__pycache__/__init__.cpython-311.pyc,,")
    (about / "RECORD").write_text("\n".join([*rows, f"{about.name}/RECORD,,"]))
    return metadata.PathDistribution(about)


@pytest.fixture
def listed(tmp_path):
    """The list of a bundle whose authors had the package as it is."""
    build = build_of(install(tmp_path / "authors", compiled=True), listed_hash)
    path = tmp_path / "content" / BUILDS
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"small": build}))
    return path


def test_a_fingerprint_is_that_of_names_and_files_as_they_are(tmp_path):
    package = install(tmp_path)
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"answer = 42\n").digest()).rstrip(b"=").decode()
    sha256 = hashlib.sha256(f"small/__init__.py {digest}\n".encode()).hexdigest()
    assert build_of(package, real_hash) == {"version": "1.0", "tags": "py3-none-any", "sha256": sha256}
    assert build_of(package, listed_hash) == build_of(package, real_hash)


def test_what_is_installed_here_has_the_files_that_its_lists_name():
    package = metadata.distribution("typer")
    sources = [path for path in package.files if path.suffix == ".py"]
    assert len(sources) > 5
    assert all(listed_hash(path) == real_hash(path) for path in sources)
    assert len(builds(["typer"])["typer"]["sha256"]) == 64


def test_a_compiled_file_that_comes_with_a_package_counts_as_it_would_run_in_place_of_its_source(listed, tmp_path):
    install(tmp_path / "same")
    require_same_builds(tmp_path / "same", listed)
    install(tmp_path / "here", compiled=True)
    with pytest.raises(at.AnnotuneError, match="has other files of 'small'"):
        require_same_builds(tmp_path / "here", listed)


@pytest.mark.parametrize("code", ["answer = 43\n", ""])
def test_other_files_behind_the_same_version_are_refused_whatever_their_list_says(listed, tmp_path, code):
    install(tmp_path / "here", code)
    with pytest.raises(at.AnnotuneError, match="has other files of 'small' than the bundle's authors had"):
        require_same_builds(tmp_path / "here", listed)


@pytest.mark.parametrize("other", [{}, {"version": "1.0+cpu"}, {"tag": "cp312-cp312-win_amd64"}])
def test_builds_for_other_systems_have_other_files_of_necessity(listed, tmp_path, other):
    install(tmp_path / "here", code="answer = 42\n" if not other else "answer = 43\n", **other)
    require_same_builds(tmp_path / "here", listed)


def test_bundles_of_before_have_no_such_list_and_a_broken_one_is_a_sentence(listed, tmp_path):
    install(tmp_path / "here", "answer = 43\n")
    require_same_builds(tmp_path / "here", listed.with_name("none.json"))
    for text in ("[", "[1]", '{"small": 1}'):
        listed.write_text(text)
        with pytest.raises(at.AnnotuneError, match=r"packages\.json of the bundle is no list of packages"):
            require_same_builds(tmp_path / "here", listed)


def test_an_environment_with_another_package_is_not_kept(listed, tmp_path, monkeypatch):
    def put(folder, packages, python):
        install(folder / "lib" / "python3.11" / "site-packages", "answer = 43\n")

    monkeypatch.setattr(environment, "_install", put)
    (tmp_path / "content" / LOCK).write_text("annotune==0.1.0\nsmall==1.0\n")
    with pytest.raises(at.AnnotuneError, match="has other files of 'small'"):
        environment.make_environment(tmp_path / "env", tmp_path / "content", None, lambda _: None)
    assert not (tmp_path / "env").exists()
