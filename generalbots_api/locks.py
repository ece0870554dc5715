"""One lock for each key, kept only while somebody holds it or waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class KeyedLocks:
    """`async with locks.hold(key)`: one at a time for each key, first come first served.

    A lock that is free is taken without waiting, and without anything made for it.
    """

    _held: dict[Hashable, deque[asyncio.Future[None]]] = field(default_factory=dict)

    def hold(self, key: Hashable) -> Hold:
        return Hold(self._held, key)


class Hold:
    """One holding of one key."""

    __slots__ = ("_held", "_key")

    def __init__(self, held: dict[Hashable, deque[asyncio.Future[None]]], key: Hashable) -> None:
        self._held = held
        self._key = key

    async def __aenter__(self) -> None:
        waiting = self._held.get(self._key)
        if waiting is None:
            self._held[self._key] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # it came while this one was being cancelled
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        waiting = self._held[self._key]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._held[self._key]
