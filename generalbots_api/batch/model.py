"""Operations of a batch as values, and what may be in one."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

MOST_OPERATIONS = 50
MOST_ANSWERED = 8_388_608  # bytes of all answers together
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Operation(msgspec.Struct, frozen=True):
    """One request of a batch."""

    id: Text
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=2_048)]  # with its query
    body: Any = msgspec.UNSET
    idempotency_key: Text | None = None


class Batch(msgspec.Struct, frozen=True):
    operations: Annotated[list[Operation], msgspec.Meta(min_length=1, max_length=MOST_OPERATIONS)]


class Result(msgspec.Struct, frozen=True):
    """What became of an operation; `body` is JSON, or null where there is none."""

    id: str
    status: int
    headers: dict[str, str]
    body: msgspec.Raw


class Results(msgspec.Struct, frozen=True):
    results: list[Result]


def refusal_of(operation: Operation) -> str | None:
    """Why an operation cannot be in a batch, for a person; None: it can.

    Source: chat-protocol, "REST": no nesting, no `/ws`, no `/auth/*`, no streaming.
    """
    parts = urlsplit(operation.path)
    path = parts.path.rstrip("/")
    if not operation.path.isascii() or parts.scheme or parts.netloc or not path.startswith("/api/"):
        return "The path must begin with /api/"
    if ".." in path or "//" in path or "%" in path or "#" in operation.path:
        return "The path must be plain"
    if path == "/api/batch":
        return "A batch holds no batch"
    if path.endswith("/events") or parse_qs(parts.query).get("wait", ["0"]) != ["0"]:
        return "Nothing in a batch streams or waits"
    return None


def chain_of(operation: Operation) -> str:
    """What runs in the order given: all of one conversation, and else all of one kind of thing."""
    parts = urlsplit(operation.path).path.strip("/").split("/")
    kind, rest = "".join(parts[1:2]), parts[2:]
    if kind == "conversations" and len(rest) > 1:
        return f"conversation {rest[0]}"
    if kind == "session" and len(rest) == 1 and operation.method == "DELETE":
        return f"conversation {rest[0]}"
    return kind
