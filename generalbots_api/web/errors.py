"""From an error to its status, its headers and the one body of every error."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

import msgspec

from generalbots_api.errors import (
    ApiError,
    BadGateway,
    Code,
    MethodNotAllowed,
    NotSupported,
    RateLimited,
    Unauthorized,
    Unavailable,
)

_STATUSES = {
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.RATE_LIMITED: 429,
    Code.SERVER_ERROR: 500,
    Code.INVALID_REQUEST: 400,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.CONFLICT: 409,
    Code.PAYLOAD_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
}
_SERVER_STATUSES: dict[type[ApiError], int] = {BadGateway: 502, Unavailable: 503, NotSupported: 501}

RawHeaders = list[tuple[bytes, bytes]]
_encode = msgspec.json.Encoder().encode


class ErrorObject(msgspec.Struct, frozen=True):
    """What went wrong."""

    code: Code
    message: str
    details: dict[str, Any]


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error of this API."""

    error: ErrorObject


def status_of(error: ApiError) -> int:
    for kind, status in _SERVER_STATUSES.items():
        if isinstance(error, kind):
            return status
    return _STATUSES[error.code]


def error_object(error: ApiError, request_id: str | None = None) -> ErrorObject:
    """The error as clients see it; 5xx tell the request id, so that it can be found in the log."""
    details = dict(error.details)
    if request_id is not None and status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
        details["request_id"] = request_id
    return ErrorObject(error.code, error.message, details)


def error_body(error: ApiError, request_id: str | None = None) -> bytes:
    return _encode(ErrorBody(error_object(error, request_id)))


def error_headers(error: ApiError) -> RawHeaders:
    """The headers that belong to this error."""
    match error:
        case Unauthorized():
            return [(b"www-authenticate", _challenge(error))]
        case RateLimited() | Unavailable():
            return [(b"retry-after", str(max(1, math.ceil(error.retry_after))).encode())]
        case MethodNotAllowed():
            return [(b"allow", error.allow.encode())]
    return []


def _challenge(error: Unauthorized) -> bytes:
    """RFC 6750, section 3: no error code when no credentials came."""
    return b'Bearer error="invalid_token"' if error.token_sent else b"Bearer"
