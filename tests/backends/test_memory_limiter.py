"""The limiter in memory: bounded, and a proper storage of the package `limits`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from generalbots_api.backends.memory import MemoryLimiter
from generalbots_api.backends.memory.windows import HeapStorage
from generalbots_api.limits.model import Quota
from generalbots_api.testing import ManualClock

pytestmark = pytest.mark.anyio

NOW = 1_000_000.0
TEN = Quota("user", 10, 60)


async def test_past_the_bound_the_key_that_expires_first_is_forgotten() -> None:
    limiter = MemoryLimiter(max_keys=3)
    for second, key in enumerate(["a", "b", "c"]):
        await limiter.take(key, TEN, NOW + second)
    await limiter.take("d", TEN, NOW + 3)
    remaining = [(await limiter.take(key, TEN, NOW + 4)).remaining for key in ("b", "c", "d")]
    assert remaining == [8, 8, 8]
    assert (await limiter.take("a", TEN, NOW + 4)).remaining == 9


def test_it_keeps_no_more_keys_than_the_bound_whatever_comes() -> None:
    storage = HeapStorage(max_keys=100)
    for number in range(1_000):
        storage.hit(str(number), 60, 1, NOW + number % 7)
        assert len(storage) <= 100


def test_expired_keys_go_as_new_ones_come() -> None:
    storage = HeapStorage()
    for number in range(1_000):
        storage.hit(f"old {number}", 60, 1, NOW)
    for number in range(600):
        storage.hit("known", 60_000, 1, NOW + 60 + number)
    assert len(storage) == 1


def test_a_key_that_is_cleared_and_hit_again_and_again_takes_no_memory() -> None:
    storage = HeapStorage()
    for _ in range(10_000):
        storage.hit("key", 60, 1, NOW)
        storage.clear("key")
    assert len(storage._heap) < 200
    assert storage.hit("key", 60, 1, NOW) == (1, NOW + 60)


def test_a_key_opened_anew_is_not_dropped_by_its_old_expiry() -> None:
    storage = HeapStorage()
    for number in range(10):
        storage.hit(f"other {number}", 59, 1, NOW)
    storage.hit("key", 60, 1, NOW)
    storage.clear("key")
    storage.hit("key", 600, 5, NOW)
    for second in range(20):
        storage.hit("x", 1_000, 1, NOW + 60 + second)
    assert storage.hit("key", 600, 1, NOW + 100) == (6, NOW + 600)


def test_no_hit_is_lost_among_threads() -> None:
    storage = HeapStorage()

    def hit(_: int) -> int:
        return storage.hit("key", 60, 1, NOW)[0]

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(hit, range(4_000)))
    assert sorted(counts) == list(range(1, 4_001))


def test_limits_finds_it_by_its_scheme_and_counts_with_it() -> None:
    storage = storage_from_string("generalbots+memory://", max_keys=10)
    strategy, item = FixedWindowRateLimiter(storage), RateLimitItemPerMinute(2)
    assert [strategy.hit(item, "ada") for _ in range(3)] == [True, True, False]
    assert strategy.hit(item, "bob") is True
    assert (strategy.test(item, "ada"), strategy.test(item, "bob")) == (False, True)
    assert strategy.get_window_stats(item, "bob").remaining == 1
    strategy.clear(item, "ada")
    assert strategy.hit(item, "ada", cost=2) is True
    assert storage.check() is True
    assert storage.reset() == 2
    assert strategy.get_window_stats(item, "ada").remaining == 2


def test_windows_of_limits_end_by_its_clock() -> None:
    clock = ManualClock()
    storage = HeapStorage(clock=clock.unix)
    strategy, item = FixedWindowRateLimiter(storage), RateLimitItemPerMinute(1)
    began = clock.unix()
    assert strategy.get_window_stats(item, "ada") == (began, 1)
    assert strategy.hit(item, "ada") is True
    clock.advance(59)
    assert strategy.hit(item, "ada") is False
    assert strategy.get_window_stats(item, "ada") == (began + 60, 0)
    clock.advance(1)
    assert (storage.get(item.key_for("ada")), storage.get_expiry(item.key_for("ada"))) == (0, began + 60)
    assert strategy.hit(item, "ada") is True
    assert strategy.get_window_stats(item, "ada") == (began + 120, 0)


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_keys"):
        MemoryLimiter(max_keys=0)
