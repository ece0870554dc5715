"""One process from start to end: bind, open, tell, serve, drain, close."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Mapping
from typing import Any

import anyio
from starlette.types import ASGIApp

from generalbots_api.errors import ApiError
from generalbots_api.storage import StorageError
from runner import banner, logs
from runner.access_log import with_access_log
from runner.hosts import with_hosts_of_loopback
from runner.keys import with_kept_key
from runner.layers import SettingsError, Value
from runner.listening import CannotBind, Listener, address_of
from runner.server import FRAME_SLACK, ServerOptions, serve_until
from runner.serving.limits import Limits
from runner.signals import told_once
from runner.validating import plain_of, scheme_of, validated
from runner.wiring import Service, build

CANNOT_RUN = 1
WRONG_SETTING = 2
DIRECTORY_TIMEOUT = 2.0  # seconds

log = logging.getLogger("runner")


def run(values: Mapping[str, Value]) -> int:
    """The exit code. What cannot go on ends with one line that says what to do."""
    try:
        settings = validated(values)
        logs.configure(values["log_level"].value, values["log_format"].value)
        with address_of(values["bind"].value).listen(scheme_of(values)) as listener:
            service = build(values, with_kept_key(settings, values), listener.origin)
            anyio.run(_serve, service, listener, values, backend_options=_loop())
    except SettingsError as error:
        return _told(str(error), WRONG_SETTING)
    except CannotBind as error:
        return _told(f"bind: {error}", CANNOT_RUN)
    except StorageError as error:
        return _told(f"storage: {error}", CANNOT_RUN)
    return 0


def _told(problem: str, code: int) -> int:
    print(f"generalbots: {problem}", file=sys.stderr)
    return code


async def _serve(service: Service, listener: Listener, values: Mapping[str, Value]) -> None:
    plain = plain_of(values)
    async with service.gb.lifespan(), anyio.create_task_group() as tasks:
        gc.collect()
        gc.freeze()  # what lives from the start on need not be looked at again
        with told_once() as told:

            async def stop() -> None:
                log.info("stopping", extra={"signal": (await told()).name})
                await service.gb.drain()

            print(banner.text(service, listener, values), flush=True)
            tasks.start_soon(_tell_if_down, service)
            await serve_until(stop, _app(service, listener, plain), listener.descriptor, _options(service, plain))
        tasks.cancel_scope.cancel()


def _app(service: Service, listener: Listener, plain: Mapping[str, Any]) -> ASGIApp:
    app = service.app
    if listener.host is not None and listener.is_loopback and service.gb.settings.public_url is None:
        app = with_hosts_of_loopback(app, listener.host)
    return with_access_log(app) if plain["access_log"] else app


def _options(service: Service, plain: Mapping[str, Any]) -> ServerOptions:
    return ServerOptions(
        graceful_timeout=plain["graceful_timeout"],
        limits=Limits(message_bytes=service.gb.settings.frame_max_bytes + FRAME_SLACK),
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


def _loop() -> dict[str, Any]:
    """uvloop where it is installed."""
    try:
        import uvloop  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        return {}
    return {"use_uvloop": True}
