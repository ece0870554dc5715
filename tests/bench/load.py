"""A bounded load of kept-alive GETs from one process: wrk where it is installed, else a client of our own."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import time

from tests.bench.processors import on_load_processor

CONNECTIONS = 50


def requests_per_second(port: int, path: str, token: str, seconds: int) -> float:
    """Raises RuntimeError if an answer is not 2xx."""
    command = _by_wrk if shutil.which("wrk") else _by_client
    done = subprocess.run(  # noqa: PLW1510 - looked at below
        on_load_processor(command(port, path, token, seconds)), capture_output=True, text=True, timeout=seconds + 30
    )
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode or found is None or "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return float(found[1])


def client_name() -> str:
    return "wrk" if shutil.which("wrk") else "a client in Python, which is the slower side"


def _by_wrk(port: int, path: str, token: str, seconds: int) -> list[str]:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}"]
    return ["wrk", *options, f"http://127.0.0.1:{port}{path}"]


def _by_client(port: int, path: str, token: str, seconds: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.load", str(port), path, token, str(seconds)]


async def _load(port: int, path: str, token: str, seconds: int) -> float:
    started = time.perf_counter()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    counts = await asyncio.gather(*(_connection(port, request, started + seconds) for _ in range(CONNECTIONS)))
    return sum(counts) / (time.perf_counter() - started)


async def _connection(port: int, request: bytes, deadline: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < deadline:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(head.decode("latin-1"))
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        count += 1
    writer.close()
    return count


if __name__ == "__main__":
    print(f"Requests/sec: {asyncio.run(_load(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))}")
