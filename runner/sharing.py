"""What several processes must have in common, or one would not know of the other's logins, counts and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.layers import SettingsError

MEMORY = "memory://"
POSTGRES = "postgresql://"


def check_workers(plain: Mapping[str, Any]) -> None:
    """Raises:
    SettingsError: there are to be several workers, and something is kept by each for itself.
    """
    workers, storage, bus = plain["workers"], plain["storage"], plain["bus"]
    if workers < 1:
        raise SettingsError("workers: must be at least 1")
    if workers == 1:
        return
    needed = []
    if storage.startswith(MEMORY):
        needed.append("storage = postgresql://… or sqlite:///PATH")
    if (plain["limiter"] or MEMORY).startswith(MEMORY):
        needed.append("limiter = redis://…")
    if bus is None and not storage.startswith(POSTGRES):
        bus = MEMORY
    if bus is not None and bus.startswith(MEMORY):
        needed.append("bus = redis://… or postgresql://…")
    if plain["directory"] == "dev":
        needed.append("directory = zitadel or oidc")
    if needed:
        raise SettingsError(f"workers: {workers} processes must share what they keep; set {', '.join(needed)}")
