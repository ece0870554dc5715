"""A storage that takes its time and dies with its node, a bus that loses news, and a bot that waits to be let on."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import anyio
import anyio.lowlevel

from generalbots_api import BotInfo, Piece, Suggestions, Turn
from generalbots_api.backends.memory.bus import MemoryBus
from generalbots_api.errors import Unavailable
from generalbots_api.storage import Storage
from tests.proof.talker import pieces_of

STORES = ("logins", "pending_logins", "seen_tokens", "revocations", "leases", "bot_records", "bot_sessions", "log")


class Mortal:
    """One node's way to a storage that is open: each call takes a while; after `die` none gets there."""

    def __init__(self, storage: Storage, random: Random) -> None:
        self._storage = storage
        self._random = random
        self.is_dead = False
        for name in STORES:
            setattr(self, name, _Store(getattr(storage, name), self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def pause(self) -> None:
        for _ in range(self._random.choice([0, 0, 1, 2, 5])):
            await anyio.lowlevel.checkpoint()
        if self.is_dead:
            raise Unavailable("This node is dead")

    async def __aenter__(self) -> Mortal:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """It is its owner's to close."""


class _Store:
    def __init__(self, store: Any, mortal: Mortal) -> None:
        self._store = store
        self._mortal = mortal

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def slowly(*arguments: Any, **options: Any) -> Any:
            await self._mortal.pause()
            answer = await found(*arguments, **options)
            await self._mortal.pause()
            return answer

        return slowly


class LossyBus(MemoryBus):
    """Shared by nodes; loses as many of the next news as `losing` says, and tells of it once it works again."""

    def __init__(self) -> None:
        super().__init__()
        self.losing = 0
        self._missed: set[str] = set()
        self._listeners_to_gaps: list[Callable[[str], None]] = []

    def on_gap(self, listener: Callable[[str], None], /) -> None:
        self._listeners_to_gaps.append(listener)

    async def publish(self, topic: str, payload: bytes, /) -> None:
        if self.losing > 0:
            self.losing -= 1
            self._missed.add(topic)
            return
        self.work_again()
        await super().publish(topic, payload)

    def work_again(self) -> None:
        missed, self._missed, self.losing = self._missed, set(), 0
        for topic in sorted(missed):
            for listener in self._listeners_to_gaps:
                listener(topic)


@dataclass
class Gate:
    """Lets through as many pieces as it has been told, or all of them."""

    is_open: bool = False
    credits: int = 0
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def let(self, pieces: int) -> None:
        self.credits += pieces
        self._tell()

    def open(self) -> None:
        self.is_open = True
        self._tell()

    async def through(self) -> None:
        await anyio.lowlevel.checkpoint()
        while not self.is_open and self.credits <= 0:
            await self._changed.wait()
        self.credits -= 1

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@dataclass
class Reciter:
    """The talker, piece by piece as the gate lets it; one that is asked to `fail` raises behind its last piece."""

    gate: Gate
    info: BotInfo = field(default_factory=lambda: BotInfo("reciter", "Reciter"))

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        yield Suggestions(("go on",))
        for piece in pieces_of(turn.message.content):
            await self.gate.through()
            yield piece
        if "fail" in turn.message.content:
            raise RuntimeError("as asked")
