"""The way out: bounds in time and size, tries, nothing followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream

from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing, json_object, new_client
from generalbots_api.errors import BadGateway, Unavailable
from tests.backends.oidc_stage import Answers, AtOnce, ok

pytestmark = pytest.mark.anyio

URL = "https://op.example/x"
MIB = 1_048_576


DOWN = [httpx2.Response(503), httpx2.Response(500), httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow")]


@pytest.mark.parametrize("trouble", DOWN, ids=str)
async def test_a_read_is_tried_three_times_with_growing_pauses_at_random(
    trouble: httpx2.Response | Exception,
) -> None:
    transport, pauses = Answers(trouble, trouble, ok()), AtOnce()
    answer = await Outgoing(BoundedTransport(transport), pauses).get(URL)
    assert json_object(answer) == {"ok": True}
    assert len(transport.requests) == 3
    assert pauses.longest == [0.2, 0.4]


async def test_a_read_is_given_up_after_three_tries() -> None:
    transport = Answers(httpx2.ConnectError("refused"))
    with pytest.raises(Unavailable):
        await Outgoing(BoundedTransport(transport), AtOnce()).get(URL)
    assert len(transport.requests) == 3
    transport = Answers(httpx2.Response(503))
    assert (await Outgoing(BoundedTransport(transport), AtOnce()).get(URL)).status_code == 503
    assert len(transport.requests) == 3


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 429, 501])
async def test_an_answer_that_another_try_would_not_change_is_taken(status: int) -> None:
    transport = Answers(httpx2.Response(status, headers={"location": "https://elsewhere.example"}))
    assert (await Outgoing(BoundedTransport(transport), AtOnce()).get(URL)).status_code == status
    assert [str(one.url) for one in transport.requests] == [URL]


@pytest.mark.parametrize("trouble", DOWN, ids=str)
async def test_a_write_is_never_tried_again(trouble: httpx2.Response | Exception) -> None:
    transport = Answers(trouble, ok())
    outgoing = Outgoing(BoundedTransport(transport), AtOnce())
    if isinstance(trouble, Exception):
        with pytest.raises(Unavailable):
            await outgoing.call("POST", URL, body={})
    else:
        assert (await outgoing.call("POST", URL, body={})).status_code == trouble.status_code
    assert len(transport.requests) == 1


async def test_the_whole_call_is_bounded_in_time_with_all_its_tries() -> None:
    tries = 0

    class Hangs(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            nonlocal tries
            tries += 1
            await anyio.sleep_forever()
            raise AssertionError

    with pytest.raises(Unavailable):
        await Outgoing(BoundedTransport(Hangs(), timeout=0.01), AtOnce()).get(URL)
    assert tries == 1


async def test_a_body_that_drips_is_bounded_in_time() -> None:
    class Drips(httpx2.AsyncByteStream):
        is_closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await anyio.lowlevel.checkpoint()

        async def aclose(self) -> None:
            self.is_closed = True

    stream = Drips()
    transport = BoundedTransport(Answers(httpx2.Response(200, stream=stream)), timeout=0.01)
    async with new_client(transport) as client:  # as Authlib's, which does not pass `Outgoing`
        with anyio.fail_after(2), pytest.raises(Unavailable):
            await client.post(URL)
    assert stream.is_closed


@pytest.mark.parametrize(("size", "fits"), [(MIB, True), (MIB + 1, False)])
async def test_an_answer_is_one_mebibyte_at_most(size: int, fits: bool) -> None:
    outgoing = Outgoing(BoundedTransport(Answers(httpx2.Response(200, content=b"x" * size))), AtOnce())
    if fits:
        assert len((await outgoing.get(URL)).content) == size
    else:
        with pytest.raises(BadGateway):
            await outgoing.get(URL)


async def test_an_answer_without_an_end_is_cut_and_closed() -> None:
    class Endless(httpx2.AsyncByteStream):
        sent = 0
        is_closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.sent += 65_536
                yield b"x" * 65_536

        async def aclose(self) -> None:
            self.is_closed = True

    stream = Endless()
    with pytest.raises(BadGateway):
        await Outgoing(BoundedTransport(Answers(httpx2.Response(200, stream=stream))), AtOnce()).get(URL)
    assert stream.sent <= MIB + 65_536
    assert stream.is_closed


async def test_nothing_is_unpacked() -> None:
    transport = Answers(httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(b"x")))
    with pytest.raises(BadGateway):
        await Outgoing(BoundedTransport(transport), AtOnce()).get(URL)
    assert transport.requests[0].headers["accept-encoding"] == "identity"


async def test_calls_have_a_short_time_to_connect_and_to_read() -> None:
    transport = Answers(ok())
    await Outgoing(BoundedTransport(transport), AtOnce()).get(URL)
    timeouts = transport.requests[0].extensions["timeout"]
    assert (timeouts["connect"], timeouts["read"]) == (2.0, 5.0)


async def test_without_a_lifespan_there_are_no_connections() -> None:
    with pytest.raises(Unavailable, match="lifespan"):
        await Outgoing(BoundedTransport(None), AtOnce()).get(URL)


async def test_a_transport_that_was_given_is_not_closed_for_its_owner() -> None:
    class Owned(Answers):
        is_closed = False

        async def aclose(self) -> None:
            self.is_closed = True

    inner = Owned(ok())
    transport = BoundedTransport(inner)
    async with transport.opened():
        await Outgoing(transport, AtOnce()).get(URL)
    assert not inner.is_closed


async def test_all_calls_share_the_connections_until_the_end_and_none_goes_by_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    connections = 0
    together = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        if connections == 3:
            together.set()
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await stream.receive():
                    await together.wait()
                    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    transport = BoundedTransport(None)
    outgoing = Outgoing(transport, AtOnce())
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's
    url = f"http://127.0.0.1:{port}/x"
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with transport.opened():
            async with anyio.create_task_group() as calls:
                for _ in range(3):
                    calls.start_soon(outgoing.get, url)
            for _ in range(5):
                assert json_object(await outgoing.get(url)) == {}
        with pytest.raises(Unavailable, match="lifespan"):
            await outgoing.get(url)
        tasks.cancel_scope.cancel()
    assert connections == 3
