"""A bounded load of WebSockets from one process: each sends, waits for the end of its turn, and sends again.

As little as possible of its own: frames are cut by hand, as a client library would be the slower side.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import struct
import sys
import time
from dataclasses import dataclass

TEXT, PING = 1, 9
PONG = b"\x8a\x80\0\0\0\0"
CONTENT = "Hello"


@dataclass(frozen=True)
class Talk:
    """How one kind of server is spoken to."""

    path: str
    headers: dict[str, str]
    opening: bytes  # sent as soon as the server has said something; b"": nothing is
    message: bytes
    end: bytes  # what the last frame of a turn has near its beginning
    mark: bytes = b""  # what the frame has that is waited for, if it is not the last


def talk_of(kind: str, number: int) -> Talk:
    token, session = token_of(number), session_of(number)
    ask = json.dumps({"type": "message", "session_id": session, "content": CONTENT}).encode()
    login = {"Authorization": f"Bearer {token}"}
    match kind:
        case "gb.v1":
            return Talk("/ws", {**login, "Sec-WebSocket-Protocol": "gb.v1"}, b"", ask, b'"type":"message",')
        case "first":
            headers = {**login, "Sec-WebSocket-Protocol": "gb.v1"}
            return Talk("/ws", headers, b"", ask, b'"type":"message",', b'"type":"message.delta"')
        case "plain":
            return Talk("/ws", login, b"", ask, b'"type":"message",')
        case "echo":
            return Talk("/ws", {}, b"", ask, b'"message"')
        case "socketio":
            event = b"42" + json.dumps(["message", {"content": CONTENT}]).encode()
            return Talk("/socket.io/?EIO=4&transport=websocket", {}, b"40", event, b"42[")
    raise ValueError(kind)


def token_of(number: int) -> str:
    return f"gbs_{number:043d}"


def session_of(number: int) -> str:
    return f"session-{number}"


def masked(text: bytes) -> bytes:
    """A text frame of a client, with a mask of zeros."""
    size = len(text)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + struct.pack("!H", size)
    return head + b"\0\0\0\0" + text


class Socket(asyncio.Protocol):
    def __init__(self, port: int, talk: Talk, stop: asyncio.Event) -> None:
        self.talk, self.stop = talk, stop
        self.latencies: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._port = port
        self._message = masked(talk.message)
        self._rest = b""
        self._is_open = False
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment] # a TCP connection's is one
        headers = {
            "Host": f"127.0.0.1:{self._port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **self.talk.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"GET {self.talk.path} HTTP/1.1\r\n{lines}\r\n".encode())

    def say(self) -> None:
        self._sent_at = time.perf_counter()
        self.transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._is_open:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.ready.set_exception(RuntimeError(self._rest[:500].decode("latin-1")))
                return
            self._is_open, self._rest = True, rest
            if not self.talk.opening:
                self.ready.set_result(None)
        self._take_frames()

    def _take_frames(self) -> None:
        rest, at = self._rest, 0
        while len(rest) - at >= 2:
            size, start = rest[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(rest[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(rest[start : start + 8], "big"), start + 8
            if len(rest) < start + size:
                break
            self._take(rest[at] & 15, rest[start : start + size])
            at = start + size
        self._rest = rest[at:]

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == PING:
            self.transport.write(PONG)
        elif kind == TEXT and not self.ready.done():
            if payload.startswith(b"40"):
                self.ready.set_result(None)
            else:
                self.transport.write(masked(self.talk.opening))
        elif kind == TEXT and payload == b"2":
            self.transport.write(masked(b"3"))
        elif kind == TEXT and self.talk.end in payload[:40]:
            if not self.talk.mark:
                self.latencies.append(time.perf_counter() - self._sent_at)
            if not self.stop.is_set():
                self.say()
        elif kind == TEXT and self.talk.mark and self.talk.mark in payload[:40]:
            self.latencies.append(time.perf_counter() - self._sent_at)
        elif kind == TEXT and b'"error"' in payload[:40]:
            raise RuntimeError(payload.decode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(RuntimeError("the server hung up"))


async def opened(port: int, kind: str, sockets: int, stop: asyncio.Event, first: int = 0) -> list[Socket]:
    """All of them, some at a time; `first` is the number of the first user."""
    found: list[Socket] = []
    loop = asyncio.get_running_loop()
    for number in range(sockets):
        socket = Socket(port, talk_of(kind, first + number), stop)
        await loop.create_connection(lambda socket=socket: socket, "127.0.0.1", port)  # type: ignore[misc] # its own
        found.append(socket)
        if number % 50 == 49:
            await asyncio.gather(*(one.ready for one in found[-50:]))
    await asyncio.gather(*(one.ready for one in found))
    return found


async def turns(port: int, kind: str, sockets: int, seconds: float, first: int) -> dict[str, float]:
    """Turns a second, and the latencies in ms."""
    stop = asyncio.Event()
    found = await opened(port, kind, sockets, stop, first)
    for socket in found:
        socket.say()
    await asyncio.sleep(min(1.0, seconds / 2))  # warm
    started = time.perf_counter()
    for socket in found:
        socket.latencies.clear()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - started
    latencies = sorted(latency for socket in found for latency in socket.latencies)
    stop.set()
    await asyncio.sleep(0.2)
    for socket in found:
        socket.transport.abort()
    return {
        "rate": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1_000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1_000,
    }


async def idle(port: int, kind: str, sockets: int, seconds: float, first: int) -> dict[str, float]:
    """Open them, say so, and keep them for as long as standard input is open."""
    found = await opened(port, kind, sockets, asyncio.Event(), first)
    print(json.dumps({"open": len(found)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for socket in found:
        socket.transport.abort()
    return {}


async def fanout(port: int, kind: str, sockets: int, seconds: float, first: int) -> dict[str, float]:
    """One message to so many sockets that listen: ms until the last of them has it, the median of ten.

    A first one, which is not counted, keeps the bot busy: those that are have nothing behind them, as the bare
    loop's, but wait for their turns.
    """
    stop, listeners = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    for _ in range(sockets):
        listener = Listener(port, listening(kind, first), stop)
        await loop.create_connection(lambda listener=listener: listener, "127.0.0.1", port)  # type: ignore[misc]
        listeners.append(listener)
        await listener.ready
        listener.begin()
    speaker = listeners[0]
    await asyncio.sleep(1)
    times = []
    for number in range(11):
        for listener in listeners[1:]:
            listener.heard = loop.create_future()
        started = time.perf_counter()
        speaker.speak(number)
        await asyncio.wait_for(asyncio.gather(*(listener.heard for listener in listeners[1:])), 30)
        times.append(time.perf_counter() - started)
        await asyncio.sleep(seconds / 10)
    for listener in listeners:
        listener.transport.abort()
    return {"ms": statistics.median(times[1:]) * 1_000}


def listening(kind: str, first: int) -> Talk:
    """Everybody has the first user's login, and listens to his session."""
    return talk_of(kind, first)


class Listener(Socket):
    heard: asyncio.Future[None]

    def begin(self) -> None:
        self.transport.write(masked(json.dumps({"type": "subscribe", "session_id": session_of(0)}).encode()))

    def speak(self, number: int) -> None:
        frame = {"type": "message", "session_id": session_of(0), "content": f"Hello {number}"}
        self.transport.write(masked(json.dumps(frame).encode()))

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == TEXT and self.talk.end in payload[:40]:
            if hasattr(self, "heard") and not self.heard.done():
                self.heard.set_result(None)
        elif kind == PING:
            self.transport.write(PONG)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ws_load")
    parser.add_argument("what", choices=["turns", "idle", "fanout"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--sockets", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    run = {"turns": turns, "idle": idle, "fanout": fanout}[options.what]
    print(json.dumps(asyncio.run(run(options.port, options.kind, options.sockets, options.seconds, options.first))))


if __name__ == "__main__":
    main()
