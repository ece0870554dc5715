"""The promises of a `LeaseStore`, a `RevocationStore` and a `BotRecordStore`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from generalbots_api.auth.model import Revocation
from generalbots_api.bots.model import BotAccess, BotRecord, BotStatus
from generalbots_api.errors import InvalidRequest
from generalbots_api.ids import BotId, LoginId
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOSTILE, HOUR, LONE_SURROGATE, NOON, SECOND, Contract, at_once


class LeaseStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_one_holder_at_a_time(self, storage: Storage) -> None:
        assert await storage.leases.take("job", "a", NOON, NOON + SECOND) is True
        assert await storage.leases.take("job", "b", NOON, NOON + SECOND) is False
        assert await storage.leases.take("other", "b", NOON, NOON + SECOND) is True

    async def test_its_holder_prolongs_it(self, storage: Storage) -> None:
        assert await storage.leases.take("job", "a", NOON, NOON + SECOND) is True
        assert await storage.leases.take("job", "a", NOON, NOON + HOUR) is True
        assert await storage.leases.take("job", "b", NOON + SECOND, NOON + HOUR) is False

    async def test_one_that_is_over_is_free(self, storage: Storage) -> None:
        assert await storage.leases.take("job", "a", NOON, NOON + SECOND) is True
        assert await storage.leases.take("job", "b", NOON + SECOND, NOON + HOUR) is True
        assert await storage.leases.held("") == {"job": "b"}

    async def test_one_that_is_dropped_is_free(self, storage: Storage) -> None:
        await storage.leases.take("job", "a", NOON, NOON + HOUR)
        await storage.leases.drop("job", "b")
        assert await storage.leases.take("job", "b", NOON, NOON + HOUR) is False
        await storage.leases.drop("job", "a")
        await storage.leases.drop("job", "a")
        assert await storage.leases.take("job", "b", NOON, NOON + HOUR) is True

    async def test_of_racing_takers_one_gets_it(self, storage: Storage) -> None:
        takers = [partial(storage.leases.take, "job", str(number), NOON, NOON + HOUR) for number in range(20)]
        assert sorted(await at_once(*takers)) == [False] * 19 + [True]

    async def test_held_tells_by_prefix(self, storage: Storage) -> None:
        for name in ("node:a", "node:b", "nod", "x", "node_:c", "NODE:d"):
            await storage.leases.take(name, f"of {name}", NOON, NOON + HOUR)
        assert await storage.leases.held("node:") == {"node:a": "of node:a", "node:b": "of node:b"}

    async def test_hostile_names_stay_apart(self, storage: Storage) -> None:
        for id in HOSTILE:
            assert await storage.leases.take(id, id, NOON, NOON + HOUR) is True
        assert await storage.leases.held("") == {id: id for id in HOSTILE}
        with pytest.raises(InvalidRequest):
            await storage.leases.take(LONE_SURROGATE, "a", NOON, NOON + HOUR)

    async def test_prune_removes_those_that_are_over(self, storage: Storage) -> None:
        await storage.leases.take("old", "a", NOON, NOON + SECOND)
        await storage.leases.take("live", "a", NOON, NOON + HOUR)
        assert await storage.leases.prune(NOON + SECOND) == 1
        assert await storage.leases.held("") == {"live": "a"}


def a_revocation(name: str) -> Revocation:
    return Revocation(
        id=LoginId(name), sealed_grant=b"\x00sealed " + name.encode(), tries=0, ended_at=NOON, gives_up_at=NOON + HOUR
    )


class RevocationStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_one_is_taken_when_it_is_due_and_again_later(self, storage: Storage) -> None:
        one = a_revocation("one")
        await storage.revocations.put(one, NOON + SECOND)
        assert await storage.revocations.take(NOON, NOON + HOUR) is None
        assert await storage.revocations.take(NOON + SECOND, NOON + HOUR) == replace(one, tries=1)
        assert await storage.revocations.take(NOON + SECOND, NOON + HOUR) is None
        assert await storage.revocations.take(NOON + HOUR, NOON + 2 * HOUR) == replace(one, tries=2)

    async def test_the_one_that_has_been_due_longest_comes_first(self, storage: Storage) -> None:
        for name, seconds in (("late", 3), ("first", 1), ("second", 2)):
            await storage.revocations.put(a_revocation(name), NOON + seconds * SECOND)
        taken = [await storage.revocations.take(NOON + HOUR, NOON + 2 * HOUR) for _ in range(4)]
        assert [one.id if one else None for one in taken] == ["first", "second", "late", None]

    async def test_of_racing_takers_one_gets_it(self, storage: Storage) -> None:
        await storage.revocations.put(a_revocation("one"), NOON)
        taken = await at_once(*[partial(storage.revocations.take, NOON, NOON + HOUR)] * 20)
        assert len([one for one in taken if one is not None]) == 1

    async def test_one_with_its_id_is_replaced_and_a_dropped_one_is_gone(self, storage: Storage) -> None:
        await storage.revocations.put(a_revocation("one"), NOON)
        again = replace(a_revocation("one"), sealed_grant=b"other")
        await storage.revocations.put(again, NOON)
        assert await storage.revocations.take(NOON, NOON) == replace(again, tries=1)
        await storage.revocations.drop(LoginId("one"))
        await storage.revocations.drop(LoginId("unknown"))
        assert await storage.revocations.take(NOON + HOUR, NOON) is None


def a_record(id: str, **fields: Any) -> BotRecord:
    defaults: dict[str, Any] = {"id": BotId(id), "name": f"Bot {id}", "kind": "echo", "updated_at": NOON}
    return BotRecord(**{**defaults, **fields})


class BotRecordStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_record_comes_back_as_it_was_put(self, storage: Storage) -> None:
        record = a_record(
            "x",
            description="Answers ü",
            options={"url": "http://127.0.0.1", "n": 1.5, "list": [None, {"a": True}]},
            access=BotAccess(roles=frozenset({"staff"}), groups=frozenset({"g", "h"}), users=frozenset({"ada"})),
            status=BotStatus.MAINTENANCE,
        )
        await storage.bot_records.put(record)
        assert await storage.bot_records.get(record.id) == record
        assert await storage.bot_records.all() == [record]

    async def test_put_replaces_by_id(self, storage: Storage) -> None:
        await storage.bot_records.put(a_record("x"))
        await storage.bot_records.put(a_record("x", name="Other"))
        assert await storage.bot_records.all() == [a_record("x", name="Other")]

    async def test_remove_tells_whether_there_was_one(self, storage: Storage) -> None:
        await storage.bot_records.put(a_record("x"))
        assert await storage.bot_records.remove(BotId("x")) is True
        assert await storage.bot_records.remove(BotId("x")) is False
        assert await storage.bot_records.get(BotId("x")) is None

    async def test_hostile_ids_stay_apart_and_in_order(self, storage: Storage) -> None:
        for id in HOSTILE:
            await storage.bot_records.put(a_record(id))
        assert [record.id for record in await storage.bot_records.all()] == sorted(HOSTILE)
        with pytest.raises(InvalidRequest):
            await storage.bot_records.put(a_record("y", name=LONE_SURROGATE))

    async def test_what_the_sender_changes_afterwards_changes_nothing(self, storage: Storage) -> None:
        options = {"list": [1]}
        await storage.bot_records.put(a_record("x", options=options))
        options["list"].append(2)
        found = await storage.bot_records.get(BotId("x"))
        assert found is not None
        assert found.options == {"list": [1]}
