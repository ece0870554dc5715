"""What a client may take: times and bytes, all in one value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times are seconds. They are kept to within `sweep`."""

    head: float = 10  # from the first byte of a request to the end of its headers
    keep_alive: float = 30  # without a request
    body: float = 10  # for a body to begin; from then on it must keep `body_rate`
    body_rate: int = 1_024  # bytes a second, on the average
    write: float = 30  # for a client to take any byte of what waits for it
    linger: float = 1  # for a client to take notice that the connection is closed
    ping: float = 20  # of silence on a WebSocket, until it is asked for a sign of life
    pong: float = 10  # for that sign, until it is closed with 4408
    close: float = 1  # for a client to answer the close of a WebSocket
    sweep: float = 0.5  # between two looks at the clock

    connections: int = 100_000  # at once; a new one past that is closed
    message_bytes: int = 69_632  # of a WebSocket message
    head_bytes: int = 16_384  # of a request line and headers
    streams: int = 100  # of one HTTP/2 connection at once
    resets: int = 200  # of streams by the client, on one HTTP/2 connection
    unread: int = 131_072  # bytes taken from the network and not handled yet
    queued: int = 10  # events that an app has not received yet
