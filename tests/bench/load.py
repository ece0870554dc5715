"""A bounded load of kept-alive GETs from one process: wrk where it is installed, else a client of our own."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time

CONNECTIONS = 50
CHUNK = 65_536


def requests_per_second(port: int, path: str, token: str, seconds: float) -> float:
    """Raises RuntimeError if an answer is not 2xx."""
    if shutil.which("wrk"):
        return _by_wrk(port, path, token, seconds)
    return asyncio.run(_by_client(port, path, token, seconds))


def _by_wrk(port: int, path: str, token: str, seconds: float) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-H", f"Authorization: Bearer {token}"]
    command.append(f"http://127.0.0.1:{port}{path}")
    said = subprocess.run(on_load_cpu(command), capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in said:
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if found is None:
        raise RuntimeError(said)
    return float(found[1])


def on_load_cpu(command: list[str]) -> list[str]:
    """On the second processor, where there is one to spare: the server has the first."""
    return ["taskset", "-c", "1", *command] if shutil.which("taskset") else command


async def _by_client(port: int, path: str, token: str, seconds: float) -> float:
    deadline = time.perf_counter() + seconds
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    counts = await asyncio.gather(*(_connection(port, request, deadline) for _ in range(CONNECTIONS)))
    return sum(counts) / seconds


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
