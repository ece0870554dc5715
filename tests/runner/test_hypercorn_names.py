"""What the runner relies on in Hypercorn: a new version that moves one of these fails here."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest

from runner.serving import names
from runner.serving.names import H2Protocol, H11Protocol, HTTPStream, WSStream

STREAM = ["app", "config", "context", "task_group", "ssl", "client", "server", "send", "stream_id"]
PROTOCOL = ["app", "config", "context", "task_group", "connection_state", "ssl", "client", "server", "send"]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("hypercorn") == names.VERSION


@pytest.mark.parametrize(
    ("owner", "arguments"), [(HTTPStream, STREAM), (WSStream, STREAM), (H11Protocol, PROTOCOL), (H2Protocol, PROTOCOL)]
)
def test_it_is_made_as_before(owner: Any, arguments: list[str]) -> None:
    assert list(inspect.signature(owner).parameters) == arguments


@pytest.mark.parametrize(
    ("owner", "methods"),
    [
        (HTTPStream, "handle app_send"),
        (WSStream, "handle app_send _accept _send_rejection"),
        (H11Protocol, "handle initiate stream_send _handle_events _maybe_recycle _close_stream"),
        (H2Protocol, "handle initiate stream_send send_task _handle_events _create_stream _flush _close_stream"),
    ],
)
def test_it_can_do_what_is_called_and_replaced(owner: Any, methods: str) -> None:
    for name in methods.split():
        assert inspect.iscoroutinefunction(getattr(owner, name)), name


@pytest.mark.parametrize(
    ("owner", "attributes"),
    [
        (HTTPStream, "closed response scope send state stream_id task_group"),
        (WSStream, "app_put buffer closed handshake response send state stream_id task_group"),
        (H11Protocol, "app can_read client config connection connection_state context keep_alive_requests send stream"),
        (H2Protocol, "connection keep_alive_requests priority send stream_buffers streams"),
    ],
)
def test_it_keeps_what_is_read_and_set(owner: Any, attributes: str) -> None:
    source = inspect.getsource(owner.__init__)
    for name in attributes.split():
        assert f"self.{name}" in source, name


def test_the_states_are_named_as_before() -> None:
    assert [state.name for state in names.ASGIHTTPState] == ["REQUEST", "RESPONSE", "TRAILERS", "CLOSED"]
    assert {state.name for state in names.ASGIWebsocketState} >= {"HANDSHAKE", "CONNECTED", "CLOSED", "HTTPCLOSED"}
