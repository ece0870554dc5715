"""A client that goes while something is being sent to it: nothing has failed then."""

from __future__ import annotations

from starlette.types import Message, Send


def until_gone(send: Send) -> Send:
    """`send` that does nothing once the client has gone, as servers' own did before ASGI 2.4 let them raise OSError.

    `receive` tells of it in any case. Source: ASGI, "HTTP & WebSocket", "Disconnected Client".
    """

    async def send_if_there(message: Message) -> None:
        try:  # noqa: SIM105 # each frame to each socket passes here, and `suppress` costs more
            await send(message)
        except OSError:
            pass

    return send_if_there
