"""From a message to its stored reply: runs the bot, and survives whatever it does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import anyio

from generalbots_api.bots.model import Piece, Suggestions
from generalbots_api.bots.running import Running
from generalbots_api.clock import Clock
from generalbots_api.conversations.feed import Feed
from generalbots_api.conversations.model import Message, MessageStatus, NewReply
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.conversations.turn import BotTurn
from generalbots_api.conversations.turns import Job
from generalbots_api.errors import ApiError, Code, Unavailable
from generalbots_api.ids import BotId, MessageId

log = logging.getLogger("generalbots_api.conversations")

STORE_DELAYS = (0.2, 1, 5, 15)  # seconds between tries to store a reply
MAX_SUGGESTIONS = 10
MAX_SUGGESTION_CHARS = 200


class TooLong(Exception):
    """The bot went on past the bound."""


@dataclass(slots=True)
class Draft:
    """A reply as far as it has been written."""

    max_chars: int
    size: int = 0
    suggestions: tuple[str, ...] = ()
    pieces: list[str] = field(default_factory=list)

    async def take(self, piece: Piece) -> None:
        self.add(piece)

    def add(self, piece: object) -> None:
        """Take one more piece.

        Raises:
            TooLong: the text is over the bound; what fits is kept.
        """
        if isinstance(piece, Suggestions):
            self.suggestions = tuple(text[:MAX_SUGGESTION_CHARS] for text in piece.texts[:MAX_SUGGESTIONS])
        elif isinstance(piece, str):
            self.pieces.append(storable(piece[: self.max_chars - self.size]))
            self.size += len(piece)
        else:
            raise TypeError(f"a bot yields str or Suggestions, not {type(piece).__name__}")
        if self.size > self.max_chars:
            raise TooLong


@dataclass(frozen=True, slots=True)
class Answering:
    """Writes replies and stores each, whether the bot finishes, raises, floods or never returns."""

    conversation_log: ConversationLog
    feed: Feed
    clock: Clock
    timeout: float  # seconds
    max_chars: int
    running: Running = field(default_factory=Running)

    async def answer(self, job: Job) -> None:
        draft = Draft(self.max_chars)
        memory: dict[str, Any] | None = None
        error = None
        try:
            memory = await self._write(job, draft)
        except TimeoutError:
            error = failure("The bot took too long to answer", "timeout")
            log.warning("reply.timeout", extra=_where(job))
        except TooLong:
            error = failure("The bot's answer is too long", "too_long")
            log.warning("reply.too_long", extra=_where(job))
        except Exception:
            error = failure("The bot could not answer", "failed")
            log.exception("reply.failed", extra=_where(job))
        await self._store(job, draft, memory, error)

    async def _write(self, job: Job, draft: Draft) -> dict[str, Any] | None:
        """Run the bot to its end, and return the memory to store."""
        with anyio.fail_after(self.timeout):
            memory = await self.conversation_log.memory(job.message.session_id)
            turn = BotTurn(self.conversation_log, job.message, job.caller, memory)
            await self.running.run(job.bot, turn, draft.take)
            return turn.changed_memory()

    async def _store(self, job: Job, draft: Draft, memory: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
        reply = NewReply(
            message_id=reply_id_of(job.message),
            session_id=job.message.session_id,
            bot_id=BotId(job.bot.info.id),
            in_reply_to=job.message.message_id,
            content="".join(draft.pieces),
            status=MessageStatus.FAILED if error else MessageStatus.COMPLETED,
            error=error,
            suggestions=draft.suggestions,
        )
        for delay in (*STORE_DELAYS, None):
            try:
                added = await self.conversation_log.add_reply(reply, memory, self.clock.now())
            except Unavailable:
                log.exception("reply.not_stored", extra={**_where(job), "retry_in_seconds": delay})
                if delay is None:
                    return  # it has no reply, and gets one as interrupted at the next start
                await anyio.sleep(delay)
            else:
                await self.feed.tell(added.message)
                return


def failure(message: str, reason: str) -> dict[str, Any]:
    """The error object of a reply that failed."""
    return {"code": Code.SERVER_ERROR.value, "message": message, "details": {"reason": reason}}


def reply_id_of(message: Message) -> MessageId:
    if message.reply_id is None:
        raise ApiError("A message without a reply id cannot be answered")
    return message.reply_id


def storable(text: str) -> str:
    """What every storage can hold of a bot's text: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _where(job: Job) -> dict[str, str]:
    return {
        "session_id": job.message.session_id,
        "bot_id": str(job.bot.info.id),
        "request_id": job.request_id,
    }
