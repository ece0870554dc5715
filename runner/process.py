"""One process from start to end: bind, open, tell, serve, drain, close."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import anyio
from starlette.types import ASGIApp

from generalbots_api import Settings
from generalbots_api.errors import ApiError
from generalbots_api.storage import StorageError
from runner import banner, logs
from runner.access_log import with_access_log
from runner.hosts import with_loopback_hosts
from runner.layers import SettingsError, Value
from runner.server import CannotBind, Listener, listen, serve_until
from runner.wiring import Service, build, validated

CANNOT_RUN = 1
WRONG_SETTING = 2
DIRECTORY_TIMEOUT = 2.0  # seconds


def run(values: Mapping[str, Value]) -> int:
    """The exit code. What cannot go on ends with one line that says what to do."""
    try:
        settings = validated(values)
        listener = listen(values["bind"].value, is_tls=values["certfile"].value is not None)
        service = build(values, settings, listener.origin)
    except SettingsError as error:
        print(f"generalbots: {error}", file=sys.stderr)
        return WRONG_SETTING
    except CannotBind as error:
        print(f"generalbots: bind: {error}", file=sys.stderr)
        return CANNOT_RUN
    logs.configure(values["log_level"].value, values["log_format"].value)
    try:
        anyio.run(_serve, service, listener, settings, values, backend_options=_loop())
    except StorageError as error:
        print(f"generalbots: storage: {error}", file=sys.stderr)
        return CANNOT_RUN
    return 0


async def _serve(service: Service, listener: Listener, settings: Settings, values: Mapping[str, Value]) -> None:
    plain = {name: value.value for name, value in values.items()}
    async with service.gb.lifespan():
        gc.collect()
        gc.freeze()  # what lives from the start on need not be looked at again
        print(banner.text(service, listener, values), flush=True)
        await _tell_if_down(service)
        await serve_until(
            _app(service, listener, settings, plain),
            listener,
            lambda: _stopped(service),
            frame_max_bytes=settings.frame_max_bytes,
            graceful_timeout=plain["graceful_timeout"],
            root_path=plain["root_path"],
            certfile=plain["certfile"],
            keyfile=plain["keyfile"],
        )


async def _tell_if_down(service: Service) -> None:
    """One line, if the Directory does not answer: the service goes on, logins do not."""
    try:
        with anyio.fail_after(DIRECTORY_TIMEOUT):
            await service.directory.ping()
    except (ApiError, TimeoutError):
        text = f"directory: {service.directory.issuer} does not answer as it should. Check `issuer`, and that it runs."
        print(f"generalbots: {text} Until then /auth/login answers 503.", file=sys.stderr, flush=True)


def _app(service: Service, listener: Listener, settings: Settings, plain: Mapping[str, Any]) -> ASGIApp:
    app = service.app
    if listener.is_loopback and settings.public_url is None:
        app = with_loopback_hosts(app)
    return with_access_log(app) if plain["access_log"] else app


async def _stopped(service: Service) -> None:
    """Return when the process was told to end and the sockets have been told; a second signal ends it at once."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        number = await anext(signals)
        signal.signal(signal.SIGTERM, _end_at_once)
        signal.signal(signal.SIGINT, _end_at_once)
    print(f"generalbots: {signal.Signals(number).name}: closing", file=sys.stderr, flush=True)
    await service.gb.drain()


def _end_at_once(number: int, frame: object) -> None:
    os._exit(128 + number)


def _loop() -> dict[str, Any]:
    """uvloop where it is installed."""
    try:
        import uvloop  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        return {}
    return {"use_uvloop": True}
