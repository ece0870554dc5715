"""The command line: reads the settings, then checks, prints or runs."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from generalbots_api.version import __version__
from runner.layers import SettingsError, Value, config_file, layered
from runner.options import Option, options, text

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, without the usage of sixty flags."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)

    def flags(self, arguments: Sequence[str] | None) -> dict[str, Any]:
        """What was given.

        Raises:
            SettingsError: a flag that is unknown. What follows it is not told: it may be a secret.
        """
        known, rest = self.parse_known_args(arguments)
        if not rest:
            return vars(known)
        name = next((one.partition("=")[0] for one in rest if one.startswith("-")), None)
        if name is None:
            raise SettingsError("only flags are taken; --help lists them")
        close = difflib.get_close_matches(name, self._option_string_actions, 1)
        raise SettingsError(f"unknown flag {name}; " + (f"did you mean {close[0]}?" if close else "--help lists all"))


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """The exit code: 0, 1 if the service cannot run, 2 if a setting is wrong."""
    known = options()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        flags = parser(known).flags(arguments)
        values = read(known, flags, os.environ if environment is None else environment)
        if flags["check"]:
            return check(known, values)
    except SettingsError as error:
        print(f"generalbots: {error}", file=sys.stderr)
        return USAGE_ERROR
    from runner.process import run  # noqa: PLC0415 - --help and --check need no server

    return run(values, arguments)


def read(known: Sequence[Option], flags: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Value]:
    return layered(known, flags, environment, config_file(flags.get("config"), environment))


def check(known: Sequence[Option], values: Mapping[str, Value]) -> int:
    """Print every setting with its source, after the same checks as at a start. Opens, makes and asks nothing.

    Raises:
        SettingsError.
    """
    from runner.listening import address_of  # noqa: PLC0415 - --help needs none of it
    from runner.validating import scheme_of, validated  # noqa: PLC0415
    from runner.wiring import build  # noqa: PLC0415

    settings = validated(values)
    build(values, settings, address_of(values["bind"].value).origin(scheme_of(values)))
    for option in known:
        value = values[option.name]
        print(f"{option.name:24} {option.shown(value.value):44} {value.source}")
    return 0


def parser(known: Sequence[Option]) -> Parser:
    made = Parser(
        prog="python -m runner",
        description="The General Bots API. Each setting is a flag, a variable GB_NAME, and a key of the TOML file.",
        allow_abbrev=False,
    )
    made.add_argument("--config", metavar="FILE", help="TOML file of settings (default: ./generalbots.toml, if there)")
    made.add_argument("--check", action="store_true", help="validate and print the settings, then exit")
    made.add_argument("--version", action="version", version=f"generalbots-api {__version__}")
    for option in known:
        _add(made, option)
    return made


def _add(made: Parser, option: Option) -> None:
    default = "" if option.default is None else f" (default: {text(option.default)})"
    help_text = ((option.help or option.name.replace("_", " ")) + default).replace("%", "%%")
    if option.kind is bool:
        made.add_argument(option.flag, dest=option.name, nargs="?", const="true", metavar="BOOL", help=help_text)
    else:
        made.add_argument(option.flag, dest=option.name, metavar=option.name.upper(), help=help_text)
