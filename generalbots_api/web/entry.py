"""The one way in: identify, count, route, answer. Every mount and the whole app use it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from generalbots_api.errors import (
    ApiError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Unauthorized,
)
from generalbots_api.limits.model import NotCounted
from generalbots_api.web.counting import Counting
from generalbots_api.web.endpoint import Found
from generalbots_api.web.identity import Identification
from generalbots_api.web.lifespan import Lifespan
from generalbots_api.web.meter import Meter
from generalbots_api.web.origin import SAFE_METHODS, OriginPolicy
from generalbots_api.web.paths import is_at, route_path
from generalbots_api.web.reply import Reply, error_reply, fixed, rendered
from generalbots_api.web.request import ApiRequest, Reading
from generalbots_api.web.streaming import Stream, send_stream
from generalbots_api.web.visit import Visit, Visits

log = logging.getLogger("generalbots_api")

NO_TOKEN = fixed(error_reply(Unauthorized(), ""))
REFUSED_TOKEN = fixed(error_reply(Unauthorized(token_sent=True), ""))


@dataclass(frozen=True, slots=True)
class Entry:
    """Answers HTTP requests in the contract's way: one envelope, one identity, one count."""

    visits: Visits
    identification: Identification
    counting: Counting
    reading: Reading
    origins: OriginPolicy
    meter: Meter
    lifespan: Lifespan

    async def answer(self, scope: Scope, receive: Receive, send: Send, found: Found | None) -> None:
        """Answer one request; `found` None: no such path."""
        started = perf_counter()
        visit = self.visits.begin(scope)
        try:
            if not self.lifespan.is_open():
                await self.lifespan.ready()
            reply: Reply | Stream = await self._reply(visit, scope, receive, found)
        except Exception as error:  # noqa: BLE001 - it is logged by `failure`
            reply = failure(error, visit)
        self.meter.count(reply.status, (perf_counter() - started) * 1_000)
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

    async def _reply(self, visit: Visit, scope: Scope, receive: Receive, found: Found | None) -> Reply | Stream:
        method, head = scope["method"], visit.head
        if method == "OPTIONS" and self.visits.cors is not None and head.preflight_method is not None:
            return self.visits.cors.preflight(head)
        # "WEBSOCKET" is no method of HTTP, whoever sends it
        endpoint = found.methods.get(method) if found is not None and method != "WEBSOCKET" else None
        who = self.identification.known(head, visit.now_unix)
        if who.is_unsure:
            is_use = endpoint is None or endpoint.is_use
            who = await self.identification.identify(who, head, scope, visit.now_unix, is_use=is_use)
        if endpoint is None or endpoint.is_counted:
            take_now = self.counting.rates.take_now
            if take_now is not None:
                refusal = self.counting.now(take_now, visit, scope, who.caller)
            else:
                refusal = await self.counting.soon(visit, scope, who.caller)
            if refusal is not None:
                return refusal
        if who.caller is None:
            if not (endpoint.is_public if endpoint is not None else not needs_session(scope, found)):
                return REFUSED_TOKEN if who.is_token_sent else NO_TOKEN
        elif who.is_by_cookie and method not in SAFE_METHODS:
            self.origins.check_unsafe(head, scope)
        if endpoint is None or found is None:
            return _without_endpoint(found, method)
        if head.content_length is not None:
            self._check_length(head.content_length)
        if found.params:
            scope["path_params"] = {**scope.get("path_params", {}), **found.params}
        request = ApiRequest(scope, receive, head, self.reading, who.caller, who.token_hash)
        reply: Reply | Stream = await endpoint.handler(request)
        return reply

    def _check_length(self, content_length: bytes) -> None:
        if not content_length.isdigit() or int(content_length[:20]) > self.reading.max_body:
            raise PayloadTooLarge("The body is too large", max_bytes=self.reading.max_body)


def failure(error: Exception, visit: Visit) -> Reply:
    """What is told of an error, and logged of one that is ours."""
    if isinstance(error, ApiError):
        reply = error_reply(error, visit.request_id)
        if reply.status >= 500 and not isinstance(error, NotCounted):  # which is told once for all
            fields = {"request_id": visit.request_id, "reason": error.message}
            # what is down is told in a line; a traceback would say no more
            log.error("request.failed", exc_info=None if reply.status == 503 else error, extra=fields)
        return reply
    if isinstance(error, ClientDisconnect):  # nobody reads it, but a host's BaseHTTPMiddleware fails without an answer
        return error_reply(InvalidRequest("The client went away"), visit.request_id)
    log.error("request.failed", exc_info=error, extra={"request_id": visit.request_id})
    return error_reply(ApiError("Something went wrong here"), visit.request_id)


def needs_session(scope: Scope, found: Found | None) -> bool:
    """Whether a request that no endpoint takes is 401 rather than 404 or 405 without a session."""
    if found is not None and any(endpoint.is_public for endpoint in found.methods.values()):
        return False
    return is_at(route_path(scope), "/api")


def _without_endpoint(found: Found | None, method: str) -> Reply:
    if found is None:
        raise NotFound("There is nothing at this path")
    if method == "OPTIONS":
        return Reply(b"", 204, headers=[(b"allow", found.allow.encode())])
    raise MethodNotAllowed(found.allow)
