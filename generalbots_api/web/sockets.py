"""The way in for WebSockets: the same steps as a request, and refusals as HTTP responses."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from generalbots_api.caller import Caller
from generalbots_api.errors import ApiError, NotFound, Unauthorized
from generalbots_api.ids import TokenHash
from generalbots_api.web.endpoint import Found
from generalbots_api.web.entry import Entry, needs_session
from generalbots_api.web.errors import RawHeaders
from generalbots_api.web.leaving import until_gone
from generalbots_api.web.reply import Reply, error_reply, rendered
from generalbots_api.web.visit import Visit

log = logging.getLogger("generalbots_api")

DENIAL = "websocket.http.response"
BEARER = "gb.bearer."
CLOSE_REFUSED = 1008
CLOSE_FULL = 1013  # try again later
CLOSE_FAILED = 1011


@dataclass(slots=True)
class Opening:
    """A handshake that may be accepted: until `accept`, an `ApiError` refuses it by an HTTP response."""

    scope: Scope
    receive: Receive
    send: Send
    caller: Caller
    token_hash: TokenHash | None  # None: the host's own login
    request_id: str
    headers: RawHeaders
    ask_host: Callable[[], Awaitable[Caller | None]] | None = None  # None: our own login
    is_accepted: bool = False

    def offers(self, subprotocol: str) -> bool:
        return subprotocol in offered(self.scope)

    async def accept(self, subprotocol: str | None = None) -> None:
        await self.receive()  # websocket.connect
        self.is_accepted = True
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": self.headers})


SocketHandler = Callable[[Opening], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SocketEntry:
    """Lets sockets in. Source: chat-protocol, "Opening"."""

    entry: Entry

    async def answer(self, scope: Scope, receive: Receive, send: Send, found: Found | None) -> None:
        visit = self.entry.visits.begin(scope)
        send = until_gone(send)
        opening: Opening | None = None
        try:
            await self.entry.lifespan.ready()
            admitted = await self._admitted(scope, receive, send, visit, found)
            if not isinstance(admitted, Reply):
                handler, opening = admitted
                await handler(opening)
                return
            reply = admitted
        except ApiError as error:
            reply = error_reply(error, visit.request_id)
        except Exception:
            log.exception("socket.failed", extra={"request_id": visit.request_id})
            reply = error_reply(ApiError("Something went wrong here"), visit.request_id)
        if opening is not None and opening.is_accepted:
            await send({"type": "websocket.close", "code": CLOSE_FAILED, "reason": ""})
        else:
            await refuse(reply, visit.headers, scope, receive, send)

    async def _admitted(
        self, scope: Scope, receive: Receive, send: Send, visit: Visit, found: Found | None
    ) -> tuple[SocketHandler, Opening] | Reply:
        endpoint = found.methods.get("WEBSOCKET") if found else None
        take_offered_token(visit, scope)
        who = self.entry.identification.known(visit.head, visit.now_unix)
        if who.is_unsure:
            who = await self.entry.identification.identify(who, visit.head, scope, visit.now_unix)
        refusal = await self.entry.counting.soon(visit, scope, who.caller)
        if refusal is not None:
            return refusal
        if who.caller is None and (endpoint is not None or needs_session(scope, found)):
            raise Unauthorized(token_sent=who.is_token_sent)
        if endpoint is None or who.caller is None:
            raise NotFound("There is no socket at this path")
        # browsers always send an origin: without one a header of any scheme is of another client
        by_cookie = who.is_by_cookie and visit.head.authorization is None
        self.entry.origins.check_socket(visit.head, scope, by_cookie=by_cookie)
        opening = Opening(scope, receive, send, who.caller, who.token_hash, visit.request_id, visit.headers)
        opening.ask_host = self.entry.identification.asking(scope)
        return endpoint.handler, opening


def take_offered_token(visit: Visit, scope: Scope) -> None:
    """A browser cannot set Authorization: it offers its token as a subprotocol, which is never echoed.

    Source: chat-protocol, "Opening".
    """
    if visit.head.authorization is not None:
        return
    for one in offered(scope):
        if one.startswith(BEARER):
            visit.head.authorization = b"Bearer " + one.removeprefix(BEARER).encode("latin-1", "replace")
            visit.head.authorizations += 1


def offered(scope: Scope) -> list[str]:
    """The subprotocols that the client offers; some servers leave the space behind a comma."""
    return [one.strip() for one in scope.get("subprotocols", ())]


async def refuse(reply: Reply, common: RawHeaders, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the handshake with `reply` where the server can, else with a close."""
    await receive()  # websocket.connect
    if DENIAL not in scope.get("extensions", {}):
        code = CLOSE_FULL if reply.status == HTTPStatus.SERVICE_UNAVAILABLE else CLOSE_REFUSED
        await send({"type": "websocket.close", "code": code, "reason": ""})
        return
    start, body = rendered(reply, common, is_head=False)
    await send({**start, "type": f"{DENIAL}.start"})
    await send({**body, "type": f"{DENIAL}.body", "more_body": False})
