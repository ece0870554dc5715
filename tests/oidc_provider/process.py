"""The provider as a process of its own, from npm, in a folder outside the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_TIMEOUT = 120  # seconds
END_TIMEOUT = 10


def installed() -> Path:
    """The folder from which it runs; installed by npm the first time.

    Skips the test without node, npm or the package, but fails it in CI.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _missing("node and npm are not there")
    [(name, version)] = json.loads((HERE / "package.json").read_text())["dependencies"].items()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "generalbots-api-tests" / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "server.mjs"):
        shutil.copy(HERE / file, folder / file)
    if not (folder / "node_modules" / name / "package.json").exists():
        options = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        install = [str(npm), "install", *options]
        done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
        if done.returncode != 0:
            _missing(f"npm could not install {name}: {done.stderr[-300:]}")
    return folder


@contextmanager
def running_provider(redirect_uri: str, client_secret: str) -> Iterator[str]:
    """The issuer of one that listens; it ends with its standard input."""
    command = ["node", "server.mjs", redirect_uri, client_secret]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=installed(), stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the provider did not start: node ended with {process.wait(END_TIMEOUT)}"
        yield str(json.loads(line)["issuer"])
    finally:
        process.communicate(timeout=END_TIMEOUT)


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
