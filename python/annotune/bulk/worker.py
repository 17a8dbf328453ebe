"""What runs in a worker's own process: it works until nothing is left, or until nobody listens any more."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from annotune.bulk.run import work
from annotune.errors import AnnotuneError

REFUSED, STOPPED = 2, 143


def main(args: Sequence[str]) -> None:
    """Work in the folder that is named; what is wrong with more than a shard is one line of JSON, and exit code 2."""
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_listen, daemon=True, name="annotune-listen").start()
    try:
        work(args[0])
    except AnnotuneError as error:
        print(json.dumps({"what": error.what, "advice": error.advice}), flush=True)
        sys.exit(REFUSED)


def _listen() -> None:
    """Stop when the process that started this one closes its end, or is gone: its shard is given back."""
    while os.read(0, 1):  # and not by sys.stdin, which Python cannot close while it is waited at
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(*_: Any) -> None:
    sys.exit(STOPPED)
