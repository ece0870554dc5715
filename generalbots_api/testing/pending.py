"""The promises of a `PendingLoginStore` and of a `SeenTokenStore`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from generalbots_api.auth.model import PendingLogin, Secret
from generalbots_api.errors import Conflict, InvalidRequest
from generalbots_api.storage import Storage
from generalbots_api.testing.contract import HOSTILE, LONE_SURROGATE, NOON, SECOND, Contract, at_once

PLENTY = 1_000


def a_pending(name: str, **fields: Any) -> PendingLogin:
    defaults: dict[str, Any] = {
        "state_hash": hashlib.sha256(name.encode()).digest(),
        "browser": "browser",
        "nonce": f"nonce {name}",
        "verifier": Secret(f"verifier {name}"),
        "redirect_uri": "https://app.example/auth/callback",
        "target": "/päge?x=1",
        "created_at": NOON,
        "expires_at": NOON + timedelta(minutes=10),
    }
    return PendingLogin(**{**defaults, **fields})


class PendingLoginStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_pending_login_comes_back_as_it_was_put(self, storage: Storage) -> None:
        pending = a_pending("one")
        await storage.pending_logins.put(pending, PLENTY, PLENTY)
        assert await storage.pending_logins.get(pending.state_hash) == pending
        assert await storage.pending_logins.pop(pending.state_hash) == pending
        assert await storage.pending_logins.get(pending.state_hash) is None

    async def test_an_unknown_one_is_none(self, storage: Storage) -> None:
        assert await storage.pending_logins.get(b"unknown") is None
        assert await storage.pending_logins.pop(b"unknown") is None

    async def test_of_racing_pops_exactly_one_gets_it(self, storage: Storage) -> None:
        pending = a_pending("one")
        await storage.pending_logins.put(pending, PLENTY, PLENTY)
        popped = await at_once(*[partial(storage.pending_logins.pop, pending.state_hash)] * 20)
        assert [one for one in popped if one is not None] == [pending]

    async def test_a_used_state_hash_is_a_conflict(self, storage: Storage) -> None:
        await storage.pending_logins.put(a_pending("one"), PLENTY, PLENTY)
        with pytest.raises(Conflict):
            await storage.pending_logins.put(a_pending("one", nonce="other"), PLENTY, PLENTY)
        with pytest.raises(InvalidRequest):
            await storage.pending_logins.put(a_pending("two", target=LONE_SURROGATE), PLENTY, PLENTY)

    async def test_the_oldest_of_a_browser_goes_past_its_bound(self, storage: Storage) -> None:
        other = a_pending("other", browser="another")
        mine = [a_pending(str(number)) for number in range(4)]
        for pending in (other, *mine):
            await storage.pending_logins.put(pending, PLENTY, 2)
        found = [await storage.pending_logins.get(one.state_hash) for one in (other, *mine)]
        assert found == [other, None, None, *mine[2:]]

    async def test_the_oldest_of_all_goes_past_the_bound(self, storage: Storage) -> None:
        all_of_them = [a_pending(str(number), browser=str(number)) for number in range(5)]
        for pending in all_of_them:
            await storage.pending_logins.put(pending, 3, PLENTY)
        found = [await storage.pending_logins.get(one.state_hash) for one in all_of_them]
        assert found == [None, None, *all_of_them[2:]]

    async def test_prune_drops_the_expired(self, storage: Storage) -> None:
        expired, live = a_pending("expired", expires_at=NOON), a_pending("live", expires_at=NOON + SECOND)
        for pending in (expired, live):
            await storage.pending_logins.put(pending, PLENTY, PLENTY)
        assert await storage.pending_logins.prune(NOON) == 1
        assert await storage.pending_logins.get(expired.state_hash) is None
        assert await storage.pending_logins.get(live.state_hash) == live


class SeenTokenStoreContract(Contract):
    """Wants the fixture `storage`."""

    async def test_a_token_is_new_once(self, storage: Storage) -> None:
        assert await storage.seen_tokens.add("jti", NOON + SECOND) is True
        assert await storage.seen_tokens.add("jti", NOON + SECOND) is False

    async def test_of_racing_adds_exactly_one_is_first(self, storage: Storage) -> None:
        results = await at_once(*[partial(storage.seen_tokens.add, "jti", NOON)] * 20)
        assert sorted(results) == [False] * 19 + [True]

    async def test_hostile_ids_stay_apart(self, storage: Storage) -> None:
        assert [await storage.seen_tokens.add(id, NOON) for id in HOSTILE] == [True] * len(HOSTILE)
        assert [await storage.seen_tokens.add(id, NOON) for id in HOSTILE] == [False] * len(HOSTILE)
        with pytest.raises(InvalidRequest):
            await storage.seen_tokens.add(LONE_SURROGATE, NOON)

    async def test_prune_forgets_the_expired(self, storage: Storage) -> None:
        await storage.seen_tokens.add("old", NOON)
        await storage.seen_tokens.add("new", NOON + SECOND)
        assert await storage.seen_tokens.prune(NOON) == 1
        assert await storage.seen_tokens.add("old", NOON) is True
        assert await storage.seen_tokens.add("new", NOON) is False
