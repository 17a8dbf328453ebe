"""A bundle as a zip or a folder: its list of files with fingerprints, and a reader that trusts none of it.

A bundle comes from somebody else. Nothing in it is run. Only files that its list names are read, each of the size and
the fingerprint that the list says; names lead nowhere else, links are refused, and so is what unpacks without end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from annotune.errors import AnnotuneError
from annotune.records.files import is_plain, replacing
from annotune.records.sealed import SEAL, is_sealed, sealed

LIST = "bundle.json"
KIND = "annotune bundle"
LARGEST_LIST = 20_000_000  # bytes
MOST_FILES = 20_000
LARGEST = 50_000_000_000  # bytes of all files together
MOST_TIMES, ALWAYS = 60, 200_000_000  # as large as the archive the files may be; bytes that they may have in any case
PIECE = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Content:
    """What a bundle's list says: about the run, and of each file its fingerprint and size."""

    about: Mapping[str, Any]
    files: Mapping[str, tuple[str, int]]


def write_bundle(folder: Path, target: Path, about: Mapping[str, Any]) -> Path:
    """Write the files of a folder as a bundle, with the list of them: a zip where `target` ends so, else a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    files = {name: {"sha256": _sha256(path), "size": path.stat().st_size} for name, path in names.items()}
    content = json.dumps(sealed({"what": KIND, **about, "files": files}), indent=2, ensure_ascii=False) + "\n"
    with replacing(target) as draft:
        if target.suffix.lower() == ".zip":
            _write_zip(draft, names, content)
        else:
            shutil.copytree(folder, draft)
            (draft / LIST).write_text(content, encoding="utf-8")
    return target


def _write_zip(draft: Path, names: Mapping[str, Path], content: str) -> None:
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(plain_entry(LIST), content)
        for name, path in names.items():
            with archive.open(plain_entry(name), "w", force_zip64=True) as out, path.open("rb") as source:
                shutil.copyfileobj(source, out, PIECE)


def plain_entry(name: str) -> zipfile.ZipInfo:
    """An archive's entry for a plain file, the same at every time and on every system."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
    return entry


def list_in(path: Path) -> bytes:
    """The list of files of a bundle that was unpacked, as it stands in it."""
    if path.is_dir():
        return (path / LIST).read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(LIST)


def unpack(path: Path, folder: Path) -> Content:
    """Put a bundle's files into an empty folder, and say what its list says of them.

    Raises
    ------
    AnnotuneError
        For what is no bundle; for a file that is missing, another one, or in no list; for names that lead out of the
        folder, links, and files that together are larger than is plausible.
    """
    if not path.exists():
        raise AnnotuneError(f"{path} is not there.", "Give a bundle: a .zip, or a folder.")
    if path.is_dir():
        return _from_folder(path, folder)
    try:
        with zipfile.ZipFile(path) as archive:
            return _from_zip(path, archive, folder)
    except (AnnotuneError, MemoryError):
        raise
    except Exception as error:  # zipfile has errors of every kind for a broken one, an IndexError among them
        if isinstance(error, OSError) and error.filename:  # of the folder, which may be full
            raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise _refusal(path, f"it cannot be read as a zip ({reason})") from None


def _from_zip(path: Path, archive: zipfile.ZipFile, folder: Path) -> Content:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MOST_FILES:
        raise _refusal(path, f"it has {len(entries):,} files")
    by_name = {entry.filename: entry for entry in entries}
    for entry in entries:
        _require_plain_entry(path, entry)
    if len({name.casefold() for name in by_name}) < len(entries):
        raise _refusal(path, "two files in it have the same name")
    if LIST not in by_name:
        raise _refusal(path, f"it has no {LIST}")
    with archive.open(by_name[LIST]) as source:
        content = _content(path, source.read(LARGEST_LIST + 1), path.stat().st_size)
    _require_same_names(path, set(by_name) - {LIST}, set(content.files))
    for name, (sha256, size) in content.files.items():
        if by_name[name].file_size != size:
            raise _refusal(path, f"{name} is not of the size that {LIST} says")
        with archive.open(by_name[name]) as source:
            _copy(path, source, folder / name, sha256, size)
    return content


