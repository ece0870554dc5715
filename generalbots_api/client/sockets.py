"""A socket as a conversation needs it, and the one of the package `websockets`."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from generalbots_api.client.backoff import asked_wait
from generalbots_api.client.closing import GONE
from generalbots_api.client.errors import BadAnswer, ConnectionFailed, error_from_body
from generalbots_api.client.frames import SUBPROTOCOL
from generalbots_api.clock import Clock

MAX_FRAME = 8 * 2**20  # bytes, of the server's: a reply of a million characters, each of them escaped
CLOSE_TIMEOUT = 2.0  # seconds


class SocketClosed(Exception):
    """The socket is closed; 1006: without a word."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Socket(Protocol):
    """An open `gb.v1` socket. All but `close` raise `SocketClosed`, and `receive` raises `BadAnswer`."""

    async def send(self, text: str, /) -> None: ...

    async def receive(self) -> str: ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, within a bounded time, whatever state it is in."""


Connect = Callable[[str, str | None], Awaitable[Socket]]
"""Opens a socket to a URL with a token.

Raises:
    ApiError: the server refused it.
    ConnectionFailed: it was not reached.
    BadAnswer: what answered does not speak `gb.v1`.
"""


class _NoRedirects(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc  # the token is for one origin


class WebSocket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, text: str, /) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> str:
        try:
            return await self._connection.recv(decode=True)
        except ConnectionClosed as error:
            raise _closed(error) from error
        except UnicodeDecodeError as error:
            raise BadAnswer("a frame that is not UTF-8") from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)


def connector(*, clock: Clock, timeout: float, tls: ssl.SSLContext | None = None) -> Connect:
    """Opens sockets with the package `websockets`; `timeout` is in seconds."""

    async def open_socket(url: str, token: str | None) -> Socket:
        try:
            connection = await _NoRedirects(
                url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers=None if token is None else {"Authorization": f"Bearer {token}"},
                compression=None,
                open_timeout=timeout,
                close_timeout=CLOSE_TIMEOUT,
                ping_interval=None,  # gb.v1 has its own
                max_size=MAX_FRAME,
                ssl=tls if url.startswith("wss:") else None,
            )
        except InvalidStatus as error:
            raise _refusal(error, clock.unix()) from error
        except InvalidURI as error:
            raise BadAnswer(str(error)) from error
        except (OSError, TimeoutError, EOFError, InvalidHandshake) as error:
            raise ConnectionFailed(f"{type(error).__name__}: {error}") from error
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close()
            raise BadAnswer(f"the server does not speak {SUBPROTOCOL}")
        return WebSocket(connection)

    return open_socket


def _closed(error: ConnectionClosed) -> SocketClosed | BadAnswer:
    if error.rcvd is None and error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG:
        return BadAnswer(f"a frame over {MAX_FRAME} bytes")
    return SocketClosed(error.rcvd.code, error.rcvd.reason) if error.rcvd is not None else SocketClosed(GONE, "")


def _refusal(error: InvalidStatus, now_unix: float) -> Exception:
    response = error.response
    status = response.status_code
    if status < 400:
        return BadAnswer(f"HTTP status {status} for a socket")
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    wait = asked_wait(headers, now_unix) if status in (429, 503) else None
    return error_from_body(
        status, bytes(response.body or b""), request_id=headers.get("x-request-id"), retry_after=wait
    )
