"""Addresses as they are written, and the sockets bound to them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from runner.layers import SettingsError
from runner.listening import CannotBind, Given, Listener, Tcp, Unix, address_of


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("127.0.0.1:8080", Tcp("127.0.0.1", 8080)),
        ("localhost:0", Tcp("localhost", 0)),
        ("[::1]:80", Tcp("::1", 80)),
        ("unix:run/bots.sock", Unix(Path("run/bots.sock"))),
        ("fd://3", Given(3)),
    ],
)
def test_an_address_is_read(bind: str, address: object) -> None:
    assert address_of(bind) == address


@pytest.mark.parametrize("bind", ["", "8080", ":8080", "host:", "host:x", "host:65536", "fd://x", "unix:", "tcp://h:1"])
def test_an_address_that_is_none_is_refused(bind: str) -> None:
    with pytest.raises(SettingsError, match="bind: must be HOST:PORT, unix:PATH or fd://N"):
        address_of(bind)


@pytest.mark.parametrize(
    ("bind", "origin"),
    [
        ("127.0.0.1:80", "http://127.0.0.1:80"),
        ("[::1]:80", "http://[::1]:80"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::]:80", "http://[::1]:80"),
    ],
)
def test_the_origin_is_one_that_a_browser_can_open(bind: str, origin: str) -> None:
    assert address_of(bind).origin("http") == origin


@pytest.mark.parametrize(
    ("host", "is_loopback"), [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::", False)]
)
def test_all_of_loopback_is_loopback(host: str, is_loopback: bool) -> None:
    assert Listener(0, "", host).is_loopback is is_loopback


def test_port_0_is_any_that_is_free_and_is_told() -> None:
    listener = Tcp("127.0.0.1", 0).listen("https")
    with socket.socket(fileno=listener.descriptor) as bound:
        assert listener.origin == f"https://127.0.0.1:{bound.getsockname()[1]}"


def test_a_given_socket_is_taken_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        listener = Given(given.fileno()).listen("http")
        assert listener == Listener(given.fileno(), f"http://127.0.0.1:{given.getsockname()[1]}", "127.0.0.1")


def test_a_descriptor_that_is_no_stream_socket_is_refused() -> None:
    reader, writer = os.pipe()
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for descriptor in (reader, datagrams.fileno()):
            with pytest.raises(CannotBind, match=f"fd://{descriptor} is not"):
                Given(descriptor).listen("http")
    os.close(reader)
    os.close(writer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def test_a_unix_socket_is_for_owner_and_group_and_goes_at_the_end(path: Path) -> None:
    with Unix(path).listen("http") as listener:
        assert path.stat().st_mode & 0o777 == 0o660
        assert listener.shown == f"unix:{path}"
    os.close(listener.descriptor)
    assert not path.exists()


def test_the_socket_of_a_dead_process_is_replaced(path: Path) -> None:
    os.close(Unix(path).listen("http").descriptor)
    assert path.exists()
    with Unix(path).listen("http") as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    os.close(listener.descriptor)


def test_the_socket_of_a_living_process_is_in_use(path: Path) -> None:
    with Unix(path).listen("http") as listener:
        with pytest.raises(CannotBind, match="in use by another process"):
            Unix(path).listen("http")
        assert path.exists()
    os.close(listener.descriptor)


def test_a_file_at_the_path_is_left_as_it_is(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(CannotBind, match="no socket"):
        Unix(path).listen("http")
    assert path.read_text() == "precious"
