"""Where each value comes from: command line, environment, file, default, in that order."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.options import ENV_PREFIX, Option

CONFIG = "config"
DEFAULT_FILE = Path("generalbots.toml")


class SettingsError(Exception):
    """A setting that is unknown or wrong; the text names it and its source."""


@dataclass(frozen=True, slots=True)
class Value:
    value: Any
    source: str  # "default", "command line", "GB_BIND", or the file's name


def layered(
    options: Sequence[Option], flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> dict[str, Value]:
    """The value of every option, with its source.

    Raises:
        SettingsError.
    """
    values = {option.name: Value(option.default, "default") for option in options}
    by_name = {option.name: option for option in options}
    for layer in (_of_file(file, by_name), _of_environment(environment, by_name), _of_flags(flags, by_name)):
        values.update(layer)
    return values


def config_file(flag: str | None, environment: Mapping[str, str]) -> Path | None:
    """The file to read: named by flag or GB_CONFIG, else ./generalbots.toml if it is there.

    Raises:
        SettingsError: a named one is missing.
    """
    named = flag or environment.get(ENV_PREFIX + CONFIG.upper())
    if named is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if not Path(named).is_file():
        raise SettingsError(f"config: there is no file {named}")
    return Path(named)


def _of_file(file: Path | None, options: Mapping[str, Option]) -> dict[str, Value]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None
    found = {}
    for name, value in content.items():
        if name not in options:
            raise SettingsError(f"{file}: unknown setting {name!r}{_meant(name, options)}")
        found[name] = Value(_typed(options[name], value, str(file)), str(file))
    return found


def _of_environment(environment: Mapping[str, str], options: Mapping[str, Option]) -> dict[str, Value]:
    found = {}
    for variable, text in environment.items():
        name = variable.removeprefix(ENV_PREFIX).lower()
        if not variable.startswith(ENV_PREFIX) or name == CONFIG:
            continue
        if name not in options:
            raise SettingsError(f"{variable}: unknown setting{_meant(name, options, ENV_PREFIX)}")
        found[name] = Value(_parsed(options[name], text, variable), variable)
    return found


def _of_flags(flags: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Value]:
    given = {name: value for name, value in flags.items() if value is not None and name in options}
    return {
        name: Value(_parsed(options[name], text, options[name].flag), "command line") for name, text in given.items()
    }


def _parted(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _meant(name: str, options: Mapping[str, Option], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, options, 1)
    if not close:
        return ""
    return f"; did you mean {prefix}{close[0].upper() if prefix else close[0]}?"


def _parsed(option: Option, text: str, source: str) -> Any:
    """A value from text, as flags and variables are."""
    if option.kind is list:
        return _parted(text)
    if option.kind is bool:
        return _typed(option, {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text), source)
    if option.kind in (int, float):
        try:
            return _typed(option, option.kind(text), source)
        except ValueError:
            raise SettingsError(f"{source}: {option.name} must be {_name(option.kind)}, not {text!r}") from None
    return _typed(option, text, source)


def _typed(option: Option, value: Any, source: str) -> Any:
    """The value, if it is of the option's kind.

    Raises:
        SettingsError: it is not.
    """
    kinds: tuple[type, ...] = {float: (int, float), list: (list, str)}.get(option.kind, (option.kind,))
    is_wrong = not isinstance(value, kinds) or (isinstance(value, bool) and option.kind is not bool)
    if is_wrong or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
        raise SettingsError(f"{source}: {option.name} must be {_name(option.kind)}, not {option.shown(value)!r}")
    if option.choices and value not in option.choices:
        raise SettingsError(f"{source}: {option.name} must be one of {', '.join(option.choices)}, not {value!r}")
    if option.kind is list:
        return _parted(value) if isinstance(value, str) else list(value)
    return float(value) if option.kind is float else value


def _name(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "true or false", list: "a list of texts"}.get(kind, "text")
