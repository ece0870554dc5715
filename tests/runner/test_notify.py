"""What systemd is told, by the socket that it names."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.notify import Notifier
from tests.support.process import END_TIMEOUT, running_runner


@pytest.fixture(params=["path", "abstract"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket of a service manager, and its name in the environment."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@generalbots-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if name.startswith("@") else name)
        manager.settimeout(END_TIMEOUT)
        yield manager, name


def test_it_is_told_on_the_socket_that_is_named(told: tuple[socket.socket, str]) -> None:
    manager, name = told
    notifier = Notifier.of({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.stopping()
    assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_nobody_to_tell_is_no_error_and_a_socket_that_is_gone_a_line(caplog: pytest.LogCaptureFixture) -> None:
    Notifier.of({}).ready()
    assert caplog.text == ""
    Notifier.of({"NOTIFY_SOCKET": "/nowhere/notify"}).ready()
    assert "notify.failed" in caplog.text


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_is_named(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier.of(environment).watchdog == seconds


@pytest.mark.server
def test_a_runner_tells_that_it_is_ready_that_it_lives_and_that_it_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(END_TIMEOUT)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with running_runner("--storage", "memory://", folder=tmp_path, environment=environment) as runner:
            said = {manager.recv(100) for _ in range(4)}
            assert said == {b"READY=1", b"WATCHDOG=1"}
            assert runner.end() == 0
        while (last := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert last == b"STOPPING=1"
