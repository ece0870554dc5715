"""Every error that a client may see. Statuses and close codes are the doors' business."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The machine-readable codes. Source: spec, "Error Handling"; contract, "Rules for all of it"."""

    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_ERROR = "SERVER_ERROR"
    INVALID_REQUEST = "INVALID_REQUEST"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"


class ApiError(Exception):
    """Base of every error a client may see; anything else is SERVER_ERROR.

    `message` is for people and holds no secret; `details` is for programs and
    holds JSON values only.
    """

    code: ClassVar[Code] = Code.SERVER_ERROR

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, object] = details


class Unauthorized(ApiError):
    """No valid session. `token_sent` tells whether a token came and was refused."""

    code = Code.UNAUTHORIZED

    def __init__(self, message: str = "Authentication is required", *, token_sent: bool = False) -> None:
        super().__init__(message)
        self.token_sent = token_sent


class Forbidden(ApiError):
    """The caller is known and may not do this."""

    code = Code.FORBIDDEN


class NotFound(ApiError):
    """No such thing, or none that this caller may know of."""

    code = Code.NOT_FOUND


class RateLimited(ApiError):
    """The quota is used up; `retry_after` is in whole seconds, at least 1."""

    code = Code.RATE_LIMITED

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after_seconds=retry_after)
        self.retry_after = retry_after


class InvalidRequest(ApiError):
    """Malformed or invalid input; `details.fields` maps a field to what is wrong with it."""

    code = Code.INVALID_REQUEST

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message, **({"fields": dict(fields)} if fields else {}))


class MethodNotAllowed(ApiError):
    """The path is known, the method is not; `allow` is the value of the Allow header."""

    code = Code.METHOD_NOT_ALLOWED

    def __init__(self, allow: str) -> None:
        super().__init__("This method is not allowed here", allow=allow)
        self.allow = allow


class Conflict(ApiError):
    """It exists already, or contradicts what does."""

    code = Code.CONFLICT


class PayloadTooLarge(ApiError):
    """The body is over the bound, which is in `details.max_bytes`."""

    code = Code.PAYLOAD_TOO_LARGE


class UnsupportedMediaType(ApiError):
    """A body of a kind that this endpoint does not read."""

    code = Code.UNSUPPORTED_MEDIA_TYPE


class BadGateway(ApiError):
    """A system behind us gave an answer that makes no sense."""


class Unavailable(ApiError):
    """Something needed is down; `retry_after` is in whole seconds."""

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotSupported(ApiError):
    """The backend in use cannot do this at all; trying again will not help."""
