"""Bots: what they may look at, and that one which misbehaves harms nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from generalbots_api import BotInfo, BotStatus, EchoBot, Piece, Suggestions, Turn
from generalbots_api.backends.memory import MemoryStorage
from tests.support.service import Service, running_service

pytestmark = pytest.mark.anyio


@dataclass
class Scripted:
    """A bot that does what a test says."""

    id: str
    script: Any
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def info(self) -> BotInfo:
        return BotInfo(self.id, self.id.capitalize())

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        try:
            async for piece in self.script(turn):
                yield piece
        finally:
            self.ended.set()


async def raises(turn: Turn) -> AsyncIterator[Piece]:
    yield "so far "
    raise RuntimeError("a secret of the bot")


async def never_returns(turn: Turn) -> AsyncIterator[Piece]:
    yield "wait "
    await anyio.sleep_forever()


async def floods(turn: Turn) -> AsyncIterator[Piece]:
    while True:
        yield "x" * 1_000


async def yields_nonsense(turn: Turn) -> AsyncIterator[Piece]:
    yield 7  # type: ignore[misc] # that is the point


async def remembers(turn: Turn) -> AsyncIterator[Piece]:
    told = [message.content for message in await turn.history(2)]
    turn.memory["count"] = int(str(turn.memory.get("count", 0))) + 1
    yield f"{turn.memory['count']}: {told}"


async def open_session(service: Service, client: httpx2.AsyncClient, bot: str) -> str:
    answer = await client.post("/api/session/create", json={"bot_id": bot})
    return str(answer.json()["session_id"])


async def ask(service: Service, token: str, session: str, content: str = "Hello") -> dict[str, Any]:
    async with service.socket(token) as socket:
        await socket.send_text(json.dumps({"type": "message", "content": content, "session_id": session}))
        answer: dict[str, Any] = json.loads(await socket.receive_text())
        return answer


async def history(client: httpx2.AsyncClient, session: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await client.get(f"/api/conversations/{session}/history")).json()["messages"]
    return messages


@pytest.mark.parametrize(
    ("script", "settings", "reason"),
    [
        (raises, {}, "failed"),
        (yields_nonsense, {}, "failed"),
        (never_returns, {"turn_timeout": 0.05}, "timeout"),
        (floods, {"reply_max_chars": 10_000}, "too_long"),
    ],
)
async def test_a_reply_that_fails_is_an_error_for_its_sender_and_for_nobody_else(
    script: Any, settings: dict[str, Any], reason: str
) -> None:
    async with running_service(bots=[Scripted("bad", script), EchoBot()], settings=settings) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            bad, good = await open_session(service, client, "bad"), await open_session(service, client, "echo")
            failed = await ask(service, token, bad)
            assert (failed["type"], failed["error"]["code"]) == ("error", "SERVER_ERROR")
            assert failed["error"]["details"] == {"reason": reason}
            assert "secret" not in json.dumps(failed)
            assert (await ask(service, token, good))["content"] == "Hello"
            assert (await client.get("/health")).status_code == 200
            stored = (await history(client, bad))[1]
    assert (stored["status"], stored["seq"]) == ("failed", 2)


async def test_a_bot_that_runs_on_stops_no_other_request_and_no_shutdown() -> None:
    bot = Scripted("bad", floods)
    async with running_service(bots=[bot, EchoBot()], settings={"reply_max_chars": 10**9}) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            bad, good = await open_session(service, client, "bad"), await open_session(service, client, "echo")
            async with service.socket(token) as socket:
                await socket.send_text(json.dumps({"type": "message", "content": "go", "session_id": bad}))
                assert (await ask(service, token, good))["content"] == "Hello"
            assert (await client.get("/health")).status_code == 200  # its client has gone, the bot has not
    assert bot.ended.is_set()


async def test_a_reply_is_stored_though_its_client_has_gone() -> None:
    go = anyio.Event()

    async def waits(turn: Turn) -> AsyncIterator[Piece]:
        await go.wait()
        yield "at last"
        yield Suggestions(("Thanks",))

    async with running_service(bots=[Scripted("slow", waits)]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "slow")
            async with service.socket(token) as socket:
                await socket.send_text(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
                while len(await history(client, session)) < 1:
                    await anyio.lowlevel.checkpoint()
            go.set()
            with anyio.fail_after(10):
                while len(stored := await history(client, session)) < 2:
                    await anyio.lowlevel.checkpoint()
    assert (stored[1]["content"], stored[1]["suggestions"]) == ("at last", ["Thanks"])
    assert stored[1]["in_reply_to"] == stored[0]["message_id"]


async def test_memory_and_history_belong_to_the_session() -> None:
    async with running_service(bots=[Scripted("keen", remembers)]) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            first, other = await open_session(service, client, "keen"), await open_session(service, client, "keen")
            assert (await ask(service, token, first, "one"))["content"] == "1: []"
            assert (await ask(service, token, first, "two"))["content"] == "2: ['one', '1: []']"
            assert (await ask(service, token, other, "three"))["content"] == "1: []"


async def test_a_permission_that_was_lost_is_felt_at_the_next_message() -> None:
    async with running_service() as service:
        admin = await service.bearer("admin")
        token = await service.token("alice")
        async with admin, service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "staff")
            assert (await ask(service, token, session))["content"] == "Hello"
            groups = (await admin.get("/api/groups/list")).json()["groups"]
            path = f"/api/groups/{groups[0]['id']}/members/remove"
            body = {"user_id": service.dev.user_id("alice")}
            removed = await admin.request("DELETE", path, json=body)
            assert removed.json()["results"][0]["status"] == "removed"
            answer = await ask(service, token, session)
    assert (answer["type"], answer["error"]["code"]) == ("error", "FORBIDDEN")


async def test_a_bot_that_is_not_well_is_shown_and_not_opened() -> None:
    @dataclass(frozen=True)
    class Sick(EchoBot):
        info: BotInfo = BotInfo("sick", "Sick")

        async def health(self) -> BotStatus:
            raise OSError("no connection to what I need")

    async with running_service(bots=[Sick(), EchoBot()]) as service, await service.bearer("admin") as client:
        bots = (await client.get("/api/bots")).json()["bots"]
        assert [(bot["id"], bot["status"]) for bot in bots] == [("sick", "offline"), ("echo", "online")]
        answer = await client.post("/api/session/create", json={"bot_id": "sick"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVER_ERROR")
        status = (await client.get("/api/admin/system/status")).json()
    assert status["status"] == "degraded"
    assert {one["name"]: one["status"] for one in status["components"]}["bot:sick"] == "down"


async def test_a_message_that_a_crash_left_unanswered_is_marked_at_the_next_start() -> None:
    storage, slow = MemoryStorage(), Scripted("slow", never_returns)
    async with running_service(bots=[slow], storage=storage) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "slow")
            async with service.socket(token) as socket:
                await socket.send_text(json.dumps({"type": "message", "content": "Hello", "session_id": session}))
                while len(await history(client, session)) < 1:
                    await anyio.lowlevel.checkpoint()
    headers = {"Authorization": f"Bearer {token}"}
    async with running_service(bots=[slow], storage=storage) as service, service.client(headers=headers) as client:
        stored = await history(client, session)
    assert [message["status"] for message in stored] == ["completed", "interrupted"]
    assert stored[1]["error"]["details"] == {"reason": "interrupted"}


async def test_too_many_waiting_messages_are_a_conflict() -> None:
    async with running_service(bots=[Scripted("slow", never_returns)], settings={"queued_messages": 1}) as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "slow")
            async with service.socket(token) as socket:
                for content in ("running", "waiting", "too many"):
                    frame = {"type": "message", "content": content, "session_id": session}
                    await socket.send_text(json.dumps(frame))
                answer = json.loads(await socket.receive_text())
            assert len(await history(client, session)) == 2
    assert (answer["error"]["code"], answer["error"]["details"]) == ("CONFLICT", {"reason": "busy", "retryable": True})


async def test_a_send_that_is_repeated_is_stored_once_and_answered_again() -> None:
    async with running_service() as service:
        token = await service.token("alice")
        async with service.client(headers={"Authorization": f"Bearer {token}"}) as client:
            session = await open_session(service, client, "echo")
            frame = {"type": "message", "content": "Hello", "session_id": session, "id": "c-1"}
            answers = []
            for _ in range(2):
                async with service.socket(token) as socket:
                    await socket.send_text(json.dumps(frame))
                    answers.append(json.loads(await socket.receive_text()))
            async with service.socket(token) as socket:
                await socket.send_text(json.dumps({**frame, "content": "Other"}))
                conflict = json.loads(await socket.receive_text())
            assert len(await history(client, session)) == 2
    assert answers[0] == answers[1]
    assert (conflict["error"]["code"], conflict["id"]) == ("CONFLICT", "c-1")
