"""The example `terminal_chat`, as a process with a person at its keyboard."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples.terminal_chat import main
from tests.client.real_server import real_server
from tests.client.test_real_server import Slow
from tests.support.process import END_TIMEOUT, ROOT, START_TIMEOUT, running_runner

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@asynccontextmanager
async def terminal(*arguments: str, token: str | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"GB_TOKEN": token} if token else {})}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.terminal_chat", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT + END_TIMEOUT):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def until(process: asyncio.subprocess.Process, text: str) -> None:
    assert process.stdout is not None
    said = b""
    while text.encode() not in said:
        more = await process.stdout.read(1)
        assert more, said.decode()
        said += more


def write(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")


async def test_replies_are_written_and_the_first_ctrl_c_stops_one_and_the_second_ends() -> None:
    async with (
        real_server([Slow()]) as (service, port),
        terminal(f"http://127.0.0.1:{port}", token=await service.token("alice")) as process,
    ):
        await until(process, "Ctrl-D ends]")
        write(process, "Hello")
        await until(process, "You said Hello\n")
        write(process, "wait")
        await until(process, "You said wait")
        process.send_signal(signal.SIGINT)
        await until(process, " [cancelled]\n")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_it_logs_in_at_the_development_directory_and_ends_with_the_input(tmp_path: Path) -> None:
    with running_runner(folder=tmp_path) as runner:
        async with terminal(runner.base, "--development-user", "alice") as process:
            output, _ = await process.communicate(b"Hello\nHow are you?\n")
    assert output.decode().splitlines()[1:] == ["Hello", "How are you?"]
    assert process.returncode == 0


async def test_a_wrong_login_is_told_in_one_line() -> None:
    async with (
        real_server([Slow()]) as (_, port),
        terminal(f"http://127.0.0.1:{port}", token="gbs_wrong") as process,
    ):
        output, _ = await process.communicate()
    assert output.decode().startswith("UNAUTHORIZED: ")
    assert len(output.decode().splitlines()) == 1
    assert process.returncode == 1


async def test_without_a_login_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GB_TOKEN", raising=False)
    with pytest.raises(SystemExit, match="GB_TOKEN"):
        await main(Namespace(url="http://127.0.0.1:1", development_user=None))
