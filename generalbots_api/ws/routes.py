"""The door of `/ws`: one task receives, one sends, neither waits for a bot."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

import anyio
from anyio.abc import TaskGroup

from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.conversations.following import Spawn
from generalbots_api.conversations.service import Conversations
from generalbots_api.ids import BotSessionId, hash_token, new_id
from generalbots_api.settings import Settings
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.sockets import Opening
from generalbots_api.ws.loop import FindCaller, Reader, write_all
from generalbots_api.ws.model import SUBPROTOCOL, Bounds, HelloFrame
from generalbots_api.ws.outbox import Outbox
from generalbots_api.ws.plain import PlainDialogue
from generalbots_api.ws.rights import Rights
from generalbots_api.ws.service import HEARTBEAT_SECONDS, PONG_SECONDS, Socket, Sockets
from generalbots_api.ws.spending import Spend
from generalbots_api.ws.stream import StreamDialogue, check_same_user


@dataclass(frozen=True, slots=True)
class ChatRoutes:
    conversations: Conversations
    sockets: Sockets
    spend: Spend
    find_caller: FindCaller
    clock: Clock
    settings: Settings

    def endpoints(self) -> list[Endpoint]:
        return [Endpoint(method="WEBSOCKET", path="/ws", handler=self.chat, docs=Docs(status=101))]

    async def chat(self, opening: Opening) -> None:
        """Chat with bots: whole messages, or, with the subprotocol `gb.v1`, all that chat-protocol has."""
        self.sockets.check_room()
        socket = self._socket(opening)
        default_session = await self._default_session(opening)
        await opening.accept(SUBPROTOCOL if socket.is_stream else None)
        self.sockets.add(socket)
        try:
            await self.sockets.look_at(socket)
            async with anyio.create_task_group() as tasks:
                dialogue = self._dialogue(opening, socket, default_session, tasks.start_soon)
                try:
                    await self._serve(opening, dialogue, tasks)
                finally:
                    dialogue.close()
        finally:
            self.sockets.remove(socket)

    def _socket(self, opening: Opening) -> Socket:
        settings = self.settings
        outbox = Outbox(settings.socket_queue_frames, settings.socket_queue_bytes)
        socket = Socket(
            opening.caller,
            opening.token_hash,
            outbox,
            is_stream=opening.offers(SUBPROTOCOL),
            ask_host=opening.ask_host,
            asked_unix=self.clock.unix(),
        )
        socket.hear(self.clock.unix())
        return socket

    async def _default_session(self, opening: Opening) -> BotSessionId | None:
        """The session of `?session_id=`, if it is the caller's.

        Raises:
            NotFound, Forbidden: then the handshake is refused.
        """
        query = parse_qs(opening.scope.get("query_string", b"").decode("latin-1"))
        ids = query.get("session_id")
        if not ids:
            return None
        return (await self.conversations.sessions.active(opening.caller, BotSessionId(ids[0]))).id

    def _dialogue(
        self, opening: Opening, socket: Socket, default_session: BotSessionId | None, spawn: Spawn
    ) -> PlainDialogue | StreamDialogue:
        rights = Rights(self.conversations, socket)
        socket.look_at_rights = rights.look
        if not socket.is_stream:
            return PlainDialogue(
                self.conversations, self.spend, socket, spawn, rights, opening.request_id, default_session
            )
        return StreamDialogue(
            self.conversations, self.spend, self._renew, socket, spawn, rights, opening.request_id, self._hello
        )

    async def _serve(self, opening: Opening, dialogue: PlainDialogue | StreamDialogue, tasks: TaskGroup) -> None:
        socket = dialogue.socket

        async def write() -> None:
            await write_all(socket, opening.send)
            tasks.cancel_scope.cancel()

        tasks.start_soon(write)
        dialogue.begin()
        reader = Reader(socket, dialogue, self.find_caller, self.clock, self.settings, opening.request_id)
        await reader.read(opening.receive)
        tasks.cancel_scope.cancel()

    async def _renew(self, socket: Socket, token: str) -> Caller:
        """See `stream.Renew`."""
        token_hash = hash_token(token)
        caller = check_same_user(socket, await self.find_caller(token_hash, self.clock.unix()))
        socket.token_hash = token_hash
        return caller

    def _hello(self, caller: Caller) -> HelloFrame:
        settings = self.settings
        return HelloFrame(
            connection_id=new_id(),
            user_id=caller.user_id,
            session_expires_at=caller.expires_at,
            heartbeat_ms=int(HEARTBEAT_SECONDS * 1_000),
            pong_timeout_ms=int(PONG_SECONDS * 1_000),
            limits=Bounds(settings.frame_max_bytes, settings.message_max_chars, settings.frames_per_second),
        )
