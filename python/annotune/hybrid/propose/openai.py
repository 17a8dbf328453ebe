"""Models behind an OpenAI-compatible endpoint: hosted ones, vLLM, Ollama, llama.cpp, transformers serve."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from annotune.data.codebook import Variable
from annotune.errors import AnnotuneError
from annotune.extras import require
from annotune.hybrid.propose.pace import Pace
from annotune.hybrid.propose.parsing import Tokens, parse
from annotune.hybrid.propose.prompt import answer_schema, instruction, messages
from annotune.hybrid.propose.provider import Answer, Question, Watch, without_label
from annotune.hybrid.propose.schedule import Failure, Schedule
from annotune.hybrid.propose.tokens import tokens_of

NEEDING = "Models behind an endpoint need"
TRY_AGAIN = (408, 409, 425, 429)  # and every status from 500
# What an endpoint may not know, and by which words of its refusal that is seen; the first may go without being named.
DROPPABLE = {
    "logprobs": r"log_?prob",
    "schema": r"response_format|json_schema|structured|schema",
    "seed": r"\bseed\b",
    "temperature": r"temperature",
    "system": r"system",
    "max_completion_tokens": r"max_(completion_)?tokens",
}
TOO_LONG = re.compile(r"context.{0,20}(length|window|size)|maximum context|too long|too many (input )?tokens", re.I)
SPENT = re.compile(r"insufficient_quota|billing|credit", re.I)
MOST = 300  # characters of an endpoint's own words


@dataclass
class Endpoint:
    """A model behind an endpoint.

    Attributes
    ----------
    address, key
        Where it is, and the key to it, which nothing shows.
    options
        `temperature`, `seed`, `max_tokens`, `schema`, `probabilities`, `reasons`, `examples`.
    """

    model: str
    variables: tuple[Variable, ...]
    address: str
    host: str
    options: dict[str, Any]
    key: str = field(default="", repr=False)
    timeout: float = 60.0
    concurrency: int = 8
    retries: int = 5
    pace: Pace = field(default_factory=Pace)
    kind: str = "openai"
    refused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        require("openai", NEEDING)
        self._lock, self._answered = threading.Lock(), False

    @property
    def prompt(self) -> str:
        """The codebook, and how to answer."""
        return instruction(self.variables, self.options["examples"], self.options["reasons"])

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked of the endpoint, whatever it takes of it."""
        return {**self.options, "endpoint": self.address}

    @cached_property
    def client(self) -> Any:
        """The SDK's client: it tries nothing again, follows no redirection, and uses no proxy on this machine."""
        import openai

        from annotune.hybrid.propose.privacy import is_loopback

        openai_itself = self.host == "api.openai.com"
        strangers = {} if openai_itself else {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
        return openai.OpenAI(
            api_key=self.key or "none",
            base_url=self.address,
            max_retries=0,
            timeout=self.timeout,
            default_headers=strangers,  # type: ignore[arg-type]  # Omit leaves out what the environment would add
            http_client=openai.DefaultHttpxClient(follow_redirects=False, trust_env=not is_loopback(self.host)),
        )

    def answers(self, questions: Sequence[Question], watch: Watch) -> Iterator[Answer]:
        """An answer to every question, as they come."""
        schedule = Schedule(
            self.ask,
            self.unanswered,
            who=f"The endpoint {self.address}",
            tokens=lambda question: tokens_of(self.prompt) + tokens_of(question.text),
            pace=self.pace,
            concurrency=self.concurrency,
            retries=self.retries,
        )
        return schedule.answers(questions, watch)

    def unanswered(self, question: Question, reason: str, attempts: int) -> Answer:
        """The rows of a question that has no answer."""
        rows = without_label(self.variables, "error", reason)
        return Answer(question, "error", rows, reason=reason, attempts=attempts)

    def body(self, text: str) -> dict[str, Any]:
        """One request, without what this endpoint does not know."""
        options, known = self.options, set(DROPPABLE) - self.refused
        content: dict[str, Any] = {
            "model": self.model,
            "messages": messages(self.prompt, text, "system" in known),
            "temperature": options["temperature"],
            "seed": options["seed"],
            "max_completion_tokens" if "max_completion_tokens" in known else "max_tokens": options["max_tokens"],
        }
        if options["schema"] and "schema" in known:
            described = {"name": "codes", "strict": True, "schema": answer_schema(self.variables, options["reasons"])}
            content["response_format"] = {"type": "json_schema", "json_schema": described}
        if options["probabilities"] and "logprobs" in known:
            content["logprobs"] = True
        return {name: value for name, value in content.items() if name not in self.refused and value is not None}

    def ask(self, question: Question) -> Answer | Failure:
        """Ask once.

        Raises
        ------
        AnnotuneError
            For what no further question would change: a key that is refused, a model that is not there.
        """
        import openai

        with self._lock:
            before = set(self.refused)
        try:
            response = self.client.chat.completions.with_raw_response.create(
                **self.body(question.text), extra_headers={"Idempotency-Key": question.key}
            )
            content = response.text
        except openai.APIStatusError as error:
            return self._refused(
                error.status_code, _words(error.response.text, self.key), error.response.headers, before
            )
        except openai.APITimeoutError:
            return Failure(f"no answer within {self.timeout:g} seconds")
        except openai.APIConnectionError as error:
            gone = type(error.__cause__).__name__ == "ConnectError"
            return Failure("nobody answers there" if gone else "the connection broke off", gone=gone)
        return self.read(question, content)

    def read(self, question: Question, content: str) -> Answer | Failure:
        """The answer in what an endpoint sent; without one, that is a failure like any other."""
        try:
            body = json.loads(content)
            choice = body["choices"][0]
            message, finish = choice["message"], choice.get("finish_reason")
            raw = message.get("content")
        except (ValueError, LookupError, TypeError, AttributeError):
            return Failure("what came is no answer of a chat, or breaks off")
        self._answered = True
        rows = self._parsed(raw, message.get("refusal"), finish, _tokens(choice))
        wrong = next((row.reason for row in rows if row.status == "unparsed"), None)
        usage = body.get("usage") or {}
        return Answer(
            question,
            "ok" if wrong is None else "unparsed",
            rows,
            raw=raw if isinstance(raw, str) else json.dumps(message),
            reason=wrong or "",
            reported=str(body.get("model") or ""),
            fingerprint=str(body.get("system_fingerprint") or ""),
            tokens_in=usage.get("prompt_tokens"),
            tokens_out=usage.get("completion_tokens"),
        )

    def _parsed(self, raw: Any, refusal: Any, finish: Any, tokens: Tokens) -> Any:
        if refusal or finish == "content_filter":
            return without_label(self.variables, "unparsed", "the model refused to answer")
        if finish == "length":
            what = f"the answer is longer than max_tokens={self.options['max_tokens']}"
            return without_label(self.variables, "unparsed", what)
        if not isinstance(raw, str):
            return without_label(self.variables, "unparsed", "the answer has no words")
        return parse(raw, self.variables, tokens, self.options["reasons"])

    def _refused(self, status: int, words: str, headers: Mapping[str, str], before: set[str]) -> Failure:
        """What an error's status means: to try again, to ask otherwise, or to stop."""
        if status in (401, 403):
            what = f"{self.host} does not take the key (status {status}): it is wrong, has expired, or may not do this."
            raise AnnotuneError(what, "Put a valid key into the environment; what was answered is kept.")
        if status == 402 or (status == 429 and SPENT.search(words)):
            raise AnnotuneError(f"{self.host} says that the account is used up: {words}.", "Run the same again later.")
        if 300 <= status < 400:
            what = f"{self.address} sends on to another address, which is not followed."
            raise AnnotuneError(what, "Give that address with endpoint=, if texts may go there.")
        if status in TRY_AGAIN or status >= 500:
            return Failure(f"status {status}", wait=_seconds(headers.get("retry-after")))
        if TOO_LONG.search(words):
            return Failure(f"longer than the context of {self.model} ({words})", again=False)
        if status == 404 or (status == 400 and "model" in words and "not" in words and "exist" in words):
            what = f"{self.address} has no model {self.model!r}, or no chat there: {words}."
            raise AnnotuneError(what, "Check model= and endpoint=; most addresses end with /v1.")
        if self._asks_otherwise(words, before):
            return Failure(words, counts=False)
        return Failure(f"status {status}: {words}", again=False)

    def _asks_otherwise(self, words: str, before: set[str]) -> bool:
        """Leave out what the endpoint refuses; whether something was left out since the question was put."""
        with self._lock:
            if self.refused != before:
                return True
            droppable = [name for name in DROPPABLE if name not in self.refused]
            unknown = [name for name in droppable if re.search(DROPPABLE[name], words, re.I)]
            if not self._answered:
                unknown = unknown or [name for name in droppable if name in ("logprobs", "schema", "seed")]
            self.refused.update(unknown[:1])
            return bool(unknown)


def _words(content: str, key: str) -> str:
    """The endpoint's own words about an error, short, on one line, and without the key."""
    from annotune.hybrid.propose.privacy import hidden

    try:
        body = json.loads(content)
        error = body.get("error", body) if isinstance(body, dict) else body
        words = error.get("message") or error.get("detail") or error if isinstance(error, dict) else error
        code = str(error.get("code") or "") if isinstance(error, dict) else ""
    except ValueError:
        words, code = content, ""
    line = " ".join(hidden(f"{words} {code}", key).split())
    return line[:MOST].rstrip(". ")


def _seconds(header: str | None) -> float | None:
    """How long an endpoint asks to wait, where it says so in seconds."""
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


def _tokens(choice: Mapping[str, Any]) -> Tokens:
    """The answer's pieces with their log-probabilities, where there are any."""
    pieces = (choice.get("logprobs") or {}).get("content") or ()
    try:
        return [(str(piece["token"]), float(piece["logprob"])) for piece in pieces]
    except (KeyError, TypeError, ValueError):
        return ()
