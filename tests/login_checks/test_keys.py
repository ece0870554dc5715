"""The provider's keys by the clock: ten minutes, one more look, ten seconds, a day; rotated and withdrawn."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint, Faults, Signature, Trouble
from generalbots_api.testing.faulty_op.keys import new_key
from tests.login_checks.stage import Stage, check_is_refused

pytestmark = pytest.mark.anyio

KEYS = Endpoint.KEYS
DAY = 86_400
MINUTES = 600


async def test_they_are_kept_for_ten_minutes(stage: Stage) -> None:
    for seconds, fetched in ((0, 1), (599, 1), (1, 2), (599, 2), (1, 3)):
        stage.clock.advance(seconds)
        await stage.log_in_well()
        assert stage.op.calls[KEYS] == fetched


async def test_a_clock_that_is_set_back_does_not_prolong_their_time(stage: Stage) -> None:
    await stage.log_in_well()
    stage.clock.advance(-3_600)
    stage.clock.advance(600)
    await stage.log_in_well()
    assert stage.op.calls[KEYS] == 2


async def test_a_new_key_is_looked_for_once(stage: Stage) -> None:
    await stage.log_in_well()
    stage.clock.advance(10)
    stage.op.keys.rotate()
    await stage.log_in_well()
    assert stage.op.calls[KEYS] == 2


async def test_a_key_that_changed_under_its_id_is_looked_for_once(stage: Stage) -> None:
    stage.lie(key={"kid": "always"}, header={"kid": "always"})
    await stage.log_in_well()
    stage.clock.advance(10)
    stage.op.keys.rotate()
    stage.op.keys.withdraw()
    await stage.log_in_well()
    assert stage.op.calls[KEYS] == 2


@pytest.mark.parametrize("lie", [{"header": {"kid": "unknown"}}, {"signature": Signature.OTHER_KEY}])
async def test_they_are_looked_for_at_most_once_in_ten_seconds(stage: Stage, lie: dict[str, Any]) -> None:
    await stage.log_in_well()
    stage.lie(**lie)
    fetched = []
    for seconds in (9, 1, 1, 8, 1, 0):
        stage.clock.advance(seconds)
        check_is_refused(await stage.log_in(), 401)
        fetched.append(stage.op.calls[KEYS])
    assert fetched == [1, 2, 2, 2, 3, 3]


async def test_many_who_need_a_new_key_at_once_look_for_it_once(stage: Stage) -> None:
    await stage.log_in_well()
    stage.clock.advance(10)
    stage.op.keys.rotate()
    urls, statuses = [await stage.answer() for _ in range(5)], []

    async def take(url: str) -> None:
        statuses.append((await stage.browser.get(url)).status_code)

    async with anyio.create_task_group() as group:
        for url in urls:
            group.start_soon(take, url)
    assert statuses == [303] * 5
    assert stage.op.calls[KEYS] == 2


async def test_a_token_that_fails_another_check_fetches_no_keys(stage: Stage) -> None:
    await stage.log_in_well()
    stage.clock.advance(10)
    stage.lie(claims={"aud": "another"})
    check_is_refused(await stage.log_in(), 401)
    assert stage.op.calls[KEYS] == 1


async def test_a_key_that_was_withdrawn_is_no_longer_good_after_ten_minutes(stage: Stage) -> None:
    await stage.log_in_well()
    stage.op.keys.rotate()
    stage.op.keys.withdraw()
    stage.clock.advance(MINUTES - 1)
    stage.lie(generation=1)
    await stage.log_in_well()
    stage.clock.advance(1)
    check_is_refused(await stage.log_in(), 401)
    stage.lie()
    stage.clock.advance(10)
    await stage.log_in_well()


async def test_a_key_that_was_withdrawn_is_no_longer_good_once_its_successor_was_seen(stage: Stage) -> None:
    await stage.log_in_well()
    stage.op.keys.rotate()
    stage.op.keys.withdraw()
    stage.clock.advance(10)
    await stage.log_in_well()
    stage.lie(generation=1)
    check_is_refused(await stage.log_in(), 401)


async def test_keys_that_are_all_withdrawn_are_no_longer_good(stage: Stage) -> None:
    await stage.log_in_well()
    stage.lie(key_set={"keys": []})
    stage.clock.advance(MINUTES)
    check_is_refused(await stage.log_in(), 401)


@pytest.mark.parametrize("trouble", [one for one in Trouble if one is not Trouble.SLOW])
async def test_the_last_good_ones_serve_for_a_day_while_there_are_no_others(stage: Stage, trouble: Trouble) -> None:
    await stage.log_in_well()
    stage.trouble(KEYS, trouble)
    for seconds in (MINUTES, DAY - MINUTES - 1):
        stage.clock.advance(seconds)
        stage.op.faults = Faults()
        url = await stage.answer()  # nobody is sent to a provider that is in trouble
        stage.trouble(KEYS, trouble)
        assert (await stage.browser.get(url)).status_code == 303
    stage.op.faults = Faults()
    stage.clock.advance(1)
    url = await stage.answer()
    stage.trouble(KEYS, trouble)
    check_is_refused(await stage.browser.get(url), 502, 503)
    await stage.recover()
    await stage.log_in_well()


UNUSED: dict[str, dict[str, Any]] = {
    "RSA of 1024 bits": {"rsa_bits": 1024},
    "an unknown kind": {"key": {"kty": "XY"}},
    "no kind": {"key": {"kty": LEFT_OUT}},
    "a secret": {"key": {"kty": "oct", "k": "c2VjcmV0"}},
    "for encryption": {"key": {"use": "enc"}},
    "another algorithm": {"key": {"alg": "PS256"}},
    "another key_ops": {"key": {"key_ops": ["encrypt"]}},
    "another curve": {"algorithm": "ES256", "key": {"crv": "P-384"}},
    "an exponent that is none": {"key": {"e": "?"}},
}


@pytest.mark.parametrize("lie", UNUSED.values(), ids=UNUSED)
async def test_keys_that_are_not_fit_are_not_used(stage: Stage, lie: dict[str, Any]) -> None:
    stage.lie(**lie)
    await stage.refused(401)


async def test_keys_that_are_not_fit_are_skipped_for_those_that_are(stage: Stage) -> None:
    stage.lie(
        more_keys=({"kty": "XY"}, None, "key", {}, {"kty": "oct", "k": "x"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"})
    )
    await stage.log_in_well()


async def test_sixty_four_are_read_at_most(stage: Stage) -> None:
    stage.lie(more_keys=({"kty": "XY"},) * 63)
    await stage.log_in_well()
    stage.clock.advance(DAY)
    stage.lie(more_keys=({"kty": "XY"},) * 64)
    check_is_refused(await stage.log_in(), 502)


@pytest.mark.parametrize(("others", "status"), [(9, 303), (10, 401)])
async def test_without_a_kid_ten_that_fit_are_tried(stage: Stage, others: int, status: int) -> None:
    other = new_key("2048", 7).as_dict(private=False)
    stage.lie(more_keys=(*[other] * others, {"kty": "XY"}), header={"kid": LEFT_OUT}, key={"kid": LEFT_OUT})
    assert (await stage.log_in()).status_code == status


async def test_a_set_that_is_none_logs_nobody_in(stage: Stage) -> None:
    sets: list[object] = [LEFT_OUT, None, {}, "keys"]
    for keys in sets:
        stage.lie(key_set={"keys": keys})
        check_is_refused(await stage.log_in(), 502)
        assert await stage.sessions() == 0
        stage.clock.advance(10)
