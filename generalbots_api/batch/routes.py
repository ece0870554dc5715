"""HTTP door to batches: many requests in one."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.types import ASGIApp, Scope

from generalbots_api.batch.model import Batch, Operation, Result, Results, refusal_of
from generalbots_api.batch.service import Batches
from generalbots_api.errors import ApiError, InvalidRequest, PayloadTooLarge
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.errors import error_body, status_of
from generalbots_api.web.reply import Reply, encode_json, json_reply
from generalbots_api.web.request import ApiRequest

NOT_PASSED_ON = frozenset({
    b"content-type", b"content-length", b"transfer-encoding", b"accept", b"prefer", b"if-none-match",
    b"idempotency-key", b"x-request-id", b"last-event-id", b"expect",
})  # fmt: skip
NULL = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class BatchRoutes:
    """`app` answers each operation as it answers any request."""

    app: ASGIApp

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="POST",
                path="/api/batch",
                handler=self.batch,
                docs=Docs(takes=Batch, gives=Results, raises=(InvalidRequest,)),
            )
        ]

    async def batch(self, request: ApiRequest) -> Reply:
        """Run up to 50 requests, each as it would run by itself. Not a transaction: what is done stays done."""
        batch = await request.json(Batch)
        ids = [operation.id for operation in batch.operations]
        if len(set(ids)) != len(ids):
            raise InvalidRequest("The batch is refused", fields={"operations": "two have one id"})

        async def run(operation: Operation) -> Result:
            refusal = refusal_of(operation)
            if refusal is not None:
                return failed(operation, InvalidRequest(refusal))
            return await self._run(request.scope, operation)

        return json_reply(Results(await Batches(run, too_much).results(batch.operations)))

    async def _run(self, outer: Scope, operation: Operation) -> Result:
        body = encode_json(operation.body) if operation.body is not msgspec.UNSET else b""
        pieces: list[bytes] = []
        head: MutableMapping[str, Any] = {}

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                pieces.append(message.get("body", b""))

        await self.app(inner_scope(outer, operation, len(body)), receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in head["headers"]}
        is_json = headers.get("content-type") == "application/json"
        return Result(operation.id, head["status"], headers, msgspec.Raw(b"".join(pieces)) if is_json else NULL)


def inner_scope(outer: Scope, operation: Operation, size: int) -> Scope:
    """A request by the same sender over the same connection."""
    path, _, query = operation.path.partition("?")
    whole = str(outer.get("root_path", "")).rstrip("/") + path
    headers = [(name, value) for name, value in outer["headers"] if name not in NOT_PASSED_ON]
    if operation.body is not msgspec.UNSET:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % size)]
    if operation.idempotency_key is not None:
        headers.append((b"idempotency-key", operation.idempotency_key.encode()))
    kept = {name: value for name, value in outer.items() if name not in ("path_params", "gb.request_id")}
    return {
        **kept,
        "method": operation.method,
        "path": whole,
        "raw_path": whole.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }


def failed(operation: Operation, error: ApiError) -> Result:
    return Result(operation.id, status_of(error), {"content-type": "application/json"}, msgspec.Raw(error_body(error)))


def too_much(operation: Operation) -> Result:
    return failed(operation, PayloadTooLarge("The answers are too long for one batch: ask for this one alone"))
