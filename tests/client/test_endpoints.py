"""Each method against the real service, in process: what the service answers is what the client's types say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from msgspec.structs import replace

from generalbots_api.client import Client, Conflict, Forbidden, InvalidRequest, NotFound, Operation, Unauthorized
from tests.support.service import BASE, Service, running_service

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client_of(service: Service, username: str) -> AsyncIterator[Client]:
    async with (
        service.client() as http,
        Client(BASE, token=await service.token(username), http=http, clock=service.clock) as client,
    ):
        yield client


async def test_a_login_is_looked_at_validated_and_ended() -> None:
    async with running_service() as service, client_of(service, "alice") as alice:
        session = await alice.session()
        assert session.bot_id is None
        assert (await alice.validate()).user_id == session.user_id
        assert (await alice.profile()).user_id == session.user_id
        assert alice.rate is not None
        assert alice.rate.limit == 1000
        assert (await alice.logout()).directory_revoked
        assert not (await alice.validate()).valid
        with pytest.raises(Unauthorized):
            await alice.logout()


async def test_a_profile_is_changed() -> None:
    async with running_service() as service, client_of(service, "alice") as alice:
        changed = await alice.update_profile(first_name="Alicia", email="alicia@example.test")
        assert changed.updated_fields == ("email", "first_name")
        assert changed.verification_required
        assert (await alice.profile()).first_name == "Alicia"
        with pytest.raises(InvalidRequest) as refused:
            await alice.update_profile(email="none")
        assert "email" in refused.value.details["fields"]


async def test_bots_are_listed_and_sessions_opened_and_ended() -> None:
    async with running_service() as service, client_of(service, "alice") as alice, client_of(service, "bob") as bob:
        assert [bot.id for bot in await alice.bots()] == ["echo", "staff"]
        assert [bot.id for bot in await bob.bots()] == ["echo"]
        assert await bob.bots() == await bob.bots()
        opened = await alice.create_session("echo")
        assert (await alice.session()).bot_id == "echo"
        with pytest.raises(Forbidden):
            await bob.end_session(opened.session_id)
        history = await alice.history(opened.session_id)
        assert (history.messages, history.has_more) == ([], False)
        await alice.end_session(opened.session_id)
        with pytest.raises(NotFound):
            await alice.create_session("nobody")


async def test_groups_are_made_listed_filled_and_emptied() -> None:
    async with running_service() as service, client_of(service, "admin") as admin, client_of(service, "bob") as bob:
        user = (await bob.profile()).user_id
        group = await admin.create_group("Chess", description="On Mondays")
        assert group.id in [one.id for one in (await admin.groups(search="Chess")).groups]
        assert [one.status for one in (await admin.add_members(group.id, [user])).results] == ["added"]
        assert user in [member.user_id for member in (await admin.group_members(group.id)).members]
        assert [one.status for one in (await admin.remove_members(group.id, [user])).results] == ["removed"]


async def test_an_administrator_sees_how_the_system_is() -> None:
    async with running_service() as service, client_of(service, "admin") as admin, client_of(service, "bob") as bob:
        assert (await admin.health()).status == "healthy"
        assert "storage" in [component.name for component in (await admin.system_status()).components]
        assert (await admin.metrics()).requests_total > 0
        with pytest.raises(Forbidden):
            await bob.metrics()


async def test_a_conversation_is_started_listed_carried_on_read_and_stopped() -> None:
    async with running_service() as service, client_of(service, "alice") as alice:
        started = await alice.start_conversation("echo", initial_message="Hello")
        id = started.conversation_id
        first = await alice.history(id, after=1, wait=5)
        assert [message.content for message in first.messages] == ["Hello"]
        sent = await alice.send(id, "again", id="one", metadata={"n": 1}, if_busy="queue", wait=5)
        assert sent.reply is not None
        assert (sent.reply.content, sent.reply.in_reply_to) == ("again", sent.message_id)
        same = await alice.send(id, "again", id="one", metadata={"n": 1})
        assert (same.message_id, same.duplicate) == (sent.message_id, True)
        with pytest.raises(Conflict):
            await alice.send(id, "something else", id="one")
        whole = await alice.history(id)
        assert [message.seq for message in whole.messages] == [1, 2, 3, 4]
        assert await alice.history(id, before=3, limit=1) == replace(whole, messages=[whole.messages[1]], has_more=True)
        assert (await alice.history(id, after=service.clock.now() + timedelta(seconds=1))).messages == []
        assert (await alice.cancel(id)).status == "idle"
        page = await alice.conversations(bot_id="echo", status="active", limit=1)
        assert ([one.id for one in page.conversations], page.total, page.next_cursor) == ([id], 1, None)
        assert page.conversations[0].last_message == whole.messages[-1]
        await alice.end_session(id)
        assert [one.status for one in (await alice.conversations()).conversations] == ["ended"]


async def test_a_batch_answers_each_operation_in_its_place() -> None:
    async with running_service() as service, client_of(service, "alice") as alice:
        id = (await alice.start_conversation("echo")).conversation_id
        messages = f"/api/conversations/{id}/messages"
        results = await alice.batch(
            [
                Operation(id="a", method="POST", path=messages, body={"content": "one"}, idempotency_key="k1"),
                Operation(id="b", method="POST", path=messages, body={"content": "two"}, idempotency_key="k2"),
                Operation(id="c", method="GET", path="/api/session"),
                Operation(id="d", method="GET", path="/api/nothing"),
            ]
        )
    assert [(one.id, one.status) for one in results] == [("a", 202), ("b", 202), ("c", 200), ("d", 404)]
    assert results[2].body["bot_id"] == "echo"
    assert results[3].body["error"]["code"] == "NOT_FOUND"
