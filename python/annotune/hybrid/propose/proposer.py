"""Which proposer is meant, and a look at whether it may be asked: before anything is opened or sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotune.data.codebook import Codebook, Variable
from annotune.errors import AnnotuneError, nearest
from annotune.hybrid.propose.dictionary import read_dictionary
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.pace import Pace
from annotune.hybrid.propose.privacy import OPENAI, host_of, is_loopback, read_key, require_allowed
from annotune.hybrid.propose.provider import Provider
from annotune.hybrid.propose.redaction import Redaction

if TYPE_CHECKING:
    from annotune.models.classifier import Classifier

KINDS = ("openai", "decoder", "tuned", "dictionary")
TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".xls", ".ods", ".parquet", ".json", ".jsonl")


@dataclass(frozen=True)
class Choice:
    """How a proposer is to be asked; see `propose` for what each means."""

    provider: str | None = None
    endpoint: str = OPENAI
    key: str | None = None
    allow_upload: str | Sequence[str] = ()
    redaction: Redaction | None = None
    temperature: float = 0.0
    seed: int = 1
    max_tokens: int = 1024
    schema: bool = True
    probabilities: bool = True
    reasons: bool = False
    examples: int = 0
    evidence: bool = False
    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    retries: int = 5
    timeout: float = 60.0
    device: str = "auto"
    sends: bool = True  # a plan alone needs neither a key nor leave


def choose_provider(
    model: Any, codebook: Codebook, variable: str | Sequence[str] | None, choice: Choice
) -> tuple[Provider, str]:
    """The proposer, and the host that texts go to; no host for one in this process.

    Raises
    ------
    AnnotuneError
        For what `model` cannot be, a host that was not allowed, a key that is not there.
    """
    kind = choice.provider or _looks_like(model)
    if kind not in KINDS:
        raise AnnotuneError(f"provider= cannot be {kind!r}.", nearest(str(kind), KINDS))
    if choice.evidence and kind != "tuned":
        raise AnnotuneError("evidence= is for tuned models, which know the passage that decided.", "Leave it out.")
    book = codebook.only(variable)
    if kind == "openai":
        return _endpoint(model, book.variables, choice)
    if choice.redaction is not None:
        raise AnnotuneError(
            "redact= is for models behind an endpoint, and this one is in this process.", "Leave it out."
        )
    if kind == "dictionary":
        return read_dictionary(model, book), ""
    if kind == "tuned":
        from annotune.hybrid.propose.tuned import Tuned  # torch is loaded for models in this process alone

        return Tuned(_classifier(model, book, choice), choice.evidence), ""
    if not isinstance(model, (str, Path)):
        raise AnnotuneError("A decoder is named by its folder or its name on the hub.", "Such as Qwen/Qwen3-0.6B.")
    from annotune.hybrid.propose.decoder import Decoder

    return Decoder(str(model), book.variables, choice.examples, choice.device), ""


def other_machine(model: Any, provider: str | None, endpoint: str) -> str:
    """The host that texts would be sent to; empty where the model is on this machine.

    >>> other_machine("gpt-5-mini", None, OPENAI), other_machine("words.csv", None, OPENAI)
    ('api.openai.com', '')
    """
    host = host_of(endpoint) if (provider or _looks_like(model)) == "openai" else ""
    return "" if is_loopback(host) else host


def _looks_like(model: Any) -> str:
    """The kind of what was given: words alone are the name of a model behind an endpoint."""
    if not isinstance(model, (str, Path)):
        return "tuned" if hasattr(model, "classify") else "dictionary"
    path = Path(model)
    if (path / "annotune.json").is_file():
        return "tuned"
    return "dictionary" if path.suffix.lower() in TABLES else "openai"


def _endpoint(model: Any, variables: tuple[Variable, ...], choice: Choice) -> tuple[Endpoint, str]:
    if not isinstance(model, str) or not model.strip():
        raise AnnotuneError("A model behind an endpoint is named by its name there.", "Such as gpt-5-mini.")
    host = host_of(choice.endpoint)
    if choice.sends:
        require_allowed(host, choice.allow_upload, model)
    redaction = choice.redaction
    if redaction and choice.examples:
        variables = tuple(_redacted(entry, redaction) for entry in variables)
    options: dict[str, Any] = {
        "temperature": float(choice.temperature),
        "seed": choice.seed,
        "max_tokens": choice.max_tokens,
        "schema": choice.schema,
        "probabilities": choice.probabilities,
        "reasons": choice.reasons,
        "examples": choice.examples,
    }
    if redaction:
        options["redact"] = list(redaction.kinds)
    endpoint = Endpoint(
        model.strip(),
        variables,
        choice.endpoint.rstrip("/"),
        host,
        options,
        key=read_key(choice.key, host) if choice.sends else "",
        timeout=choice.timeout,
        concurrency=choice.concurrency,
        retries=choice.retries,
        pace=Pace(choice.requests_per_minute, choice.tokens_per_minute),
    )
    return endpoint, host


def _redacted(entry: Variable, redaction: Redaction) -> Variable:
    """A variable whose examples, which may be texts of the corpus, are redacted as the texts are."""
    labels = tuple(
        label.model_copy(update={"examples": tuple(redaction.redact(text)[0] for text in label.examples)})
        for label in entry.labels
    )
    return entry.model_copy(update={"labels": labels})


def _classifier(model: Any, book: Codebook, choice: Choice) -> Classifier:
    from annotune.models.classifier import Classifier, load
    from annotune.models.evidence import require_evidence

    if not isinstance(model, (Classifier, str, Path)):
        raise AnnotuneError(
            "A tuned model is a Classifier or the folder of one.", "Give what tune gave, or its folder."
        )
    classifier = model if isinstance(model, Classifier) else load(model, choice.device)
    if choice.evidence:
        require_evidence(classifier.name, classifier.card["settings"])
    name = classifier.variable.name
    if name not in [entry.name for entry in book.variables]:
        what = f"The model {classifier.name} codes {name!r}, which is not asked for."
        raise AnnotuneError(what, nearest(name, [entry.name for entry in book.variables]))
    return classifier
