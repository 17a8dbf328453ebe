"""Many questions at once: in time with a limit, again after a failure, and no more where nothing comes back."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from annotune.errors import AnnotuneError
from annotune.hybrid.propose.pace import Pace, backoff
from annotune.hybrid.propose.provider import Answer, Question, Watch

IN_A_ROW = 10  # questions without an answer, after which no more are asked
LONGEST_PAUSE = 300.0  # seconds that an endpoint may ask to wait; whoever asks for more is told to run again
MOMENT = 0.05


@dataclass(frozen=True)
class Failure:
    """A question that was not answered this time.

    Attributes
    ----------
    reason
        Why, in words.
    wait
        Seconds that the endpoint asked to wait; None where it did not say.
    again
        Whether asking again may help.
    counts
        Whether it counts as an attempt; not where the question was put in a way that the endpoint does not know.
    gone
        Whether nobody is there at all.
    """

    reason: str
    wait: float | None = None
    again: bool = True
    counts: bool = True
    gone: bool = False


@dataclass(order=True)
class _Turn:
    due: float
    number: int
    question: Question = field(compare=False)
    attempts: int = field(compare=False, default=0)


Ask = Callable[[Question], Answer | Failure]


class Schedule:
    """Asks questions, so many at a time, and gives the answers as they come.

    All that is written is written by the thread that takes the answers: a question is in the ledger before it leaves.
    Until the first answer has come, one question is asked at a time.
    """

    def __init__(
        self,
        ask: Ask,
        unanswered: Callable[[Question, str, int], Answer],
        *,
        who: str,
        tokens: Callable[[Question], int] = lambda _: 0,
        pace: Pace | None = None,
        concurrency: int = 8,
        retries: int = 5,
    ) -> None:
        self.ask, self.unanswered, self.who, self.tokens = ask, unanswered, who, tokens
        self.pace, self.concurrency, self.retries = pace or Pace(), concurrency, retries
        self.flying: dict[Future[Answer | Failure], _Turn] = {}
        self.later: list[_Turn] = []
        self.any_answer, self.in_a_row, self.last = False, 0, ""

    def answers(self, questions: Sequence[Question], watch: Watch) -> Iterator[Answer]:
        """An answer to every question that was asked, in the order in which they come.

        Raises
        ------
        AnnotuneError
            Where the endpoint answers nothing any more; what was answered meanwhile is given first.
        """
        waiting = deque(_Turn(0.0, number, question) for number, question in enumerate(questions))
        with ThreadPoolExecutor(self.concurrency) as pool:
            fault: BaseException | None = None
            while self.flying or (fault is None and (waiting or self.later)):
                nap = MOMENT
                if fault is None:
                    going, nap = self._send(pool, waiting, watch)
                    if not going and not self.flying:
                        return
                try:
                    yield from self._collect(nap)
                except (AnnotuneError, KeyboardInterrupt) as error:  # what is in flight is paid for, and awaited
                    fault = fault or error
            if fault is not None:
                raise fault

    def _send(self, pool: ThreadPoolExecutor, waiting: deque[_Turn], watch: Watch) -> tuple[bool, float]:
        """Let leave what may leave now; whether there is more to come, and for how many seconds nothing can."""
        while len(self.flying) < (self.concurrency if self.any_answer else 1):
            now = time.monotonic()
            turn = self._next(waiting, now)
            if turn is None:
                return bool(self.later or waiting), max(self.later[0].due - now, 0.0) if self.later else MOMENT
            tokens = self.tokens(turn.question)
            if nap := self.pace.wait(now, tokens):
                return True, nap
            if not watch.may_go_on(len(self.flying)):
                return False, MOMENT
            if self.later and turn is self.later[0]:
                heapq.heappop(self.later)
            else:
                waiting.popleft()
            watch.leaving([turn.question])
            self.pace.take(now, tokens)
            self.flying[pool.submit(self._timed, turn.question)] = turn
        return True, MOMENT

    def _next(self, waiting: deque[_Turn], now: float) -> _Turn | None:
        """What may be asked next: what was put back and is due, else a new one; none before the first was answered."""
        if self.later and self.later[0].due <= now:
            return self.later[0]
        return waiting[0] if waiting and (self.any_answer or not self.later) else None

    def _timed(self, question: Question) -> Answer | Failure:
        began = time.monotonic()
        answer = self.ask(question)
        return replace(answer, seconds=time.monotonic() - began) if isinstance(answer, Answer) else answer

    def _collect(self, nap: float) -> Iterator[Answer]:
        """The answers that have come; what failed is put back, or given up."""
        if not self.flying:
            time.sleep(min(nap, 1.0))
            return
        done, _ = wait(self.flying, timeout=max(min(nap, 1.0), MOMENT), return_when=FIRST_COMPLETED)
        faults = []
        for future in done:
            turn = self.flying.pop(future)
            try:
                answer = future.result()
            except AnnotuneError as error:
                faults.append(error)
                continue
            if isinstance(answer, Answer):
                self.any_answer, self.in_a_row = True, 0
                yield replace(answer, attempts=turn.attempts + 1)
            elif (given_up := self._failed(turn, answer)) is not None:
                yield given_up
        if faults:
            raise faults[0]
        self._require_answers()

    def _failed(self, turn: _Turn, failure: Failure) -> Answer | None:
        """Put a question back for later; after so many attempts it has no answer."""
        turn.attempts += failure.counts
        now = time.monotonic()
        self.last = failure.reason
        if failure.gone and not self.any_answer and turn.attempts > 1:
            raise AnnotuneError(f"{self.who} is not there: {failure.reason}.", "Start it, or check endpoint=.")
        if failure.wait is not None and failure.wait > LONGEST_PAUSE:
            what = f"{self.who} takes nothing more for {failure.wait / 60:,.0f} minutes: {failure.reason}."
            raise AnnotuneError(what, "Run the same again then: what was answered is kept.")
        if failure.again and turn.attempts <= self.retries:
            pause = failure.wait if failure.wait is not None else backoff(turn.attempts) if failure.counts else 0.0
            if failure.wait is not None:
                self.pace.pause(now + failure.wait)
            heapq.heappush(self.later, replace(turn, due=now + pause))
            return None
        self.in_a_row += 1
        times = f" ({turn.attempts} attempts)" if turn.attempts > 1 else ""
        return self.unanswered(turn.question, f"{failure.reason}{times}", turn.attempts)

    def _require_answers(self) -> None:
        if self.in_a_row >= IN_A_ROW:
            what = f"{self.who} answered none of the last {self.in_a_row} questions: {self.last}."
            raise AnnotuneError(what, "See whether it works; run the same again, and only what is missing is asked.")
