"""What stands for a person in a text becomes a placeholder before the text is sent, and what was there stays here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from annotune.errors import AnnotuneError, listing, nearest
from annotune.extras import require

KINDS = ("names", "mails", "phones", "handles", "urls", "ids")
PLACEHOLDER = {"names": "NAME", "mails": "MAIL", "phones": "PHONE", "handles": "HANDLE", "urls": "URL", "ids": "ID"}
RULES = {
    "mails": re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@\w[\w-]*(?:\.\w[\w-]*)+"),
    "urls": re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]", re.I),
    "handles": re.compile(r"(?<![\w@./])@\w[\w.-]*\w"),
    # What numbers a person: six digits and more, in a row or in groups, with the letters before them; no span of years.
    "ids": re.compile(r"\b(?!(?:19|20)\d\d[-/ ](?:19|20)\d\d\b)(?:[A-Z]{1,4}[-/ ]?)?\d(?:[-./ ]?\d){5,}[A-Z]{0,2}\b"),
}
PEOPLE = ("PERSON", "PER")  # as spaCy's models call them
Span = tuple[int, int, str]


@dataclass(frozen=True)
class Redaction:
    """Which kinds of things are replaced, and by what names and telephone numbers are recognised.

    Attributes
    ----------
    kinds
        Of `names`, `mails`, `phones`, `handles`, `urls`, `ids`. Mails, handles, web addresses and numbers are found by
        rules of annotune's own, telephone numbers by the library phonenumbers, names by a model for spaCy.
    names_model
        The package or the folder of a spaCy model with named entities, such as `en_core_web_sm`.
    region
        The country whose telephone numbers are known without a country's code, such as `GB`.
    """

    kinds: tuple[str, ...]
    names_model: str | None = None
    region: str | None = None

    def redact(self, text: str) -> tuple[str, dict[str, str]]:
        """The text with placeholders, and what each stands for; the same thing has the same one throughout a text.

        >>> Redaction(("mails", "handles")).redact("Ask @ana or ana@example.org; ana@example.org knows.")
        ('Ask [HANDLE_1] or [MAIL_1]; [MAIL_1] knows.', {'[HANDLE_1]': '@ana', '[MAIL_1]': 'ana@example.org'})
        """
        originals: dict[str, str] = {}
        placeholders: dict[tuple[str, str], str] = {}
        parts, place = [], 0
        for start, end, kind in _apart(self._spans(text)):
            original = text[start:end]
            if (kind, original) not in placeholders:
                placeholder = _free(kind, text, originals)
                placeholders[kind, original] = placeholder
                originals[placeholder] = original
            parts += [text[place:start], placeholders[kind, original]]
            place = end
        return "".join([*parts, text[place:]]), originals

    def _spans(self, text: str) -> Iterator[Span]:
        for kind in self.kinds:
            for start, end in self._finders[kind](text):
                yield start, end, kind

    @cached_property
    def _finders(self) -> dict[str, Callable[[str], Iterator[tuple[int, int]]]]:
        special = {"phones": self._phones, "names": self._names}
        return {kind: special[kind]() if kind in special else _by_rule(RULES[kind]) for kind in self.kinds}

    def _phones(self) -> Callable[[str], Iterator[tuple[int, int]]]:
        phonenumbers = require("phonenumbers", "Telephone numbers are found by", ", or leave them out of redact=")
        leniency = phonenumbers.Leniency.POSSIBLE  # a number that is not in use still may be somebody's

        def finds(text: str) -> Iterator[tuple[int, int]]:
            for match in phonenumbers.PhoneNumberMatcher(text, self.region, leniency=leniency):
                yield match.start, match.end

        return finds

    def _names(self) -> Callable[[str], Iterator[tuple[int, int]]]:
        spacy = require("spacy", "Names are found by", ", or leave them out of redact=")
        pipeline = _pipeline(spacy, self.names_model)

        def finds(text: str) -> Iterator[tuple[int, int]]:
            for entity in pipeline(text).ents:
                if entity.label_ in PEOPLE:
                    yield entity.start_char, entity.end_char

        return finds


def read_redaction(redact: str | Sequence[str], names_model: str | None, region: str | None) -> Redaction | None:
    """What `redact=` asks for, after a look at whether there is all that it takes.

    Raises
    ------
    AnnotuneError
        For a kind that there is not, and for names without a model.
    """
    kinds = [redact] if isinstance(redact, str) else list(dict.fromkeys(redact))
    if not kinds:
        return None
    for kind in kinds:
        if kind not in KINDS:
            raise AnnotuneError(f"redact= cannot be {kind!r}.", nearest(kind, KINDS))
    if "names" in kinds and names_model is None:
        what = "redact='names' needs a model that knows names, and none is named."
        advice = "Name a model for spaCy with names_model=: an installed package such as en_core_web_sm, or a folder."
        raise AnnotuneError(what, advice)
    redaction = Redaction(tuple(kind for kind in KINDS if kind in kinds), names_model, region)
    redaction.redact("")
    return redaction


def _pipeline(spacy: Any, model: str | None) -> Any:
    """A spaCy model that is on this machine; nothing is downloaded."""
    if model is None or not (spacy.util.is_package(model) or Path(model).is_dir()):
        what = f"There is no model {model!r} for spaCy on this machine."
        raise AnnotuneError(what, "Install it (see spacy.io/models), or give the folder that it is in.")
    pipeline = spacy.load(model)
    if not {"ner", "entity_ruler"} & set(pipeline.pipe_names):
        what = f"The model {model!r} knows no names: its parts are {listing(pipeline.pipe_names)}."
        raise AnnotuneError(what, "Choose another.")
    return pipeline


def _by_rule(rule: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (match.span() for match in rule.finditer(text))


def _apart(spans: Iterator[Span]) -> list[Span]:
    """Spans that do not overlap: what begins first and reaches furthest holds, and takes in what it overlaps."""
    apart: list[Span] = []
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        if apart and start < apart[-1][1]:
            first, last, known = apart[-1]
            apart[-1] = (first, max(last, end), known)
        elif end > start:
            apart.append((start, end, kind))
    return apart


def _free(kind: str, text: str, taken: dict[str, str]) -> str:
    """The next placeholder of this kind: one that does not stand in the text already."""
    numbers = (f"[{PLACEHOLDER[kind]}_{number}]" for number in itertools.count(1))
    return next(placeholder for placeholder in numbers if placeholder not in taken and placeholder not in text)
