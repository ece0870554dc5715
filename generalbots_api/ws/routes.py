"""The socket loop of `/ws`: one task receives, one sends, neither waits for a bot."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
from starlette.types import Message, Receive, Send

from generalbots_api.clock import Clock
from generalbots_api.conversations.service import Conversations
from generalbots_api.errors import ApiError, InvalidRequest, RateLimited, Unauthorized
from generalbots_api.ids import BotSessionId
from generalbots_api.settings import Settings
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.errors import error_object
from generalbots_api.web.sockets import Opening
from generalbots_api.web.strict_json import decode
from generalbots_api.ws.flood import Flood
from generalbots_api.ws.model import ClientFrame, CloseCode, error_frame
from generalbots_api.ws.outbox import Outbox
from generalbots_api.ws.plain import PlainDialogue, Spend
from generalbots_api.ws.service import FindCaller, Socket, Sockets

CLOSE_TIMEOUT = 2.0  # seconds for the last frame of a socket that may not read


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
        """Chat with bots: JSON frames in, whole messages or errors out."""
        self.sockets.check_room()
        settings = self.settings
        socket = Socket(
            opening.caller,
            opening.token_hash,
            Outbox(settings.socket_queue_frames, settings.socket_queue_bytes),
        )
        dialogue = PlainDialogue(
            self.conversations, self.spend, socket, opening.request_id, await self._default_session(opening)
        )
        await opening.accept()
        self.sockets.add(socket)
        try:
            await self._serve(opening, dialogue)
        finally:
            dialogue.close()
            self.sockets.remove(socket)

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

    async def _serve(self, opening: Opening, dialogue: PlainDialogue) -> None:
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                await write_all(dialogue.socket.outbox, opening.send, self.settings.write_timeout)
                tasks.cancel_scope.cancel()

            tasks.start_soon(write)
            await self._read(opening.receive, dialogue)
            tasks.cancel_scope.cancel()

    async def _read(self, receive: Receive, dialogue: PlainDialogue) -> None:
        """Receive until the client goes; after a close of ours what still comes is thrown away."""
        flood = Flood(self.settings.frames_per_second, self.settings.frame_burst)
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if dialogue.socket.outbox.close_code is None:
                await self._hear(message, dialogue, flood)

    async def _hear(self, message: Message, dialogue: PlainDialogue, flood: Flood) -> None:
        outbox, frame = dialogue.socket.outbox, None
        try:
            text = self._text(message, outbox)
            if text is None:
                return
            now = self.clock.unix()
            if not flood.take(now):
                raise RateLimited("Too many frames", retry_after=1)
            frame = self._frame(text, flood, now)
            await self._check_login(dialogue.socket, now)
            await dialogue.hear(frame)
        except Unauthorized:
            outbox.close(CloseCode.LOGIN_ENDED, "The login has ended")
        except ApiError as error:
            fields = {"session_id": frame.session_id, "id": frame.id} if frame else {}
            outbox.put(error_frame(error_object(error, dialogue.request_id), **fields))
            if flood.goes_on:
                outbox.close(CloseCode.FLOOD, "Too many frames")
            elif flood.is_malformed:
                outbox.close(CloseCode.MALFORMED, "Too many malformed frames")

    def _text(self, message: Message, outbox: Outbox) -> str | None:
        text: str | None = message.get("text")
        if text is None:
            outbox.close(CloseCode.BINARY, "Text frames only")
        elif len(text) > self.settings.frame_max_bytes or len(text.encode()) > self.settings.frame_max_bytes:
            outbox.close(CloseCode.TOO_BIG, f"A frame may have {self.settings.frame_max_bytes} bytes")
            text = None
        return text

    def _frame(self, text: str, flood: Flood, now: float) -> ClientFrame:
        try:
            return decode(text, ClientFrame)
        except InvalidRequest:
            flood.note_malformed(now)
            raise

    async def _check_login(self, socket: Socket, now: float) -> None:
        """Raises:
        Unauthorized: the login has ended since.
        """
        if socket.token_hash is None:
            return
        caller = await self.find_caller(socket.token_hash, now)
        if caller is None:
            raise Unauthorized
        socket.caller = caller


async def write_all(outbox: Outbox, send: Send, timeout: float) -> None:
    """Send what comes until there is a close to send; a write that takes too long is the last."""
    while (frame := await outbox.next()) is not None:
        with anyio.move_on_after(timeout) as waiting:
            await send({"type": "websocket.send", "text": frame})
        if waiting.cancelled_caught:
            outbox.close(CloseCode.SLOW, "The client does not read what is sent")
            break
        await anyio.lowlevel.checkpoint()
    with anyio.move_on_after(CLOSE_TIMEOUT):
        await send({"type": "websocket.close", "code": int(outbox.close_code or 1000), "reason": outbox.close_reason})
