"""A bundle run in an environment of its own, made of the packages that the bundle names.

Whoever made the bundle chose these packages, and annotune's own code is in the bundle: all of it is a stranger's, and
runs with the rights of who runs it. It happens only where a folder for the environment is named.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError, warn
from annotune.records.fingerprints import file_sha256
from annotune.replication.builds import require_same_builds
from annotune.replication.papers import BUILDS, LOCK
from annotune.tables.isolation import interpreter

Say = Callable[[str], None]
MARK = "annotune-environment.json"  # written last: what an environment was made of
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!]+")
SOURCES = ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")  # which uv does not read
OF_THIS_PYTHON = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
STEP, NOTE, ERROR = " ...", "Note: ", "Error: "  # how the command line says a step, a warning, an error


def make_environment(folder: Path, content: Path, python: str | None, say: Say) -> Path:
    """Make the environment of an unpacked bundle in a new folder: the Python in it, with annotune and its packages.

    One that was made of the same packages is used again. By uv where that is on the path and no variable of pip's says
    where packages are fetched from, else by venv and pip.

    Raises
    ------
    AnnotuneError
        For a folder that holds something else; for a list of packages that says more than names and versions; where a
        package cannot be had, or is another than the authors had. Nothing is left then.
    """
    pins = _pins(content / LOCK)
    wheels = sorted((content / LOCK).parent.glob("annotune-*.whl"))
    made_of = {path.name: file_sha256(path) for path in (content / LOCK, *wheels)}
    if _note_in(folder) == made_of:
        return _python_in(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AnnotuneError(f"{folder} is there, and is no environment of this bundle.", "Name a new folder for it.")
    who = "annotune as the bundle has it" if wheels else "annotune"
    say(f"Making the environment {folder}: {who} and {len(pins) - 1} packages that its authors chose, whose code runs")
    try:
        _install(folder, [content / LOCK, *wheels], python or interpreter())
        for packages in _packages_in(folder):
            require_same_builds(packages, content / BUILDS)
        (folder / MARK).write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _python_in(folder)


def replicate_in(
    python: Path,
    bundle: Path,
    out: Path | None,
    changes: Mapping[str, Any],
    tolerance: float,
    say: Say,
) -> Any:
    """Run `annotune replicate` by another Python: what it prints for programs.

    Its steps are said here, its warnings are warnings here, and its errors are errors.
    """
    command = [str(python), "-I", "-X", "utf8", "-m", "annotune", "replicate", str(bundle.resolve()), "--json"]
    command += ["--tolerance", repr(tolerance), *(["--out", str(out.resolve())] if out is not None else [])]
    command += [word for key, value in changes.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    with tempfile.TemporaryFile() as answer:
        with subprocess.Popen(command, **(_options() | {"stdout": answer, "stderr": subprocess.PIPE})) as run:
            assert run.stderr is not None
            lines = [line for text in run.stderr if (line := _pass_on(_plain(text), say))]
        answer.seek(0)
        text = answer.read().decode("utf-8", "replace")
    if run.returncode not in (0, 1):
        reason = (lines or [f"it ended with code {run.returncode}"])[-1].removeprefix(ERROR)
        raise AnnotuneError(f"In the bundle's environment: {reason}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        reason = (lines or ["it printed no result"])[-1].removeprefix(ERROR)
        raise AnnotuneError(f"In the bundle's environment: {reason}", "Try it without an environment.") from None


def _pins(path: Path) -> list[str]:
    """The packages that are named; a list of them can ask pip for more, such as another index, which is refused."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    strange = next((line for line in lines if not PIN.fullmatch(line)), None)
    if strange is not None or not lines:
        what = f"{LOCK} of the bundle names {strange!r:.80}, which is no package with a version."
        what = what if lines else f"The bundle has no {LOCK}."
        raise AnnotuneError(what, "Ask its authors for another one, or replicate it without an environment.")
    return lines


def _install(folder: Path, packages: Sequence[Path], python: str) -> None:
    place, uv = _python_in(folder), shutil.which("uv")
    listed = ["-r", *map(str, packages)]
    if uv is not None and not any(name in os.environ for name in SOURCES):
        _call([uv, "venv", "--quiet", "--python", python, str(folder)], folder)
        _call([uv, "pip", "install", "--quiet", "--python", str(place), *listed], folder)
    else:
        _call([shutil.which(python) or python, "-I", "-m", "venv", str(folder)], folder)
        pip = [str(place), "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        pip.append("--no-compile")  # so that what is compiled there came with a package, and is compared
        _call([*pip, *listed], folder)


def _call(command: Sequence[str], folder: Path) -> None:
    """Run a program that makes a part of the environment; what it says goes wrong is an error."""
    try:
        end = subprocess.run(command, capture_output=True, check=False, **_options())
    except OSError as error:
        raise AnnotuneError(f"{command[0]} cannot be run: {error.strerror}.", "Name another with python=.") from None
    if end.returncode:
        lines = [_plain(line) for line in (end.stdout + end.stderr).splitlines() if line.strip()]
        reason = next(
            (line for line in lines if line.lower().startswith("error:")), (lines or ["it gave no reason"])[-1]
        )
        what = f"The environment {folder} could not be made: {reason.removeprefix('ERROR: ')}"
        raise AnnotuneError(
            what if what.endswith(".") else f"{what}.",
            "environment/machine.json in the bundle says which Python it was made with: name that one with python=.",
        )


def _python_in(folder: Path) -> Path:
    return folder.absolute() / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _packages_in(folder: Path) -> list[Path]:
    return sorted({*folder.glob("[Ll]ib/python*/site-packages"), *folder.glob("[Ll]ib/site-packages")})


def _note_in(folder: Path) -> Any:
    try:
        return json.loads((folder / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _options() -> dict[str, Any]:
    """How programs are started: without what leads to this Python's packages, and with nobody to be asked."""
    variables = {name: value for name, value in os.environ.items() if name not in OF_THIS_PYTHON}
    return {"env": variables, "stdin": subprocess.DEVNULL, "text": True, "encoding": "utf-8", "errors": "replace"}


def _plain(line: str) -> str:
    """A line of another program without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() else " " for sign in line).strip()


def _pass_on(line: str, say: Say) -> str:
    """Say a step, warn of what is warned of; what is neither is handed back."""
    if line.endswith(STEP):
        say(line.removesuffix(STEP))
    elif line.startswith(NOTE):
        warn(line.removeprefix(NOTE))
    else:
        return line
    return ""
