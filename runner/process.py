"""One process from start to end: bind, open, tell, serve, drain, close."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
from starlette.types import ASGIApp

from generalbots_api.errors import ApiError
from generalbots_api.storage import StorageError
from runner import banner, collector, logs
from runner.access_log import with_access_log
from runner.descriptors import room_for_connections
from runner.hosts import with_hosts_of_loopback
from runner.keys import with_kept_key
from runner.layers import SettingsError, Value
from runner.listening import CannotBind, Listener, address_of
from runner.notify import Notifier
from runner.server import FRAME_SLACK, ServerOptions, serve_until
from runner.serving.limits import Limits
from runner.signals import told_once
from runner.supervised import is_supervised, supervise
from runner.validating import plain_of, scheme_of, validated
from runner.wiring import Service, build
from runner.worker import Place

CANNOT_RUN = 1
WRONG_SETTING = 2
DIRECTORY_TIMEOUT = 2.0  # seconds

log = logging.getLogger("runner")


class CannotStart(Exception):
    """A backend cannot be opened; the text says which error it had."""


def run(values: Mapping[str, Value], arguments: Sequence[str]) -> int:
    """The exit code. What cannot go on ends with one line that says what to do."""
    place = Place.given(os.environ)
    try:
        settings = validated(values)
        logs.configure(values["log_level"].value, values["log_format"].value)
        if place is not None:
            place.end_with_parent(values["graceful_timeout"].value)
        with place.listener() if place else address_of(values["bind"].value).listen(scheme_of(values)) as listener:
            if place is None and is_supervised(values):
                return supervise(values, arguments, listener)
            service = build(values, with_kept_key(settings, values), listener.origin)
            anyio.run(_serve, service, listener, values, place, backend_options=_loop())
    except SettingsError as error:
        return _told(str(error), WRONG_SETTING)
    except CannotBind as error:
        return _told(f"bind: {error}", CANNOT_RUN)
    except StorageError as error:
        return _told(f"storage: {error}", CANNOT_RUN)
    except CannotStart as error:
        return _told(f"the service cannot start: {error}", CANNOT_RUN)
    return 0


def _told(problem: str, code: int) -> int:
    print(f"generalbots: {' '.join(problem.split())}", file=sys.stderr)
    return code


async def _serve(service: Service, listener: Listener, values: Mapping[str, Value], place: Place | None) -> None:
    plain, notifier = plain_of(values), Notifier.of({} if place else os.environ)
    async with _opened(service), anyio.create_task_group() as tasks:
        collector.settle()
        with told_once() as told:

            async def stop() -> None:
                log.info("stopping", extra={"signal": (await told()).name})
                notifier.stopping()

            if place is None or place.tells:
                print(banner.text(service, listener, values), flush=True)
                tasks.start_soon(_tell_if_down, service)
            tasks.start_soon(place.keep_alive if place else notifier.keep_alive)
            notifier.ready()
            options = _options(service, plain)
            drain = partial(service.gb.drain, options.graceful_timeout)
            await serve_until(stop, _app(service, listener, plain), listener.descriptor, options, drain)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _opened(service: Service) -> AsyncIterator[None]:
    """The service with its backends open.

    Raises:
        CannotStart: one of them cannot be opened, and says so in no way that is known here.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(service.gb.lifespan())
        except StorageError:
            raise
        except Exception as error:
            log.debug("start.failed", exc_info=error)
            raise CannotStart(" ".join(f"{type(error).__name__}: {error}".split())) from None
        yield


def _app(service: Service, listener: Listener, plain: Mapping[str, Any]) -> ASGIApp:
    app = service.app
    if listener.host is not None and listener.is_loopback and service.gb.settings.public_url is None:
        app = with_hosts_of_loopback(app, listener.host)
    return with_access_log(app) if plain["access_log"] else app


def _options(service: Service, plain: Mapping[str, Any]) -> ServerOptions:
    return ServerOptions(
        graceful_timeout=plain["graceful_timeout"],
        limits=Limits(
            connections=room_for_connections(),
            message_bytes=service.gb.settings.frame_max_bytes + FRAME_SLACK,
        ),
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
