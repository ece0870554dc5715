"""The examples under real servers, each on a free port, and ended as with Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from urllib.parse import quote

import httpx2
import pytest

from tests.support.process import END_TIMEOUT, ROOT, START_TIMEOUT
from tests.support.promises import check_error


@pytest.mark.server
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("starlette_app", "/api/session"),
        ("fastapi_app", "/bots/api/session"),
        ("two_instances", "/sales/api/session"),
        ("own_bot", "/api/session"),
        ("own_login", "/api/session"),
        ("stored_bots", "/api/session"),
    ],
)
def test_an_example_is_served_by_a_real_server_and_ends(name: str, path: str, server: str) -> None:
    with real_server(server, f"examples.{name}:app") as (base, said):
        answer = httpx2.get(f"{base}{path}")
        check_error(answer, 401, "UNAUTHORIZED")
    assert not [line for line in said if "Traceback" in line or "WARNING" in line], "".join(said)


@pytest.mark.server
@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_behind_a_proxy_that_strips_the_servers_root_path_is_in_the_redirect_uri(server: str) -> None:
    with real_server(server, "examples.starlette_app:app", "--root-path", "/proxy") as (base, _):
        begun = httpx2.get(f"{base}/auth/login")
        wanted = quote(f"{base}/proxy/auth/callback", safe="")
        assert f"redirect_uri={wanted}&" in begun.headers["location"]
        check_error(httpx2.get(f"{base}/api/session"), 401, "UNAUTHORIZED")


@contextlib.contextmanager
def real_server(server: str, app: str, *options: str) -> Iterator[tuple[str, list[str]]]:
    """A server on a free port of 127.0.0.1: its address and what it says."""
    where = ["--port", "0"] if server == "uvicorn" else ["--bind", "127.0.0.1:0"]
    directory = tempfile.TemporaryDirectory()  # where an example may leave its files
    process = subprocess.Popen(
        [sys.executable, "-m", server, app, *where, *options],
        cwd=directory.name,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    found = None
    guard = threading.Timer(START_TIMEOUT + END_TIMEOUT, process.kill)
    guard.start()
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line)
            found = re.search(r"unning on (http://127\.0\.0\.1:\d+)", line)
            if found:
                break
        assert found is not None, "".join(said)
        yield found[1], said
        process.send_signal(signal.SIGINT)
        said += process.stdout.readlines()
    finally:
        guard.cancel()
        process.kill()
        process.wait(END_TIMEOUT)
        process.stdout.close()
        directory.cleanup()
