"""Several workers, or one that is started again when its code changes: the parent from start to end."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio

from runner.children import Nursery
from runner.layers import Value
from runner.listening import Listener
from runner.notify import Notifier
from runner.options import ENV_PREFIX
from runner.reload import Watcher, folders_of
from runner.supervisor import SILENCE, Supervisor, Watch
from runner.validating import SQLITE
from runner.worker import Place


def is_supervised(values: Mapping[str, Value]) -> bool:
    return bool(values["workers"].value > 1 or values["reload"].value)


def supervise(values: Mapping[str, Value], arguments: Sequence[str], listener: Listener) -> int:
    """Run workers on the socket until a signal ends it; the exit code."""
    reading, writing = os.pipe()  # closed with this process, however it ends
    place = Place(
        descriptor=listener.descriptor,
        origin=listener.origin,
        host=listener.host,
        path=str(listener.path) if listener.path else None,
        parent=reading,
        beat=-1,
        tells=False,
    )
    reload = values["reload"].value
    supervisor = Supervisor(
        Nursery([sys.executable, "-m", "runner", *arguments], _environment(values), place),
        values["workers"].value,
        values["graceful_timeout"].value,
        Notifier.of(os.environ),
        watch=_watch(values) if reload else None,
        silence=math.inf if reload else SILENCE,  # somebody may be looking at it with a debugger
    )
    try:
        return anyio.run(supervisor.run)
    finally:
        os.close(writing)
        os.close(reading)


def _environment(values: Mapping[str, Value]) -> dict[str, str]:
    """With a key that the workers share, where none is set and none is kept beside the database."""
    if values["secret_keys"].value or values["storage"].value.startswith(SQLITE):
        return dict(os.environ)
    return {**os.environ, f"{ENV_PREFIX}SECRET_KEYS": secrets.token_urlsafe(48)}


def _watch(values: Mapping[str, Value]) -> Watch:
    """What has changed since now: before any worker has read it."""
    modules = [path.partition(":")[0] for path in values["bots"].value]
    files = {value.source for value in values.values() if value.source.endswith(".toml")}
    watcher = Watcher(folders_of([*modules, "generalbots_api", "runner"]), tuple(Path(name) for name in files))
    return partial(watcher.watch, watcher.state())
