"""Client and service over real sockets: whole turns, and conversations whose connections break off at any byte."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from generalbots_api import BotInfo, Piece, Turn
from generalbots_api.client import (
    Client,
    ConnectionChanged,
    Conversation,
    ConversationOver,
    Forbidden,
    LoginExpiring,
    NewMessage,
    NotFound,
    ReplyDelta,
    ReplyStarted,
    SessionUpdated,
    Unauthorized,
)
from tests.client.real_server import cutting_proxy, real_server
from tests.client.socket_server import messages
from tests.support.promises import new_storage

pytestmark = [pytest.mark.anyio, pytest.mark.server]
RUNS = int(os.environ.get("CLIENT_RUNS", "300"))  # thousands find what is rare
UNUSED = ssl.create_default_context()  # making one takes longer than a run
SENDS = 4


class Slow:
    """Answers in pieces; "wait" answers half, and then waits for ever."""

    info = BotInfo("slow", "Slow")

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        for word in ("You ", "said ", turn.message.content):
            await anyio.lowlevel.checkpoint()
            yield word
        if turn.message.content == "wait":
            await anyio.sleep_forever()


async def no_wait(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.001))


@asynccontextmanager
async def client_of(port: int, token: str, **options: Any) -> AsyncIterator[Client]:
    async with Client(f"http://127.0.0.1:{port}", token=token, sleep=no_wait, **options) as client:
        yield client


@asynccontextmanager
async def talk(**options: Any) -> AsyncIterator[tuple[Client, Conversation]]:
    async with real_server([Slow()]) as (service, port), client_of(port, await service.token("alice")) as client:
        session = await client.create_session("slow")
        async with client.conversation(session.session_id, after_seq=0, **options) as chat:
            yield client, chat


async def test_a_turn_and_the_same_in_the_history() -> None:
    async with talk() as (client, chat):
        sent = await chat.send("Hello", metadata={"n": 1})
        events = [await anext(chat)]
        while not (isinstance(events[-1], NewMessage) and events[-1].message.sender == "bot"):
            events.append(await anext(chat))
        history = await client.history(events[-1].message.session_id)
    assert events[0] == ConnectionChanged(connected=True)
    assert isinstance(events[1], NewMessage)
    assert (events[1].mine, events[1].message.message_id, events[1].message.metadata) == (
        True,
        sent.message_id,
        {"n": 1},
    )
    assert isinstance(events[2], ReplyStarted)
    assert "".join(event.content for event in events if isinstance(event, ReplyDelta)) == "You said Hello"
    assert history.messages[1] == events[-1].message
    assert (history.seq, chat.seq, history.epoch) == (2, 2, chat.epoch)
    assert chat.rate is not None


async def test_rest_and_socket_are_doors_to_one_log() -> None:
    async with talk() as (client, chat):
        session = chat._machine.session_id
        by_rest = await client.send(session, "Hello", id="one", wait=10)
        assert by_rest.reply is not None
        assert by_rest.reply.content == "You said Hello"
        again = await chat.send("Hello", id="one")
        assert (again.message_id, again.seq, again.duplicate) == (by_rest.message_id, 1, True)
        assert await messages(chat, 2) == ["Hello", "You said Hello"]
        [listed] = (await client.conversations()).conversations
        assert (listed.id, listed.bot_id, listed.status) == (session, "slow", "active")


async def test_two_devices_show_one_log_and_a_third_goes_on_where_one_left() -> None:
    async with talk() as (client, first):
        session = first._machine.session_id
        async with client.conversation(session, after_seq=0) as second:
            await first.send("from the first")
            assert await messages(second, 2) == ["from the first", "You said from the first"]
            await second.send("from the second")
            assert await messages(first, 4) == await messages_of(client, session)
            await messages(second, 2)
            seq, epoch = second.seq, second.epoch
        await first.send("meanwhile")
        async with client.conversation(session, after_seq=seq, epoch=epoch) as third:
            assert await messages(third, 2) == ["meanwhile", "You said meanwhile"]


async def messages_of(client: Client, session: str) -> list[str]:
    return [message.content for message in (await client.history(session)).messages]


async def test_a_running_reply_is_cancelled_from_here_and_by_rest() -> None:
    async with talk() as (client, chat):
        for cancel in (chat.cancel, lambda: client.cancel(chat._machine.session_id)):
            await chat.send("wait")
            while not (isinstance(event := await anext(chat), ReplyDelta) and event.content.endswith("wait")):
                pass
            await cancel()
            while not (isinstance(event := await anext(chat), NewMessage) and event.message.sender == "bot"):
                pass
            assert (event.message.status, event.message.content) == ("cancelled", "You said wait")


async def test_a_session_that_is_deleted_ends_the_conversation() -> None:
    async with talk() as (client, chat):
        await chat.send("Hello")
        assert await messages(chat, 2) == ["Hello", "You said Hello"]
        await client.end_session(chat._machine.session_id)
        assert [event async for event in chat] == [SessionUpdated("ended", "deleted")]
        with pytest.raises(ConversationOver):
            await chat.send("more")


async def test_what_is_not_there_or_not_ours_or_without_a_login_is_raised_on_entering() -> None:
    async with real_server([Slow()]) as (service, port):
        async with client_of(port, await service.token("alice")) as alice:
            session = await alice.create_session("slow")
            with pytest.raises(NotFound):
                await alice.conversation("nobody").__aenter__()
        async with client_of(port, await service.token("bob")) as bob:
            with pytest.raises(Forbidden):
                await bob.conversation(session.session_id).__aenter__()
        async with client_of(port, "gbs_none") as nobody:
            with pytest.raises(Unauthorized):
                await nobody.conversation(session.session_id).__aenter__()


async def test_a_login_that_is_ended_is_replaced_and_the_conversation_goes_on() -> None:
    async with real_server([Slow()]) as (service, port):
        logins = 0

        async def log_in() -> str:
            nonlocal logins
            logins += 1
            return await service.token("alice")

        async with client_of(port, await service.token("alice"), log_in=log_in) as client:
            session = await client.create_session("slow")
            async with client.conversation(session.session_id, after_seq=0) as chat:
                await client.logout()
                await chat.send("Hello")
                assert await messages(chat, 2) == ["Hello", "You said Hello"]
    assert logins == 1


async def test_a_login_that_expires_is_renewed_on_the_open_socket() -> None:
    async with real_server([Slow()], session_lifetime=50) as (service, port):
        first, second, renewed = await service.token("alice"), await service.token("alice"), asyncio.Event()

        async def log_in() -> str:
            renewed.set()
            return second

        async with client_of(port, first, log_in=log_in) as client, client_of(port, first) as old:
            session = await client.create_session("slow")
            async with client.conversation(session.session_id, after_seq=0) as chat:
                events = [await anext(chat), await anext(chat)]
                await renewed.wait()
                await chat.send("Hello")  # after the new token, on the same socket
                await old.logout()
                await chat.send("again")
                while len([event for event in events if isinstance(event, NewMessage)]) < 4:
                    events.append(await anext(chat))
    assert isinstance(events[1], LoginExpiring)
    assert [event for event in events if isinstance(event, ConnectionChanged)] == [ConnectionChanged(connected=True)]


@pytest.mark.parametrize(("storage", "seed"), [("memory", 1), ("memory", 2), ("sqlite", 3)])
async def test_whatever_breaks_off_each_message_is_there_once_in_order_and_shown_so(
    storage: str, seed: int, tmp_path: Path
) -> None:
    random = Random(seed)  # noqa: S311 # where to cut
    async with real_server([Slow()], storage=new_storage(storage, tmp_path)) as (service, port):
        token = await service.token("alice")

        def allowance() -> int | None:
            return random.randrange(300, 6000) if random.random() < 0.8 else None

        async with cutting_proxy(port, allowance) as proxy, client_of(port, token) as direct:
            for _ in range(RUNS // 3):
                await one_run(direct, proxy.port, token)
        assert proxy.connections > RUNS // 3 * 1.5, "most runs were cut"


async def one_run(direct: Client, port: int, token: str) -> None:
    session = (await direct.create_session("slow")).session_id
    fresh = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0), verify=UNUSED)
    async with (
        fresh,
        client_of(port, token, http=fresh) as client,
        client.conversation(session, after_seq=0) as chat,
    ):
        sends = [asyncio.create_task(chat.send(f"text {number}")) for number in range(SENDS)]
        shown = await messages(chat, 2 * SENDS)
        answers = await asyncio.gather(*sends)
    stored = (await direct.history(session)).messages
    assert shown == [message.content for message in stored]
    assert [stored[answer.seq - 1].content for answer in answers] == [f"text {number}" for number in range(SENDS)]
    replies = [message.content for message in stored if message.sender == "bot"]
    assert sorted(replies) == [f"You said text {number}" for number in range(SENDS)]
