"""The bounds of the way out by real connections, and that Authlib's calls and Zitadel's keep them too."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream

from generalbots_api.auth.model import Grant, Secret
from generalbots_api.backends.oidc.http import BoundedTransport, Outgoing, client_options, new_client
from generalbots_api.backends.zitadel.calls import Services
from generalbots_api.errors import BadGateway, Unavailable
from tests.backends import zitadel_stub
from tests.backends.oidc_forge import TinyOp
from tests.backends.oidc_stage import Answers, AtOnce, ok

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Far:
    """A server that does with each request what a test says."""

    def __init__(self, answer: Callable[[SocketStream], Awaitable[None]]) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.cut = anyio.Event()  # a connection was closed from the other side
        self.url = ""

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    self.requests.append(await stream.receive())
                    await self.answer(stream)
        self.cut.set()


@asynccontextmanager
async def far(answer: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[Far]:
    served = Far(answer)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    served.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/x"  # noqa: S610 - not Django's
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, served.serve)
        yield served
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def way_out(timeout: float = 10.0) -> AsyncIterator[Outgoing]:
    transport = BoundedTransport(None, timeout=timeout)
    async with transport.opened():
        yield Outgoing(transport, AtOnce())


async def good(stream: SocketStream) -> None:
    await stream.send(OK)


async def hangs(stream: SocketStream) -> None:
    await stream.receive()  # until the other side goes


async def drips(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        await stream.send(b"x")
        await anyio.sleep(0.001)


async def never_ends(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await stream.send(b"x" * 65_536)


async def leads_away(stream: SocketStream) -> None:
    await stream.send(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")


async def test_a_service_that_refuses_connections_is_unavailable() -> None:
    async with far(good) as served:
        url = served.url
    async with way_out() as outgoing:
        with pytest.raises(Unavailable):
            await outgoing.call("POST", url)


@pytest.mark.parametrize("trouble", [hangs, drips])
async def test_a_service_that_hangs_or_drips_is_given_up_and_cut_off(
    trouble: Callable[[SocketStream], Awaitable[None]],
) -> None:
    async with far(trouble) as served, way_out(timeout=0.5) as outgoing:  # enough to be sent on a busy machine
        with pytest.raises(Unavailable):
            await outgoing.get(served.url)
        await served.cut.wait()
        assert len(served.requests) == 1


async def test_an_answer_without_an_end_is_cut_off() -> None:
    async with far(never_ends) as served, way_out() as outgoing:
        with pytest.raises(BadGateway):
            await outgoing.get(served.url)
        await served.cut.wait()
        assert len(served.requests) == 1


async def test_nothing_is_followed_nor_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password swordfish\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with far(leads_away) as served, way_out() as outgoing:
        assert (await outgoing.get(served.url)).status_code == 307
        async with new_client(outgoing.transport) as client:
            assert (await client.post(served.url, data={"token": "x"})).status_code == 307
    assert [one.split(b" ")[1] for one in served.requests] == [b"/x", b"/x"]
    assert b"authorization" not in b"".join(served.requests).lower()


async def test_a_call_that_would_be_over_before_its_next_try_is_over_now() -> None:
    class Longest(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    far_end = Answers(httpx2.Response(503))
    with pytest.raises(Unavailable):
        await Outgoing(BoundedTransport(far_end, timeout=0.15), Longest()).get("https://op.example/x")
    assert len(far_end.requests) == 1


def test_pauses_are_between_nothing_and_a_bound_that_doubles() -> None:
    class Bounds(AtOnce):
        def uniform(self, a: float, b: float) -> float:
            assert a == 0
            return super().uniform(a, b)

    pauses = Bounds()

    async def story() -> None:
        with pytest.raises(Unavailable):
            await Outgoing(BoundedTransport(Answers(httpx2.ConnectError("refused"))), pauses).get("https://op.example/")

    anyio.run(story)
    assert pauses.longest == [0.2, 0.4]


async def test_authlib_s_calls_have_the_same_bounds() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        grant, _ = await op.log_in(directory)
        await directory.refresh(grant, op.clock.now())
        await directory.revoke(grant)
    posts = [one for one in op.requests if one.method == "POST"]
    assert [one.url.path for one in posts] == ["/token", "/token", "/revoke", "/revoke"]
    for one in posts:
        timeouts = one.extensions["timeout"]
        assert (timeouts["connect"], timeouts["read"]) == (2.0, 5.0)
        assert one.headers["accept-encoding"] == "identity"
    options = client_options()
    assert (options["follow_redirects"], options["trust_env"]) == (False, False)


async def test_a_redirect_of_the_token_and_of_the_revocation_endpoint_is_not_followed() -> None:
    op = TinyOp()
    grant = Grant(access_token=Secret("a"), refresh_token=Secret("r"))
    away = httpx2.Response(307, headers={"location": "https://op.example/elsewhere"})
    op.bent = {"/token": away, "/revoke": away}
    async with op.directory() as directory:
        with pytest.raises(BadGateway):
            await directory.refresh(grant, op.clock.now())
        with pytest.raises(Unavailable):
            await directory.revoke(grant)
    assert "/elsewhere" not in op.calls
    assert (op.calls["/token"], op.calls["/revoke"]) == (1, 1)


METHODS = {
    zitadel_stub.GET_USER: 3,
    zitadel_stub.LIST_AUTHORIZATIONS: 3,
    zitadel_stub.LIST_GROUPS: 3,
    zitadel_stub.LIST_GROUP_USERS: 3,
    zitadel_stub.UPDATE_USER: 1,
    zitadel_stub.CREATE_GROUP: 1,
    zitadel_stub.ADD_USERS: 1,
    zitadel_stub.REMOVE_USERS: 1,
}


@pytest.mark.parametrize(("method", "tries"), METHODS.items(), ids=[one.rpartition("/")[2] for one in METHODS])
async def test_of_zitadel_s_methods_only_reads_are_tried_again(method: str, tries: int) -> None:
    far_end = Answers(*[httpx2.ReadTimeout("slow")] * (tries - 1), ok())
    services = Services(Outgoing(BoundedTransport(far_end), AtOnce()), "https://op.example")
    assert await services.call("access", method, {}) == {"ok": True}
    far_end.answers, far_end.requests = [httpx2.Response(503)], []
    with pytest.raises(Unavailable):
        await services.call("access", method, {})
    assert len(far_end.requests) == tries
