"""Every option of the runner: its own, and each field of the library's settings."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generalbots_api.settings import Settings
from runner.help import HELP

ENV_PREFIX = "GB_"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*(?=@)|(?<=password=)[^&\s]+")  # redis://user:password@host, ?password=


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: `--storage`, `GB_STORAGE` and `storage` in TOML are the same."""

    name: str
    kind: type = str  # str, int, float, bool or list
    default: Any = None
    help: str = ""
    is_secret: bool = False
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENV_PREFIX + self.name.upper()

    def shown(self, value: Any) -> str:
        """The value for a person: nothing secret in it."""
        if self.is_secret and value:
            return "***"
        return masked(text(value))


def text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def masked(text: str) -> str:
    """The text, without the passwords of URLs in it."""
    return _PASSWORD.sub("***", text)


OWN = (
    Option(name="bind", default="127.0.0.1:8080", help="HOST:PORT, unix:PATH or fd://N"),
    Option(
        name="storage",
        default="sqlite:///generalbots.db",
        help="memory://, sqlite:///PATH or postgresql://HOST/DATABASE",
    ),
    Option(name="limiter", help="memory:// or redis://HOST:PORT/DB (default: as the storage)"),
    Option(name="bus", help="memory://, redis://HOST:PORT/DB or postgresql://HOST/DATABASE (default: as the storage)"),
    Option(name="directory", default="dev", choices=("dev", "oidc", "zitadel"), help="the Directory Service"),
    Option(name="issuer", help="issuer of the Directory, as it names itself"),
    Option(name="client_id", help="this application's id at the Directory"),
    Option(name="client_secret", is_secret=True, help="this application's secret at the Directory"),
    Option(name="project_id", help="Zitadel's project, whose roles count"),
    Option(name="organization_id", help="Zitadel's organisation, where a user's own is not told"),
    Option(name="dev_directory_file", help="TOML of users, roles and groups for the dev directory"),
    Option(
        name="bots",
        kind=list,
        default=["generalbots_api.bots.echo:EchoBot", "runner.demo:StaffBot"],
        help="module:attribute, each a bot, a list of bots, or what makes one",
    ),
    Option(name="workers", kind=int, default=1, help="processes; several need shared parts"),
    Option(name="reload", kind=bool, default=False, help="start again when the code of the bots has changed"),
    Option(name="graceful_timeout", kind=float, default=10.0, help="seconds for requests in flight at the end"),
    Option(name="log_level", default="info", choices=("debug", "info", "warning", "error"), help="least level logged"),
    Option(name="log_format", default="text", choices=("text", "json"), help="form of the log on stderr"),
    Option(name="access_log", kind=bool, default=False, help="log each request: method, path, status, time"),
    Option(name="certfile", help="TLS certificate, PEM"),
    Option(name="keyfile", help="TLS key, PEM"),
    Option(name="root_path", default="", help="prefix that a proxy strips"),
)


def options() -> tuple[Option, ...]:
    """The runner's own, then the library's."""
    return (*OWN, *(_of_field(field) for field in dataclasses.fields(Settings)))


def _of_field(field: dataclasses.Field[Any]) -> Option:
    """One option; its kind and choices are those of the field's type."""
    default = None if field.default is dataclasses.MISSING else field.default
    hint = _plain(typing.get_type_hints(Settings)[field.name])
    origin = typing.get_origin(hint)
    return Option(
        name=field.name,
        kind=list if origin is Sequence else str if origin is typing.Literal else hint,
        default=list(default) if isinstance(default, tuple) else default,
        help=HELP.get(field.name, ""),
        is_secret=field.name == "secret_keys",
        choices=typing.get_args(hint) if origin is typing.Literal else (),
    )


def _plain(hint: Any) -> Any:
    """The type of a field; of `X | None` it is X."""
    args = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return args[0] if type(None) in typing.get_args(hint) else hint
