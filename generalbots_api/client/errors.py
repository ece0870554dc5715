"""What can go wrong for a client, and how an answer becomes one of these errors."""

from __future__ import annotations

from typing import Any

import msgspec


class ClientError(Exception):
    """Base of every error of this package."""


class ConnectionFailed(ClientError):
    """No answer came: the server is away, or the connection was cut, as often as it was tried."""


class BadAnswer(ClientError):
    """An answer that makes no sense: not this API, or too big, or a redirect (which is never followed)."""


class ConversationClosed(ClientError):
    """The server closed the socket in a way that makes coming back useless. Source: chat-protocol, "Close codes"."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed by the server: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class ConversationOver(ClientError):
    """The session has ended, or the conversation was left: nothing more can be sent."""


class ApiError(ClientError):
    """The API's own error. Source: spec, "Error Handling".

    `details` holds JSON values; `request_id` names the request in the server's
    log; `retry_after` is in seconds, None if the server did not say.
    """

    def __init__(self, problem: Problem, *, status: int, request_id: str | None, retry_after: float | None) -> None:
        super().__init__(f"{problem.code}: {problem.message}")
        self.code = problem.code
        self.message = problem.message
        self.details = problem.details
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """No login, or one that has ended, and no way to get another."""


class Forbidden(ApiError):
    """The login is good, and may not do this."""


class NotFound(ApiError):
    """No such thing, or none that this user may know of."""


class RateLimited(ApiError):
    """The quota is used up for longer than this client is willing to wait."""


class InvalidRequest(ApiError):
    """Malformed or invalid input; `details["fields"]` maps a field to what is wrong with it."""


class Conflict(ApiError):
    """It exists already, or contradicts what does; `details["reason"]` may say more."""


class PayloadTooLarge(ApiError):
    """Over the server's bound."""


class ServerError(ApiError):
    """The server failed, or something behind it is down."""


class Problem(msgspec.Struct, frozen=True):
    """The error object, as it is in every error body and frame."""

    code: str
    message: str = ""
    details: dict[str, Any] = {}


class _Body(msgspec.Struct):
    error: Problem


_KINDS: dict[str, type[ApiError]] = {
    "UNAUTHORIZED": Unauthorized,
    "FORBIDDEN": Forbidden,
    "NOT_FOUND": NotFound,
    "RATE_LIMITED": RateLimited,
    "INVALID_REQUEST": InvalidRequest,
    "CONFLICT": Conflict,
    "PAYLOAD_TOO_LARGE": PayloadTooLarge,
    "SERVER_ERROR": ServerError,
}
_STATUSES = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "RATE_LIMITED": 429,
    "INVALID_REQUEST": 400,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "SERVER_ERROR": 500,
}
_CODES = {status: code for code, status in _STATUSES.items()}
_decode = msgspec.json.Decoder(_Body).decode


def error_of(
    problem: Problem, *, status: int | None = None, request_id: str | None = None, retry_after: float | None = None
) -> ApiError:
    """The error of its kind; a code that nobody knows yet gives a plain `ApiError`."""
    status = status or _STATUSES.get(problem.code, 500)
    named = problem.details.get("request_id")
    if request_id is None and isinstance(named, str):
        request_id = named
    return _KINDS.get(problem.code, ApiError)(problem, status=status, request_id=request_id, retry_after=retry_after)


def error_from_body(status: int, body: bytes, *, request_id: str | None, retry_after: float | None) -> ApiError:
    """The error in a body; of a body that is not this API's (a proxy's page), the status decides."""
    try:
        problem = _decode(body).error
    except msgspec.DecodeError:
        code = _CODES.get(status) or ("SERVER_ERROR" if status >= 500 else "INVALID_REQUEST")
        problem = Problem(code, f"HTTP status {status}")
    return error_of(problem, status=status, request_id=request_id, retry_after=retry_after)
