"""A record beside what a verb wrote, so that `annotune why` can go from a table back to codings and models."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLAN = Path(".annotune") / "plan.json"  # in a folder of codes


@contextmanager
def recorded(verb: str, outputs: Sequence[Path] | None, *inputs: Path | None, **settings: Any) -> Iterator[None]:
    """The block reads the inputs and writes the outputs, if any; settings that were left out are not recorded.

    Of a folder that `classify` coded texts into, the input is the plan of that run.
    """
    from annotune.records.fingerprints import reading
    from annotune.records.record import make_record, record_outputs
    from annotune.tables.encodings import named_encoding

    plans = {path: path / PLAN for path in inputs if path is not None and (path / PLAN).is_file()}
    files = [path for path in inputs if path is not None and path.is_file()]
    with reading(*files, *plans.values()) as fingerprints:
        yield
    if outputs:
        by_name = {path.name: fingerprints[path] for path in files}
        for plan in plans.values():  # named as seen from the record, as all plans have one name
            by_name[Path(os.path.relpath(plan, outputs[0].parent)).as_posix()] = fingerprints[plan]
        given = {**settings, "encoding": named_encoding()}
        chosen = {name: value for name, value in given.items() if value is not None}
        record_outputs(make_record(f"annotune {verb}", inputs=by_name, settings=chosen), outputs)
