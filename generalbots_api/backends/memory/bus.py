"""The bus of a single process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from generalbots_api.bus import Listener


class MemoryBus:
    """Calls the listeners of this process at once, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    async def publish(self, topic: str, payload: bytes, /) -> None:
        for listener in tuple(self._listeners.get(topic, ())):
            listener(payload)

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        self._listeners.setdefault(topic, []).append(listener)

        def leave() -> None:
            self._leave(topic, listener)

        return leave

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    def _leave(self, topic: str, listener: Listener) -> None:
        listeners = self._listeners.get(topic, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(topic, None)
