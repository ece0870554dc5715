"""The open sockets of this node: found by login, user and session, bounded, closed together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from generalbots_api.caller import Caller
from generalbots_api.clock import Clock
from generalbots_api.errors import Unauthorized, Unavailable
from generalbots_api.ids import BotSessionId, LoginId, TokenHash, UserId
from generalbots_api.ws.model import PING, CloseCode, ExpiringFrame, encoded
from generalbots_api.ws.outbox import Outbox

log = logging.getLogger("generalbots_api.ws")

SWEEP_SECONDS = 0.5
CONFIRM_SECONDS = 30.0
DRAIN_TIMEOUT = 5.0  # seconds
DRAIN_BATCH = 200  # sockets closed before a pause, so that they do not all come back at one instant
DRAIN_PAUSE = 0.05  # seconds
HEARTBEAT_SECONDS = 25.0
PONG_SECONDS = 10.0
EXPIRING_SECONDS = 60.0
HOST_MAX_AGE = 1.0  # seconds that the host's own login is not asked again

FindCaller = Callable[[TokenHash, float], Awaitable[Caller | None]]
"""The caller of a live login, by the hash of its token, at a Unix time."""
AskHost = Callable[[], Awaitable[Caller | None]]
"""Who it is by the host's own login, as things are now."""


@dataclass(slots=True, eq=False)
class Socket:
    """One open socket, or one stream of server-sent events."""

    caller: Caller
    token_hash: TokenHash | None  # None: the host's own login
    outbox: Outbox
    heard_unix: float = 0.0  # when the last frame came; 0: nothing is expected to come
    is_stream: bool = False  # speaks `gb.v1`
    sessions: set[BotSessionId] = field(default_factory=set)  # the ones it takes part in
    pinged_unix: float = 0.0  # when the ping went that nothing has come after; 0: none
    is_told: bool = False  # that its login ends soon
    look_at_rights: Callable[[], Awaitable[None]] | None = None  # at what it follows; leaves what it may not follow
    is_in_doubt: bool = False  # its user's rights have changed
    ask_host: AskHost | None = None
    asked_unix: float = 0.0

    async def current_caller(self, find: FindCaller, now_unix: float) -> Caller | None:
        """Whose it is now; None: the login is over, or has become another user's."""
        if self.token_hash is not None:
            return await find(self.token_hash, now_unix)
        caller: Caller | None = self.caller
        if self.ask_host is not None and not 0 <= now_unix - self.asked_unix < HOST_MAX_AGE:
            caller, self.asked_unix = await self.ask_host(), now_unix
        if caller is None or caller.user_id != self.caller.user_id:
            return None
        return None if caller.expires_at is not None and now_unix >= caller.expires_at.timestamp() else caller

    def close(self, code: CloseCode, reason: str) -> None:
        self.outbox.close(code, reason)

    def hear(self, now_unix: float) -> None:
        """A frame came: whoever sends it is there."""
        self.heard_unix, self.pinged_unix = now_unix, 0.0


