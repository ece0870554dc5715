"""News between the parts of one service, on one node or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable

Listener = Callable[[bytes], None]
"""Called on the event loop with each payload; returns at once and never raises."""


class Bus(Protocol):
    """Carries short-lived news by topic, to every listener of every node.

    At most once and in order for each publisher; nothing is kept. Whoever must
    not miss a thing reads it from storage: losing the bus costs smoothness only.
    """

    async def publish(self, topic: str, payload: bytes, /) -> None:
        """Tell every listener of `topic`; listeners of this process have it when this returns."""

    def reaches(self, topic: str, but: int, /) -> bool:
        """Whether anybody may hear of `topic`, besides `but` listeners of this process; True where that is not known.

        So that whoever has told his own listeners already need not publish for nobody.
        """

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        """Listen from now on; the answer ends it, and may be called twice."""

    async def ping(self) -> None:
        """Raise if the bus cannot be reached."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


@runtime_checkable
class Patchy(Protocol):
    """A bus that can tell when it may have missed something."""

    def on_gap(self, listener: Callable[[str], None], /) -> None:
        """Call `listener` with each topic whose news were not heard for a while, as soon as they are again.

        That is so after an outage, and once after each `subscribe`, where that
        takes effect later than it returns. As a `Listener`, it never raises.
        """
