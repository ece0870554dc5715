"""The ground of the endpoints' methods: ask, and read the answer as a type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from generalbots_api.client.errors import BadAnswer
from generalbots_api.client.requests import Call, Requests

T = TypeVar("T")
Query = dict[str, str | int]


class Calls:
    """Methods raise `ApiError` and its kinds, `ConnectionFailed` and `BadAnswer`; see `Requests.send`."""

    _requests: Requests

    async def _ask(self, kind: type[T], call: Call) -> T:
        answer = await self._requests.send(call)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            raise BadAnswer(f"{call.method} {call.path}: {error}") from error


def query(values: Mapping[str, str | int | None]) -> Query:
    """The parameters that have a value."""
    return {name: value for name, value in values.items() if value is not None}
