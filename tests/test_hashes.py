"""hashes.txt has a fingerprint for whatever the default installation needs, at the versions of constraints.txt."""

import re
from pathlib import Path

from packaging.requirements import Requirement

from annotune.replication.papers import needed_by

ROOT = Path(__file__).parents[1]
WITHOUT = {"torch", "setuptools"}  # torch, with what it alone needs, is installed before, from another build


def entries(name):
    """Each package with its versions, and what stands behind it."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [(Requirement(line.partition(" --hash")[0].strip()), line) for line in lines]
    return [(need.name, str(need.specifier), line) for need, line in pairs]


def test_each_package_has_the_versions_of_the_constraints_and_fingerprints():
    pinned = {(name, version) for name, version, _ in entries("constraints.txt")}
    for name, version, line in entries("hashes.txt"):
        assert (name, version) in pinned, line[:60]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line[:60]


def test_all_that_annotune_needs_is_in_it():
    listed = {name for name, _, _ in entries("hashes.txt")}
    assert set(needed_by("annotune")) - WITHOUT <= listed
    assert {"hatchling", "editables", "numpy", "tokenizers"} <= listed  # the first two build it
    assert "torch" not in listed
