"""The secret keys of a development run: made once, kept beside the database."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from generalbots_api.settings import Settings
from runner.layers import SettingsError, Value
from runner.validating import SQLITE

NAME = "generalbots.key"


def with_kept_key(settings: Settings, values: Mapping[str, Value]) -> Settings:
    """The settings with the key that outlives a restart, where none was set and there is a place for it."""
    storage: str = values["storage"].value
    if values["secret_keys"].value or not storage.startswith(SQLITE):
        return settings
    return dataclasses.replace(settings, secret_keys=[kept_key(Path(storage.removeprefix(SQLITE)).parent)])


def kept_key(folder: Path) -> str:
    """The key in `folder`, made if it is missing: a restart ends no session.

    Raises:
        SettingsError: it can neither be read nor made.
    """
    path = folder / NAME
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"secret_keys: {path} cannot be read or made: {error}") from None
    if not key:
        raise SettingsError(f"secret_keys: {path} is empty; delete it to have a new one made")
    return key


def _make(path: Path) -> None:
    """Whole or not at all: of two processes that start at once both get the same key, and neither an empty one."""
    new = path.with_name(f".{NAME}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(new, path)  # which, unlike a rename, replaces nothing
    except FileExistsError:
        return
    finally:
        new.unlink(missing_ok=True)
