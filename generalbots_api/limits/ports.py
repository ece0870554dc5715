"""What rate limiting needs from outside."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from generalbots_api.limits.model import Decision, Quota


class Limiter(Protocol):
    """Counts requests by key in fixed windows, for every node that shares it."""

    async def take(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        """Count one request against `key` and say whether it may go on.

        One atomic step: of two racing requests for the last place, one wins,
        and no two decisions tell the same `remaining` above 0. A refused
        request does not count against the next window.

        Raises:
            Unavailable: the backend cannot be reached. It should say so within
                250 ms, and at once while it is known, as each request waits for it.
        """

    async def ping(self) -> None:
        """Raise `Unavailable` if the backend cannot be reached."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


@runtime_checkable
class CountsAtOnce(Protocol):
    """A limiter that need not wait: it counts in this process."""

    def take_now(self, key: str, quota: Quota, now_unix: float, /) -> Decision:
        """As `take`, and asked in its place. It cannot fail for want of a backend."""
