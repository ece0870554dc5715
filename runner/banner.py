"""What a start tells: where to go, who may log in, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from runner.layers import Value
from runner.server import Listener
from runner.wiring import Service


def text(service: Service, listener: Listener, values: Mapping[str, Value]) -> str:
    settings = service.gb.settings
    rows = [("open", settings.public_url or listener.origin)]
    if service.accounts:
        rows.append(("log in", f"{', '.join(service.accounts)} (the password is the name)"))
    rows += [
        ("environment", settings.environment),
        ("storage", service.storage_name),
        ("directory", service.directory_name),
        ("bots", ", ".join(service.bot_names)),
        ("limits", _limits(service)),
    ]
    chosen = [f"{name} ({value.source})" for name, value in values.items() if value.source != "default"]
    if chosen:
        rows.append(("set by you", ", ".join(chosen)))
    lines = "\n".join(f"  {name:12} {value}" for name, value in rows)
    return f"General Bots API\n{lines}\n  Ctrl-C ends it; --help lists every setting."


def _limits(service: Service) -> str:
    settings = service.gb.settings
    counts = f"{settings.limit_anonymous} anonymous, {settings.limit_user} user, {settings.limit_admin} admin"
    return f"{counts} requests in {settings.limit_window} s"
