"""Profiles: read from the Directory and changed there, as the user."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.caller import Caller
from generalbots_api.users.model import Profile, ProfileChange
from generalbots_api.users.ports import DirectoryCalls, Profiles


@dataclass(frozen=True, slots=True)
class Users:
    """The caller's own profile. Nothing is kept here: the Directory is the authority.

    Both methods raise what `Profiles` and `DirectoryCalls` raise.
    """

    profiles: Profiles
    directory: DirectoryCalls

    async def me(self, caller: Caller) -> Profile:
        return await self.directory.as_caller(caller, lambda token: self.profiles.profile(token, caller.user_id))

    async def change(self, caller: Caller, change: ProfileChange) -> Profile:
        """The profile as the Directory confirmed it."""
        return await self.directory.as_caller(
            caller, lambda token: self.profiles.change_profile(token, caller.user_id, change)
        )
