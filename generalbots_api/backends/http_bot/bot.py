"""What the bots that ask a server by HTTP share: bounds, patience, and connections that are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from generalbots_api.backends.http_bot.connections import Connections, Patience
from generalbots_api.backends.http_bot.history import Window
from generalbots_api.bots.model import BotInfo


@dataclass(slots=True, kw_only=True, eq=False)
class HttpBot:
    """Its connections are kept while the service is open.

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    info: BotInfo
    history_messages: int = 20
    history_chars: int = 32_000
    """Of the messages before this one the newest are sent, as many as both bounds allow."""
    connect_timeout: float = 5  # seconds, as those below
    first_timeout: float = 60
    """From the request to the first piece."""
    between_timeout: float = 30
    total_timeout: float | None = None
    """None: `Settings.turn_timeout` alone."""
    max_answer_bytes: int = 4_194_304
    max_line_bytes: int = 1_048_576
    max_connections: int = 100
    _window: Window = field(init=False, repr=False)
    _connections: Connections = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._window = Window(self.history_messages, self.history_chars)
        patience = Patience(
            connect=self.connect_timeout,
            first=self.first_timeout,
            between=self.between_timeout,
            total=self.total_timeout,
        )
        for name in ("max_answer_bytes", "max_line_bytes", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be more than 0")
        self._connections = Connections(patience, self.max_answer_bytes, self.max_connections)

    async def __aenter__(self) -> Self:
        await self._connections.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._connections.close()
