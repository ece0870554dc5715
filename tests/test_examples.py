"""The examples: what their first lines promise, run as they say, and the ends that a copy would inherit."""

from __future__ import annotations

import base64
import importlib
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport, AsyncWebSocketClient, AsyncWebSocketSession

from tests.support.hosts import browser, chat, served, with_state
from tests.support.process import END_TIMEOUT, ROOT
from tests.support.promises import check_error
from tests.support.service import first_key, log_in, session_token

pytestmark = pytest.mark.anyio
ORIGIN = "http://127.0.0.1:8000"
APART = ("__init__", "directory", "terminal_chat")  # the last is a client: tests/client/test_terminal_chat.py
NAMES = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in APART)


@pytest.fixture(autouse=True)
def _directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an example may leave its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def fresh(name: str) -> Any:
    """The module of an example, with nothing left in it of another test."""
    module = importlib.reload(importlib.import_module(f"examples.{name}"))
    if hasattr(module, "provider"):
        module.provider._state.keys._keys = [first_key(type(module.provider._state.keys))]
    return module


@asynccontextmanager
async def example(name: str) -> AsyncIterator[tuple[Any, httpx2.AsyncClient]]:
    module = fresh(name)
    async with (
        served(module.app) as hand,
        browser(with_state(module.app, hand.state), base=ORIGIN, raises=False) as client,
    ):
        assert hand.said == ["lifespan.startup.complete"]
        yield module, client


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_says_how_to_start_and_what_to_open(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    about = importlib.import_module(f"examples.{name}").__doc__ or ""
    assert len(text.splitlines()) < 60
    assert f"uvicorn examples.{name}:app" in about
    assert ORIGIN in about


@pytest.mark.parametrize("name", NAMES)
async def test_what_an_example_says_to_open_is_there(name: str) -> None:
    about = importlib.import_module(f"examples.{name}").__doc__ or ""
    async with example(name) as (_, client):
        for url in re.findall(r"http://[^\s,;]+", about):
            assert (await client.get(url.rstrip("."))).status_code in (200, 302, 401), url


@pytest.mark.parametrize(
    ("name", "prefix", "bot"),
    [
        ("starlette_app", "", "echo"),
        ("fastapi_app", "/bots", "echo"),
        ("two_instances", "/support", "support"),
        ("two_instances", "/sales", "sales"),
    ],
)
async def test_a_user_logs_in_chats_and_logs_out(name: str, prefix: str, bot: str) -> None:
    async with example(name) as (module, client):
        assert (await log_in(client, "alice", f"{prefix}/auth/login")).status_code == 303
        opened = (await client.post(f"{prefix}/api/session/create", json={"bot_id": bot})).json()
        token = token_in(client)
        assert await chat(module.app, f"{prefix}/ws", token, opened["session_id"], ORIGIN) == "Hello"
        assert (await client.post(f"{prefix}/auth/logout")).json()["directory_revoked"] is True
        bearer = {"Authorization": f"Bearer {token}"}
        check_error(await client.get(f"{prefix}/api/session", headers=bearer), 401, "UNAUTHORIZED")


def token_in(client: httpx2.AsyncClient) -> str:
    return next(cookie.value or "" for cookie in client.cookies.jar if cookie.name.endswith("_session"))


async def test_the_fastapi_apps_middleware_and_cors_are_around_the_service() -> None:
    async with example("fastapi_app") as (_, client):
        for path in ("/hello", "/bots/health", "/bots/nowhere"):
            answer = await client.get(path, headers={"Origin": "https://shop.example"})
            assert answer.headers["x-shop"]
            assert answer.headers.get_list("access-control-allow-origin") == ["https://shop.example"]


async def test_two_instances_share_neither_sessions_nor_bots_nor_quotas() -> None:
    async with example("two_instances") as (_, client):
        await log_in(client, "alice", "/support/auth/login")
        await log_in(client, "alice", "/sales/auth/login")
        names = {cookie.name for cookie in client.cookies.jar if cookie.path == "/"}
        assert names == {"support_session", "sales_session"}
        before = (await client.get("/sales/api/bots")).headers["x-ratelimit-remaining"]
        opened = (await client.post("/support/api/session/create", json={"bot_id": "support"})).json()
        check_error(await client.post("/sales/api/session/create", json={"bot_id": "support"}), 404, "NOT_FOUND")
        check_error(await client.delete(f"/sales/api/session/{opened['session_id']}"), 404, "NOT_FOUND")
        await client.post("/support/auth/logout")
        check_error(await client.get("/support/api/session"), 401, "UNAUTHORIZED")
        after = await client.get("/sales/api/session")
        assert after.status_code == 200
        assert int(after.headers["x-ratelimit-remaining"]) == int(before) - 3


async def test_a_login_under_way_in_one_instance_is_none_of_the_others() -> None:
    async with example("two_instances") as (_, client):
        begun = await client.get("/support/auth/login")
        state = re.search(r"state=([^&]+)", begun.headers["location"])
        assert state is not None
        answer = await client.get(f"/sales/auth/callback?code=x&state={state[1]}")
        check_error(answer, 400, "INVALID_REQUEST")


async def test_the_notebook_remembers_looks_back_and_suggests() -> None:
    async with example("own_bot") as (module, client):
        await log_in(client, "alice")
        session = (await client.post("/api/session/create", json={"bot_id": "notebook"})).json()["session_id"]
        other = (await client.post("/api/session/create", json={"bot_id": "notebook"})).json()["session_id"]
        async with socket(module.app, {"Authorization": f"Bearer {session_token(client)}"}) as chatting:
            first = await ask(chatting, session, "note buy milk")
            second = await ask(chatting, session, "NOTE call Ada")
            shown = await ask(chatting, session, "show them")
            elsewhere = await ask(chatting, other, "show them")
    assert first["content"] == "Noted. That is number 1."
    assert second["content"] == "Noted. That is number 2."
    assert shown["content"] == "You have 2 notes, and we have exchanged 4 messages.\n1. buy milk\n2. call Ada"
    assert shown["suggestions"] == ["note buy milk", "show them"]
    assert elsewhere["content"] == "You have 0 notes, and we have exchanged 0 messages."


async def test_the_notebook_is_for_its_group_only() -> None:
    async with example("own_bot") as (_, client):
        await log_in(client, "bob")
        assert (await client.get("/api/bots")).json()["bots"] == []
        check_error(await client.post("/api/session/create", json={"bot_id": "notebook"}), 403, "FORBIDDEN")


async def test_a_stored_bot_appears_changes_and_disappears_without_a_restart() -> None:
    async with example("stored_bots") as (module, client):
        await log_in(client, "alice")
        await command("put", "desk", "Desk", "Off and on again?")
        assert await names_until(client, ["Desk", "Echo"]) == ["Desk", "Echo"]
        session = (await client.post("/api/session/create", json={"bot_id": "desk"})).json()["session_id"]
        async with socket(module.app, {"Authorization": f"Bearer {session_token(client)}"}) as chatting:
            assert (await ask(chatting, session, "Help"))["content"] == "Off and on again?"
        await command("put", "desk", "Help desk", "On and off again?")
        assert await names_until(client, ["Echo", "Help desk"]) == ["Echo", "Help desk"]
        async with socket(module.app, {"Authorization": f"Bearer {session_token(client)}"}) as chatting:
            assert (await ask(chatting, session, "Help"))["content"] == "On and off again?"
        await command("remove", "desk")
        assert await names_until(client, ["Echo"]) == ["Echo"]


async def command(*arguments: str) -> None:
    """As in another terminal."""
    await anyio.run_process([sys.executable, "-m", "examples.stored_bots", *arguments])


async def names_until(client: httpx2.AsyncClient, wanted: list[str]) -> list[str]:
    """The names of the bots, looked at until they are as wanted, which the service is to see within a second."""
    names: list[str] = []
    with anyio.move_on_after(END_TIMEOUT):
        while names != wanted:
            names = sorted(bot["name"] for bot in (await client.get("/api/bots")).json()["bots"])
            await anyio.sleep(0.05)
    return names


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def test_the_hosts_users_chat_and_do_not_see_each_other() -> None:
    async with example("own_login") as (module, client):
        ada, grace = basic("ada:lovelace"), basic("grace:hopper")
        opened = (await client.post("/api/session/create", json={"bot_id": "echo"}, headers=ada)).json()
        async with socket(module.app, ada) as chatting:
            assert (await ask(chatting, opened["session_id"], "Hello"))["content"] == "Hello"
        async with socket(module.app, grace) as chatting:
            assert (await ask(chatting, opened["session_id"], "Hello"))["type"] == "error"
        path = f"/api/conversations/{opened['session_id']}/history"
        assert len((await client.get(path, headers=ada)).json()["messages"]) == 2
        assert (await client.get(path, headers=grace)).status_code in (403, 404)
        assert (await client.delete(f"/api/session/{opened['session_id']}", headers=grace)).status_code == 403
        check_error(await client.get("/api/admin/system/status", headers=grace), 403, "FORBIDDEN")


@pytest.mark.parametrize(
    "header",
    [
        *(b"", b"Basic", b"Basic ", b"Basic !!!", b"Basic \xe9\xe9\xe9", b"Basic /w==", b"Bearer gbs_x"),
        *(basic(text)["Authorization"].encode() for text in ("ada:", "ada", ":", "ada:lovelac\xe9", "nobody:", "")),
    ],
)
async def test_a_wrong_login_of_the_host_is_401(header: bytes) -> None:
    async with example("own_login") as (_, client):
        answer = await client.get("/api/session", headers=[(b"authorization", header)])
        check_error(answer, 401, "UNAUTHORIZED")


@asynccontextmanager
async def socket(app: Any, headers: dict[str, str]) -> AsyncIterator[AsyncWebSocketSession]:
    async with (
        httpx2.AsyncClient(transport=ASGIWebSocketTransport(app=app), base_url=ORIGIN) as client,
        AsyncWebSocketClient(client, keepalive_ping_interval_seconds=None).connect(
            "ws://127.0.0.1:8000/ws", headers=headers
        ) as session,
    ):
        yield session


async def ask(session: AsyncWebSocketSession, id: str, text: str) -> dict[str, Any]:
    await session.send_text(json.dumps({"type": "message", "content": text, "session_id": id}))
    answer: dict[str, Any] = json.loads(await session.receive_text())
    return answer
