"""Methods for the login, the user's profile, bots and bot sessions."""

from __future__ import annotations

from generalbots_api.client.calls import Calls, query
from generalbots_api.client.model import Bot, Bots, BotSession, LoggedOut, LoginSession, Profile, Validity
from generalbots_api.client.origin import segment
from generalbots_api.client.requests import Call


class AccountCalls(Calls):
    async def session(self) -> LoginSession:
        """Source: spec, `GET /api/session`."""
        return await self._ask(LoginSession, Call(method="GET", path="/api/session"))

    async def validate(self) -> Validity:
        """Whether the token is good; an ended one is an answer, not an error, and is not renewed."""
        return await self._ask(Validity, Call(method="GET", path="/auth/validate", renews=False))

    async def logout(self) -> LoggedOut:
        """End the login. Raises `Unauthorized` if it has ended already."""
        return await self._ask(LoggedOut, Call(method="POST", path="/auth/logout", renews=False))

    async def create_session(self, bot_id: str) -> BotSession:
        """Open a session with a bot. Never repeated by itself: twice would be two sessions."""
        return await self._ask(BotSession, Call(method="POST", path="/api/session/create", body={"bot_id": bot_id}))

    async def end_session(self, session_id: str) -> None:
        """End a bot session, or a login session of one's own."""
        await self._requests.send(Call(method="DELETE", path=f"/api/session/{segment(session_id)}"))

    async def profile(self) -> Profile:
        return await self._ask(Profile, Call(method="GET", path="/api/users/me"))

    async def update_profile(
        self, *, email: str | None = None, first_name: str | None = None, last_name: str | None = None
    ) -> Profile:
        """Change the fields that are given."""
        changes = query({"email": email, "first_name": first_name, "last_name": last_name})
        return await self._ask(Profile, Call(method="PUT", path="/api/users/me", body=changes))

    async def bots(self, *, limit: int | None = None, offset: int | None = None) -> list[Bot]:
        """The bots that this user may use; kept by its ETag, so asking again is cheap."""
        call = Call(method="GET", path="/api/bots", query=query({"limit": limit, "offset": offset}))
        return (await self._ask(Bots, call)).bots
