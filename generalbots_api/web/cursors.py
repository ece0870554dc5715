"""Signed page cursors: a place in a list that the client carries and cannot make up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
from itsdangerous import BadData

from generalbots_api.errors import InvalidRequest
from generalbots_api.web.cookies import signer

SALT = "generalbots_api page cursor"
T = TypeVar("T")


class Cursors:
    """Writes and reads cursors. They hold no secret: they are signed, not encrypted."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = signer(keys, SALT)

    def write(self, place: Sequence[str | int]) -> str:
        return str(self._signer.dumps(list(place)))

    def read(self, text: str, type_: type[T]) -> T:
        """Raises:
        InvalidRequest: it is no cursor of ours.
        """
        try:
            return msgspec.convert(self._signer.loads(text), type_)
        except (BadData, msgspec.ValidationError, UnicodeEncodeError):
            raise InvalidRequest("The cursor is refused", fields={"cursor": "is not one of ours"}) from None
