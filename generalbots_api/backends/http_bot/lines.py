"""Lines and server-sent events out of bytes, however they are cut. Source: WHATWG HTML, "Server-sent events"."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from generalbots_api.backends.http_bot.connections import UpstreamError

_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Lines:
    """Whole lines, without their ends: LF, CRLF or CR."""

    max_bytes: int
    _parts: list[bytes] = field(default_factory=list)  # of the line that has no end yet
    _size: int = 0
    _after_cr: bool = False
    _has_begun: bool = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises:
        UpstreamError: a line is too long.
        """
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of an end of line that was cut
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        first, *others = _END.split(chunk)
        self._add(first)
        lines = []
        for other in others:
            lines += self.end(is_cut=False)
            self._add(other)
        return lines

    def end(self, *, is_cut: bool = True) -> list[bytes]:
        """The line so far; nothing if the end `is_cut` and there is no text after the last line."""
        line, self._parts, self._size = b"".join(self._parts), [], 0
        if not self._has_begun:
            self._has_begun, line = True, line.removeprefix(_BOM)
        return [line] if line or not is_cut else []

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > self.max_bytes:
            raise UpstreamError(f"a line of the answer is over {self.max_bytes} bytes")


@dataclass(slots=True)
class Events:
    """The data of each event; comments and other fields are dropped."""

    max_bytes: int
    lines: Lines = field(init=False)
    _data: list[bytes] = field(default_factory=list)
    _size: int = 0

    def __post_init__(self) -> None:
        self.lines = Lines(self.max_bytes)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises:
        UpstreamError: an event is too long.
        """
        return self._events(self.lines.feed(chunk))

    def end(self) -> list[bytes]:
        """The last event, if the empty line after it is missing."""
        return self._events([*self.lines.end(), b""])

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
            elif line.startswith(b"data:"):
                self._add(line[5:].removeprefix(b" "))
        return events

    def _add(self, data: bytes) -> None:
        self._data.append(data)
        self._size += len(data)
        if self._size > self.max_bytes:
            raise UpstreamError(f"an event of the answer is over {self.max_bytes} bytes")
