"""The promises of a `Limiter`."""

from __future__ import annotations

from functools import partial

from generalbots_api.limits.model import Decision, Quota
from generalbots_api.limits.ports import Limiter
from generalbots_api.testing.contract import HOSTILE, Contract, at_once

NOW = 1_768_910_400.25  # Unix seconds
TEN = Quota("user", 10, 3_600)
TWO = Quota("anonymous", 2, 60)


class LimiterContract(Contract):
    """Wants the fixture `limiter`, without a count of any key used here."""

    async def test_each_request_takes_one_and_past_the_limit_none_is_allowed(self, limiter: Limiter) -> None:
        decisions = [await limiter.take("k", TWO, NOW + second) for second in range(4)]
        resets = NOW + 60
        assert decisions == [
            Decision(True, 2, 1, resets),
            Decision(True, 2, 0, resets),
            Decision(False, 2, 0, resets),
            Decision(False, 2, 0, resets),
        ]

    async def test_the_window_opens_with_the_first_request_and_then_anew(self, limiter: Limiter) -> None:
        for _ in range(3):
            await limiter.take("k", TWO, NOW)
        assert (await limiter.take("k", TWO, NOW + 59.5)).allowed is False
        assert await limiter.take("k", TWO, NOW + 60) == Decision(True, 2, 1, NOW + 120)

    async def test_a_clock_that_goes_back_shuts_nobody_out_for_longer_than_a_window(self, limiter: Limiter) -> None:
        for _ in range(3):
            await limiter.take("k", TWO, NOW)
        assert (await limiter.take("k", TWO, NOW - 30)).allowed is False  # the clocks of nodes differ a little
        assert await limiter.take("k", TWO, NOW - 3_600) == Decision(True, 2, 1, NOW - 3_540)

    async def test_refused_requests_neither_prolong_the_window_nor_carry_over(self, limiter: Limiter) -> None:
        for second in range(59):
            await limiter.take("k", TWO, NOW + second)
        decisions = [await limiter.take("k", TWO, NOW + 60) for _ in range(3)]
        assert [one.allowed for one in decisions] == [True, True, False]

    async def test_of_racing_requests_for_the_last_places_each_place_goes_once(self, limiter: Limiter) -> None:
        decisions = await at_once(*[partial(limiter.take, "k", TEN, NOW)] * 50)
        allowed = [one for one in decisions if one.allowed]
        assert sorted(one.remaining for one in allowed) == list(range(10))
        assert all(one.remaining == 0 for one in decisions if not one.allowed)

    async def test_keys_are_opaque_and_stay_apart(self, limiter: Limiter) -> None:
        decisions = [await limiter.take(key, TEN, NOW) for key in HOSTILE]
        assert [one.remaining for one in decisions] == [9] * len(HOSTILE)

    async def test_a_key_under_another_quota_is_counted_by_that(self, limiter: Limiter) -> None:
        for _ in range(3):
            await limiter.take("k", TWO, NOW)
        assert (await limiter.take("k", TEN, NOW)).allowed is True

    async def test_it_can_be_reached(self, limiter: Limiter) -> None:
        await limiter.ping()
