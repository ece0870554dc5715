"""The one way in: identify, count, route, answer. Every mount and the whole app use it."""

from __future__ import annotations

import logging
import secrets
import time
from asyncio import get_running_loop
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import (
    ApiError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthorized,
)
from generalbots_api.limits.model import Decision, NotCounted, Quota
from generalbots_api.limits.service import RateLimits, uncounted
from generalbots_api.web.address import budget_of
from generalbots_api.web.cors import Cors
from generalbots_api.web.endpoint import Endpoint, Found
from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.head import Head, read_head
from generalbots_api.web.identified import Identified
from generalbots_api.web.identity import Identification
from generalbots_api.web.lifespan import Lifespan
from generalbots_api.web.meter import Meter
from generalbots_api.web.origin import SAFE_METHODS, OriginPolicy
from generalbots_api.web.paths import is_at, route_path
from generalbots_api.web.rate_headers import RateHeaders
from generalbots_api.web.reply import Reply, error_reply, rendered
from generalbots_api.web.request import ApiRequest, Reading
from generalbots_api.web.streaming import Stream, send_stream

log = logging.getLogger("generalbots_api")

NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_TOKEN = error_reply(Unauthorized(), "")  # told often, and the same each time
REFUSED_TOKEN = error_reply(Unauthorized(token_sent=True), "")
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Visit(msgspec.Struct):
    """One request on its way through the entry, and what its response carries already."""

    raw_id: bytes
    head: Head
    now_unix: float
    headers: RawHeaders

    @property
    def request_id(self) -> str:
        return self.raw_id.decode()


