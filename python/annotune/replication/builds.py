"""Which files each package of a study consists of, so that an environment made elsewhere is made of the same ones.

A version alone does not say it: an index may hand out other files under the same name. The fingerprint of a package is
that of its files' names and of their SHA-256, as its list of files has them (RECORD of PEP 376 and 427). Left out are
what installers add, what is compiled on the spot, and what lies outside of the packages' folder.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from annotune.errors import AnnotuneError, listing
from annotune.records.fingerprints import file_sha256

Build = dict[str, str]  # version, tags, sha256
HashOf = Callable[[metadata.PackagePath], str | None]


def build_of(package: metadata.Distribution, hash_of: HashOf) -> Build | None:
    """A package's version, the systems that its build is for, and its fingerprint; None where it has no list of files.

    Examples
    --------
    >>> sorted(build_of(metadata.distribution("numpy"), listed_hash))
    ['sha256', 'tags', 'version']
    """
    files = {path.as_posix(): hash_of(path) for path in package.files or () if _is_its_own(path)}
    if not files:
        return None
    lines = sorted(f"{name} {sha256}\n" for name, sha256 in files.items() if sha256 is not None)
    about = (package.read_text("WHEEL") or "").splitlines()
    tags = sorted(line.removeprefix("Tag:").strip() for line in about if line.startswith("Tag:"))
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return {"version": package.version, "tags": " ".join(tags), "sha256": digest}


def listed_hash(path: metadata.PackagePath) -> str | None:
    """A file's SHA-256 as the package's list has it; None of what was compiled here, which is listed without one."""
    if path.hash is None:
        return None if path.suffix == ".pyc" else ""
    return path.hash.value


def real_hash(path: metadata.PackagePath) -> str:
    """A file's SHA-256 as it lies there, in the letters of such lists; nothing where it is missing.

    Compiled files count: an environment is made without compiling, so whatever is compiled came with the package, and
    would be run in place of its source.
    """
    try:
        digest = bytes.fromhex(file_sha256(Path(path.locate())))
    except OSError:
        return ""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def builds(names: Iterable[str]) -> dict[str, Build]:
    """What each of these packages consists of here, those left out that have no list of their files.

    Examples
    --------
    >>> builds(["numpy"])["numpy"]["version"] == metadata.version("numpy")
    True
    """
    packages = {name: build_of(metadata.distribution(name), listed_hash) for name in names}
    return {name: build for name, build in packages.items() if build is not None}


def require_same_builds(packages: Path, listed: Path) -> None:
    """Compare the files of packages that were just installed with those that a bundle's authors had.

    A package of another version or another local version (torch 2.13.0+cpu), or for other systems or Pythons, has other
    files of necessity, and is not compared.

    Raises
    ------
    AnnotuneError
        For packages of the same version and for the same systems that have other files; for a list that is none.
    """
    theirs = _read(listed)
    here = {
        name: build_of(package, real_hash)
        for package in metadata.distributions(path=[str(packages)])
        if (name := package.name.lower().replace("_", "-")) in theirs
    }
    names = sorted(name for name, build in here.items() if build is not None and _are_others(build, theirs[name]))
    if names:
        what = f"The index has other files of {listing(names)} than the bundle's authors had, under the same version."
        advice = "Ask them, before any of it is run: somebody may have put another package in its place."
        raise AnnotuneError(what, advice)


def _is_its_own(path: metadata.PackagePath) -> bool:
    first = path.parts[0]
    return first != ".." and not first.endswith(".dist-info")


def _are_others(build: Build, theirs: Build) -> bool:
    is_same_build = all(build[name] == theirs.get(name) for name in ("version", "tags"))
    return is_same_build and build["sha256"] != theirs.get("sha256")


def _read(listed: Path) -> dict[str, Build]:
    """The list in a bundle; an empty one for bundles of an annotune that made none."""
    if not listed.exists():
        return {}
    try:
        content = json.loads(listed.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not all(isinstance(build, dict) for build in content.values()):
        raise AnnotuneError(f"{listed.name} of the bundle is no list of packages.", "Ask its authors for another one.")
    return content
