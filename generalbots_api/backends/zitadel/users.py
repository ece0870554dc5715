"""Zitadel's user and authorization services."""

from __future__ import annotations

from dataclasses import dataclass, replace

from generalbots_api.backends.oidc.http import NONSENSE
from generalbots_api.backends.oidc.strict import Json
from generalbots_api.backends.zitadel.calls import Services, at, instant, objects, text
from generalbots_api.backends.zitadel.errors import Taken
from generalbots_api.backends.zitadel.recent import Recent
from generalbots_api.errors import BadGateway, Conflict, Forbidden, NotFound
from generalbots_api.ids import UserId
from generalbots_api.users.model import Profile, ProfileChange

GET_USER = "zitadel.user.v2.UserService/GetUserByID"
UPDATE_USER = "zitadel.user.v2.UserService/UpdateUser"
LIST_AUTHORIZATIONS = "zitadel.authorization.v2.AuthorizationService/ListAuthorizations"


@dataclass(frozen=True, slots=True)
class ZitadelUsers:
    services: Services
    project_id: str
    written: Recent[UserId, ProfileChange]

    async def profile(self, access_token: str, user_id: UserId) -> Profile:
        """With what was written here lately: reads lag behind writes."""
        profile = profile_of(await self._user(access_token, user_id), user_id)
        written = self.written.get(user_id)
        return profile if written is None else as_written(profile, written)

    async def is_active(self, access_token: str, user_id: UserId) -> bool:
        return text(await self._user(access_token, user_id), "state") == "USER_STATE_ACTIVE"

    async def change(self, access_token: str, user_id: UserId, change: ProfileChange) -> Profile:
        """The profile as it is after the change: read before it, never after."""
        before = await self.profile(access_token, user_id)
        try:
            await self.services.call(access_token, UPDATE_USER, update_of(user_id, change))
        except Taken:
            raise Conflict("This email address is taken", field="email") from None
        except NotFound:  # Zitadel's way to say: no permission
            raise Forbidden("You may not change this profile") from None
        earlier = self.written.get(user_id)
        self.written.put(user_id, change if earlier is None else together(earlier, change))
        return as_written(before, change)

    async def roles(self, access_token: str, user_id: UserId) -> frozenset[str]:
        """Of active authorizations of our project only; filtered again, whatever the answer holds."""
        filters = [
            {"inUserIds": {"ids": [user_id]}},
            {"projectId": {"id": self.project_id}},
            {"state": {"state": "STATE_ACTIVE"}},
        ]
        roles = set()
        async for one in self.services.pages(access_token, LIST_AUTHORIZATIONS, {"filters": filters}, "authorizations"):
            is_ours = text(one, "project", "id") == self.project_id and text(one, "user", "id") == user_id
            if is_ours and text(one, "state") == "STATE_ACTIVE":
                roles |= {text(role, "key") for role in objects(one, "roles")}
        return frozenset(roles - {""})

    async def _user(self, access_token: str, user_id: UserId) -> Json:
        user = (await self.services.call(access_token, GET_USER, {"userId": user_id})).get("user")
        if not isinstance(user, dict) or text(user, "userId") != user_id:
            raise BadGateway(NONSENSE)
        return user


def update_of(user_id: UserId, change: ProfileChange) -> Json:
    """The partial update: what does not change is left out. A new address is sent a code."""
    human: Json = {}
    names = {"givenName": change.first_name, "familyName": change.last_name}
    profile = {field: name for field, name in names.items() if name is not None}
    if profile:
        human["profile"] = profile
    if change.email is not None:
        human["email"] = {"email": change.email, "sendCode": {}}
    return {"userId": user_id, "human": human}


def together(earlier: ProfileChange, later: ProfileChange) -> ProfileChange:
    return ProfileChange(**{field: getattr(one, field) for one in (earlier, later) for field in one.fields})


def as_written(profile: Profile, change: ProfileChange) -> Profile:
    """The display name does not follow the names by itself; an address that is new is not confirmed."""
    is_new_email = change.email is not None and change.email != profile.email
    return replace(
        profile,
        email_verified=profile.email_verified and not is_new_email,
        **{field: getattr(change, field) for field in change.fields},
    )


def profile_of(user: Json, user_id: UserId) -> Profile:
    human = at(user, "human")
    return Profile(
        user_id=user_id,
        username=text(user, "username") or text(user, "preferredLoginName"),
        email=text(human, "email", "email"),
        email_verified=at(human, "email", "isVerified") is True,
        first_name=text(human, "profile", "givenName"),
        last_name=text(human, "profile", "familyName"),
        display_name=text(human, "profile", "displayName"),
        created_at=instant(user, "details", "creationDate"),
    )