def _from_folder(path: Path, folder: Path) -> Content:
    """Of a folder those files that the list names; others may have come to lie there."""
    place = path / LIST
    if not place.is_file() or place.is_symlink():
        raise _refusal(path, f"it has no {LIST}")
    with place.open("rb") as source:
        content = _content(path, source.read(LARGEST_LIST + 1), LARGEST)
    for name, (sha256, size) in content.files.items():
        file = path / name
        above = [path.joinpath(*Path(name).parts[:n]) for n in range(1, len(Path(name).parts) + 1)]
        if any(part.is_symlink() for part in above):
            raise _refusal(path, f"{name} is a link")
        if not file.is_file():
            raise _refusal(path, f"{name} is missing")
        with file.open("rb") as source:
            _copy(path, source, folder / name, sha256, size)
    return content


def _content(path: Path, text: bytes, packed: int) -> Content:
    """The list, where it is sound: names that are plain, and sizes that are plausible."""
    try:
        content = json.loads(text) if len(text) <= LARGEST_LIST else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("what") != KIND or not isinstance(content.get("files"), dict):
        raise _refusal(path, f"{LIST} is none")
    if not is_sealed(content):
        raise _refusal(path, f"{LIST} was changed since it was written")
    files = {}
    for name, entry in content["files"].items():
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("sha256"), str)
            or type(entry.get("size")) is not int
        ):
            raise _refusal(path, f"{LIST} does not say what {name!r:.80} is")
        _require_plain_name(path, name)
        files[name] = (entry["sha256"], entry["size"])
    total = sum(size for _, size in files.values())
    if any(size < 0 for _, size in files.values()) or total > min(LARGEST, max(ALWAYS, MOST_TIMES * packed)):
        raise _refusal(path, f"its files would take {total:,} bytes, which its own size does not make plausible")
    about = {name: part for name, part in content.items() if name not in ("files", SEAL)}
    return Content(about, files)


def _require_plain_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refusal(path, f"{entry.filename!r:.80} is a link, or no file")
    if entry.flag_bits & 1 or entry.compress_type not in PACKED:
        raise _refusal(path, f"{entry.filename!r:.80} is packed or encrypted in a way that bundles are not")
    _require_plain_name(path, entry.filename)


def _require_plain_name(path: Path, name: str) -> None:
    """Refuse names that lead out of a folder on any system, or that some system cannot have."""
    parts = name.split("/")
    if len(name) > 400 or len(parts) > 12 or not all(part not in (".", "..") and is_plain(part) for part in parts):
        raise _refusal(path, f"the name {name!r:.80} may lead elsewhere")


def _require_same_names(path: Path, there: set[str], listed: set[str]) -> None:
    for name in sorted(listed - there)[:1]:
        raise _refusal(path, f"{name} is missing")
    for name in sorted(there - listed)[:1]:
        raise _refusal(path, f"{name} is not in {LIST}")


def _copy(path: Path, source: IO[bytes], target: Path, sha256: str, size: int) -> None:
    """Copy as many bytes as there should be, and compare them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, n = hashlib.sha256(), 0
    with target.open("xb") as out:
        for piece in _pieces(source):
            n += len(piece)
            if n > size:
                break
            digest.update(piece)
            out.write(piece)
    if n != size or digest.hexdigest() != sha256:
        raise _refusal(path, f"{target.name} is not the file that {LIST} names")


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        for piece in _pieces(file):
            digest.update(piece)
    return digest.hexdigest()


def _refusal(path: Path, reason: str) -> AnnotuneError:
    return AnnotuneError(f"{path} is no bundle to be used: {reason}.", "Fetch it again, or ask for it by another way.")
