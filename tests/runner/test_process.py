"""The runner as a process: it starts, answers, refuses what it must, and ends cleanly."""

from __future__ import annotations

import json
import signal
import socket
import struct
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.runner.ending import port_of, watched
from tests.support.process import END_TIMEOUT, running_runner, start
from tests.support.service import log_in, session_token

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_login_a_chat_and_a_clean_end_with_an_open_socket(tmp_path: Path, number: signal.Signals) -> None:
    with running_runner("--access-log", folder=tmp_path) as runner:
        async with httpx2.AsyncClient(base_url=runner.base) as client:
            await log_in(client, "alice")
            token = session_token(client)
            session = (await client.post("/api/session/create", json={"bot_id": "staff"})).json()
        url = runner.base.replace("http", "ws") + "/ws"
        async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as chat:
            await chat.send(json.dumps({"type": "message", "content": "Hello", "session_id": session["session_id"]}))
            assert "Groups: staff" in json.loads(await chat.recv())["content"]
            runner.process.send_signal(number)
            with pytest.raises(ConnectionClosedError) as closed:
                await chat.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert runner.process.wait(END_TIMEOUT) == 0
    said = "".join(runner.errors)
    assert "Traceback" not in said
    assert "path=/auth/callback" in said
    assert token not in said
    assert "code=" not in said
    assert "state=" not in said


async def test_a_login_outlives_a_restart(tmp_path: Path) -> None:
    with running_runner(folder=tmp_path) as first:
        async with httpx2.AsyncClient(base_url=first.base) as client:
            await log_in(client, "alice")
            token = session_token(client)
        assert first.end() == 0
    with running_runner(folder=tmp_path) as second:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=second.base, headers=headers) as client:
            assert (await client.get("/api/session")).status_code == 200
            assert (await client.get("/api/bots")).status_code == 200


async def test_the_host_header_must_name_this_machine(tmp_path: Path) -> None:
    with running_runner("--storage", "memory://", folder=tmp_path) as runner:
        async with httpx2.AsyncClient(base_url=runner.base) as client:
            answer = await client.get("/health", headers={"Host": "evil.example"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_REQUEST")
            assert (await client.get("/health", headers={"Host": "localhost:1"})).status_code == 200


async def test_clients_that_reset_their_connection_leave_nothing_in_the_log(tmp_path: Path) -> None:
    with running_runner("--storage", "memory://", folder=tmp_path) as runner:
        address = ("127.0.0.1", int(runner.base.rpartition(":")[2]))
        for start_of_request in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") * 30:
            with socket.create_connection(address) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(start_of_request)
        async with httpx2.AsyncClient(base_url=runner.base) as client:
            assert (await client.get("/openapi.json")).status_code == 200
        assert runner.end() == 0
    assert [line for line in runner.errors if "stopping" not in line] == []


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    process = start("--check", folder=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(END_TIMEOUT) == 1


def ended(*arguments: str, folder: Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code and what was said of a start that fails."""
    process = start(*arguments, folder=folder, environment=environment)
    _, said = process.communicate(timeout=END_TIMEOUT)
    return process.returncode, said


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = ended("--bind", f"127.0.0.1:{port}", folder=tmp_path)
    assert code == 1
    assert said.count("\n") == 1
    assert f"127.0.0.1:{port} cannot be used" in said
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_one_line_and_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "generalbots.db"
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8_000)
    before = database.read_bytes()
    code, said = ended("--bind", "127.0.0.1:0", folder=tmp_path)
    assert code == 1
    assert said.count("\n") == 1
    assert "generalbots.db" in said
    assert database.read_bytes() == before


def test_a_bot_that_cannot_be_opened_is_told_in_a_line_and_nothing_is_served(tmp_path: Path) -> None:
    (tmp_path / "closed.py").write_text(
        "from generalbots_api import EchoBot\n"
        "class Bot(EchoBot):\n"
        "    async def __aenter__(self): raise OSError('no model\\nhere')\n"
        "    async def __aexit__(self, *exc_info): pass\n"
    )
    code, said = ended("--bind", "127.0.0.1:0", "--bots", "closed:Bot", folder=tmp_path)
    assert code == 1
    assert "Traceback" not in said
    assert said.endswith("generalbots: the service cannot start: OSError: no model here\n")


def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    code, said = ended("--bind", "127.0.0.1:0", folder=tmp_path, environment={"GB_STORRAGE": "memory://"})
    assert (code, said) == (2, "generalbots: GB_STORRAGE: unknown setting; did you mean GB_STORAGE?\n")
    assert list(tmp_path.iterdir()) == []


async def test_a_directory_that_is_down_lets_the_service_start_and_says_503(tmp_path: Path) -> None:
    arguments = ("--directory", "oidc", "--issuer", "https://127.0.0.1:1", "--client-id", "x")
    with watched("--bind", "127.0.0.1:0", *arguments, folder=tmp_path) as process:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port_of(process)}") as client:
            assert (await client.get("/ready")).status_code == 200
            answer = await client.get("/auth/login")
        assert process.stderr is not None
        said = next(line for line in process.stderr if line.startswith("generalbots: "))
    assert "directory: https://127.0.0.1:1 does not answer" in said
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVER_ERROR")
    assert "retry-after" in answer.headers
