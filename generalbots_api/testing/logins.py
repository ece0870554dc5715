"""The promises of a `LoginStore`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from generalbots_api.auth.model import Login, Standing
from generalbots_api.errors import Conflict, InvalidRequest
from generalbots_api.ids import LoginId, TokenHash, UserId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOSTILE, HOUR, LONE_SURROGATE, NOON, SECOND, Contract, at_once

PLENTY = 100


def a_login(name: str, at: datetime = NOON, **fields: Any) -> Login:
    defaults: dict[str, Any] = {
        "id": LoginId(name),
        "token_hash": TokenHash(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()),
        "user_id": UserId("ada"),
        "created_at": at,
        "last_seen_at": at,
        "ends_at": at + 12 * HOUR,
        "sealed_grant": b"\x00sealed\xff",
        "standing": Standing(roles=frozenset({"admin", "user"}), groups=frozenset({"g1", "staff"})),
        "standing_at": at,
        "directory_session": "sid-1",
        "organization_id": "org",
        "user_agent": "Mozilla/5.0",
        "address": "2001:db8::1",
    }
    return Login(**{**defaults, **fields})


class LoginStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_login_comes_back_as_it_was_put(self, storage: Storage) -> None:
        full = a_login("full")
        bare = a_login(
            "bare",
            standing=Standing(active=False),
            directory_session=None,
            organization_id=None,
            user_agent="",
            address="",
        )
        for login in (full, bare):
            assert await storage.logins.open(login, PLENTY) == []
        for login in (full, bare):
            assert await storage.logins.by_token(login.token_hash) == login
            assert await storage.logins.get(login.id) == login

    async def test_an_unknown_login_is_none(self, storage: Storage) -> None:
        assert await storage.logins.get(LoginId("nobody")) is None
        assert await storage.logins.by_token(TokenHash(b"\x00" * 32)) is None
        assert await storage.logins.end(LoginId("nobody")) is None
        assert await storage.logins.of_user(UserId("nobody")) == []
        assert await storage.logins.of_directory_session("nobody") == []

    async def test_changes_to_an_unknown_login_are_ignored(self, storage: Storage) -> None:
        await storage.logins.touch(LoginId("nobody"), NOON)
        assert not await storage.logins.set_standing(LoginId("nobody"), Standing(), NOON)
        await storage.logins.set_grant(LoginId("nobody"), b"")
        assert await storage.logins.get(LoginId("nobody")) is None

    async def test_hostile_ids_stay_apart(self, storage: Storage) -> None:
        logins = [a_login(id, user_id=UserId(id), directory_session=id) for id in HOSTILE]
        for login in logins:
            await storage.logins.open(login, PLENTY)
        for login in logins:
            assert await storage.logins.get(login.id) == login
            assert await storage.logins.of_user(login.user_id) == [login]
            assert await storage.logins.of_directory_session(str(login.directory_session)) == [login]

    async def test_a_lone_surrogate_is_refused_when_written_and_not_found_when_read(self, storage: Storage) -> None:
        with pytest.raises(InvalidRequest):
            await storage.logins.open(a_login("x", user_agent=LONE_SURROGATE), PLENTY)
        with pytest.raises(InvalidRequest):
            await storage.logins.touch(LoginId(LONE_SURROGATE), NOON)
        assert await storage.logins.get(LoginId("x")) is None
        assert await storage.logins.get(LoginId(LONE_SURROGATE)) is None
        assert await storage.logins.of_user(UserId(LONE_SURROGATE)) == []

    async def test_a_second_login_with_an_id_or_a_token_of_the_first_is_a_conflict(self, storage: Storage) -> None:
        first, other = a_login("first"), a_login("other")
        await storage.logins.open(first, PLENTY)
        with pytest.raises(Conflict):
            await storage.logins.open(replace(other, id=first.id), PLENTY)
        with pytest.raises(Conflict):
            await storage.logins.open(replace(other, token_hash=first.token_hash), PLENTY)
        assert await storage.logins.of_user(first.user_id) == [first]

    async def test_logins_are_listed_oldest_first(self, storage: Storage) -> None:
        newer, older, twin = a_login("newer", NOON + SECOND), a_login("older"), a_login("twin")
        for login in (newer, older, twin):
            await storage.logins.open(login, PLENTY)
        await storage.logins.open(a_login("other", user_id=UserId("bob"), directory_session="sid-2"), PLENTY)
        assert await storage.logins.of_user(UserId("ada")) == [older, twin, newer]
        assert await storage.logins.of_directory_session("sid-1") == [older, twin, newer]

    async def test_opening_past_the_bound_removes_the_oldest_of_that_user(self, storage: Storage) -> None:
        other = a_login("other", NOON - HOUR, user_id=UserId("bob"))
        logins = [a_login(str(number), NOON + number * SECOND) for number in range(5)]
        for login in (other, *logins[:4]):
            await storage.logins.open(login, PLENTY)
        assert await storage.logins.open(logins[4], 2) == logins[:3]
        assert await storage.logins.of_user(UserId("ada")) == logins[3:]
        assert await storage.logins.by_token(logins[0].token_hash) is None
        assert await storage.logins.get(other.id) == other

    async def test_a_new_login_is_never_its_own_surplus(self, storage: Storage) -> None:
        first, late = a_login("first"), a_login("late", NOON - HOUR)
        await storage.logins.open(first, PLENTY)
        assert await storage.logins.open(late, 1) == [first]
        assert await storage.logins.of_user(UserId("ada")) == [late]

    async def test_of_many_logins_at_once_the_bound_holds(self, storage: Storage) -> None:
        logins = [a_login(str(number)) for number in range(30)]
        removed = await at_once(*(partial(storage.logins.open, login, 3) for login in logins))
        left = await storage.logins.of_user(UserId("ada"))
        gone = [login for some in removed for login in some]
        assert len(left) == 3
        assert sorted(one.id for one in [*left, *gone]) == sorted(one.id for one in logins)

    async def test_touch_never_goes_backwards(self, storage: Storage) -> None:
        login = a_login("one")
        await storage.logins.open(login, PLENTY)
        await storage.logins.touch(login.id, NOON + SECOND)
        await storage.logins.touch(login.id, NOON - SECOND)
        assert await storage.logins.get(login.id) == login.seen(NOON + SECOND)

    async def test_standing_and_grant_are_replaced(self, storage: Storage) -> None:
        login, standing = a_login("one"), Standing(roles=frozenset({"ü"}), active=False)
        await storage.logins.open(login, PLENTY)
        await storage.logins.set_standing(login.id, standing, NOON + SECOND)
        await storage.logins.set_grant(login.id, b"new")
        expected = replace(login.standing_as(standing, NOON + SECOND), sealed_grant=b"new")
        assert await storage.logins.by_token(login.token_hash) == expected

    async def test_of_racing_changes_of_one_standing_one_is_made(self, storage: Storage) -> None:
        login = a_login("one")
        await storage.logins.open(login, PLENTY)
        new = [Standing(groups=frozenset({f"g{number}", "ü"})) for number in range(10)]
        set_one = partial(storage.logins.set_standing, login.id)
        made = await at_once(*(partial(set_one, one, NOON + SECOND, before=login.standing) for one in new))
        [winner] = [one for one, is_made in zip(new, made, strict=True) if is_made]
        assert await storage.logins.get(login.id) == login.standing_as(winner, NOON + SECOND)
        assert await storage.logins.set_standing(login.id, Standing(), NOON, before=winner)

    async def test_of_racing_ends_exactly_one_gets_the_login(self, storage: Storage) -> None:
        login = a_login("one")
        await storage.logins.open(login, PLENTY)
        ended = await at_once(*[partial(storage.logins.end, login.id)] * 20)
        assert [one for one in ended if one is not None] == [login]
        assert await storage.logins.by_token(login.token_hash) is None
        assert await storage.logins.of_directory_session("sid-1") == []

    async def test_prune_removes_and_returns_the_expired(self, storage: Storage) -> None:
        idle = a_login("idle", last_seen_at=NOON - HOUR)
        over = a_login("over", ends_at=NOON)
        live = a_login("live", last_seen_at=NOON - HOUR + timedelta(microseconds=1), ends_at=NOON + SECOND)
        for login in (idle, over, live):
            await storage.logins.open(login, PLENTY)
        assert await storage.logins.count(NOON, HOUR) == 1
        pruned = await storage.logins.prune(NOON, HOUR)
        assert {one.id for one in pruned} == {"idle", "over"}
        assert await storage.logins.prune(NOON, HOUR) == []
        assert await storage.logins.of_user(UserId("ada")) == [live]

    async def test_of_racing_prunes_each_login_goes_to_one(self, storage: Storage) -> None:
        logins = [a_login(str(number), user_id=UserId(str(number % 9))) for number in range(450)]
        await at_once(*(partial(storage.logins.open, login, PLENTY) for login in logins))
        pruned = await at_once(*[partial(storage.logins.prune, NOON + 24 * HOUR, HOUR)] * 5)
        gone = [login.id for some in pruned for login in some]
        assert sorted(gone) == sorted(login.id for login in logins)
