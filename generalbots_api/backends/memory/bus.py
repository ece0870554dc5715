"""The bus of a single process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from generalbots_api.bus import Listener


class MemoryBus:
    """Calls the listeners of this process at once, in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[object, Listener]] = {}

    async def publish(self, topic: str, payload: bytes, /) -> None:
        listeners = self._listeners.get(topic)
        if listeners:
            for listener in tuple(listeners.values()):  # one may leave meanwhile
                listener(payload)

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        place = object()  # the same listener may come twice, and then hears all twice
        self._listeners.setdefault(topic, {})[place] = listener

        def leave() -> None:
            listeners = self._listeners.get(topic, {})
            if listeners.pop(place, None) is not None and not listeners:
                del self._listeners[topic]

        return leave

    async def ping(self) -> None:
        """It is always there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None
