"""What must hold before anything is bound, opened or made."""

from __future__ import annotations

import dataclasses
import math
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generalbots_api.settings import Settings
from runner.layers import SettingsError, Value
from runner.listening import address_of
from runner.options import masked
from runner.sharing import check_workers

MEMORY = "memory://"
SQLITE = "sqlite:///"
POSTGRES = "postgresql://"
REDIS = ("redis://", "rediss://")
SCHEMES = {
    "storage": (MEMORY, SQLITE, POSTGRES),
    "limiter": (MEMORY, *REDIS),
    "bus": (MEMORY, POSTGRES, *REDIS),
}


def validated(values: Mapping[str, Value]) -> Settings:
    """The library's settings. Without `secret_keys` in development the key is a passing one: see `keys`.

    Raises:
        SettingsError: a value is wrong, or two do not go together.
    """
    plain = plain_of(values)
    is_production = plain["environment"] == "production"
    _check_own(plain)
    fields = {field.name: plain[field.name] for field in dataclasses.fields(Settings)}
    if fields["cors_origins"] is None:
        fields["cors_origins"] = [] if is_production else ["*"]
    if not fields["secret_keys"]:
        if is_production:
            raise SettingsError("secret_keys: must be set in production, 32 bytes or more")
        fields["secret_keys"] = [secrets.token_urlsafe(48)]
    _check_directory(plain, is_production=is_production)
    try:
        return Settings(**fields)
    except (ValueError, TypeError) as error:
        raise SettingsError(str(error)) from None


def plain_of(values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: value.value for name, value in values.items()}


def scheme_of(values: Mapping[str, Value]) -> str:
    return "https" if values["certfile"].value else "http"


def _check_own(plain: Mapping[str, Any]) -> None:
    address_of(plain["bind"])
    for name, schemes in SCHEMES.items():
        _check_scheme(name, plain[name], schemes)
    _check_file(plain["storage"])
    check_workers(plain)
    if not (math.isfinite(plain["graceful_timeout"]) and plain["graceful_timeout"] >= 0):
        raise SettingsError("graceful_timeout: must be 0 or more seconds")
    if plain["root_path"] and not plain["root_path"].startswith("/"):
        raise SettingsError("root_path: must begin with /")
    _check_tls(plain["certfile"], plain["keyfile"])


def _check_scheme(name: str, url: str | None, schemes: tuple[str, ...]) -> None:
    if url is None or url.startswith(schemes):
        return
    scheme, is_url, _ = url.partition("://")
    known = " or ".join(f"{one}PATH" if one == SQLITE else one for one in schemes)
    raise SettingsError(f"{name}: {scheme + is_url if is_url else masked(url)} is not supported; use {known}")


def _check_file(storage: str) -> None:
    if not storage.startswith(SQLITE):
        return
    path = storage.removeprefix(SQLITE)
    if not path:
        raise SettingsError(f"storage: {SQLITE} needs the path of a file")
    if not Path(path).parent.is_dir():
        raise SettingsError(f"storage: there is no folder {Path(path).parent}; make it, or choose another path")


def _check_tls(certfile: str | None, keyfile: str | None) -> None:
    if certfile is None and keyfile is None:
        return
    if certfile is None or keyfile is None:
        raise SettingsError("certfile, keyfile: give both or none")
    import ssl  # noqa: PLC0415 - only where it is used

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certfile, keyfile, password=_no_password)
    except (OSError, ValueError) as error:  # of which ssl.SSLError is one
        raise SettingsError(f"certfile, keyfile: {certfile} and {keyfile} cannot be used: {error}") from None


def _no_password() -> str:
    """Instead of a question on the terminal, which nobody may be there to answer."""
    raise ValueError("the key has a password")


def _check_directory(plain: Mapping[str, Any], *, is_production: bool) -> None:
    if plain["directory"] == "dev":
        if is_production:
            raise SettingsError("directory: dev must not be used in production; set zitadel or oidc")
        return
    needed = ["issuer", "client_id", *(["project_id"] if plain["directory"] == "zitadel" else [])]
    for name in needed:
        if not plain[name]:
            raise SettingsError(f"{name}: must be set with directory = {plain['directory']}")
