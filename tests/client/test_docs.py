"""docs/client.md: its blocks run, against the real service."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from tests.client.real_server import real_server
from tests.support.process import ROOT

pytestmark = [pytest.mark.anyio, pytest.mark.server]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/client.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize(
    ("block", "said"),
    list(zip(BLOCKS, ["echo online", "completed: Hello", "20", "Hello"], strict=True)),
    ids=["bots", "conversation", "log in", "repeats"],
)
async def test_a_block_of_the_page_runs(block: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with real_server() as (service, port):
        token = await service.token("alice")

        async def ask_for_a_token() -> str:
            return token

        code = compile(
            block.replace("https://bots.example", f"http://127.0.0.1:{port}"),
            "docs/client.md",
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        )
        running = eval(code, {"token": token, "ask_for_a_token": ask_for_a_token})  # noqa: S307 # our own page
        if inspect.iscoroutine(running):
            await running
    assert said in capsys.readouterr().out
