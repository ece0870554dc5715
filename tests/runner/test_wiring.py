"""From settings to a service: the dev directory's place, and bots by name."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.demo import StaffBot
from runner.loading import bots_of
from runner.wiring import with_dev_directory


def naming(name: str) -> ASGIApp:
    """An app that tells its name, and what it takes for its own path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        told = f"{name} {scope['root_path']} {Request(scope).url.path}"
        await PlainTextResponse(told)(scope, receive, send)

    return app


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("root_path", "path", "answers"),
    [
        ("", "/dev-directory/login", "dev"),
        ("", "/dev-directory", "api"),
        ("", "/dev-directoryx/login", "api"),
        ("", "/api/session", "api"),
        ("/bots", "/bots/dev-directory/login", "dev"),
        ("/bots", "/dev-directory/login", "dev"),
    ],
)
async def test_the_dev_directory_answers_below_its_path(root_path: str, path: str, answers: str) -> None:
    app = with_dev_directory(naming("api"), naming("dev"))
    transport = httpx2.ASGITransport(app=app, root_path=root_path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        said = (await client.get(path)).text.split()
    assert said[0] == answers
    assert answers == "api" or said[1:] == ["/dev-directory", "/dev-directory/login"]


def test_bots_come_as_instances_classes_lists_and_factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "four_ways.py").write_text(
        "from runner.demo import StaffBot\n"
        "one = StaffBot()\n"
        "several = [StaffBot(), StaffBot()]\n"
        "def made():\n    return [StaffBot()]\n"
    )
    for name, count in (("one", 1), ("several", 2), ("made", 1), ("StaffBot", 1)):
        bots = bots_of([f"four_ways:{name}"])
        assert [type(bot) for bot in bots] == [StaffBot] * count
