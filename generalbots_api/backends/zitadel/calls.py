"""Calls of Zitadel's services, and its errors as ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from generalbots_api.backends.oidc.http import NONSENSE, Json, Outgoing, json_object
from generalbots_api.errors import (
    ApiError,
    BadGateway,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
    Unavailable,
)

QUOTA_RETRY_AFTER = 30  # seconds
PAGE = 100
MAX_PAGES = 50
_GRPC_CODES = {
    3: "invalid_argument",
    5: "not_found",
    6: "already_exists",
    7: "permission_denied",
    8: "resource_exhausted",
    9: "failed_precondition",
    10: "aborted",
    11: "out_of_range",
    12: "unimplemented",
    16: "unauthenticated",
}
_READS = ("Get", "List")


@dataclass(frozen=True, slots=True)
class Services:
    """Speaks the Connect protocol to the services below one issuer, as the user whose token is given."""

    outgoing: Outgoing
    issuer: str

    async def call(self, access_token: str, method: str, body: Json) -> Json:
        """`method` is `package.Service/Method`; the answer leaves out zero values and empty lists.

        Raises:
            ApiError: by `error_of`.
        """
        response = await self.outgoing.call(
            "POST",
            f"{self.issuer.rstrip('/')}/{method}",
            access_token=access_token,
            body=body,
            is_read=method.rpartition("/")[2].startswith(_READS),
        )
        if response.status_code == 200:
            return json_object(response)
        raise error_of(response.status_code, response.content, method)

    async def pages(self, access_token: str, method: str, body: Json, field: str) -> AsyncIterator[Json]:
        """Every item of a paged list, at most 5,000."""
        for page in range(MAX_PAGES):
            pagination = {"offset": str(page * PAGE), "limit": PAGE}
            answer = await self.call(access_token, method, {**body, "pagination": pagination})
            items = objects(answer, field)
            for item in items:
                yield item
            if len(items) < PAGE:
                return


def error_of(status: int, body: bytes, method: str) -> ApiError:
    """Source: directory page, "Errors". Zitadel's own text goes no further than here."""
    code = _code_of(status, body)
    if code == "unimplemented":
        return Unavailable(f"The Directory Service has no {method.partition('/')[0].rpartition('.')[2]}: it is too old")
    known: dict[str, ApiError] = {
        "unauthenticated": Unauthorized("The Directory Service no longer accepts this login", token_sent=True),
        "permission_denied": Forbidden("The Directory Service does not allow this"),
        "not_found": NotFound("The Directory Service has no such thing"),
        "already_exists": Conflict("There is one already"),
        "aborted": Conflict("It was changed at the same time"),
        "invalid_argument": InvalidRequest("The Directory Service refuses a value"),
        "failed_precondition": InvalidRequest("The Directory Service refuses this as things are"),
        "out_of_range": InvalidRequest("The Directory Service refuses a value"),
        "resource_exhausted": Unavailable("The Directory Service is busy", retry_after=QUOTA_RETRY_AFTER),
    }
    if code is None:
        return BadGateway(NONSENSE)
    return known.get(code) or Unavailable("The Directory Service cannot do this at the moment")


def _code_of(status: int, body: bytes) -> str | None:
    """The Connect code, also of the older gateway's number; None: the answer is not JSON."""
    try:
        code = msgspec.json.decode(body, type=dict).get("code")
    except msgspec.MsgspecError:
        return "unimplemented" if status == 404 else None if status < 500 else "unavailable"
    if isinstance(code, int):
        return _GRPC_CODES.get(code, "unavailable")
    return code if isinstance(code, str) else "unavailable"


def objects(answer: Json, field: str) -> list[Json]:
    """A list of objects, empty if it was left out.

    Raises:
        BadGateway: it is something else.
    """
    found = answer.get(field, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadGateway(NONSENSE)
    return found


def at(value: Any, *path: str) -> Any:
    """The value below a path of keys; None where one is left out."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str) -> str:
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Any, *path: str) -> int:
    """An integer, also as the string that proto3 makes of 64 bits; 0 if it was left out."""
    found = at(value, *path)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return int(found)
    return found if isinstance(found, int) else 0


def instant(value: Any, *path: str) -> datetime | None:
    try:
        found = msgspec.convert(at(value, *path), datetime)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo else None
