"""What profiles need from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from generalbots_api.caller import Caller
from generalbots_api.ids import UserId
from generalbots_api.users.model import Profile, ProfileChange

T = TypeVar("T")


class Profiles(Protocol):
    """Reads and changes profiles, as the user whose access token is given.

    Both raise `Unauthorized` (token no longer accepted), `Forbidden`,
    `NotFound`, `BadGateway` or `Unavailable`.
    """

    async def profile(self, access_token: str, user_id: UserId, /) -> Profile: ...

    async def change_profile(self, access_token: str, user_id: UserId, change: ProfileChange, /) -> Profile:
        """Change it, and return the profile as written: never read back, reads may lag.

        Raises, besides:
            Conflict: the email address is taken.
            InvalidRequest: the Directory does not take a value.
        """


class DirectoryCalls(Protocol):
    """Calls the Directory in a caller's name."""

    async def as_caller(self, caller: Caller, call: Callable[[str], Awaitable[T]], /) -> T:
        """Give `call` the caller's access token, refreshed once if it is refused.

        Raises:
            Unauthorized: the login is over at the Directory; it is ended here too.
            Unavailable: the Directory is down.
            NotSupported: this caller has no login there.
        """
