"""The option that verbs share which read csv files: in which encoding these are."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

Encoding = Annotated[
    str | None, typer.Option(help="Of csv files that are not in Unicode, such as cp1250; found out by default.")
]


def with_encoding(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that can be told the encoding of the csv files that it reads."""

    @functools.wraps(verb)
    def told(*args: Any, encoding: str | None = None, **options: Any) -> None:
        from annotune.tables.encodings import named

        with named(encoding):
            verb(*args, **options)

    signature = inspect.signature(verb, eval_str=True)  # its words are those of its own module
    option = inspect.Parameter("encoding", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Encoding)
    told.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    told.__annotations__ = {**verb.__annotations__, "encoding": Encoding}
    return told
