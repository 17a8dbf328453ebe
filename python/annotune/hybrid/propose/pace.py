"""So many requests and so many tokens a minute, and waits that grow where an endpoint asks for them."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

MINUTE = 60.0
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds before something is tried again, doubled each time


@dataclass
class Pace:
    """A limit over a sliding minute.

    Attributes
    ----------
    requests, tokens
        At most so many in any minute; no limit where it is None.

    Examples
    --------
    >>> pace = Pace(requests=2)
    >>> pace.take(0.0, 10), pace.take(1.0, 10)
    (None, None)
    >>> pace.wait(2.0, 10), pace.wait(60.5, 10)
    (58.0, 0.0)
    """

    requests: int | None = None
    tokens: int | None = None
    _taken: deque[tuple[float, int]] = field(default_factory=deque)
    _paused_until: float = 0.0

    def wait(self, now: float, tokens: int) -> float:
        """How many seconds until a request of so many tokens may leave."""
        while self._taken and self._taken[0][0] <= now - MINUTE:
            self._taken.popleft()
        due, total, n = self._paused_until, sum(size for _, size in self._taken), len(self._taken)
        for at, size in self._taken:
            free_request = self.requests is None or n < self.requests
            free_tokens = self.tokens is None or total + tokens <= self.tokens
            if free_request and free_tokens:
                break
            due, n, total = max(due, at + MINUTE), n - 1, total - size
        return max(0.0, due - now)

    def take(self, now: float, tokens: int) -> None:
        """Count a request that leaves now."""
        self._taken.append((now, tokens))

    def pause(self, until: float) -> None:
        """Let nothing leave before then."""
        self._paused_until = max(self._paused_until, until)


def backoff(attempt: int, jitter: float | None = None) -> float:
    """How many seconds to wait after so many attempts: twice as long each time, less up to a quarter by chance.

    >>> [backoff(attempt, jitter=0) for attempt in (1, 2, 3, 20)]
    [0.5, 1.0, 2.0, 60.0]
    """
    share = random.random() if jitter is None else jitter
    return min(FIRST_WAIT * 2.0 ** (min(attempt, 30) - 1), LONGEST_WAIT) * (1 - share / 4)
