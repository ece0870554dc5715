"""What a start tells: where to go, who may log in, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping

from runner.layers import Value
from runner.listening import Listener
from runner.options import options
from runner.wiring import Service

AS_STORAGE = "memory://"  # what both storages name as their default


def text(service: Service, listener: Listener, values: Mapping[str, Value]) -> str:
    settings = service.gb.settings
    rows = [("open", settings.public_url or listener.shown)]
    if service.accounts:
        rows.append(("log in", f"{', '.join(service.accounts)} (the password is the name)"))
    rows += [
        ("environment", settings.environment),
        ("storage", values["storage"].value),
        ("directory", service.directory_name),
        ("limiter", f"{values['limiter'].value or AS_STORAGE}, {_limits(service)}"),
        ("bots", ", ".join(service.bot_names) or "none"),
        ("log", _log(values)),
    ]
    rows += _chosen(values)
    lines = "\n".join(f"  {name:12} {value}" for name, value in rows)
    return f"General Bots API\n{lines}\n  Ctrl-C ends it; --help lists every setting."


def _limits(service: Service) -> str:
    settings = service.gb.settings
    counts = f"{settings.limit_anonymous} anonymous, {settings.limit_user} user, {settings.limit_admin} admin"
    return f"{counts} requests in {settings.limit_window} s"


def _log(values: Mapping[str, Value]) -> str:
    requests = "with each request" if values["access_log"].value else "without requests (--access-log)"
    return f"{values['log_level'].value}, {values['log_format'].value}, {requests}"


def _chosen(values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """What is not a default, and where it came from."""
    chosen = [(option, values[option.name]) for option in options() if values[option.name].source != "default"]
    told = [f"{option.name} = {option.shown(value.value)} ({value.source})" for option, value in chosen]
    return [("set by you" if place == 0 else "", line) for place, line in enumerate(told)]
