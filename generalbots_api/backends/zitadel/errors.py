"""Zitadel's errors as ours. Its own text goes no further than here."""

from __future__ import annotations

import msgspec

from generalbots_api.backends.oidc.http import NONSENSE
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


class ServiceMissing(Unavailable):
    """This instance does not have the service: it is older than it."""


class Taken(Conflict):
    """The name or address is somebody else's."""


class Precondition(InvalidRequest):
    """`failed_precondition`: what it refers to is not there, or not so."""


def error_of(status: int, body: bytes, method: str) -> ApiError:
    """The error of a service's answer; `method` is `package.Service/Method`."""
    code = "resource_exhausted" if status == 429 else _code_of(status, body)
    is_list = method.rpartition("/")[2].startswith("List")  # which answers an empty list where there is nothing
    match code:
        case None:
            return BadGateway(NONSENSE)
        case "unimplemented":
            return _missing(method)
        case "not_found":
            return _missing(method) if is_list else NotFound("The Directory Service has no such thing")
        case "unauthenticated":
            return Unauthorized("The Directory Service no longer accepts this login", token_sent=True)
        case "permission_denied":
            return Forbidden("The Directory Service does not allow this")
        case "already_exists":
            return Taken("There is one already")
        case "aborted":
            return Conflict("It was changed at the same time")
        case "failed_precondition":
            return Precondition("The Directory Service refuses this as things are")
        case "invalid_argument" | "out_of_range":
            return InvalidRequest("The Directory Service refuses a value")
        case "resource_exhausted":  # our quota there, not the caller's here
            return Unavailable("The Directory Service is busy", retry_after=QUOTA_RETRY_AFTER)
        case _:
            return Unavailable("The Directory Service cannot do this at the moment")


def _missing(method: str) -> ServiceMissing:
    service = method.partition("/")[0].rpartition(".")[2]
    return ServiceMissing(f"The Directory Service has no {service}: it is too old")


def _code_of(status: int, body: bytes) -> str | None:
    """The Connect code, also of the older gateway's number.

    An answer that is not JSON is None, unless its status says all: a path
    that is not there, or a proxy in front of a service that is down.
    """
    try:
        code = msgspec.json.decode(body, type=dict).get("code")
    except (msgspec.MsgspecError, RecursionError):
        return "unimplemented" if status == 404 else None if status < 500 else "unavailable"
    if isinstance(code, int):
        return _GRPC_CODES.get(code, "unavailable")
    return code if isinstance(code, str) else "unavailable"
