"""Who may use the page: links with a token for each coder, this server's own addresses alone, and not too often."""

from __future__ import annotations

import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from annotune.hybrid.page.shell import PAGE_POLICY
from annotune.hybrid.store import Store, now

BYTES = 32  # of a token
SAVE = "INSERT INTO links VALUES (?, ?, ?, ?, ?)"
WHO = "SELECT coder, role, expires FROM links WHERE hash = ?"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Person:
    """Who a link was made for, as `coder` or `adjudicator`."""

    name: str
    role: str


def new_links(store: Store, people: Sequence[Person], hours: float | None) -> dict[str, str]:
    """A token for each person, by name; the store keeps a hash of it.

    Parameters
    ----------
    hours
        After how many it expires; None for links that work on this machine alone, and do not expire.
    """
    tokens = {person.name: secrets.token_urlsafe(BYTES) for person in people}
    end = None if hours is None else datetime.now(timezone.utc) + timedelta(hours=hours)
    expires = None if end is None else end.isoformat(timespec="milliseconds")
    with store.change() as connection:
        connection.execute("DELETE FROM links WHERE expires < ?", [now()])
        values = [[hashed(tokens[person.name]), person.name, person.role, now(), expires] for person in people]
        connection.executemany(SAVE, values)
    return tokens


def person_of(store: Store, token: str, is_local: bool) -> Person | None:
    """Whom a token belongs to; None of one that is unknown, has expired, or is not for the network.

    Tokens are looked up by their hashes, so that the time that it takes tells nothing about them.
    """
    row = next(iter(store.rows(WHO, [hashed(token)])), None)
    if row is None:
        return None
    name, role, expires = row
    is_valid = is_local if expires is None else expires > now()
    return Person(name, role) if is_valid else None


def hashed(token: str) -> str:
    """A token's SHA-256: it has 256 random bits, so that no guess leads back from it."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def own_hosts(host: str, port: int) -> frozenset[str]:
    """What a browser may call this server: no name that another page gave its address (DNS rebinding)."""
    names = {*LOOPBACK}
    if not is_loopback(host):
        names |= {f"[{host}]" if ":" in host else host, socket.gethostname().lower(), *addresses()}
        names -= {"0.0.0.0", "[::]"}
    return frozenset(f"{name}:{port}" for name in names)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    return host in ("localhost", "::1") or host.startswith("127.")


def addresses() -> list[str]:
    """The machine's address in its network; [] where it is in none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of a network that does not exist (RFC 5737): nothing is sent
            return [str(probe.getsockname()[0])]
        except OSError:
            return []


def is_own(headers: Mapping[str, str], hosts: frozenset[str], is_change: bool) -> bool:
    """Whether a request is addressed to this server, and comes from its own page; a change has to say from where."""
    host, origin = headers.get("host", "").lower(), headers.get("origin")
    if host not in hosts or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    return not is_change if origin is None else origin.lower() == f"http://{host}"


@dataclass
class Limits:
    """How often each may ask: `burst` times at once, and `rate` times a second after that.

    Examples
    --------
    >>> limits = Limits(rate=1, burst=2, clock=lambda: 0.0)
    >>> [limits.allow("anna") for _ in range(3)], limits.allow("ben")
    ([True, True, False], True)
    """

    rate: float = 40.0
    burst: float = 200.0
    clock: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    MOST = 10_000  # names that are remembered

    def allow(self, name: str) -> bool:
        """Whether this name may ask now; it counts as having asked."""
        time_now = self.clock()
        left, since = self._left.get(name, (self.burst, time_now))
        left = min(self.burst, left + (time_now - since) * self.rate)
        if len(self._left) >= self.MOST:
            self._left.clear()
        self._left[name] = (max(left - 1, 0.0) if left >= 1 else left, time_now)
        return left >= 1
