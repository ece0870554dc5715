"""The names of Hypercorn that the runner relies on: a new version that moves one fails here."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from hypercorn.asyncio import run, tcp_server
from hypercorn.protocol import h2, h11, ws_stream

from runner.drain import Connections
from runner.hardening import SERVER, STREAM, PromptWSStream, harden


def test_the_names_are_where_they_were() -> None:
    assert version("hypercorn") == "0.18.0"
    assert issubclass(PromptWSStream, ws_stream.WSStream)
    for name in ("handle", "_send_pings", "_send_wsproto_event"):
        assert callable(getattr(ws_stream.WSStream, name))
    assert inspect.iscoroutinefunction(tcp_server.TCPServer.run)
    assert f"await {SERVER}(app, loop, config, context, lifespan_state, reader, writer)" in inspect.getsource(run)


def test_hardening_puts_everything_in_its_place() -> None:
    connections = Connections()
    harden(connections)
    assert getattr(h11, STREAM) is PromptWSStream
    assert getattr(h2, STREAM) is PromptWSStream
    assert getattr(run, SERVER) is connections
