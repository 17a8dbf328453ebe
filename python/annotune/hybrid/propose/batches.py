"""An endpoint's batches: questions are handed in together and answered within a day, at a lower price.

Each question bears its key, and each answer is matched by it: none is lost, and none is taken for another's. A batch is
written down before it is handed in, under a mark that the endpoint keeps with it; so a run that is stopped in between
finds it again instead of paying twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from annotune.errors import AnnotuneError, counted, warn
from annotune.hybrid.propose.openai import Endpoint
from annotune.hybrid.propose.provider import Answer, Question, without_label
from annotune.hybrid.propose.requests import Book

MARK = "annotune"  # under which the endpoint keeps our mark
HANDED_IN = "handed in as "  # in place of the batch's name, as long as it is not known
MOST, LARGEST = 50_000, 100_000_000  # requests and bytes in a batch
UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
ADDRESS = "/v1/chat/completions"
WAITS = "it waits in a batch"


def submit(endpoint: Endpoint, book: Book, questions: Sequence[Question]) -> int:
    """Hand in questions; how many batches that made.

    Raises
    ------
    AnnotuneError
        Where the endpoint takes no batches; then nothing waits for one.
    """
    import openai

    parts = list(_parts(endpoint, questions))
    for part, content in parts:
        mark = uuid.uuid4().hex
        rows = without_label(endpoint.variables, "missing", WAITS)
        waiting = [Answer(one, "waiting", rows, reason=WAITS, batch=HANDED_IN + mark, attempts=1) for one in part]
        book.keep([(answer, None) for answer in waiting])
        book.leaving(part)
        try:
            file = endpoint.client.files.create(file=(f"{mark}.jsonl", content), purpose="batch")
            batch = endpoint.client.batches.create(
                input_file_id=file.id, endpoint=ADDRESS, completion_window="24h", metadata={MARK: mark}
            )
        except openai.APIStatusError as error:
            _forget(book, HANDED_IN + mark)
            what = f"{endpoint.address} takes no batch (status {error.status_code})."
            raise AnnotuneError(what, "Leave batch= out to ask text by text.") from None
        except openai.APIConnectionError:
            what = f"The connection to {endpoint.address} broke off while a batch was handed in."
            raise AnnotuneError(what, "Run the same again: it looks whether the batch is there.") from None
        _rename(book, HANDED_IN + mark, batch.id)
    return len(parts)


def collect(endpoint: Endpoint, book: Book, questions: Mapping[str, Question]) -> Iterator[Answer]:
    """The answers of batches that are finished; what a batch has no answer for is asked for again by the next run.

    Parameters
    ----------
    questions
        The corpus's questions by their keys.
    """
    import openai

    query = "SELECT DISTINCT batch FROM requests WHERE coder = ? AND status = 'waiting'"
    for name in book.store.table(query, [book.coder]).to_series().to_list():
        try:
            batch = _found(endpoint, book, name)
            if batch is None or batch.status in UNFINISHED:
                continue
            lines = [line for file in (batch.output_file_id, batch.error_file_id) for line in _lines(endpoint, file)]
        except openai.APIError as error:
            what = f"The batch {name} cannot be fetched from {endpoint.address}: {type(error).__name__}."
            raise AnnotuneError(what, "Run the same again later: it is not handed in again.") from None
        yield from _answers(endpoint, book, batch, lines, questions)


def _found(endpoint: Endpoint, book: Book, name: str) -> Any | None:
    """A batch by its name, or by our mark where a run was stopped before it knew the name; None where it never came."""
    if not name.startswith(HANDED_IN):
        return endpoint.client.batches.retrieve(name)
    mark = name.removeprefix(HANDED_IN)
    for batch in endpoint.client.batches.list(limit=100):
        if (batch.metadata or {}).get(MARK) == mark:
            _rename(book, name, batch.id)
            return batch
    _forget(book, name)
    return None


def _answers(
    endpoint: Endpoint, book: Book, batch: Any, lines: Sequence[str], questions: Mapping[str, Question]
) -> Iterator[Answer]:
    """One answer for each question that waits in this batch, matched by its key."""
    waiting = book.store.table(
        "SELECT key, question, unit_id FROM requests WHERE coder = ? AND batch IN (?, ?) AND status = 'waiting'",
        [book.coder, batch.id, HANDED_IN + str((batch.metadata or {}).get(MARK))],
    ).rows()
    known = {key: questions.get(key) or Question(key, question, unit, "") for key, question, unit in waiting}
    bodies: dict[str, Any] = {}
    strange = 0
    for line in lines:
        try:
            content = json.loads(line)
            key = content["custom_id"]
        except (ValueError, KeyError, TypeError):
            strange += 1
            continue
        if key not in known or (key in bodies and bodies[key] != content.get("response")):
            strange += 1
        else:
            bodies.setdefault(key, content.get("response"))
    if strange:
        lines_left = counted(strange, "line", "lines")
        warn(f"{lines_left} of the batch {batch.id} belong to no question, or come twice: left out.")
    for key, question in known.items():
        yield replace(_answer(endpoint, question, bodies.get(key), batch), batch=batch.id)


def _answer(endpoint: Endpoint, question: Question, response: Any, batch: Any) -> Answer:
    reason = f"the batch is {batch.status} and has no answer for it"
    if isinstance(response, dict):
        if response.get("status_code") == 200:
            answer = endpoint.read(question, json.dumps(response.get("body")))
            if isinstance(answer, Answer):
                return answer
            reason = answer.reason
        else:
            reason = f"status {response.get('status_code')} in the batch"
    return endpoint.unanswered(question, reason, 1)


def _parts(endpoint: Endpoint, questions: Sequence[Question]) -> Iterator[tuple[list[Question], bytes]]:
    """Questions as the lines of files that a batch may have."""
    part: list[Question] = []
    lines: list[bytes] = []
    size = 0
    for question in questions:
        request = {"custom_id": question.key, "method": "POST", "url": ADDRESS, "body": endpoint.body(question.text)}
        line = json.dumps(request).encode() + b"\n"
        if part and (len(part) == MOST or size + len(line) > LARGEST):
            yield part, b"".join(lines)
            part, lines, size = [], [], 0
        part.append(question)
        lines.append(line)
        size += len(line)
    if part:
        yield part, b"".join(lines)


def _lines(endpoint: Endpoint, file: str | None) -> list[str]:
    return [line for line in endpoint.client.files.content(file).text.split("\n") if line.strip()] if file else []


def _rename(book: Book, before: str, name: str) -> None:
    with book.store.change() as connection:
        connection.execute("UPDATE requests SET batch = ? WHERE batch = ?", [name, before])


def _forget(book: Book, name: str) -> None:
    """A batch that the endpoint never had: its questions are as if they had not been asked."""
    with book.store.change() as connection:
        keys = "SELECT key FROM requests WHERE batch = ? AND status = 'waiting'"
        connection.execute(f"DELETE FROM proposals WHERE request IN ({keys})", [name])
        connection.execute("DELETE FROM requests WHERE batch = ? AND status = 'waiting'", [name])
