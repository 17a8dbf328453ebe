"""The page in the air: a server in the background, a link for each coder, and what was coded in the end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from annotune.data.codebook import Codebook
from annotune.data.codings import Codings, read_codings
from annotune.data.corpus import Corpus
from annotune.errors import AnnotuneError
from annotune.extras import require
from annotune.hybrid.page import access, versions
from annotune.hybrid.page.access import Person
from annotune.hybrid.page.desk import ADJUDICATOR, Desk
from annotune.hybrid.page.offered import coders_of, require_texts
from annotune.hybrid.page.server import Site, app
from annotune.hybrid.page.summary import agreement_by_version, people_of
from annotune.hybrid.page.texts import Columns, Texts
from annotune.hybrid.people import Shares, require_people
from annotune.hybrid.store import Store, open_store
from annotune.readable import Part, Readable, brief_table

PORT = 8470  # what a browser keeps belongs to an address and a port: the same again finds what was not yet sent
PORTS = 20  # that are tried, where others are in use
OFFERED = "SELECT size FROM waves WHERE design = 'order' AND wave = (SELECT max(wave) FROM waves)"
PATIENCE = 15.0  # seconds for the server to begin, and to end


@dataclass(repr=False)
class Page(Readable):
    """A coding page: what was served to whom, and what is coded.

    Attributes
    ----------
    links
        The address for each person, with a token: whoever has it codes under that name.
    store
        The study's store, in which every answer is as soon as the page says so.
    hours
        After how many the links end; None where they work on this machine alone, and do not end.
    """

    links: dict[str, str]
    store: Path
    hours: float | None
    _server: Any = field(repr=False)
    _thread: threading.Thread = field(repr=False)
    _open: Store = field(repr=False)

    def _parts(self) -> Iterator[Part]:
        """The links and who can use them, as long as it is served; how far coders are, and how well they agree."""
        if self.is_served:
            yield from self.instructions()
            return
        yield f"Coded on the page, in {self.store.name}:"
        yield brief_table(self.people())
        if len(versions := self.versions()) > 1 or versions["alpha"].count():
            yield "Agreement under each version of the codebook:"
            yield brief_table(versions)

    def instructions(self) -> Iterator[str]:
        """The links, and who can use them; and that nothing was drawn, as where a store's name is misspelt."""
        yield f"The coding page for {self.store.name}. Each link is for one person:"
        yield from (f"  {name}  {link}" for name, link in self.links.items())
        if size := self._open.value(OFFERED):
            yield f"Nothing was drawn: all {size:,} texts are offered, in a random order."
        if self.hours is None:
            yield "It can be reached from this machine alone."
            return
        yield "It can be reached from the whole local network, unencrypted: who has a link codes under that name."
        yield f"The links end in {self.hours:g} hours."

    @property
    def is_served(self) -> bool:
        """Whether the server answers."""
        return self._thread.is_alive()

    def codings(self) -> Codings:
        """What people coded so far, and models proposed, as the one table; see `read_codings`."""
        return read_codings(self.store)

    def people(self) -> pl.DataFrame:
        """One row per coder: `texts` to code, how many are `coded`, or come up `again`, and `seconds` per text."""
        with open_store(self.store, create=False) as store:
            return people_of(store, versions.latest(store)[1])

    def versions(self) -> pl.DataFrame:
        """Every version of the codebook: `author`, `reason`, and each variable's alpha under it over `units` texts."""
        with open_store(self.store, create=False) as store:
            return agreement_by_version(store)

    def stop(self) -> None:
        """End the server; answers that were acknowledged are in the store."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._open.close()

    def wait(self) -> None:
        """Serve until somebody interrupts (Ctrl-C), then stop."""
        with contextlib.suppress(KeyboardInterrupt):
            while self.is_served:
                time.sleep(0.2)
        self.stop()


def serve(
    store: Path,
    corpus: Corpus,
    codebook: Codebook | None,
    coders: Sequence[str] = (),
    *,
    adjudicator: str | None = None,
    columns: Columns | None = None,
    name: str = "",
    host: str = "127.0.0.1",
    port: int | None = None,
    hours: float = 12.0,
    browser: bool = True,
    seed: int = 1,
    served: Callable[[Site], Any] = app,
) -> Page:
    """Serve the page for a store's coders in the background.

    Parameters
    ----------
    host
        The address to listen on; any but a loopback one opens the page to the local network.
    port
        By default 8470, or the next that is free.
    hours
        After how many the links end, on a network.
    """
    require("starlette", "The coding page needs")
    require("uvicorn", "The coding page needs")
    if not 0 < hours <= 24 * 30:
        raise AnnotuneError(f"hours={hours:g} is no time for links.", "Give a number up to 720.")
    kept = open_store(store)
    try:
        people = prepared(kept, corpus, codebook, coders, adjudicator, seed)
        is_local = access.is_loopback(host)
        listener = _listener(host, port)
        number = listener.getsockname()[1]
        site = Site(Desk(kept, Texts(corpus, columns or Columns()), name), access.own_hosts(host, number), is_local)
        tokens = access.new_links(kept, people, None if is_local else hours)
        server, thread = _started(served(site), listener)
    except BaseException:
        kept.close()
        raise
    address = f"http://{_shown_host(host)}:{number}/code/"
    links = {person: address + token for person, token in tokens.items()}
    if browser and is_local:
        webbrowser.open(next(iter(links.values())))
    return Page(links, Path(store), None if is_local else hours, server, thread, kept)


def prepared(
    store: Store,
    corpus: Corpus,
    codebook: Codebook | None,
    coders: Sequence[str],
    adjudicator: str | None,
    seed: int,
) -> list[Person]:
    """Who codes, when the store has a codebook and texts for everybody."""
    if adjudicator is not None:
        require_people([adjudicator], 0.0, Shares())
    if codebook is not None:
        versions.bring_in(store, codebook)
        versions.warn_of_difference(store, codebook)
    versions.latest(store)
    names = coders_of(store, corpus, None, coders, seed)
    require_texts(store, corpus)
    people = [Person(name, "coder") for name in names]
    if adjudicator is not None:
        if adjudicator.casefold() in {name.casefold() for name in names}:
            what = f"{adjudicator!r} is a coder, and cannot settle differences with others."
            raise AnnotuneError(what, "Name somebody else as adjudicator=.")
        people.append(Person(adjudicator, ADJUDICATOR))
    return people


def _shown_host(host: str) -> str:
    """What is in the links: an address that others reach, where the server listens on all."""
    if host in ("0.0.0.0", "::"):
        return next(iter(access.addresses()), socket.gethostname())
    return f"[{host}]" if ":" in host else host


def _listener(host: str, port: int | None) -> socket.socket:
    """A socket that listens at the port, or by default at the first that is free."""
    ports = [port] if port is not None else range(PORT, PORT + PORTS)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for number in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, number))
            listener.listen(128)
            return listener
        except (OSError, OverflowError) as error:
            listener.close()
            reason = str(error)
    where = f"port {port}" if port is not None else f"ports {PORT} to {PORT + PORTS - 1}"
    what = f"The page cannot be served at {host}, {where}: {reason.rstrip('.')}."
    raise AnnotuneError(what, "Choose another with port= or host=.")


def _started(application: Any, listener: socket.socket) -> tuple[Any, threading.Thread]:
    """A server that answers, and the thread that it runs in."""
    import uvicorn

    config = uvicorn.Config(
        application, log_level="critical", access_log=False, lifespan="off", server_header=False, date_header=False,
        limit_concurrency=500, timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="annotune page")
    thread.start()
    end = time.monotonic() + PATIENCE
    while not server.started and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    if not server.started:
        raise AnnotuneError("The page's server did not begin.", "Try another port with port=.")
    return server, thread
