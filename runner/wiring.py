"""From settings to a service: the backends, the bots, and the app."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api import GeneralBots, Settings
from generalbots_api.directory import Directory
from generalbots_api.storage import Storage
from runner.keys import kept_key
from runner.layers import SettingsError, Value

DEV_PATH = "/dev-directory"
MEMORY = "memory://"
SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, and what the start-up message tells of it."""

    gb: GeneralBots
    app: ASGIApp
    directory: Directory
    storage_name: str
    directory_name: str
    accounts: list[str]  # of the dev directory
    bot_names: list[str]


def validated(values: Mapping[str, Value], *, makes_key: bool = True) -> Settings:
    """The library's settings. `makes_key` False: a missing key is neither read nor made.

    Raises:
        SettingsError: a value is wrong, or two do not go together.
    """
    plain = {name: value.value for name, value in values.items()}
    if plain["workers"] != 1:
        raise SettingsError("workers: more than one process needs a shared limiter and bus, which this version lacks")
    for name, schemes in (("storage", (MEMORY, SQLITE)), ("limiter", (MEMORY,)), ("bus", (MEMORY,))):
        if plain[name] is not None and not plain[name].startswith(schemes):
            raise SettingsError(f"{name}: {plain[name]!r} is not supported; use {' or '.join(schemes)}")
    fields = {field.name: plain[field.name] for field in dataclasses.fields(Settings)}
    is_production = fields["environment"] == "production"
    if fields["cors_origins"] is None:
        fields["cors_origins"] = [] if is_production else ["*"]
    if not fields["secret_keys"]:
        fields["secret_keys"] = [_development_key(plain["storage"], is_production=is_production, is_kept=makes_key)]
    _check_directory(plain, is_production=is_production)
    try:
        return Settings(**fields)
    except (ValueError, TypeError) as error:
        raise SettingsError(str(error)) from None


def _development_key(storage: str, *, is_production: bool, is_kept: bool) -> str:
    if is_production:
        raise SettingsError("secret_keys: must be set in production, 32 bytes or more")
    if storage.startswith(MEMORY) or not is_kept:
        import secrets  # noqa: PLC0415 - rarely

        return secrets.token_urlsafe(48)
    return kept_key(Path(storage.removeprefix(SQLITE)).parent)


def _check_directory(plain: Mapping[str, Any], *, is_production: bool) -> None:
    if plain["directory"] == "dev":
        if is_production:
            raise SettingsError("directory: dev must not be used in production; set zitadel or oidc")
        return
    needed = ["issuer", "client_id", *(["project_id"] if plain["directory"] == "zitadel" else [])]
    for name in needed:
        if not plain[name]:
            raise SettingsError(f"{name}: must be set with directory = {plain['directory']}")


def build(values: Mapping[str, Value], settings: Settings, origin: str) -> Service:
    """The service; `origin` is where it will be reached, for the dev directory.

    Raises:
        SettingsError.
    """
    plain = {name: value.value for name, value in values.items()}
    storage = _storage(plain["storage"])
    bots = [bot for path in plain["bots"] for bot in _bots(path)]
    try:
        directory, dev = _directory(plain, settings, origin)
        gb = GeneralBots(settings, storage=storage, directory=directory, bots=bots)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    app: ASGIApp = gb if dev is None else with_dev_directory(gb, dev)
    return Service(
        gb,
        app,
        directory,
        plain["storage"],
        f"development, at {DEV_PATH}" if dev else directory.issuer,
        list(dev.usernames) if dev else [],
        [str(bot.info.name) for bot in bots],
    )


def _storage(url: str) -> Storage:
    if url.startswith(MEMORY):
        from generalbots_api.backends.memory import MemoryStorage  # noqa: PLC0415 - only what is chosen

        return MemoryStorage()
    from generalbots_api.backends.sqlite import SqliteStorage  # noqa: PLC0415

    return SqliteStorage(url.removeprefix(SQLITE))


def _directory(plain: Mapping[str, Any], settings: Settings, origin: str) -> tuple[Directory, Any]:
    if plain["directory"] == "oidc":
        from generalbots_api.backends.oidc import OidcDirectory  # noqa: PLC0415 - only what is chosen

        return OidcDirectory(plain["issuer"], plain["client_id"], plain["client_secret"]), None
    from generalbots_api.backends.zitadel import ZitadelDirectory  # noqa: PLC0415

    if plain["directory"] == "zitadel":
        found = ZitadelDirectory(
            plain["issuer"],
            plain["client_id"],
            plain["client_secret"],
            project_id=plain["project_id"],
            organization_id=plain["organization_id"],
        )
        return found, None
    from generalbots_api.backends.dev_directory import DevDirectory  # noqa: PLC0415

    dev = DevDirectory(
        origin + DEV_PATH,
        secret_keys=settings.secret_keys,
        users_file=plain["dev_directory_file"],
        backchannel_logout_uri=f"{origin}/auth/backchannel-logout",
    )
    found = ZitadelDirectory(
        dev.issuer,
        dev.client_id,
        dev.client_secret,
        project_id=dev.project_id,
        transport=dev.transport(),
        for_development=True,
    )
    return found, dev


def _bots(path: str) -> list[Any]:
    """A bot, a list of bots, or what makes one of these."""
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"bots: {path!r} cannot be loaded: {error}") from None
    if callable(found) and (isinstance(found, type) or not hasattr(found, "info")):
        found = found()
    bots = list(found) if isinstance(found, (list, tuple)) else [found]
    if not all(hasattr(bot, "info") and hasattr(bot, "reply") for bot in bots):
        raise SettingsError(f"bots: {path!r} is not a bot: it needs info and reply")
    return bots


def with_dev_directory(app: ASGIApp, dev: ASGIApp) -> ASGIApp:
    """The dev directory below its path, everything else to `app`."""

    async def switch(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(DEV_PATH + "/"):
            await dev({**scope, "root_path": scope.get("root_path", "") + DEV_PATH}, receive, send)
        else:
            await app(scope, receive, send)

    return switch
