"""Streams of events, where the host brings its own login."""

from __future__ import annotations

import anyio
import pytest

from generalbots_api.storage import Storage
from tests.support.events import listening
from tests.support.promises import opened
from tests.test_login_of_the_host import Host, hosted

pytest_plugins = ["tests.support.fixtures"]
pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("becomes", [None, "bob"])
async def test_a_stream_closes_when_the_host_s_session_is_over_or_another_user_s(
    storage: Storage, becomes: str | None
) -> None:
    host = Host()
    async with hosted(storage, host) as service, service.client(headers={"X-User": "ada"}) as ada:
        path = f"/api/conversations/{await opened(ada)}/events"
        async with listening(service.app, "GET", path, {"host": "127.0.0.1:8080", "x-user": "ada"}) as stream:
            assert (await stream.hear())["event"] == "subscribed"
            host.aliases["ada"] = becomes
            host.clock.advance(1)
            await service.gb._services.sockets.confirm()
            with pytest.raises(anyio.EndOfStream):
                await stream.hear_until("never")
