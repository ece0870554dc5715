"""The names of Hypercorn that the runner relies on: a new version that moves one fails here."""

from __future__ import annotations

from importlib.metadata import version

from hypercorn.protocol import h2, h11, ws_stream

from runner.hardening import REPLACED, PromptWSStream, harden


def test_the_names_are_where_they_were() -> None:
    assert version("hypercorn") == "0.18.0"
    assert issubclass(PromptWSStream, ws_stream.WSStream)
    for name in ("handle", "_send_pings", "_send_wsproto_event"):
        assert callable(getattr(ws_stream.WSStream, name))


def test_hardening_puts_the_class_in_its_place() -> None:
    harden()
    assert getattr(h11, REPLACED) is PromptWSStream
    assert getattr(h2, REPLACED) is PromptWSStream
