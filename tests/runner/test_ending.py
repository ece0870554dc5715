"""The runner's end: clean with anything open, at once when asked twice, and never with a traceback."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.runner.ending import OTHER_HALF, await_stopping, half_a_request, port_of, watched
from tests.support.process import END_TIMEOUT

pytestmark = pytest.mark.server

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_right_after_the_start_is_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    with watched("--bind", "127.0.0.1:0", folder=tmp_path) as process:
        port_of(process)
        process.send_signal(number)
        _, said = process.communicate(timeout=END_TIMEOUT)
    assert process.returncode == 0
    assert said.count("\n") == 1
    assert f"stopping signal={number.name}" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_during_the_start_ends_it_without_a_word(tmp_path: Path, number: signal.Signals, code: int) -> None:
    (tmp_path / "slow.py").write_text("import signal\nprint('loading', flush=True)\nsignal.pause()\n")
    with watched("--bind", "127.0.0.1:0", "--bots", "slow:bot", folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=END_TIMEOUT)
    assert (process.returncode, said) == (code, "")


def test_idle_connections_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with watched("--bind", "127.0.0.1:0", "--graceful-timeout", "600", folder=tmp_path) as process:
        address = ("127.0.0.1", port_of(process))
        with socket.create_connection(address), socket.create_connection(address, END_TIMEOUT) as kept:
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert kept.recv(1_000).startswith(b"HTTP/1.1 200")
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_TIMEOUT) == 0


def test_a_request_in_flight_is_answered(tmp_path: Path) -> None:
    with watched("--bind", "127.0.0.1:0", "--graceful-timeout", "600", folder=tmp_path) as process:
        with half_a_request(port_of(process)) as connection:
            process.send_signal(signal.SIGTERM)
            await_stopping(process)
            connection.sendall(OTHER_HALF)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 400")
        assert process.wait(END_TIMEOUT) == 0


def test_a_request_past_the_grace_is_cut_without_a_traceback(tmp_path: Path) -> None:
    with (
        watched("--bind", "127.0.0.1:0", "--graceful-timeout", "0.1", folder=tmp_path) as process,
        half_a_request(port_of(process)),
    ):
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=END_TIMEOUT)
    assert process.returncode == 0
    assert said.count("\n") == 1


def test_a_client_that_does_not_read_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with (
        watched("--bind", "127.0.0.1:0", "--graceful-timeout", "0.1", folder=tmp_path) as process,
        socket.socket() as deaf,
    ):
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        deaf.connect(("127.0.0.1", port_of(process)))
        deaf.settimeout(0.5)
        with suppress(TimeoutError):  # when both sides are full
            for _ in range(5_000):
                deaf.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=END_TIMEOUT)
    assert process.returncode == 0
    assert said.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with (
        watched("--bind", "127.0.0.1:0", "--graceful-timeout", "600", folder=tmp_path) as process,
        half_a_request(port_of(process)),
    ):
        process.send_signal(number)
        await_stopping(process)
        process.send_signal(number)
        _, said = process.communicate(timeout=END_TIMEOUT)
    assert (process.returncode, said) == (code, "")
