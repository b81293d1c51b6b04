"""What every request passes first: limits on who, how often, how much and how long; and its line in the log."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import re
import secrets
import sys
import time
import traceback
from datetime import UTC, datetime
from math import ceil

from fastapi import FastAPI, HTTPException, Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import IN_PROGRESS, REQUESTS, SECONDS
from serving.problems import answer_with_problems, problem
from serving.settings import Settings

log = logging.getLogger(__name__)

OPEN = {"/", "/docs", "/health", "/ready"}  # without a token and as often as one likes, as all of /static/
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SAFE = {"GET", "HEAD", "OPTIONS"}
FOREIGN = {b"cross-site", b"same-site"}  # what a browser says of another site's page that sends something here
ALL_BODIES = 512 * 1024 * 1024  # bytes that the bodies of all requests in progress may have together
SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
LENGTHS = {b"content-length", b"transfer-encoding"}  # the headers of a request with a body
PATIENCE = 0.05  # seconds that an answer takes before it is worth watching whether the client still waits for it
SLOWEST = 20_000  # bytes a second: who sends slower than that runs into the time limit
CLIENT_GONE = 499  # for the log, as nginx does; nobody receives it

# The Hub, which puts a Space into an iframe, may show the pages, and nobody else. They fetch nothing from elsewhere.
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def protect(app: FastAPI, settings: Settings, *, max_body: int, all_bodies: int = ALL_BODIES) -> None:
    """Put the guard in front of the app; no body may have more than `max_body` bytes, and all at once `all_bodies`."""
    set_up_logging(settings.log_level)
    answer_with_problems(app)
    app.add_middleware(Guard, settings=settings, max_body=max_body, bodies=Bodies(all_bodies))
    if settings.cors_origins:  # outside of the guard, so that other sites' pages can read its refusals too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["Location", "Retry-After", "X-Request-ID"],
        )


def set_up_logging(level: str) -> None:
    """Our own line a request instead of uvicorn's: its paths come with the query, and people put texts into that."""
    logging.basicConfig(format="%(levelname)s:     %(message)s")
    logging.getLogger().setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(level.upper())
    logging.getLogger("httpx2").setLevel("WARNING")  # else every request to the Hub is a line
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


class Guard:
    """A pure ASGI layer: a request costs it a few microseconds."""

    def __init__(self, app: ASGIApp, settings: Settings, max_body: int, bodies: Bodies) -> None:
        self._app = app
        self._trusted = {origin.encode() for origin in settings.cors_origins}
        self._token = settings.api_token and settings.api_token.encode()
        self._rate = RateLimit(settings.rate_limit) if settings.rate_limit else None
        self._seconds = settings.request_timeout
        self._max_body, self._bodies = max_body, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and note how that went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self._max_body, self._bodies)
        began = time.perf_counter()
        IN_PROGRESS.inc()
        try:
            await self._answer(exchange)
        finally:
            exchange.close()
            IN_PROGRESS.dec()
            note(exchange, time.perf_counter() - began)

    async def _answer(self, exchange: Exchange) -> None:
        app = self._refusal(exchange) or self._app
        try:
            async with asyncio.timeout(self._seconds) as exchange.time_limit:
                await app(exchange.scope, exchange.receive, exchange.send)
        except Exception as error:  # the border to the app: whatever it raises becomes an answer
            if not exchange.time_limit.expired():
                log_failure(error, exchange.request_id)
                await exchange.fail(500, "Something went wrong here. The log knows more under this request's id.")
            elif not exchange.gone:
                await exchange.fail(*self._overdue(exchange))

    def _overdue(self, exchange: Exchange) -> tuple[int, str]:
        if exchange.body_complete:
            return 504, f"No answer within {self._seconds:g} s. Try again later, or ask for less."
        return 408, "The request's body came too slowly."

    def _refusal(self, exchange: Exchange) -> Response | None:
        """The answer to who may not ask, asks too often or announces too much."""
        scope = exchange.scope
        if is_open(scope):
            return None
        if scope["method"] not in SAFE and self._is_foreign(exchange.headers):
            return problem(scope, 403, "Other sites' pages may send nothing here, unless CORS_ORIGINS names them.")
        if self._rate and (wait := self._rate.wait(client_of(scope), time.monotonic())):
            retry = {"Retry-After": str(ceil(wait))}
            return problem(scope, 429, f"Too many requests. Try again in {ceil(wait)} s.", retry)
        if self._token and not hmac.compare_digest(bearer_token(exchange.headers), self._token):
            challenge = {"WWW-Authenticate": "Bearer"}
            return problem(
                scope, 401, "This needs the header `Authorization: Bearer TOKEN` with the right token.", challenge
            )
        if int(exchange.headers.get(b"content-length", 0)) > self._max_body:
            return problem(scope, 413, too_large(self._max_body))
        return None

    def _is_foreign(self, headers: dict[bytes, bytes]) -> bool:
        """A form or a script on any page can make its visitors' browsers send something, even without CORS."""
        if headers.get(b"sec-fetch-site") not in FOREIGN:  # programs do not send it
            return False
        return b"*" not in self._trusted and headers.get(b"origin") not in self._trusted


