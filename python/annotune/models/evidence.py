"""Of which models a deciding passage can be handed out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotune.data.inputs import inputs_of
from annotune.errors import AnnotuneError, listing


def require_evidence(name: str, settings: Mapping[str, Any]) -> None:
    """Stop where a model does not read texts by themselves, in passages or cut.

    Raises
    ------
    AnnotuneError
        For one that reads neighbours, a target or covariates beside a text, or the text within a prompt.
    """
    more = inputs_of(settings).more
    if more:
        what = f"{name} reads {listing(more)} beside a text, all at once, and no passage of the text decides alone."
        raise AnnotuneError(what, "Leave evidence out, or tune a model that reads the text alone.")
    if settings["objective"] == "label":
        what = f"{name} reads texts within a prompt, all at once, and no passage of a text decides alone."
        raise AnnotuneError(what, "Leave evidence out, or tune with objective='head'.")
