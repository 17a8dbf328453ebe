"""A bundle in an environment of its own: annotune travels as a wheel, and nothing is installed unasked."""

import base64
import csv
import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest

import annotune as at
from annotune.replication import environment
from annotune.replication.archive import write_bundle
from annotune.replication.own_wheel import PACKAGE, write_wheel
from annotune.replication.papers import LOCK, lock

needs_a_shell = pytest.mark.skipif(sys.platform == "win32", reason="A script of the shell stands for Python.")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return write_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_is_the_package_that_runs_and_can_be_imported_from(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    sources = {f"annotune/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")}
    assert sources <= set(content)
    assert not [name for name in content if name.endswith(".pyc")]
    for name in ("cli.py", "version.py", "reporting/page.html.j2"):
        if (PACKAGE / name).is_file():
            assert content[f"annotune/{name}"] == (PACKAGE / name).read_bytes()
    about = metadata.PathDistribution(zipfile.Path(wheel, f"annotune-{at.__version__}.dist-info/"))
    assert (about.version, about.metadata["Name"]) == (at.__version__, "annotune")
    assert any(need.startswith("torch") for need in about.requires)
    assert [point.value for point in about.entry_points] == ["annotune.cli:main"]
    program = "import sys; sys.path.insert(0, sys.argv[1]); import annotune; print(annotune.__file__)"
    ran = subprocess.run([sys.executable, "-I", "-c", program, str(wheel)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().startswith(str(wheel))
    assert write_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_wheel_s_list_has_the_fingerprint_of_each_file(wheel):
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert {name for name, _, _ in rows} == set(archive.namelist())
        for name, digest, size in rows:
            if name != record:
                content = archive.read(name)
                sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert (digest, int(size)) == (f"sha256={sha256}", len(content))


def test_a_folder_that_was_never_installed_makes_no_wheel(monkeypatch, tmp_path):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    assert write_wheel(tmp_path) is None


def test_the_list_of_packages_names_versions_that_an_index_has():
    pins = lock()
    assert f"annotune=={at.__version__}" in pins
    assert all(environment.PIN.fullmatch(pin) for pin in pins)
    if importlib.util.find_spec("maketables"):  # of an extra that a study may need
        assert any(pin.startswith("maketables==") for pin in pins)


@pytest.fixture
def bundle(wheel, tmp_path):
    """A maker of small bundles with this list of packages."""

    def made(pins=("annotune==0.1.0", "numpy==2.0.0")):
        folder = tmp_path / "content"
        (folder / LOCK).parent.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).write_text("".join(f"{pin}\n" for pin in pins))
        (folder / LOCK).with_name(wheel.name).write_bytes(wheel.read_bytes())
        return write_bundle(folder, tmp_path / "small.zip", {"annotune": "0", "texts": "none", "name": ""})

    return made


@pytest.fixture
def made_by(monkeypatch):
    """Environments are no more than this script in the place of their Python; the packages that they were made of."""
    packages = []

    def use(script):
        def install(folder, listed, python):
            packages.append([path.name for path in listed])
            place = environment._python_in(folder)
            place.parent.mkdir(parents=True)
            place.write_text(f"#!/bin/sh\n{script}\n")
            place.chmod(0o755)

        monkeypatch.setattr(environment, "_install", install)
        return packages

    return use


PRINTED = {"state": "identical", "tables": [], "beside": {}, "notes": ["It said so."]}


@needs_a_shell
def test_an_environment_of_the_same_packages_is_used_again_and_no_other_folder(bundle, made_by, tmp_path):
    packages = made_by(f"echo '{json.dumps(PRINTED)}'")
    small, folder = bundle(), tmp_path / "env"
    assert at.replicate(small, environment=folder).notes[0] == "It said so."
    assert at.replicate(small, environment=folder).state == "identical"
    assert len(packages) == 1
    with pytest.raises(at.AnnotuneError, match="is no environment of this bundle"):
        at.replicate(bundle(["annotune==0.1.0", "numpy==2.0.1"]), environment=folder)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for place in ("file", "full"):
        with pytest.raises(at.AnnotuneError, match="is no environment of this bundle"):
            at.replicate(small, environment=tmp_path / place)
    assert (tmp_path / "full" / "file").read_text() == "mine"


@needs_a_shell
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'Error: The study is odd. Mend it.' >&2; exit 2", r"environment: The study is odd\. Mend it\."),
        ("printf 'lost \\033[2Jtrack\\n' >&2; exit 9", r"environment: lost  \[2Jtrack"),
        ("exit 9", "ended with code 9"),
        ("echo 'no JSON'", "printed no result"),
        ("echo '[1, 2]'", "is no result"),
        (f"echo '{json.dumps(PRINTED | {'state': 'fine'})}'", "is no result"),
        (f"echo '{json.dumps(PRINTED | {'tables': [{'table': 1, 'n_cells': 'x'}]})}'", "is no result"),
    ],
)
def test_what_a_stranger_s_code_prints_is_not_believed(bundle, made_by, tmp_path, script, reason):
    made_by(script)
    with pytest.raises(at.AnnotuneError, match=reason):
        at.replicate(bundle(), environment=tmp_path / "env")


PINS = ["--index-url http://elsewhere", "-e .", "numpy", "numpy @ file:///x", "a==1 --hash=sha256:0", "a==1; b", ""]


@pytest.mark.parametrize("pin", PINS)
def test_a_list_of_packages_that_says_more_than_their_versions_is_refused(bundle, made_by, tmp_path, pin):
    packages = made_by("exit 1")
    with pytest.raises(at.AnnotuneError, match="no package with a version"):
        at.replicate(bundle(["annotune==0.1.0", pin]), environment=tmp_path / "env")
    assert (packages, (tmp_path / "env").exists()) == ([], False)


@needs_a_shell
def test_an_environment_that_cannot_be_made_leaves_nothing(bundle, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nmkdir "$4"\necho "ERROR: No matching distribution found for numpy==2.0.0" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(at.AnnotuneError, match=r"No matching distribution found for numpy==2\.0\.0\."):
        at.replicate(bundle(), environment=tmp_path / "env", python=str(python))
    assert not (tmp_path / "env").exists()
    with pytest.raises(at.AnnotuneError, match="nowhere cannot be run"):
        at.replicate(bundle(), environment=tmp_path / "env", python="nowhere")
    with pytest.raises(at.AnnotuneError, match="Name a new folder"):
        at.replicate(bundle(), python="python3.11")


@needs_a_shell
@pytest.mark.parametrize(("variable", "program"), [(None, "uv"), ("PIP_FIND_LINKS", "python")])
def test_uv_makes_it_where_it_is_and_pip_where_its_variables_say_where_packages_are(
    bundle, tmp_path, monkeypatch, variable, program
):
    (tmp_path / "bin").mkdir()
    for name in ("uv", "python"):
        tool = tmp_path / "bin" / name
        tool.write_text(f'#!/bin/sh\necho "{name} $PYTHONPATH $*" >&2\nexit 1\n')
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    for name in environment.SOURCES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(at.AnnotuneError, match=f"could not be made: {program}  [-v]"):
        at.replicate(bundle(), environment=tmp_path / "env", python=str(tmp_path / "bin" / "python"))
