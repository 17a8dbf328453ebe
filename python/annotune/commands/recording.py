"""A record beside what a verb wrote, so that `annotune why` can go from a table back to codings and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def recorded(verb: str, outputs: Sequence[Path] | None, *inputs: Path | None, **settings: Any) -> Iterator[None]:
    """The block reads the inputs and writes the outputs, if any; settings that were left out are not recorded."""
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs

    with reading(*[path for path in inputs if path is not None and path.is_file()]) as fingerprints:
        yield
    if outputs:
        by_name = {path.name: sha256 for path, sha256 in fingerprints.items()}
        chosen = {name: value for name, value in settings.items() if value is not None}
        record_outputs(make_record(f"annotune {verb}", inputs=by_name, settings=chosen), outputs)
