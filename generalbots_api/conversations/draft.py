"""A reply as far as it has been written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from generalbots_api.bots.model import Suggestions
from generalbots_api.conversations.job import Job
from generalbots_api.conversations.model import MessageStatus, NewReply
from generalbots_api.errors import Code

MAX_SUGGESTIONS = 10
MAX_SUGGESTION_CHARS = 200


class TooLong(Exception):
    """The bot went on past the bound."""


@dataclass(slots=True)
class Draft:
    max_chars: int
    size: int = 0
    suggestions: tuple[str, ...] = ()
    pieces: list[str] = field(default_factory=list)
    memory: dict[str, Any] | None = None  # to be stored with the reply; None: it is as it was
    status: MessageStatus = MessageStatus.COMPLETED
    error: dict[str, Any] | None = None

    def add(self, piece: object) -> str:
        """Take one more piece; what of it is new text, maybe nothing.

        Raises:
            TooLong: the text is over the bound; what fits is kept.
        """
        if isinstance(piece, Suggestions):
            self.suggestions = suggested(piece)
            return ""
        if not isinstance(piece, str):
            raise TypeError(f"a bot yields str or Suggestions, not {type(piece).__name__}")
        text = storable(piece[: self.max_chars - self.size])
        if text:
            self.pieces.append(text)
        self.size += len(piece)
        if self.size > self.max_chars:
            raise TooLong
        return text

    def fail(self, message: str, reason: str, status: MessageStatus = MessageStatus.FAILED) -> None:
        self.status, self.error = status, failure(message, reason)

    def reply(self, job: Job) -> NewReply:
        return NewReply(
            message_id=job.reply_id,
            session_id=job.session_id,
            bot_id=job.bot_id,
            in_reply_to=job.message.message_id if job.message is not None else None,
            content="".join(self.pieces),
            status=self.status,
            error=self.error,
            suggestions=self.suggestions,
        )


def failure(message: str, reason: str) -> dict[str, Any]:
    """The error object of a reply that failed."""
    return {"code": Code.SERVER_ERROR.value, "message": message, "details": {"reason": reason}}


def suggested(piece: Suggestions) -> tuple[str, ...]:
    texts = piece.texts[:MAX_SUGGESTIONS]
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"a bot suggests str, not {type(text).__name__}")
    return tuple(storable(text[:MAX_SUGGESTION_CHARS]) for text in texts)


def storable(text: str) -> str:
    """What every storage can hold of a bot's text: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