@dataclass(slots=True)
class Sockets:
    """Knows every open socket and closes those that have lost their right."""

    clock: Clock
    find_caller: FindCaller
    find_known: FindCaller
    """As `find_caller`, without a question to the Directory: nobody's sockets wait for it."""
    per_user: int
    most: int
    write_timeout: float  # seconds
    is_draining: bool = False
    _by_user: dict[UserId, list[Socket]] = field(default_factory=dict)
    _count: int = 0
    _empty: anyio.Event | None = None

    @property
    def count(self) -> int:
        return self._count

    def check_room(self) -> None:
        """Raises:
        Unavailable: there are too many sockets, or the service is stopping.
        """
        if self.is_draining:
            raise Unavailable("The service is restarting", retry_after=2)
        if self._count >= self.most:
            raise Unavailable("There are too many open sockets", retry_after=30)

    def add(self, socket: Socket) -> None:
        """Count it in; past the bound the user's oldest one is closed, and itself if it came as the last place went."""
        mine = self._by_user.setdefault(socket.caller.user_id, [])
        mine.append(socket)
        self._count += 1
        for oldest in mine[: max(0, len(mine) - self.per_user)]:
            oldest.close(CloseCode.TOO_MANY_SOCKETS, "Too many sockets of this user")
        if self.is_draining:
            socket.close(CloseCode.RESTART, "The service is restarting")
        elif self._count > self.most:
            socket.close(CloseCode.FULL, "There are too many open sockets")

    def remove(self, socket: Socket) -> None:
        mine = self._by_user.get(socket.caller.user_id, [])
        mine.remove(socket)
        self._count -= 1
        if not mine:
            del self._by_user[socket.caller.user_id]
        if self._count == 0 and self._empty is not None:
            self._empty.set()

    def close_login(self, user_id: UserId, login_id: LoginId) -> None:
        for socket in self._by_user.get(user_id, ()):
            if socket.caller.login_id == login_id:
                socket.close(CloseCode.LOGIN_ENDED, "The login has ended")

    def close_session(self, user_id: UserId, session_id: BotSessionId) -> None:
        for socket in self._by_user.get(user_id, ()):
            if session_id in socket.sessions and not socket.is_stream:  # a stream is told, and may follow others
                socket.close(CloseCode.LOGIN_ENDED, "The session has ended")

    async def drain(self) -> None:
        """Tell every socket to come back elsewhere, some at a time, and wait (5 s at most) until they are gone."""
        self.is_draining = True
        for number, socket in enumerate(self._all(), 1):
            socket.close(CloseCode.RESTART, "The service is restarting")
            if number % DRAIN_BATCH == 0:
                await anyio.sleep(DRAIN_PAUSE)
        if self._count:
            self._empty = anyio.Event()
            with anyio.move_on_after(DRAIN_TIMEOUT):
                await self._empty.wait()

    async def watch(self) -> None:
        """Close sockets whose login expires, for as long as the service runs."""
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except Unavailable as error:  # the storage: it is asked again
                log.warning("sockets.unswept", extra={"reason": error.message})

    async def watch_logins(self) -> None:
        """Look whether the logins of silent sockets still stand, for as long as the service runs."""
        while True:
            await anyio.sleep(CONFIRM_SECONDS)
            try:
                await self.confirm()
            except Unavailable as error:  # the storage: it is asked again
                log.warning("sockets.unconfirmed", extra={"reason": error.message})

    async def confirm(self) -> None:
        """Close sockets whose login is over although no news of it came here; one question at a time.

        The Directory is asked as seldom as for any other call, so a user who was
        deactivated there does not listen for long.
        """
        for socket in self._all():
            if socket.outbox.close_code is None:
                await self.look_at(socket)
                await anyio.lowlevel.checkpoint()  # a storage in this thread does not wait for anything

    async def look_at(self, socket: Socket, find: FindCaller | None = None) -> None:
        """Close it if its login is over: also one that ended between its handshake and its being known here."""
        await self._look_again(socket, self.clock.unix(), find or self.find_caller)
        if socket.look_at_rights is None or socket.outbox.close_code is not None:
            return
        try:
            await socket.look_at_rights()
        except Unavailable:
            raise
        except Exception:  # the catalogue is foreign code, too
            log.exception("sockets.rights_unknown")

    def doubt(self, user_id: UserId) -> None:
        """The user's rights have changed: his sockets are looked at by the next sweep."""
        for socket in self._by_user.get(user_id, ()):
            socket.is_in_doubt = True

    async def sweep(self) -> None:
        """Look at every socket: whether its login ends, and whether its client is there and reads."""
        now, loop_time = self.clock.unix(), asyncio.get_running_loop().time()
        for socket in self._all():
            socket.outbox.give_up_on(loop_time, self.write_timeout)
            if socket.outbox.close_code is not None:
                continue
            if socket.is_stream:
                self._beat(socket, now)
            if socket.is_in_doubt:
                socket.is_in_doubt = False
                await self.look_at(socket, self.find_known)
            expires_at = socket.caller.expires_at
            if expires_at is None:
                continue
            left = expires_at.timestamp() - now
            if left <= 0:
                await self._look_again(socket, now, self.find_known)
            elif left > EXPIRING_SECONDS:
                socket.is_told = False  # it was renewed
            elif socket.is_stream:
                await self._tell_expiring(socket, now)

    def _beat(self, socket: Socket, now: float) -> None:
        """Ask a silent client whether it is there, and close it if it does not say so."""
        if socket.pinged_unix:
            if now - socket.pinged_unix >= PONG_SECONDS:
                socket.close(CloseCode.NO_PONG, "The client has not answered a ping")
        elif socket.heard_unix and now - socket.heard_unix >= HEARTBEAT_SECONDS:
            socket.pinged_unix = now
            socket.outbox.put(PING)

    async def _tell_expiring(self, socket: Socket, now: float) -> None:
        """Once, and not if another request has prolonged the login."""
        await self._look_again(socket, now, self.find_known)
        expires_at = socket.caller.expires_at
        is_soon = expires_at is not None and expires_at.timestamp() - now <= EXPIRING_SECONDS
        if expires_at is not None and is_soon and not socket.is_told:
            socket.outbox.put(encoded(ExpiringFrame(expires_at=expires_at)))
        socket.is_told = is_soon

    def _all(self) -> list[Socket]:
        return [socket for mine in self._by_user.values() for socket in mine]

    async def _look_again(self, socket: Socket, now: float, find: FindCaller) -> None:
        """Another request may have prolonged the login since."""
        try:
            caller = await socket.current_caller(find, now)
        except Unauthorized:  # as a host may say it, too
            caller = None
        except Unavailable:
            raise
        except Exception:  # the host's own login is foreign code: the next message asks again
            log.exception("sockets.host_failed")
            return
        if caller is None:
            socket.close(CloseCode.LOGIN_ENDED, "The login has ended")
        else:
            socket.caller = caller
