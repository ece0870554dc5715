"""The promises of a `Storage` as a whole."""

from __future__ import annotations

from importlib import import_module

from generalbots_api.storage import Storage
from generalbots_api.testing.contract import NOON, Contract
from generalbots_api.testing.log import PLENTY, S1, a_message, fill
from generalbots_api.testing.logins import a_login


class StorageContract(Contract):
    """Wants the fixture `storage`."""

    async def test_it_takes_writes_and_keeps_nothing_of_the_question(self, storage: Storage) -> None:
        before = await storage.log.head(S1)
        await storage.ping()
        assert await storage.log.head(S1) == before

    async def test_what_is_stored_outlives_closing_and_opening_again(self, storage: Storage) -> None:
        login = a_login("one")
        await storage.logins.open(login, 5)
        messages = await fill(storage, 3)
        head = await storage.log.head(S1)
        await storage.__aexit__(None, None, None)
        async with storage:
            assert await storage.logins.by_token(login.token_hash) == login
            assert (await storage.log.after(S1, 0, 10)).messages == messages
            assert await storage.log.head(S1) == head
            added = await storage.log.add_message(a_message("more"), PLENTY, NOON)
            assert added.message.seq == 4
        await storage.__aenter__()

    async def test_the_limiter_and_the_bus_that_it_names_are_there(self, storage: Storage) -> None:
        for name in (storage.default_limiter, storage.default_bus):
            module, _, attribute = name.partition(":")
            async with getattr(import_module(module), attribute)() as opened:
                await opened.ping()
