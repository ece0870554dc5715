"""How fresh roles, groups and "is active" are, and calls to the Directory in a caller's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import anyio

from generalbots_api.auth.changing import changed_standing
from generalbots_api.auth.endings import Endings
from generalbots_api.auth.grants import GrantKeeper
from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.auth.ports import Standings as StandingSource
from generalbots_api.caller import Caller
from generalbots_api.errors import ApiError, NotSupported, Unauthorized, Unavailable
from generalbots_api.ids import LoginId
from generalbots_api.locks import KeyedLocks

PATIENCE = 1.0  # seconds that a request waits for the Directory's answer, before it goes on with what is known
RETRY_AFTER = timedelta(seconds=5)
LOST_AFTER = timedelta(minutes=2)  # no answer comes that late: the service was stopped and started meanwhile
MOST_FAILURES = 10_000
AHEAD = timedelta(seconds=2)  # what is from further in the future was noted before a clock was set back
Background = Callable[[Callable[[], Awaitable[None]]], None]
"""Runs a job after the request, until it ends or the service stops."""
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Question:
    """A question that is under way, whoever waits for its answer."""

    asked_at: datetime
    answered: anyio.Event = field(default_factory=anyio.Event)
    is_over: bool = False  # the login is


@dataclass(slots=True)
class Standings:
    """Asks the Directory again when what is known is older than the settings allow."""

    source: StandingSource | None  # None: the host brings its own login
    logins: LoginStore
    grants: GrantKeeper
    endings: Endings
    max_age: timedelta
    background: Background
    patience: float = PATIENCE
    _questions: dict[LoginId, Question] = field(default_factory=dict)
    _failed_at: dict[LoginId, datetime] = field(default_factory=dict)
    _errors: dict[LoginId, ApiError] = field(default_factory=dict)  # of the last question, if it failed
    _locks: KeyedLocks = field(default_factory=KeyedLocks)

    def is_stale(self, asked_unix: float, now_unix: float) -> bool:
        return not -AHEAD.total_seconds() <= now_unix - asked_unix < self.max_age.total_seconds()

    async def renewed(self, id: LoginId, now: datetime) -> Login | None:
        """The login with what the Directory says now, or as it was if it does not answer soon; None: ended.

        While it is down it is asked again after 5 s, not at every request. One
        that hangs is waited for behind the scenes.
        """
        failed_at = self._failed_at.get(id)
        if failed_at is not None and -AHEAD <= now - failed_at < RETRY_AFTER:
            return await self.logins.get(id)
        question = self._questions.get(id)
        if question is None or abs(now - question.asked_at) > LOST_AFTER:
            question = self._put(id, now)
        with anyio.move_on_after(self.patience):
            await question.answered.wait()
        if not question.answered.is_set():
            self._note_failure(id, now)
        return None if question.is_over else await self.logins.get(id)

    def _put(self, id: LoginId, now: datetime) -> Question:
        question = self._questions[id] = Question(now)

        async def ask() -> None:
            try:
                await self.confirmed(id, now, self.max_age)
            except Unauthorized:
                question.is_over = True
            except ApiError:  # also that it may not be asked, or not so
                self._note_failure(id, now)
            finally:
                if self._questions.get(id) is question:
                    del self._questions[id]
                question.answered.set()

        try:
            self.background(ask)
        except RuntimeError:  # it has no backends any more
            del self._questions[id]
            raise Unavailable("The service is stopping") from None
        return question

    def _note_failure(self, id: LoginId, now: datetime) -> None:
        if len(self._failed_at) >= MOST_FAILURES:
            self._failed_at.clear()  # they are asked again, which is all that is lost
        self._failed_at[id] = now

    async def confirmed(self, id: LoginId, now: datetime, max_age: timedelta) -> Login:
        """The login with a standing no older than `max_age`; one question at a time for each login.

        Whoever waits while another asks shares the failure: a Directory that
        hangs must not be waited for by one after the other.

        Raises:
            Unauthorized: it ended, here or because the Directory says so.
            ApiError: the Directory does not answer, or not so that it helps.
        """
        before = self._errors.get(id)
        async with self._locks.hold(id):
            login = await self.logins.get(id)
            if login is None:
                raise Unauthorized("The session has ended", token_sent=True)
            if -AHEAD <= now - login.standing_at < max_age:
                return login
            error = self._errors.get(id)
            if error is not None and error is not before:
                raise error.with_traceback(None)
            try:
                return await self._ask(login, now)
            except Unauthorized:
                raise
            except ApiError as failure:
                self._note_error(id, failure)
                raise

    def _note_error(self, id: LoginId, error: ApiError) -> None:
        if len(self._errors) >= MOST_FAILURES:
            self._errors.clear()
        self._errors[id] = error

    async def _ask(self, login: Login, now: datetime) -> Login:
        source = self.source
        if source is None:
            return login
        standing = await self.grants.call(login.id, lambda token: source.standing(token, login.user_id))
        self._failed_at.pop(login.id, None)
        self._errors.pop(login.id, None)
        if not standing.active:
            await self.endings.end_user(login.user_id)
            raise Unauthorized("The account is not active", token_sent=True)

        def changed(stored: Login) -> Login:  # its groups may have been changed meanwhile
            return stored.standing_as(standing.with_changes_of(stored.standing, now), now)

        new = await changed_standing(self.logins, login.id, changed)
        if new is None:
            raise Unauthorized("The session has ended", token_sent=True)
        return new


@dataclass(frozen=True, slots=True)
class CallsAsCaller:
    """The other rooms' way to the Directory: `users.ports.DirectoryCalls`, `groups.ports.DirectoryCalls`."""

    grants: GrantKeeper

    async def as_caller(self, caller: Caller, call: Callable[[str], Awaitable[T]], /) -> T:
        """Give `call` the caller's access token, refreshed once if it is refused.

        Raises:
            Unauthorized: the login is over at the Directory; it is ended here too.
            Unavailable: the Directory is down.
            NotSupported: this caller has no login there, but one of the host's own.
        """
        if caller.login_id is None:
            raise NotSupported("This user has no login at the Directory Service")
        return await self.grants.call(caller.login_id, lambda token: call(token.reveal()))
