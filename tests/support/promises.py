"""What the tests of promises share: the storages, the one error format, and how sockets are refused."""

from __future__ import annotations

import json
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from httpx2.websockets import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError
from starlette.types import ASGIApp, Receive, Scope, Send

from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.storage import Storage
from tests.support.service import Service

try:
    from generalbots_api.backends.sqlite import SqliteStorage
except ImportError:  # an installation without it
    SqliteStorage = None  # type: ignore[assignment,misc]

STORAGES = ["memory", *(["sqlite"] if SqliteStorage is not None else [])]
RATE_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "ratelimit-policy")


def new_storage(name: str, folder: Path) -> Storage:
    return SqliteStorage(folder / "test.db") if name == "sqlite" else MemoryStorage()


CODES = {
    **{400: "INVALID_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"},
    **{409: "CONFLICT", 413: "PAYLOAD_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE", 429: "RATE_LIMITED"},
}
Headers = Sequence[tuple[bytes, bytes]]


def check_refused(about: object, answer: httpx2.Response, *statuses: int) -> None:
    """One of these 4xx, in the one format."""
    assert answer.status_code in statuses, (about, answer.status_code, answer.text[:300])
    check_error(answer, answer.status_code, CODES[answer.status_code])


def check_error(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The details of an error in the one format, with the headers that every response carries."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert list(answer.json()) == ["error"]
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code, error
    assert error["message"]
    assert isinstance(error["message"], str)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in RATE_HEADERS:
        assert len(answer.headers.get_list(name)) == 1, name
    assert int(answer.headers["x-ratelimit-remaining"]) >= 0
    details: dict[str, Any] = error["details"]
    return details


async def raw(
    service: Service,
    method: str,
    path: str,
    headers: Headers = (),
    chunks: Sequence[bytes] = (),
    *,
    query: bytes = b"",
    client: tuple[str, int] | None = ("127.0.0.1", 50_000),
) -> httpx2.Response:
    """A request as no decent client sends it; `path` is decoded already, as servers do it."""
    scope: dict[str, Any] = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""},
        **{"method": method, "path": path, "raw_path": b"", "query_string": query, "client": client},
        **{"server": ("127.0.0.1", 8080), "headers": [(b"host", b"127.0.0.1:8080"), *headers]},
    }
    incoming = iter([*({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks)])
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return next(incoming, {"type": "http.request", "body": b"", "more_body": False})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await service.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)


def with_denial(app: ASGIApp) -> ASGIApp:
    """A server that can refuse a handshake by a response, as Hypercorn can."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope = {**scope, "extensions": {"websocket.http.response": {}}}
        await app(scope, receive, send)

    return wrapped


async def refusal(service: Service, token: str | None, path: str = "/ws", **options: Any) -> httpx2.Response:
    """The response to a handshake that is refused."""
    service.app = with_denial(service.app)
    error: BaseException = AssertionError("the socket was let in")
    try:
        async with service.socket(token, path, **options):
            pass
    except BaseExceptionGroup as group:  # of the client's task group
        error = group.exceptions[0]
    if not isinstance(error, WebSocketUpgradeError):
        raise error
    return error.response


async def say(socket: AsyncWebSocketSession, frame: object) -> None:
    await socket.send_text(frame if isinstance(frame, str) else json.dumps(frame))


async def hear(socket: AsyncWebSocketSession) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await socket.receive_text(timeout=5))
    return answer


async def close_code(socket: AsyncWebSocketSession) -> int:
    """Read to the end of the socket, and return the code of its close."""
    try:
        while True:
            await socket.receive(timeout=5)
    except WebSocketDisconnect as error:
        return error.code


def token_of(client: httpx2.AsyncClient) -> str:
    return str(client.headers["authorization"]).removeprefix("Bearer ")


async def opened(client: httpx2.AsyncClient, bot_id: str = "echo") -> str:
    """The id of a new bot session."""
    answer = await client.post("/api/session/create", json={"bot_id": bot_id})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])