class Exchange:
    """One request and its answer, counted as they pass through."""

    time_limit: asyncio.Timeout

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body: int, bodies: Bodies) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_of(self.headers)
        scope.setdefault("state", {})["request_id"] = self.request_id
        # Every page and every GET answers HEAD as well; the server keeps the body back.
        self.scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        self.method: str = scope["method"]
        self.body_complete = LENGTHS.isdisjoint(self.headers)
        self.complete = self.gone = False
        self.status = self.received = self.sent = 0
        self._receive, self._send = receive, send
        self._max_body, self._bodies = max_body, bodies
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        if self.body_complete:
            self._watch_soon()

    async def receive(self) -> Message:
        """Hand on what the client sends, as long as that is not too much."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")), more=message.get("more_body", False))
        elif not self.complete:
            self.gone = True
        return message

    def _count(self, size: int, *, more: bool) -> None:
        self.received += size
        self._bodies.bytes += size
        if self.received > self._max_body:
            raise HTTPException(413, too_large(self._max_body))
        if self._bodies.bytes > self._bodies.limit:
            raise HTTPException(503, "Too many long requests at once. Try again.", {"Retry-After": "5"})
        if not more:
            self.body_complete = True
            self._watch_soon()
        elif (limit := self.time_limit.when()) is not None:  # what arrives buys time for the rest
            self.time_limit.reschedule(limit + size / SLOWEST)

    def _watch_soon(self) -> None:
        self._timer = self._timer or asyncio.get_running_loop().call_later(PATIENCE, self._watch)

    def _watch(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._end_when_gone())

    async def _end_when_gone(self) -> None:
        """Cancel the route when the client has hung up: nobody waits for the answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.complete and not self.time_limit.expired():
            self.gone = True
            self.time_limit.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """The answer is given, or will never be."""
        self._bodies.bytes -= self.received
        if self._timer:
            self._timer.cancel()
        if self._watcher:
            self._watcher.cancel()

    async def send(self, message: Message) -> None:
        """Hand on the answer. Once it has begun it may take its time: it may be a stream."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.time_limit.reschedule(None)
            message["headers"] = self._complete_headers(message.get("headers", ()))
        else:
            self.sent += 0 if self.method == "HEAD" else len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)

    def _complete_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Answers are kept by no cache; the pages' files are asked for again, and mostly have not changed."""
        complete = [*headers, (b"x-request-id", self.request_id.encode()), *HEADERS]
        if not any(name == b"cache-control" for name, _ in headers):
            complete.append((b"cache-control", b"no-cache" if b"etag" in dict(headers) else b"no-store"))
        return complete

    async def fail(self, status: int, detail: str) -> None:
        """Answer with a problem. If an answer has begun, it breaks off here, and the server closes the connection."""
        if not self.status:
            response = problem(self.scope, status, detail)
            response.raw_headers = self._complete_headers(response.raw_headers)
            self.status, self.sent = status, len(response.body)
            await response(self.scope, self._receive, self._send)


