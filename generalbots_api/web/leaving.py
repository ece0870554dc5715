"""A client that goes while something is being sent to it: nothing has failed then."""

from __future__ import annotations

from contextlib import suppress

from starlette.types import Message, Send


def until_gone(send: Send) -> Send:
    """`send` that does nothing once the client has gone, as servers' own did before ASGI 2.4 let them raise OSError.

    `receive` tells of it in any case. Source: ASGI, "HTTP & WebSocket", "Disconnected Client".
    """

    async def send_if_there(message: Message) -> None:
        with suppress(OSError):
            await send(message)

    return send_if_there
