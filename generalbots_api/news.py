"""What the rooms tell each other over the bus: a login ended, a session changed, rights changed."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain

import msgspec

from generalbots_api.auth.changing import changed_standing
from generalbots_api.auth.identity import LoginSessions
from generalbots_api.auth.model import MAX_CHANGES, GroupChange, Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.bus import Bus
from generalbots_api.clock import Clock
from generalbots_api.ids import BotSessionId, LoginId, UserId
from generalbots_api.sessions.current import CurrentBots
from generalbots_api.sessions.model import BotSession
from generalbots_api.ws.service import Sockets

SETTLING_TIME = timedelta(minutes=1)
MAX_USERS = 10_000  # whose changes are remembered
LOGIN_ENDED = "login.ended"
LOGIN_CHANGED = "login.changed"
BOT_SESSION_CHANGED = "bot_session.changed"


class LoginNews(msgspec.Struct, frozen=True):
    id: LoginId
    user_id: UserId


class BotSessionNews(msgspec.Struct, frozen=True):
    id: BotSessionId
    user_id: UserId
    is_ended: bool


@dataclass(frozen=True, slots=True)
class Newsroom:
    """Tells the news to every node."""

    bus: Bus
    logins: LoginStore
    clock: Clock
    _unsettled: dict[UserId, list[GroupChange]] = field(default_factory=dict)  # made by this node, lately

    async def login_ended(self, login: Login) -> None:
        await self.bus.publish(LOGIN_ENDED, msgspec.json.encode(LoginNews(login.id, login.user_id)))

    async def bot_session_changed(self, session: BotSession) -> None:
        news = BotSessionNews(session.id, session.user_id, session.ended_at is not None)
        await self.bus.publish(BOT_SESSION_CHANGED, msgspec.json.encode(news))

    async def groups_changed(self, user_ids: list[UserId], names: Set[str], is_member: bool) -> None:
        """These users are in or out of the group of these names, as of now.

        The Directory is not asked for it: its reads lag behind its writes.
        """
        change = GroupChange(names=frozenset(names), is_member=is_member, settled_at=self.clock.now() + SETTLING_TIME)

        def changed(login: Login) -> Login:
            return login.standing_as(login.standing.changed(change), login.standing_at)

        for user_id in user_ids:
            self._remember(user_id, change)
            for login in await self.logins.of_user(user_id):
                await changed_standing(self.logins, login.id, changed)
                await self.bus.publish(LOGIN_CHANGED, msgspec.json.encode(LoginNews(login.id, user_id)))

    async def groups_settle(self, login: Login) -> None:
        """Give a new login what the Directory may not show yet, or a login anew would undo a change."""
        others = [one.standing.changes for one in await self.logins.of_user(login.user_id)]
        known = dict.fromkeys([*self._unsettled.get(login.user_id, ()), *chain.from_iterable(others)])
        now = self.clock.now()
        unsettled = [change for change in known if now < change.settled_at]
        if not unsettled:
            return

        def changed(stored: Login) -> Login:
            standing = stored.standing
            every = dict.fromkeys([*unsettled, *standing.changes])
            for change in sorted(every, key=lambda one: one.settled_at):
                standing = standing.changed(change)
            return stored.standing_as(standing, stored.standing_at)

        await changed_standing(self.logins, login.id, changed)

    def _remember(self, user_id: UserId, change: GroupChange) -> None:
        now = self.clock.now()
        kept = [one for one in self._unsettled.pop(user_id, []) if now < one.settled_at]
        self._unsettled[user_id] = [*kept[-MAX_CHANGES:], change]
        if len(self._unsettled) > MAX_USERS:
            del self._unsettled[next(iter(self._unsettled))]


@dataclass(frozen=True, slots=True)
class Readers:
    """What this node does when it hears the news."""

    sessions: LoginSessions
    current_bots: CurrentBots
    sockets: Sockets

    def subscribe(self, bus: Bus) -> Callable[[], None]:
        """Listen from now on; the answer ends it."""
        leaves = [
            bus.subscribe(LOGIN_ENDED, self._login_ended),
            bus.subscribe(LOGIN_CHANGED, self._login_changed),
            bus.subscribe(BOT_SESSION_CHANGED, self._bot_session_changed),
        ]

        def leave() -> None:
            for each in leaves:
                each()

        return leave

    def _login_ended(self, payload: bytes) -> None:
        news = msgspec.json.decode(payload, type=LoginNews)
        self.sessions.forget(news.id)
        self.sockets.close_login(news.user_id, news.id)

    def _login_changed(self, payload: bytes) -> None:
        news = msgspec.json.decode(payload, type=LoginNews)
        self.sessions.forget(news.id)
        self.sockets.doubt(news.user_id)

    def _bot_session_changed(self, payload: bytes) -> None:
        news = msgspec.json.decode(payload, type=BotSessionNews)
        self.current_bots.forget(news.user_id)
        if news.is_ended:
            self.sockets.close_session(news.user_id, news.id)
