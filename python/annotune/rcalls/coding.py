"""The coding page for R: a process of its own serves it, as R runs nothing else while Python does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import of_people, sound_codings
from annotune.errors import AnnotuneError
from annotune.rcalls.packing import several
from annotune.study.file import read_study
from annotune.tables.isolation import interpreter
from annotune.tables.store import SUFFIX, read_store

SERVED: dict[int, tuple[subprocess.Popen[str], Path]] = {}  # by process; the store of each
PATIENCE = 10.0  # seconds for a server to end


def start(
    study: str,
    corpus: Any = None,
    codebook: Codebook | None = None,
    coders: Any = None,
    library_path: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Serve the page: `process` (its number) and `links`, an address for each person by name.

    `library_path` is what LD_LIBRARY_PATH was before R put its own folders there, from which the process would load
    another Python's library.
    """
    path = Path(study)
    environment = os.environ | ({} if library_path is None else {"LD_LIBRARY_PATH": library_path})
    command = [interpreter(), "-m", "annotune", "code", str(path), "--no-browser"]
    with tempfile.TemporaryDirectory() as folder:
        if corpus is not None:
            target = Path(folder) / "corpus.parquet"
            corpus.write_parquet(target)
            command += ["--corpus", str(target)]
        if codebook is not None:
            book = Path(folder) / "codebook.yaml"
            book.write_text(codebook.model_dump_json(exclude_none=True), encoding="utf-8")  # JSON is YAML
            command += ["--codebook", str(book)]
        options["coders"] = ",".join(several(coders)) if coders is not None else None
        command += _typed(options)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        links = _links(process)
    if not links:
        assert process.stderr is not None
        reason = process.stderr.read().replace("Error: ", "").strip()
        raise AnnotuneError(reason.splitlines()[-1] if reason else "The page's server did not begin.")
    SERVED[process.pid] = process, path if path.suffix == SUFFIX else read_study(path).store
    return {"process": process.pid, "links": links}


def _typed(options: dict[str, Any]) -> list[str]:
    """Options as they are typed; those that are left out, or false, are not."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value not in (None, False):
            words += [f"--{name}", ",".join(value) if isinstance(value, (list, tuple)) else str(value)]
    return words


def _links(process: subprocess.Popen[str]) -> dict[str, str]:
    """What the server prints of each person, until it serves; {} where it ends before."""
    links = {}
    assert process.stdout is not None
    for line in process.stdout:
        name, _, address = line.strip().rpartition("  ")
        if address.startswith("http://"):
            links[name] = address
        if line.startswith("Stop with"):
            return links
    process.wait()
    return {}


def is_served(process: int) -> bool:
    """Whether that page can be reached."""
    return process in SERVED and SERVED[process][0].poll() is None


def stop(process: int) -> pl.DataFrame:
    """End it: what people coded, a table of codings that may have no rows."""
    if process not in SERVED:
        raise AnnotuneError("This page is not served any more.", "at_codings() reads what is coded from the store.")
    server, store = SERVED.pop(process)
    server.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()  # everything that was acknowledged is in the store
    return of_people(sound_codings(read_store(store)))


FOR_R: Sequence[tuple[str, Any]] = (("code_start", start), ("code_is_served", is_served), ("code_stop", stop))
