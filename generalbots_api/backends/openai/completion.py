"""The stream of a chat completion, as llama.cpp, Ollama, vLLM and OpenAI send it. Without a connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from generalbots_api.backends.http_bot.connections import UpstreamError
from generalbots_api.backends.http_bot.lines import Events


class Text(msgspec.Struct):
    content: Any = None  # text, or null beside reasoning and tool calls


class Choice(msgspec.Struct):
    index: int = 0
    delta: Text | None = None  # missing in some last chunks
    message: Text | None = None  # of an answer that is not streamed
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None  # empty beside usage figures
    error: Any = None
    object: Any = None  # "error" in some servers' errors, which have no other sign


_DECODER = msgspec.json.Decoder(Chunk)


@dataclass(slots=True)
class Completion:
    """Bytes in, text out.

    The end is `[DONE]`, or the end of the stream after a `finish_reason`, as
    not every server says both. A stream that ends without either was cut.
    """

    max_line_bytes: int
    is_done: bool = False
    _is_finished: bool = False
    _events: Events = field(init=False)

    def __post_init__(self) -> None:
        self._events = Events(self.max_line_bytes)

    def feed(self, chunk: bytes) -> list[str]:
        """The text of each event that is whole now; empty text for one that has none.

        Raises:
            UpstreamError: nonsense, or an error in the stream.
        """
        return self._texts(self._events.feed(chunk))

    def end(self) -> list[str]:
        """Raises:
        UpstreamError: the stream was cut.
        """
        texts = self._texts(self._events.end())
        if not (self.is_done or self._is_finished):
            raise UpstreamError("the answer ended before its end")
        return texts

    def _texts(self, events: list[bytes]) -> list[str]:
        texts = []
        for event in events:
            if self.is_done:
                break
            if event.strip() == b"[DONE]":
                self.is_done = True
            else:
                texts.append(self._text(_chunk_of(event)))
        return texts

    def _text(self, chunk: Chunk) -> str:
        texts = []
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._is_finished = self._is_finished or choice.finish_reason is not None
                texts.append(_text_of(choice.delta or choice.message))
        return "".join(texts)


def whole_text(body: bytes) -> str:
    """The text of an answer that came in one piece, as a server that does not stream sends it.

    Raises:
        UpstreamError: nonsense, or an error.
    """
    choices = _chunk_of(body).choices
    if not choices:
        raise UpstreamError("the answer has no choices")
    return _text_of(choices[0].message)


def _text_of(text: Text | None) -> str:
    return text.content if text is not None and isinstance(text.content, str) else ""


def _chunk_of(data: bytes) -> Chunk:
    try:
        chunk = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UpstreamError("the answer is not a chat completion") from None
    if chunk.error is not None or chunk.object == "error":
        raise UpstreamError("the server broke off with an error")
    return chunk
