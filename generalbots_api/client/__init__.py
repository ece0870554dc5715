"""A typed client of the General Bots API, on asyncio: every endpoint, and conversations that survive cuts.

Needs the extra `client`.
"""

from generalbots_api.client.backoff import Backoff
from generalbots_api.client.client import Client
from generalbots_api.client.errors import (
    ApiError,
    BadAnswer,
    ClientError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    Problem,
    RateLimited,
    ServerError,
    Unauthorized,
)
from generalbots_api.client.messages import History, Message, Sent
from generalbots_api.client.model import Operation, OperationResult, Rate

__all__ = [
    "ApiError",
    "Backoff",
    "BadAnswer",
    "Client",
    "ClientError",
    "Conflict",
    "ConnectionFailed",
    "Forbidden",
    "History",
    "InvalidRequest",
    "Message",
    "NotFound",
    "Operation",
    "OperationResult",
    "PayloadTooLarge",
    "Problem",
    "Rate",
    "RateLimited",
    "Sent",
    "ServerError",
    "Unauthorized",
]
