"""The bus of a single process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from generalbots_api.bus import Listener
from generalbots_api.listeners import Listeners


class MemoryBus:
    """Calls the listeners of this process at once, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners = Listeners()

    async def publish(self, topic: str, payload: bytes, /) -> None:
        self._listeners.tell(topic, payload)

    def reaches(self, topic: str, but: int, /) -> bool:
        return self._listeners.count(topic) > but

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        return self._listeners.add(topic, listener)

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None
