"""Workers that die, hang, or are exchanged: what clients, systemd and whoever started them see of it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.runner.served import Client
from tests.support.process import END_TIMEOUT, ROOT, START_TIMEOUT

pytestmark = [pytest.mark.anyio, pytest.mark.server]


@dataclass
class Small:
    """A started supervisor of small workers."""

    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, path: str = "/") -> tuple[int, int]:
        """The status, and the process that answered."""
        async with await self.client() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            status, body = await client.answer()
            return status, int(body)

    async def harm(self, path: str) -> None:
        """A request that is not answered."""
        async with await self.client() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await client.until_closed()

    def until(self, text: str) -> str:
        """Read its log as far as there."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if text in line:
                return line
        raise AssertionError("".join(self.said))


@contextmanager
def small(
    kind: str = "serves", *, count: int = 2, grace: float = 30, silence: float = 60, told: str = ""
) -> Iterator[Small]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **({"NOTIFY_SOCKET": told} if told else {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.runner.small", str(grace), str(silence), str(count), kind],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(START_TIMEOUT + END_TIMEOUT, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        yield Small(process, int(process.stdout.readline()))
    finally:
        guard.cancel()
        process.terminate()
        try:
            process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()


def await_end(pid: int) -> None:
    """Of a process that is not ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], END_TIMEOUT)[0], f"{pid} is still there"
    finally:
        os.close(descriptor)


async def test_a_worker_that_is_killed_is_replaced_and_no_request_fails_after_it() -> None:
    with small() as workers:
        _, first = await workers.ask()
        os.kill(first, signal.SIGKILL)
        assert "code=-9" in workers.until("worker.ended")
        answers = [await workers.ask() for _ in range(100)]
        assert {status for status, _ in answers} == {200}
        assert first not in {pid for _, pid in answers}
        workers.process.send_signal(signal.SIGINT)
        assert workers.process.wait(END_TIMEOUT) == 0


async def test_a_rolling_restart_fails_none_of_a_thousand_requests() -> None:
    """Half of them on connections that are kept as long as the server keeps them, half on new ones."""
    with small() as workers:
        rolled = asyncio.Event()
        pids: set[int] = set()

        async def keep_asking() -> int:
            count = 0
            while not rolled.is_set() or count < 250:
                async with await workers.client() as client:
                    while not rolled.is_set() or count < 250:
                        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        head = await client.until(b"\r\n\r\n")
                        assert head.startswith(b"HTTP/1.1 200")
                        pids.add(
                            int(await client.reader.readexactly(int(head.lower().split(b"length: ")[1].split()[0])))
                        )
                        count += 1
                        if b"connection: close" in head.lower():
                            break
            return count

        async def open_anew() -> int:
            count = 0
            while not rolled.is_set() or count < 250:
                status, pid = await workers.ask()
                assert status == 200
                pids.add(pid)
                count += 1
            return count

        asking = [asyncio.create_task(one()) for one in (keep_asking, keep_asking, open_anew, open_anew)]
        await workers.ask()
        before = {(await workers.ask())[1] for _ in range(20)}
        workers.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(workers.until, "rolling")
        for pid in before:
            await asyncio.to_thread(await_end, pid)
        rolled.set()
        counts = await asyncio.gather(*asking)
    assert sum(counts) >= 1_000
    assert pids - before


async def test_a_request_that_never_ends_does_not_hold_up_an_exchange() -> None:
    with small(count=1, grace=0.1) as workers:
        _, old = await workers.ask()
        async with await workers.client() as client:
            client.send(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
            workers.process.send_signal(signal.SIGHUP)
            assert await client.until_closed()
        await_end(old)
        status, new = await workers.ask()
    assert (status, new == old) == (200, False)


@pytest.mark.parametrize(("harm", "said"), [("/die", "worker.ended"), ("/hang", "worker.silent")])
async def test_the_only_worker_that_dies_or_hangs_costs_the_next_request_a_wait(harm: str, said: str) -> None:
    with small(count=1, silence=2.5) as workers:
        _, old = await workers.ask()
        await workers.harm(harm)
        status, new = await workers.ask()
        workers.until(said)
    assert (status, new == old) == (200, False)


def test_workers_that_keep_ending_end_it_with_a_line_and_code_1() -> None:
    with small("crashes") as workers:
        _, said = workers.process.communicate(timeout=END_TIMEOUT)
    assert workers.process.returncode == 1
    assert said.splitlines()[-1] == "generalbots: workers keep ending, the last with code 3. See the log."


def test_a_first_worker_that_cannot_run_ends_it_with_its_code() -> None:
    with small("fails") as workers:
        _, said = workers.process.communicate(timeout=END_TIMEOUT)
    assert (workers.process.returncode, said) == (2, "")


async def test_no_worker_outlives_its_parent() -> None:
    with small() as workers:
        pids = {(await workers.ask())[1] for _ in range(20)}
        workers.process.kill()
        for pid in pids:
            await_end(pid)


async def test_a_second_signal_ends_all_at_once() -> None:
    with small(grace=600) as workers:
        _, pid = await workers.ask()
        async with await workers.client() as client:
            client.send(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
            workers.process.send_signal(signal.SIGTERM)
            workers.until("stopping")
            workers.process.send_signal(signal.SIGTERM)
            assert workers.process.wait(END_TIMEOUT) == 143
            await_end(pid)
            await client.until_closed()


async def test_systemd_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(END_TIMEOUT)
        with small(told=str(tmp_path / "notify")) as workers:
            assert told.recv(100) == b"READY=1"
            workers.process.send_signal(signal.SIGHUP)
            assert told.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert told.recv(100) == b"READY=1"
            workers.process.send_signal(signal.SIGTERM)
            assert told.recv(100) == b"STOPPING=1"
