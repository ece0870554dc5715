"""What a webhook may answer, in each of its forms. Without a connection."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from generalbots_api.backends.http_bot.connections import UpstreamError
from generalbots_api.backends.http_bot.lines import Events, Lines


class Part(msgspec.Struct):
    """One part of an answer; each of its fields may be left out."""

    content: str = ""
    suggestions: list[str] | None = None
    memory: dict[str, Any] | None = None
    """Replaces the session's memory."""
    error: Any = None
    """Not null: the answer ends as failed."""


class Parts(Protocol):
    """An answer, as its bytes come."""

    def feed(self, chunk: bytes, /) -> list[Part]:
        """The parts that are whole now.

        Raises:
            UpstreamError: nonsense, or an error that the webhook tells of.
        """

    def end(self) -> list[Part]: ...


def parts_of(media_type: str, max_line_bytes: int) -> Parts:
    """Raises:
    UpstreamError: not one of the forms.
    """
    match media_type:
        case "text/plain":
            return PlainText()
        case "text/event-stream":
            return JsonParts(Events(max_line_bytes))
        case "application/x-ndjson" | "application/jsonl":
            return JsonParts(Lines(max_line_bytes))
        case "application/json":
            return WholeJson()
    raise UpstreamError("the webhook answers in a form that is none of those agreed on")


class PlainText:
    """Text as it comes, in UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, chunk: bytes, /) -> list[Part]:
        return self._decoded(chunk, is_end=False)

    def end(self) -> list[Part]:
        return self._decoded(b"", is_end=True)

    def _decoded(self, chunk: bytes, *, is_end: bool) -> list[Part]:
        try:
            return [Part(content=self._decoder.decode(chunk, is_end))]
        except UnicodeDecodeError:
            raise UpstreamError("the webhook's text is not UTF-8") from None


@dataclass(slots=True)
class JsonParts:
    """An object in each event or line."""

    source: Events | Lines

    def feed(self, chunk: bytes, /) -> list[Part]:
        return [_part(text) for text in self.source.feed(chunk) if text.strip()]

    def end(self) -> list[Part]:
        return [_part(text) for text in self.source.end() if text.strip()]


@dataclass(slots=True)
class WholeJson:
    """One object in all."""

    _chunks: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes, /) -> list[Part]:
        self._chunks.append(chunk)
        return []

    def end(self) -> list[Part]:
        return [_part(b"".join(self._chunks))]


_DECODER = msgspec.json.Decoder(Part)


def _part(text: bytes) -> Part:
    try:
        part = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamError("the webhook's answer makes no sense") from None
    if part.error is not None:
        raise UpstreamError("the webhook tells of an error")
    return part
