"""Connections that have died without a word: the bus finds out, and tells of it once."""

from __future__ import annotations

import pytest

from generalbots_api.backends.redis import RedisBus
from tests.backends.redis.proxy import Proxy, until
from tests.backends.redis.ward import lines
from tests.support import redis

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("has_news", [True, False])
async def test_silent_connections_are_given_up_and_made_anew(
    proxy: Proxy, prefix: str, caplog: pytest.LogCaptureFixture, *, has_news: bool
) -> None:
    heard: list[bytes] = []
    async with RedisBus(proxy.url, prefix) as here, RedisBus(redis.URL, prefix) as there:
        there.subscribe("t", heard.append)
        await there.settled()
        await here.ping()
        proxy.forget()
        if has_news:
            await here.publish("t", b"lost")
        await until(lambda: not here.is_up)
        await until(lambda: here.is_up)
        await here.publish("t", b"after")
        await until(lambda: heard)
    assert heard == [b"after"]
    assert lines(caplog) == ["bus.down", "bus.back"]
