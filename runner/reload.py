"""Sees when the code of the bots, or of the service, has changed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

EVERY = 0.5  # seconds
SKIPPED = {"__pycache__", "node_modules", "site-packages"}
State = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Watcher:
    """Looks at the times and sizes of files: no dependency, and the same on every file system."""

    folders: tuple[Path, ...]
    files: tuple[Path, ...] = ()  # besides, as that of the settings
    every: float = EVERY

    async def watch(self, before: State, changed: Callable[[str], None]) -> None:
        """Call `changed` with the name of a file, whenever some have come, gone or changed since `before`."""
        while True:
            await anyio.sleep(self.every)
            now = await anyio.to_thread.run_sync(self.state)
            if now != before:
                changed(min(name for name, _ in before.items() ^ now.items()))
                before = now

    def state(self) -> State:
        found = {}
        for path in (*self.files, *(path for folder in self.folders for path in sources(folder))):
            try:
                about = path.stat()
            except OSError:
                continue  # it has gone since, and so is missing from the state
            found[str(path)] = (about.st_mtime_ns, about.st_size)
        return found


def sources(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED and not is_private(Path(at, name))]
        yield from (Path(at, name) for name in files if name.endswith(".py"))


def is_private(folder: Path) -> bool:
    """Hidden, or an environment of its own."""
    return folder.name.startswith(".") or (folder / "pyvenv.cfg").exists()


def folders_of(modules: Iterable[str]) -> tuple[Path, ...]:
    """Where the packages of these modules are, unless they are installed. Imports nothing."""
    found: dict[Path, None] = {}
    for module in modules:
        spec = importlib.util.find_spec(module.partition(".")[0])
        if spec is not None and spec.origin is not None and not SKIPPED & set(Path(spec.origin).parts):
            found[Path(spec.origin).parent] = None
    return tuple(found)
