"""annotune itself as a wheel, so that a bundle can be run by the annotune that made it, released or not."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

from annotune.replication.archive import plain_entry
from annotune.version import __version__

PACKAGE = Path(__file__).parents[1]
WHEEL = f"annotune-{__version__}-py3-none-any.whl"
ABOUT = "Wheel-Version: 1.0\nGenerator: annotune\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path | None:
    """Write the package that runs, with what it says of itself, as a wheel; the same package gives the same bytes.

    It is made of the files that are here, so that an editable installation gives one as well. None where annotune runs
    from a folder without having been installed: what it needs is then not known.
    """
    about = _about()
    if about is None:
        return None
    files = {f"annotune/{name}": (PACKAGE / name).read_bytes() for name in _names()} | about
    record = f"annotune-{__version__}.dist-info/RECORD"
    rows = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(plain_entry(name), content)
    return folder / WHEEL


def _names() -> list[str]:
    """The package's files; what Python compiled of them, and hidden ones, are none."""
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


def _about() -> dict[str, bytes] | None:
    """What was said of the package when it was installed: needs, commands, licence."""
    try:
        package = metadata.distribution("annotune")
    except metadata.PackageNotFoundError:
        return None
    folder = f"annotune-{__version__}.dist-info"
    named = [path for path in package.files or [] if path.parts[0].endswith(".dist-info")]
    kept = [path for path in named if path.name in ("METADATA", "entry_points.txt") or "licenses" in path.parts]
    files = {"/".join([folder, *path.parts[1:]]): Path(str(path.locate())).read_bytes() for path in sorted(kept)}
    return {**files, f"{folder}/WHEEL": ABOUT.encode()}


def _digest(content: bytes) -> str:
    """A fingerprint as a wheel's list has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
