"""HTTP door to conversations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from generalbots_api.conversations.asking import client_id, place, preferred_wait, wants_events
from generalbots_api.conversations.events import MessageView, shown
from generalbots_api.conversations.model import Added, Sender, Summary
from generalbots_api.conversations.reading import Reading
from generalbots_api.conversations.sending import Sending
from generalbots_api.conversations.service import Conversations
from generalbots_api.conversations.shapes import (
    Cancel,
    CancelledJson,
    ConversationJson,
    ConversationsJson,
    HistoryJson,
    HistoryQuery,
    ListQuery,
    Send,
    SentJson,
    Start,
    StartedJson,
)
from generalbots_api.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unavailable
from generalbots_api.ids import BotId, BotSessionId, MessageId
from generalbots_api.web.cursors import Cursors
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import Reply, json_reply
from generalbots_api.web.request import ApiRequest
from generalbots_api.web.streaming import Stream

TurnStream = Callable[[ApiRequest, Added, str | None], Stream]
"""The turn of a stored message as a stream of events; the text is the client's own id of it."""

REFUSALS = (InvalidRequest, Forbidden, NotFound)
SEND = Docs(
    takes=Send,
    gives=SentJson,
    status=202,
    also_statuses=(200,),
    also_events=True,
    headers=("Idempotency-Key", "Prefer"),
    raises=(*REFUSALS, Conflict),
)


@dataclass(frozen=True, slots=True)
class ConversationRoutes:
    conversations: Conversations
    reading: Reading
    cursors: Cursors
    turn_stream: TurnStream

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="POST",
                path="/api/conversations/start",
                handler=self.start,
                docs=Docs(takes=Start, gives=StartedJson, status=201, raises=(*REFUSALS, Unavailable)),
            ),
            Endpoint(
                method="GET",
                path="/api/conversations",
                handler=self.list,
                docs=Docs(query=ListQuery, gives=ConversationsJson, raises=(InvalidRequest,)),
            ),
            Endpoint(
                method="POST",
                path="/api/conversations/{id}/messages",
                handler=self.send,
                docs=SEND,
            ),
            Endpoint(
                method="GET",
                path="/api/conversations/{id}/history",
                handler=self.history,
                docs=Docs(query=HistoryQuery, gives=HistoryJson, raises=REFUSALS),
            ),
            Endpoint(
                method="POST",
                path="/api/conversations/{id}/cancel",
                handler=self.cancel,
                docs=Docs(takes=Cancel, is_body_optional=True, gives=CancelledJson, raises=REFUSALS),
            ),
        ]

    async def start(self, request: ApiRequest) -> Reply:
        """Open a conversation with a bot, and say something first if there is something to say."""
        wanted = await request.json(Start)
        session = await self.conversations.start(
            request.caller, BotId(wanted.bot_id), wanted.initial_message, request.request_id
        )
        return json_reply(StartedJson(session.id, session.id, "active"), 201)

    async def list(self, request: ApiRequest) -> Reply:
        """List one's conversations, the one with the newest activity first."""
        query = request.query(ListQuery)
        page = await self.reading.list(
            request.caller,
            query.limit,
            bot_id=BotId(query.bot_id) if query.bot_id is not None else None,
            is_active=None if query.status is None else query.status == "active",
            after=self.cursors.read(query.cursor, tuple[datetime, BotSessionId]) if query.cursor is not None else None,
        )
        names = {bot.info.id: bot.info.name for bot in await self.conversations.bots.catalog.all()}
        now = self.reading.clock.now()
        found = [conversation(one, names, now) for one in page.found]
        last = page.found[-1] if page.has_more else None
        cursor = self.cursors.write([last.active_at.isoformat(), last.session.id]) if last is not None else None
        return json_reply(ConversationsJson(found, page.total, cursor))

    async def send(self, request: ApiRequest) -> Reply | Stream:
        """Send a message; the bot answers it behind the scenes, or, if that is preferred, before this returns.

        `Prefer: wait=30` waits so many seconds for the reply (RFC 7240), and `Accept: text/event-stream` gives
        the turn as events. `Idempotency-Key` is the same as `id`.
        """
        sent = await request.json(Send)
        sending = Sending(
            session_id=BotSessionId(request.path_param("id")),
            content=sent.content,
            id=client_id(sent.id, request.headers.get("idempotency-key")),
            metadata=sent.metadata,
            if_busy=sent.if_busy,
        )
        wait = preferred_wait(request.headers.getlist("prefer"))
        added = await self.conversations.send(request.caller, sending, request.request_id)
        if wants_events(request.headers.get("accept", "")):
            return self.turn_stream(request, added, sending.id)
        return await self._sent(request, added, wait)

    async def _sent(self, request: ApiRequest, added: Added, wait: int) -> Reply:
        message = added.message
        answer = SentJson(
            message.message_id, message.timestamp, "delivered", message.seq, message.reply_id, added.duplicate
        )
        if wait > 0 and message.reply_id is not None:
            reply = await self.reading.reply(message.session_id, message.reply_id, wait)
            if reply is not None:
                answer.reply = shown(reply, MessageView)
                return json_reply(answer, 200, [(b"preference-applied", b"wait=%d" % wait)])
        there = request.whole_path.rstrip("/").removesuffix("/messages") + f"/history?after={message.seq - 1}"
        return json_reply(answer, 202, [(b"location", there.encode("ascii"))])

    async def history(self, request: ApiRequest) -> Reply:
        """Read the log of a conversation, in order: its end, or what is before or after a place."""
        query = request.query(HistoryQuery)
        if query.before is not None and query.after is not None:
            raise InvalidRequest("Ask for before or after", fields={"before": "not together with after"})
        page = await self.reading.history(
            request.caller,
            BotSessionId(request.path_param("id")),
            query.limit,
            before=place("before", query.before),
            after=place("after", query.after),
            wait=query.wait,
        )
        messages = [shown(one, MessageView) for one in page.messages if one.sender is not Sender.SYSTEM]
        return json_reply(HistoryJson(messages, page.has_more, page.head.epoch, page.head.seq))

    async def cancel(self, request: ApiRequest) -> Reply:
        """Stop a reply: the one named, or the one that is running. What there is of it is kept."""
        wanted = await request.optional_json(Cancel)
        reply_id = MessageId(wanted.reply_id) if wanted.reply_id is not None else None
        was_running = await self.conversations.cancel(request.caller, BotSessionId(request.path_param("id")), reply_id)
        return json_reply(CancelledJson("cancelled" if was_running else "idle"))


def conversation(summary: Summary, names: dict[str, str], now: datetime) -> ConversationJson:
    """A bot that is gone is shown by its id."""
    session = summary.session
    return ConversationJson(
        session.id,
        session.bot_id,
        names.get(session.bot_id, session.bot_id),
        shown(summary.last, MessageView) if summary.last is not None else None,
        summary.active_at,
        "active" if session.is_active(now) else "ended",
    )
