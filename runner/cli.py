"""The command line: reads the settings, then checks, prints or runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from runner.layers import SettingsError, Value, config_file, layered
from runner.options import Option, options

USAGE_ERROR = 2
CANNOT_RUN = 1


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """The exit code: 0, 1 if the service cannot run, 2 if a setting is wrong."""
    known = options()
    flags = vars(parser(known).parse_args(arguments))
    try:
        values = read(known, flags, os.environ if environment is None else environment)
        if flags["check"]:
            return check(known, values)
    except SettingsError as error:
        print(f"generalbots: {error}", file=sys.stderr)
        return USAGE_ERROR
    from runner.process import run  # noqa: PLC0415 - --help and --check need no server

    return run(values)


def read(known: Sequence[Option], flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Value]:
    return layered(known, flags, environment, config_file(flags.get("config"), environment))


def check(known: Sequence[Option], values: Mapping[str, Value]) -> int:
    """Print every setting with its source, after the same validation as at a start."""
    from runner.wiring import validated  # noqa: PLC0415 - --help needs no library

    validated(values, makes_key=False)
    for option in known:
        value = values[option.name]
        shown = "***" if option.is_secret and value.value else text(value.value)
        print(f"{option.name:24} {shown:44} {value.source}")
    return 0


def text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def parser(known: Sequence[Option]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m runner",
        description="The General Bots API. Each setting is a flag, a variable GB_NAME, and a key of the TOML file.",
        allow_abbrev=False,
    )
    made.add_argument("--config", metavar="FILE", help="TOML file of settings (default: ./generalbots.toml, if there)")
    made.add_argument("--check", action="store_true", help="validate and print the settings, then exit")
    made.add_argument("--version", action="version", version=f"generalbots-api {_version()}")
    for option in known:
        default = "" if option.default is None else f" (default: {text(option.default)})"
        help_text = (option.help + default).replace("%", "%%") or option.name.replace("_", " ")
        metavar = None if option.kind is bool else option.name.upper()
        if option.kind is bool:
            made.add_argument(option.flag, dest=option.name, nargs="?", const="true", metavar="BOOL", help=help_text)
        else:
            made.add_argument(option.flag, dest=option.name, metavar=metavar, help=help_text)
    return made


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - for --version only

    return version("generalbots-api")
