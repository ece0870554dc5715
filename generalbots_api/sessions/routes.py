"""HTTP door to sessions: the login session that one has, and bot sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from generalbots_api.auth.logout import Logouts
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import Forbidden, InvalidRequest, NotFound, Unavailable
from generalbots_api.ids import BotId, BotSessionId, LoginId, UserId
from generalbots_api.sessions.current import CurrentBot, CurrentBots
from generalbots_api.sessions.model import BotSession
from generalbots_api.sessions.service import BotSessions
from generalbots_api.web.cookies import Cookies
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import Reply, encode_json, json_reply
from generalbots_api.web.request import ApiRequest


class CreateSession(msgspec.Struct):
    bot_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class LoginSessionJson(msgspec.Struct):
    session_id: LoginId | None
    user_id: UserId
    bot_id: BotId | None
    created_at: datetime | None
    expires_at: datetime | None


class BotSessionJson(msgspec.Struct):
    session_id: BotSessionId
    bot_id: BotId
    status: Literal["active"]
    user_id: UserId
    created_at: datetime
    expires_at: datetime


class Terminated(msgspec.Struct):
    success: bool
    message: str


MOST_TOLD = 1_000  # users
Told = tuple[Caller, CurrentBot, bytes]
"""What was told of a session, encoded: pages ask for it again and again."""


@dataclass(frozen=True, slots=True)
class SessionRoutes:
    sessions: BotSessions
    current_bots: CurrentBots
    logouts: Logouts | None  # None: the host brings its own login
    cookies: Cookies
    clock: Clock
    _told: dict[UserId, Told] = field(default_factory=dict)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(method="GET", path="/api/session", handler=self.current, docs=Docs(gives=LoginSessionJson)),
            Endpoint(
                method="POST",
                path="/api/session/create",
                handler=self.create,
                docs=Docs(
                    takes=CreateSession,
                    gives=BotSessionJson,
                    status=201,
                    raises=(InvalidRequest, NotFound, Forbidden, Unavailable),
                ),
            ),
            Endpoint(
                method="DELETE",
                path="/api/session/{id}",
                handler=self.end,
                docs=Docs(gives=Terminated, raises=(Forbidden, NotFound)),
            ),
        ]

    async def current(self, request: ApiRequest) -> Reply:
        """Tell of this session: whose it is, the bot talked to now, and when it ends."""
        caller = request.caller
        now, bots = self.clock.unix(), self.current_bots
        bot = bots.known(caller.user_id, now) or await bots.read(caller.user_id, now)
        told = self._told.get(caller.user_id)
        if told is None or told[0] is not caller or told[1] is not bot:  # each is another one after a second
            told = self._tell(caller, bot)
        return Reply(told[2])

    def _tell(self, caller: Caller, bot: CurrentBot) -> Told:
        session = LoginSessionJson(caller.login_id, caller.user_id, bot.bot_id, caller.created_at, caller.expires_at)
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        told = self._told[caller.user_id] = (caller, bot, encode_json(session))
        return told

    async def create(self, request: ApiRequest) -> Reply:
        """Open a session with a bot."""
        wanted = await request.json(CreateSession)
        session = await self.sessions.open(request.caller, BotId(wanted.bot_id))
        return json_reply(shown(session), 201)

    async def end(self, request: ApiRequest) -> Reply:
        """End a bot session of one's own, or one's own login session, which is a logout."""
        id = request.path_param("id")
        if self.logouts is not None and await self.logouts.logins.get(LoginId(id)) is not None:
            await self.logouts.end(request.caller, LoginId(id), None)
            headers = self.cookies.end_session() if id == request.caller.login_id else []
            return json_reply(Terminated(True, "Session terminated"), headers=headers)
        await self.sessions.end(request.caller, BotSessionId(id))
        return json_reply(Terminated(True, "Session terminated"))


def shown(session: BotSession) -> BotSessionJson:
    return BotSessionJson(session.id, session.bot_id, "active", session.user_id, session.created_at, session.expires_at)
