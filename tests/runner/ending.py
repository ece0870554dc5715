"""A runner whose stderr the test reads itself, to know how far it has come."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import END_TIMEOUT, START_TIMEOUT, start

HALF_A_REQUEST = (
    b"POST /auth/backchannel-logout HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n"
)
OTHER_HALF = b"logout_token=" + b"x" * 87


@contextmanager
def watched(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Started, and killed if it takes too long: so nothing that is read from it can wait for ever."""
    process = start("--storage", "memory://", *arguments, folder=folder)
    guard = threading.Timer(START_TIMEOUT + END_TIMEOUT, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str]) -> int:
    """Where it listens; returns when it has said all that a start says."""
    assert process.stdout is not None
    port = 0
    for line in process.stdout:
        if line.split()[:1] == ["open"]:
            port = int(line.rpartition(":")[2])
        if "Ctrl-C" in line:
            break
    return port


@contextmanager
def half_a_request(port: int) -> Iterator[socket.socket]:
    """A request that is under way, as the server has asked for its body."""
    with socket.create_connection(("127.0.0.1", port), END_TIMEOUT) as connection:
        connection.sendall(HALF_A_REQUEST)
        assert connection.recv(1_000).startswith(b"HTTP/1.1 100")
        yield connection


def await_stopping(process: subprocess.Popen[str]) -> None:
    """Return when it has taken notice of the signal."""
    assert process.stderr is not None
    assert "stopping" in process.stderr.readline()
