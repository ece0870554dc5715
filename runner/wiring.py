"""From settings to a service: the backends, the bots, and the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api import GeneralBots, Settings
from generalbots_api.bus import Bus
from generalbots_api.directory import Directory
from generalbots_api.limits.ports import Limiter
from generalbots_api.storage import Storage
from generalbots_api.web.paths import route_path
from runner.hosts import LOOPBACK
from runner.layers import SettingsError, Value
from runner.loading import bots_of
from runner.validating import MEMORY, POSTGRES, REDIS, SQLITE, plain_of

if TYPE_CHECKING:
    from generalbots_api.backends.dev_directory import DevDirectory

DEV_PATH = "/dev-directory"
ELSEWHERE = "use 127.0.0.1, or set directory to zitadel or oidc"


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, and what the start-up message tells of it."""

    gb: GeneralBots
    app: ASGIApp
    directory: Directory
    directory_name: str
    accounts: list[str]  # of the dev directory
    bot_names: list[str]


def build(values: Mapping[str, Value], settings: Settings, origin: str) -> Service:
    """The service, with nothing opened yet; `origin` is where it will be reached, for the dev directory.

    Raises:
        SettingsError.
    """
    plain = plain_of(values)
    bots = bots_of(plain["bots"])
    try:
        storage = _storage(plain["storage"])
        dev = _dev_directory(plain, settings, origin) if plain["directory"] == "dev" else None
        directory = _directory_in_process(dev) if dev else _directory(plain)
        limiter, bus = _limiter(plain["limiter"], settings), _bus(plain["bus"])
        gb = GeneralBots(settings, storage=storage, directory=directory, bots=bots, limiter=limiter, bus=bus)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return Service(
        gb=gb,
        app=with_dev_directory(gb, dev) if dev else gb,
        directory=directory,
        directory_name=f"development, at {DEV_PATH}" if dev else directory.issuer,
        accounts=list(dev.usernames) if dev else [],
        bot_names=[bot.info.name for bot in bots],
    )


def _storage(url: str) -> Storage:
    if url.startswith(MEMORY):
        from generalbots_api.backends.memory import MemoryStorage  # noqa: PLC0415 - only what is chosen

        return MemoryStorage()
    if url.startswith(POSTGRES):
        storage: Storage = _backend("postgres", "storage").PostgresStorage(url)
        return storage
    from generalbots_api.backends.sqlite import SqliteStorage  # noqa: PLC0415

    return SqliteStorage(url.removeprefix(SQLITE))


def _limiter(url: str | None, settings: Settings) -> Limiter | None:
    """None: the storage's own."""
    if url is None:
        return None
    if url.startswith(REDIS):
        limiter: Limiter = _backend("redis", "limiter").RedisLimiter(url)
        return limiter
    from generalbots_api.backends.memory import MemoryLimiter  # noqa: PLC0415 - only what is chosen

    return MemoryLimiter(max_keys=settings.limit_keys)


def _bus(url: str | None) -> Bus | None:
    """None: the storage's own."""
    if url is None:
        return None
    if url.startswith(POSTGRES):
        bus: Bus = _backend("postgres", "bus").PostgresBus(url)
        return bus
    if url.startswith(REDIS):
        bus = _backend("redis", "bus").RedisBus(url)
        return bus
    from generalbots_api.backends.memory import MemoryBus  # noqa: PLC0415 - only what is chosen

    return MemoryBus()


def _backend(name: str, setting: str) -> ModuleType:
    """Raises:
    SettingsError: the driver is not installed.
    """
    try:
        return import_module(f"generalbots_api.backends.{name}")
    except ModuleNotFoundError as error:
        raise SettingsError(f"{setting}: {error.name} is missing; install generalbots-api[{name}]") from None


def _directory(plain: Mapping[str, Any]) -> Directory:
    if plain["directory"] == "oidc":
        from generalbots_api.backends.oidc import OidcDirectory  # noqa: PLC0415 - only what is chosen

        return OidcDirectory(plain["issuer"], plain["client_id"], plain["client_secret"])
    from generalbots_api.backends.zitadel import ZitadelDirectory  # noqa: PLC0415

    return ZitadelDirectory(
        plain["issuer"],
        plain["client_id"],
        plain["client_secret"],
        project_id=plain["project_id"],
        organization_id=plain["organization_id"],
    )


def _dev_directory(plain: Mapping[str, Any], settings: Settings, origin: str) -> DevDirectory:
    """Raises:
    SettingsError: the service is for other machines too.
    """
    for name, url in (("bind", origin), ("public_url", settings.public_url)):
        if url is not None and urlsplit(url).hostname not in LOOPBACK:
            raise SettingsError(f"{name}: the dev directory is for this machine only; {ELSEWHERE}")
    from generalbots_api.backends.dev_directory import DevDirectory  # noqa: PLC0415 - only what is chosen

    try:
        return DevDirectory(
            origin + DEV_PATH,
            secret_keys=settings.secret_keys,
            users_file=plain["dev_directory_file"],
            backchannel_logout_uri=f"{origin}/auth/backchannel-logout",
        )
    except ValueError as error:
        raise SettingsError(str(error).replace("users_file:", "dev_directory_file:", 1)) from None


def _directory_in_process(dev: DevDirectory) -> Directory:
    from generalbots_api.backends.zitadel import ZitadelDirectory  # noqa: PLC0415 - only what is chosen

    return ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        for_development=True,
    )


def with_dev_directory(app: ASGIApp, dev: ASGIApp) -> ASGIApp:
    """The dev directory below its path, everything else to `app`."""

    async def switch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (path := route_path(scope)).startswith(DEV_PATH + "/"):
            await dev({**scope, "root_path": DEV_PATH, "path": path}, receive, send)
        else:
            await app(scope, receive, send)

    return switch