class Bodies:
    """How much of the requests in progress has arrived: it lies in memory, or on the disk of temporary files."""

    def __init__(self, limit: int) -> None:
        self.bytes, self.limit = 0, limit


class RateLimit:
    """So many requests a minute and client, evenly or in bursts: one moment is remembered of each client.

    Every request moves the client's moment on by its share of the minute; it may lie a minute ahead of now.
    When there are more than `most_clients` in a minute, the newest are let in uncounted.
    """

    def __init__(self, per_minute: int, most_clients: int = 100_000) -> None:
        self._share, self._most_clients = 60 / per_minute, most_clients
        self._moments: dict[str, float] = {}

    def wait(self, client: str, now: float) -> float:
        """Count a request; or, if it is one too many, the seconds until the client may ask again."""
        moment = max(self._moments.get(client, now), now) + self._share
        if moment > now + 60.000001:
            return moment - now - 60
        if len(self._moments) >= self._most_clients:
            self._moments = {who: when for who, when in self._moments.items() if when > now}
        if len(self._moments) < self._most_clients or client in self._moments:
            self._moments[client] = moment
        return 0.0


def is_open(scope: Scope) -> bool:
    """The pages, and what tells that the app lives, are for everybody."""
    path = scope["path"]
    return scope["method"] == "GET" and (path in OPEN or path.startswith("/static/"))


def client_of(scope: Scope) -> str:
    """The client's address. Somebody with IPv6 has a whole /64 of them, which counts as one.

    Behind the Hub's proxy uvicorn has replaced the proxy's address by the last one in X-Forwarded-For that is not
    a proxy's own: the one that the proxy itself saw. What stands before it, anybody can write.
    """
    host: str = (scope.get("client") or ("",))[0]
    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False)) if ":" in host else host
    except ValueError:
        return host


def bearer_token(headers: dict[bytes, bytes]) -> bytes:
    """What the header Authorization carries; empty if there is none."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def request_id_of(headers: dict[bytes, bytes]) -> str:
    """The one that the client or a proxy gave, if it is harmless, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if SANE_ID.fullmatch(given) else secrets.token_hex(8)


def too_large(limit: int) -> str:
    """What to tell who sends too much."""
    return f"The request's body is larger than {limit:,} bytes."


def note(exchange: Exchange, seconds: float) -> None:
    """Count the request, and log a line of JSON: no query, no text, nobody's address."""
    status = CLIENT_GONE if exchange.gone else exchange.status
    route = getattr(exchange.scope.get("route"), "path", "other")
    method = exchange.method if exchange.method in METHODS else "other"
    REQUESTS.labels(method, route, status).inc()
    SECONDS.labels(route).observe(seconds)
    level = logging.WARNING if status >= 500 else logging.INFO
    if log.isEnabledFor(level):
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level).lower(),
            "request_id": exchange.request_id,
            "method": exchange.method,
            "path": path_to_log(exchange.scope),
            "status": status,
            "seconds": round(seconds, 4),
            "received": exchange.received,
            "sent": exchange.sent,
        }
        sys.stderr.write(json.dumps(line) + "\n")  # logging would take longer than all else here


def path_to_log(scope: Scope) -> str:
    """The route's pattern; where no route has matched, the path up to its second part.

    What comes after may be the id of a job, and who has that may read the result.
    """
    pattern: str | None = getattr(scope.get("route"), "path", None)
    path: str = scope["path"]
    first, _, rest = path[1:].partition("/")
    if pattern is None and rest and first != "static":
        return f"/{first[:200]}/…"
    return pattern or path[:200]


def log_failure(error: Exception, request_id: str) -> None:
    """Where it happened, but not the error's message, which may quote what the client sent."""
    stack = "".join(traceback.format_tb(error.__traceback__))
    log.error("Request %s failed: %s\n%s", request_id, type(error).__name__, stack)
