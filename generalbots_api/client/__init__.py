"""A typed client of the General Bots API, on asyncio: every endpoint, and conversations that survive cuts.

Needs the extra `client`.
"""

from generalbots_api.client.backoff import Backoff
from generalbots_api.client.client import Client
from generalbots_api.client.conversation import Conversation
from generalbots_api.client.errors import (
    ApiError,
    BadAnswer,
    ClientError,
    Conflict,
    ConnectionFailed,
    ConversationClosed,
    ConversationOver,
    Forbidden,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    Problem,
    RateLimited,
    ServerError,
    Unauthorized,
)
from generalbots_api.client.events import (
    ConnectionChanged,
    Event,
    Gap,
    LoginExpiring,
    NewMessage,
    ReplyDelta,
    ReplySnapshot,
    ReplyStarted,
    SessionUpdated,
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
    "ConnectionChanged",
    "ConnectionFailed",
    "Conversation",
    "ConversationClosed",
    "ConversationOver",
    "Event",
    "Forbidden",
    "Gap",
    "History",
    "InvalidRequest",
    "LoginExpiring",
    "Message",
    "NewMessage",
    "NotFound",
    "Operation",
    "OperationResult",
    "PayloadTooLarge",
    "Problem",
    "Rate",
    "RateLimited",
    "ReplyDelta",
    "ReplySnapshot",
    "ReplyStarted",
    "Sent",
    "ServerError",
    "SessionUpdated",
    "Unauthorized",
]
