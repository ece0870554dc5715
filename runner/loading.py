"""Bots by name: `module:attribute`, each a bot, a list of bots, or what makes one of these."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from generalbots_api import Bot, BotInfo
from runner.layers import SettingsError


def bots_of(paths: Sequence[str]) -> list[Bot]:
    """Raises:
    SettingsError: one cannot be loaded, or is no bot.
    """
    return [bot for path in paths for bot in _at(path)]


def _at(path: str) -> list[Bot]:
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise SettingsError(f"bots: must be module:attribute, not {path!r}")
    try:
        found = _made(getattr(import_module(module), attribute))
    except Exception as error:  # noqa: BLE001 - code of the user's, which may fail in any way
        raise SettingsError(f"bots: {path!r} cannot be loaded: {_told(error)}") from None
    bots = list(found) if isinstance(found, (list, tuple)) else [found]
    for bot in bots:
        if not isinstance(getattr(bot, "info", None), BotInfo) or not callable(getattr(bot, "reply", None)):
            raise SettingsError(f"bots: {path!r} gives {bot!r}, which is no bot: it needs info, a BotInfo, and reply")
    return bots


def _made(found: Any) -> Any:
    """What a class or a factory makes; a bot as it is."""
    is_maker = callable(found) and (isinstance(found, type) or not hasattr(found, "info"))
    return found() if is_maker else found


def _told(error: Exception) -> str:
    """In one line, with the place in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    own = last is not None and last.filename != __file__ and not last.filename.startswith("<frozen")
    place = f" ({last.filename}, line {last.lineno})" if own and last else ""
    return " ".join(f"{type(error).__name__}: {error}{place}".split())
