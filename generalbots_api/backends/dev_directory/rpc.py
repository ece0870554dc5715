"""A method of a service: from the bytes of a request to an answer, for one user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from generalbots_api.backends.dev_directory.errors import ServiceError
from generalbots_api.backends.dev_directory.messages import Json, decoded
from generalbots_api.backends.dev_directory.people import User

Method = Callable[[User, bytes], Json]
T = TypeVar("T")


def rpc(kind: type[T], answer: Callable[[User, T], Json]) -> Method:
    def method(user: User, body: bytes) -> Json:
        return answer(user, decoded(body, kind))

    return method


def hidden(message: str) -> ServiceError:
    """No permission: Zitadel answers writes as if the thing were not there."""
    return ServiceError("not_found", message)
