"""News in pieces that fit a notification: a payload is text of less than 8,000 bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

PIECE_CHARS = 7_900
MOST_BYTES = 4_194_304  # of one message
MOST_SENDERS = 100  # whose messages are half here

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, bytes]).decode


class TooBig(ValueError):
    """A message of more than `MOST_BYTES`."""


@dataclass(slots=True)
class Splitter:
    """Cuts messages up. No two pieces are equal, since PostgreSQL would send equal ones of a transaction once."""

    sender: str
    _number: int = 0

    def pieces(self, topic: str, payload: bytes) -> list[str]:
        """Raises:
        TooBig.
        """
        if len(payload) > MOST_BYTES:
            raise TooBig(f"{len(payload)} bytes are too many for the bus")
        self._number += 1
        text = base64.b64encode(_encode((topic, payload))).decode()
        count = -(-len(text) // PIECE_CHARS)
        head = f"{self.sender} {self._number}"
        return [
            f"{head} {place} {count} {text[place * PIECE_CHARS : (place + 1) * PIECE_CHARS]}" for place in range(count)
        ]


@dataclass(slots=True)
class _Partial:
    number: str
    texts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Joiner:
    """Puts pieces together. Those of one sender come in order; a message with a gap is dropped."""

    _partials: dict[str, _Partial] = field(default_factory=dict)

    def messages(self, piece: str) -> Iterator[tuple[str, str, bytes]]:
        """The sender, topic and payload that `piece` completes, if it does. What is no piece is no news."""
        parts = piece.split(" ", 4)
        if len(parts) == 5 and (text := self._joined(*parts)) is not None:
            try:
                topic, payload = _decode(base64.b64decode(text, validate=True))
            except (ValueError, binascii.Error, msgspec.DecodeError):
                return
            yield parts[0], topic, payload

    def _joined(self, sender: str, number: str, place: str, count: str, text: str) -> str | None:
        if count == "1":
            return text
        if place == "0":
            self._partials.pop(sender, None)  # it comes last again
            self._partials[sender] = _Partial(number)
            if len(self._partials) > MOST_SENDERS:
                del self._partials[next(iter(self._partials))]
        partial = self._partials.get(sender)
        if partial is None or partial.number != number or str(len(partial.texts)) != place:
            self._partials.pop(sender, None)
            return None
        partial.texts.append(text)
        if str(len(partial.texts)) != count:
            return None
        del self._partials[sender]
        return "".join(partial.texts)