@dataclass(slots=True)
class Entry:
    """Answers HTTP requests in the contract's way: one envelope, one identity, one count."""

    identification: Identification
    rates: RateLimits
    rate_headers: RateHeaders
    reading: Reading
    origins: OriginPolicy
    cors: Cors | None
    clock: Clock
    meter: Meter
    is_production: bool
    lifespan: Lifespan
    _ids: count[int] = field(default_factory=count)
    _id_prefix: bytes = field(default_factory=lambda: secrets.token_hex(8).encode() + b"-")

    async def answer(self, scope: Scope, receive: Receive, send: Send, found: Found | None) -> None:
        """Answer one request; `found` None: no such path."""
        started = time.perf_counter()
        visit = self.visit(scope)
        try:
            if self.lifespan.open_on is not get_running_loop():
                await self.lifespan.ready()
            reply: Reply | Stream = await self._reply(visit, scope, receive, found)
        except ApiError as error:
            reply = error_reply(error, visit.request_id)
            if reply.status >= 500 and not isinstance(error, NotCounted):  # which is told once for all
                fields = {"request_id": visit.request_id, "reason": error.message}
                # what is down is told in a line; a traceback would say no more
                log.error("request.failed", exc_info=None if reply.status == 503 else error, extra=fields)
        except ClientDisconnect:  # nobody reads it, but a host's BaseHTTPMiddleware fails without an answer
            reply = error_reply(InvalidRequest("The client went away"), visit.request_id)
        except Exception:
            log.exception("request.failed", extra={"request_id": visit.request_id})
            reply = error_reply(ApiError("Something went wrong here"), visit.request_id)
        self.meter.count(reply.status, (time.perf_counter() - started) * 1_000)
        if isinstance(reply, Stream):
            await self._stream(reply, visit, scope, receive, send)
            return
        start, body = rendered(reply, visit.headers, is_head=scope["method"] == "HEAD")
        await send(start)
        await send(body)

    async def _stream(self, stream: Stream, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send_stream(stream, visit.headers, receive, send, is_head=scope["method"] == "HEAD")
        except Exception:  # the status is out: nothing can be told but by the end
            log.exception("stream.failed", extra={"request_id": visit.request_id})
            raise

    def visit(self, scope: Scope) -> Visit:
        """Read the head, and give the response the headers that do not depend on the answer."""
        head = read_head(scope["headers"])
        request_id = head.request_id or b"%b%d" % (self._id_prefix, next(self._ids))
        headers: RawHeaders = [(b"x-request-id", request_id), NOSNIFF]
        if self.is_production:
            headers.append(HSTS)
        if self.cors is not None:
            headers += self.cors.headers(head)
        scope["gb.request_id"] = request_id
        return Visit(request_id, head, self.clock.unix(), headers)

    async def _reply(self, visit: Visit, scope: Scope, receive: Receive, found: Found | None) -> Reply | Stream:
        method = scope["method"]
        if method == "OPTIONS" and self.cors is not None and visit.head.preflight_method is not None:
            return self.cors.preflight(visit.head)
        endpoint = endpoint_for(found, method)
        who = self.identification.known(visit.head, visit.now_unix) or await self.identify(visit, scope, endpoint)
        caller = who.caller
        if endpoint is None or endpoint.is_counted:
            wait = await self.counted(visit, scope, caller)
            if wait is not None:
                return limited(wait)
        if caller is None or (who.is_by_cookie and method not in SAFE_METHODS):
            refusal = self._refusal(who, visit, scope, endpoint, found)
            if refusal is not None:
                return refusal
        if endpoint is None or found is None:
            return _without_endpoint(found, method)
        if visit.head.content_length is not None:
            self._check_length(visit.head.content_length)
        if found.params:
            scope["path_params"] = {**scope.get("path_params", {}), **found.params}
        reply: Reply | Stream = await endpoint.handler(ApiRequest(scope, receive, visit.head, who, self.reading))
        return reply

    async def identify(self, visit: Visit, scope: Scope, endpoint: Endpoint | None) -> Identified:
        """Who sent it, where that cannot be told without waiting."""
        is_use = endpoint is None or endpoint.is_use
        return await self.identification.identify(visit.head, scope, visit.now_unix, is_use=is_use)

    async def count(self, visit: Visit, scope: Scope, caller: Caller | None) -> None:
        """As `counted`.

        Raises:
            RateLimited: the quota is used up.
        """
        wait = await self.counted(visit, scope, caller)
        if wait is not None:
            raise too_many(wait)

    async def counted(self, visit: Visit, scope: Scope, caller: Caller | None) -> int | None:
        """Count the request once, and give the response the headers that tell of it.

        None: it may go on; else the quota is used up for so many seconds more,
        which is no exception: whoever is refused should cost less than whoever is served.

        Raises:
            NotCounted: the limiter is down and the settings say "closed".
        """
        now = visit.now_unix
        counting = self._take_anonymous(visit, scope) if caller is None else self.rates.take_of(caller, now)
        try:
            quota, decision = await counting
        except NotCounted as refused:
            visit.headers += self.rate_headers.of(refused.quota, refused.decision, now)
            raise
        visit.headers += self.rate_headers.of(quota, decision, now)
        return None if decision.allowed else decision.wait_seconds(now)

    async def _take_anonymous(self, visit: Visit, scope: Scope) -> tuple[Quota, Decision]:
        address = self.reading.addresses.client(scope, visit.head)
        if self.reading.addresses.is_unlimited(address):
            return self.rates.anonymous, uncounted(self.rates.anonymous, visit.now_unix)
        return await self.rates.take_from(budget_of(address), visit.now_unix)

    def _refusal(
        self, who: Identified, visit: Visit, scope: Scope, endpoint: Endpoint | None, found: Found | None
    ) -> Reply | None:
        """401 before 404 and 405 under /api; 403 for a cookie that another site made the browser send.

        Raises:
            Forbidden.
        """
        is_public = endpoint.is_public if endpoint else not needs_session(scope, found)
        if who.caller is None:
            return None if is_public else REFUSED_TOKEN if who.is_token_sent else NO_TOKEN
        self.origins.check_unsafe(visit.head, scope)
        return None

    def _check_length(self, content_length: bytes) -> None:
        if not content_length.isdigit() or int(content_length[:20]) > self.reading.max_body:
            raise PayloadTooLarge("The body is too large", max_bytes=self.reading.max_body)


def endpoint_for(found: Found | None, method: str) -> Endpoint | None:
    if found is None or method == "WEBSOCKET":  # which is no method of HTTP, whoever sends it
        return None
    return found.methods.get("GET" if method == "HEAD" else method)


def needs_session(scope: Scope, found: Found | None) -> bool:
    """Whether a request that no endpoint takes is 401 rather than 404 or 405 without a session."""
    if found is not None and any(endpoint.is_public for endpoint in found.methods.values()):
        return False
    return is_at(route_path(scope), "/api")


def too_many(wait_seconds: int) -> RateLimited:
    return RateLimited("The request quota is used up", retry_after=wait_seconds)


@lru_cache(maxsize=4_096)  # a window has no more seconds, by default
def limited(wait_seconds: int) -> Reply:
    return error_reply(too_many(wait_seconds), "")


def _without_endpoint(found: Found | None, method: str) -> Reply:
    if found is None:
        raise NotFound("There is nothing at this path")
    if method == "OPTIONS":
        return Reply(b"", 204, headers=[(b"allow", found.allow.encode())])
    raise MethodNotAllowed(found.allow)
