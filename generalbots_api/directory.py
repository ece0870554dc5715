"""The Directory Service: everything that the rooms ask of it, in one object."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from generalbots_api.auth.ports import Grants, IdentityProvider, Standings
from generalbots_api.groups.ports import GroupDirectory
from generalbots_api.users.ports import Profiles


class Directory(IdentityProvider, Grants, Standings, Profiles, GroupDirectory, Protocol):
    """One Directory Service, opened and closed with the API.

    Opening it sends nothing: a Directory that is down must not keep the API
    from starting.
    """

    @property
    def issuer(self) -> str:
        """The issuer identifier, byte for byte as the Directory gives it."""

    @property
    def is_for_development(self) -> bool:
        """True for a stand-in that must not be used in production."""

    async def ping(self) -> None:
        """Raise `Unavailable` or `BadGateway` unless it answers now."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


@runtime_checkable
class CircuitBreaking(Protocol):
    """A directory that leaves a failing service alone for a while. Optional; the admin's status tells of it."""

    @property
    def circuit_open_for(self) -> int | None:
        """Whole seconds in which no call goes out; None: the next one does."""
