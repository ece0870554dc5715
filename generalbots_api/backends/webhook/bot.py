"""The bot that asks a URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec

from generalbots_api.backends.http_bot.bot import HttpBot
from generalbots_api.backends.http_bot.connections import UpstreamError, checked_url
from generalbots_api.backends.webhook.parts import Part, parts_of
from generalbots_api.backends.webhook.signing import check_secrets, sign
from generalbots_api.bots.model import Piece, Suggestions
from generalbots_api.bots.ports import Turn, TurnMessage
from generalbots_api.clock import Clock, SystemClock


@dataclass(slots=True, kw_only=True, eq=False)
class WebhookBot(HttpBot):
    """Posts each turn to `url`, signed, and streams the answer.

    The same turn always has the same `Idempotency-Key`, and may be sent twice:
    by us, if the connection broke before an answer came, or after a restart.
    Redirects are not followed, and no proxy of the environment is used.

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    url: str
    secrets: Sequence[str | bytes] = field(repr=False)
    """Each signs. To change: add the new one, have the receiver take it, remove the old one."""
    clock: Clock = field(default_factory=SystemClock, repr=False)

    def __post_init__(self) -> None:
        checked_url(self.url, "url")
        check_secrets(self.secrets)
        HttpBot.__post_init__(self)  # `super()` does not know a class with slots

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        """Raises:
        TimeoutError: a piece took too long.
        UpstreamError: the webhook cannot be reached, answers with an error or with nonsense, or breaks off.
        """
        body = msgspec.json.encode(self._asked(turn, await self._window.of(turn)))
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream, application/x-ndjson, application/json, text/plain",
            "idempotency-key": turn.reply_id,
            **sign(body, secrets=self.secrets, at=int(self.clock.unix())),
        }
        async with self._connections.call("POST", self.url, headers, body) as answer:
            if answer.response.status_code == 204:
                return
            if answer.response.status_code != 200:
                raise UpstreamError(f"the webhook answers {answer.response.status_code}")
            parts = parts_of(answer.media_type, self.max_line_bytes)
            chunk: bytes | None = b""
            while chunk is not None:
                chunk = await answer.read()
                for part in parts.end() if chunk is None else parts.feed(chunk):
                    answer.heard()
                    for piece in pieces_of(part, turn):
                        yield piece

    def _asked(self, turn: Turn, before: list[TurnMessage]) -> dict[str, object]:
        return {
            "reply_id": turn.reply_id,
            "session_id": turn.session_id,
            "bot_id": self.info.id,
            "caller": {"user_id": turn.caller.user_id},
            "message": {**as_json(turn.message), "metadata": turn.message.metadata},
            "history": [as_json(message) for message in before],
            "memory": dict(turn.memory),
        }


def as_json(message: TurnMessage) -> dict[str, object]:
    names = ("message_id", "seq", "sender", "content", "timestamp")
    return {name: getattr(message, name) for name in names}


def pieces_of(part: Part, turn: Turn) -> list[Piece]:
    """What to yield; a memory in it is kept for the session."""
    if part.memory is not None:
        turn.memory.clear()
        turn.memory.update(part.memory)
    pieces: list[Piece] = [part.content] if part.content else []
    return pieces if part.suggestions is None else [*pieces, Suggestions(tuple(part.suggestions))]
