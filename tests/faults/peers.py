"""A peer on a WebSocket that does as it likes, byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Any

from tests.bench.ws_load import masked
from tests.runner.served import Client

TEXT, CLOSE = 0x1, 0x8


@dataclass
class Peer:
    """It reads only when it is told to."""

    raw: Client

    @classmethod
    async def connected(cls, port: int, token: str, receive_buffer: int | None = None) -> Peer:
        """Through the handshake; `receive_buffer` in bytes."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=receive_buffer or 65_536)
        raw = Client(reader, writer)
        head = await raw.upgraded(f"Authorization: Bearer {token}".encode(), b"Sec-WebSocket-Protocol: gb.v1")
        assert head.startswith(b"HTTP/1.1 101"), head
        return cls(raw)

    def say(self, frame: dict[str, Any]) -> None:
        self.raw.send(masked(json.dumps(frame).encode()))

    async def hear(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next frame."""
        reader = self.raw.reader
        first, size = await reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        return first & 0xF, await reader.readexactly(size)

    async def close_code(self) -> int:
        """Read to the end: the code of the close, 0 if there was none."""
        try:
            while True:
                opcode, payload = await self.hear()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0

    async def answer_pings(self) -> None:
        """Until the end, as a client that has nothing to say; the code of the close is lost."""
        try:
            while True:
                opcode, payload = await self.hear()
                if opcode == CLOSE:
                    return
                if opcode == TEXT and b'"ping"' in payload:
                    self.say({"type": "pong"})
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def vanish(self) -> None:
        self.raw.reset()
