"""The secret keys of a development run: made once, kept beside the database."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from runner.layers import SettingsError

NAME = "generalbots.key"


def kept_key(folder: Path) -> str:
    """The key in `folder`, made if it is missing: a restart ends no session.

    Raises:
        SettingsError: it can neither be read nor made.
    """
    path = folder / NAME
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise SettingsError(f"secret_keys: {path} cannot be made: {error.strerror}") from None
    key = secrets.token_urlsafe(48)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    return key


def _read(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"secret_keys: {path} cannot be read: {error}") from None
    if not key:
        raise SettingsError(f"secret_keys: {path} is empty; delete it to have a new one made")
    return key
