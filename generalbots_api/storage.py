"""The bundle of stores that one backend gives."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from generalbots_api.auth.ports import LoginStore, PendingLoginStore, RevocationStore, SeenTokenStore
from generalbots_api.bots.ports import BotRecordStore
from generalbots_api.bus import Bus
from generalbots_api.conversations.ports import ConversationLog
from generalbots_api.leases import LeaseStore
from generalbots_api.sessions.ports import BotSessionStore


class StorageError(RuntimeError):
    """The storage cannot be opened; the message says why, and what to do about it."""


class Storage(Protocol):
    """Every store that the API needs, opened and closed together.

    Opening it migrates what is there. What cannot be opened raises
    `StorageError` and is left as it was. Any text without lone surrogates can
    be kept, NUL included; a write of other text raises `InvalidRequest`, and a
    read by it finds nothing. A second thing with the id of a first raises
    `Conflict`.
    """

    default_limiter: str
    """`module:Class` of the limiter to use unless one is given."""
    default_bus: str
    """`module:Class` of the bus to use unless one is given."""

    @property
    def logins(self) -> LoginStore: ...
    @property
    def pending_logins(self) -> PendingLoginStore: ...
    @property
    def seen_tokens(self) -> SeenTokenStore: ...
    @property
    def revocations(self) -> RevocationStore: ...
    @property
    def leases(self) -> LeaseStore: ...
    @property
    def bot_records(self) -> BotRecordStore: ...
    @property
    def bot_sessions(self) -> BotSessionStore: ...
    @property
    def log(self) -> ConversationLog: ...

    async def ping(self) -> None:
        """Raise `Unavailable` unless a write would be taken now."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


@runtime_checkable
class CarriesNews(Protocol):
    """A storage that many nodes share, and that can carry news between them."""

    def new_bus(self) -> Bus:
        """The bus to use unless one is given, in place of `default_bus`; not opened yet."""
