"""The page's server: each address with its function, and a door that lets nobody else in."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pydantic

from annotune.errors import AnnotuneError
from annotune.extras import require
from annotune.faults import sentence, write_report
from annotune.hybrid.page import desk as pages
from annotune.hybrid.page import shell
from annotune.hybrid.page.access import HEADERS, Limits, Person, is_own, person_of
from annotune.hybrid.page.desk import Desk, NotAllowed, NotFound
from annotune.hybrid.store import StoreFull, StoreUnusable

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 256 * 1024  # bytes of what is posted
READ: Mapping[str, Callable[[Desk, Person, Mapping[str, str]], dict[str, Any]]] = {
    "/api/study": pages.study,
    "/api/list": pages.overview,
    "/api/item": pages.item,
    "/api/differences": pages.differences,
}
CHANGE: Mapping[str, Callable[[Desk, Person, Any], dict[str, Any]]] = {
    "/api/answer": pages.answer,
    "/api/undo": pages.undo,
    "/api/definition": pages.definition,
    "/api/pause": pages.pause,
}
STATUS: Mapping[type[AnnotuneError], int] = {StoreFull: 507, StoreUnusable: 503, NotFound: 404, NotAllowed: 403}
WAIT = {"Retry-After": "1"}
NOTHING = {"error": "There is nothing at this address.", "advice": "Open the link that annotune printed."}


@dataclass(frozen=True)
class Site:
    """A desk as it is served.

    Attributes
    ----------
    hosts
        What this server is called, with its port.
    is_local
        Whether only this machine reaches it, so that links without an end are good.
    limits, strangers
        How often a coder may ask, and an address whose token is not known.
    """

    desk: Desk
    hosts: frozenset[str]
    is_local: bool = True
    limits: Limits = field(default_factory=Limits)
    strangers: Limits = field(default_factory=lambda: Limits(rate=0.5, burst=20))
    lock: threading.Lock = field(default_factory=threading.Lock)


class Refused(Exception):
    """A request that goes no further: its status, one sentence of what is wrong, and one of what to do."""

    def __init__(self, status: int, what: str, advice: str) -> None:
        self.status, self.what, self.advice = status, what, advice
        super().__init__(what)


def app(site: Site) -> Starlette:
    """The server as an ASGI application.

    Raises
    ------
    AnnotuneError
        Where the extra `page` is not installed.
    """
    require("starlette", "The coding page needs")
    from starlette.applications import Starlette
    from starlette.routing import Route

    routes = [Route(address, _reading(site, function), methods=["GET"]) for address, function in READ.items()]
    routes += [Route("/code/{token}", _page(site)), Route("/static/{name}", _file)]
    routes += [Route(address, _changing(site, function), methods=["POST"]) for address, function in CHANGE.items()]
    inner = Starlette(routes=routes, exception_handlers={404: _no_address, 405: _no_address})
    inner.add_middleware(Door, site=site)
    return inner


class Door:
    """Lets a request in that is addressed to this server by its own page, and sends each answer with its headers."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app, self.site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in own)]
            await send(message)

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if is_own(headers, self.site.hosts, scope["method"] not in ("GET", "HEAD")):
            await self.app(scope, receive, with_headers)
            return
        what = "This is not asked for by the page itself."
        refusal = _answer(421, {"error": what, "advice": "Open the link that annotune printed."})
        await refusal(scope, receive, with_headers)


def _page(site: Site) -> Any:
    """The page, to whoever has a link; without any data, which it fetches."""

    async def endpoint(request: Request) -> Response:
        from starlette.responses import HTMLResponse, PlainTextResponse

        def role(person: Person) -> dict[str, Any]:
            return {"page": shell.page(person.role)}

        answer = await _served(site, request, role, request.path_params["token"])
        content = json.loads(bytes(answer.body))
        if answer.status_code == 200:
            return HTMLResponse(content["page"])
        return PlainTextResponse(f"{content['error']} {content['advice']}", answer.status_code)

    return endpoint


async def _file(request: Request) -> Response:
    """One of the page's own files: names are looked up in a list, and never become a path."""
    from starlette.responses import Response

    name = request.path_params["name"]
    if name not in shell.STATIC:
        return _answer(404, NOTHING)
    return Response(shell.static(name), media_type=shell.STATIC[name])


def _reading(site: Site, function: Callable[[Desk, Person, Mapping[str, str]], dict[str, Any]]) -> Any:
    async def endpoint(request: Request) -> Response:
        return await _served(site, request, lambda person: function(site.desk, person, request.query_params))

    return endpoint


def _changing(site: Site, function: Callable[[Desk, Person, Any], dict[str, Any]]) -> Any:
    async def endpoint(request: Request) -> Response:
        try:
            content = await _content(request)
        except Refused as refusal:
            return _refusal(refusal)
        return await _served(site, request, lambda person: function(site.desk, person, content))

    return endpoint


async def _served(
    site: Site, request: Request, work: Callable[[Person], dict[str, Any]], token: str | None = None
) -> Response:
    """What the work gives, or one sentence on why it is not done; one request after another uses the store."""
    from starlette.concurrency import run_in_threadpool

    address = request.client.host if request.client else ""
    key = request.headers.get("x-annotune-token", "") if token is None else token

    def locked() -> dict[str, Any]:
        with site.lock:
            return work(_admitted(site, key, address))

    try:
        return _answer(200, await run_in_threadpool(locked))
    except Refused as refusal:
        return _refusal(refusal)
    except pydantic.ValidationError as error:
        return _refusal(Refused(422, _what_is_wrong(error), "Load the page again."))
    except AnnotuneError as error:
        status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 400)
        return _answer(status, {"error": error.what, "advice": error.advice}, WAIT if status == 503 else None)
    except Exception as error:  # only annotune's makers can mend it: a sentence, and a report that holds no text
        report = write_report(error, f"code {request.url.path}", ())
        return _answer(500, {"error": sentence(report), "advice": "The answer is kept in this browser."})


def _admitted(site: Site, token: str, address: str) -> Person:
    """Who asks; nobody may ask too often."""
    person = person_of(site.desk.store, token, site.is_local)
    if person is None:
        if not site.strangers.allow(address):
            raise Refused(429, "This address has asked too often without a link.", "Wait a minute.")
        raise Refused(401, "This link is not known, or has expired.", "Ask for a new one.")
    if not site.limits.allow(person.name):
        raise Refused(429, "That was too much at once.", "It is tried again in a second.")
    return person


async def _content(request: Request) -> Any:
    """What was posted, as JSON; never more than is allowed of it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "Only JSON is taken.", "Load the page again.")
    whole = bytearray()
    async for part in request.stream():
        whole += part
        if len(whole) > LARGEST:
            raise Refused(413, f"That is more than {LARGEST // 1024} kB.", "Shorten the note.")
    try:
        return json.loads(whole, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "That is no JSON.", "Load the page again.") from None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _what_is_wrong(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part)[:40] for part in first["loc"]) or "what was sent"
    return f"{place}: {first['msg'][:200]}."


def _answer(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, dict(headers or {}), media_type="application/json")


def _refusal(refusal: Refused) -> Response:
    headers = WAIT if refusal.status == 429 else None
    return _answer(refusal.status, {"error": refusal.what, "advice": refusal.advice}, headers)


async def _no_address(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return _answer(status, NOTHING)
