"""Answers that carry an ETag, kept so that the server may say 304. Source: spec, "Recommended Practices"."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[bytes, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    etag: str
    body: bytes


@dataclass(slots=True)
class AnswerCache:
    """The answers used last; what was given to one login is never shown to another."""

    max_entries: int = 64
    max_body: int = 2**20  # bytes of one answer
    _kept: OrderedDict[Key, Kept] = field(default_factory=OrderedDict)

    def get(self, key: Key) -> Kept | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Key, etag: str | None, body: bytes) -> None:
        """Keep it if it has an ETag and is small enough."""
        if etag is None or len(body) > self.max_body:
            return
        self._kept[key] = Kept(etag, body)
        self._kept.move_to_end(key)
        while len(self._kept) > self.max_entries:
            self._kept.popitem(last=False)


def key_of(path: str, query: Mapping[str, str | int], token: str | None) -> Key:
    login = hashlib.sha256((token or "").encode()).digest()
    return login, path, tuple(sorted((name, str(value)) for name, value in query.items()))
