"""HTTP door to conversations as server-sent events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from generalbots_api.conversations.model import Added
from generalbots_api.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from generalbots_api.ids import BotSessionId
from generalbots_api.sse.service import EventStreams, Listener
from generalbots_api.sse.writing import place_of
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.request import ApiRequest
from generalbots_api.web.streaming import Stream, Write
from generalbots_api.ws.service import AskHost


@dataclass(frozen=True, slots=True)
class EventRoutes:
    streams: EventStreams
    asking: Callable[[Scope], AskHost | None]  # who it is by the host's own login, asked again while a stream is open

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET",
                path="/api/conversations/{id}/events",
                handler=self.events,
                docs=Docs(
                    content_type="text/event-stream",
                    headers=("Last-Event-ID",),
                    raises=(InvalidRequest, Forbidden, NotFound, Unavailable),
                ),
            )
        ]

    async def events(self, request: ApiRequest) -> Stream:
        """Follow a conversation, live; `Last-Event-ID` resumes where an earlier stream was cut."""
        session_id = BotSessionId(request.path_param("id"))
        place = place_of(request.headers.get("last-event-id"))
        await self.streams.check(request.caller, session_id)
        who = self._who(request)

        async def body(write: Write) -> None:
            await self.streams.follow(who, session_id, place, write)

        return Stream(body)

    def turn(self, request: ApiRequest, added: Added, id: str | None) -> Stream:
        """`conversations.routes.TurnStream`: the turn of a message that has just been stored."""
        who = self._who(request)

        async def body(write: Write) -> None:
            await self.streams.turn(who, added, id, write)

        return Stream(body)

    def _who(self, request: ApiRequest) -> Listener:
        return Listener(request.caller, request.token_hash, self.asking(request.scope))
