"""A schema is made, found again, migrated by one process at a time, or left as it was."""

from __future__ import annotations

import asyncio

import anyio
import psycopg
import pytest
from psycopg import sql

from generalbots_api import GeneralBots, Settings
from generalbots_api.backends.postgres import PostgresBus, PostgresStorage
from generalbots_api.errors import Unavailable
from generalbots_api.storage import StorageError
from generalbots_api.testing.contract import NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message
from tests.backends.postgres.proxy import Proxy
from tests.support import postgres

pytestmark = pytest.mark.anyio
SECRET = "hush"


async def test_of_several_that_open_at_once_one_makes_the_tables(schema: str) -> None:
    storages = [PostgresStorage(postgres.DSN, schema=schema, pool_size=1) for _ in range(4)]
    await at_once(*(storage.__aenter__ for storage in storages))
    await storages[0].log.add_message(a_message("1"), PLENTY, NOON)
    heads = [await storage.log.head(S1) for storage in storages]
    assert heads == [heads[0]] * 4
    assert (heads[0].seq, bool(heads[0].epoch)) == (1, True)
    await at_once(*(storage.__aexit__ for storage in storages))


async def test_a_newer_version_is_refused_and_left_as_it_is(schema: str) -> None:
    async with PostgresStorage(postgres.DSN, schema=schema) as storage:
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
    postgres.execute(schema, "UPDATE facts SET value = '999' WHERE name = 'version'")
    with pytest.raises(StorageError, match="newer version"):
        await PostgresStorage(postgres.DSN, schema=schema).__aenter__()
    postgres.execute(schema, "DO $$ BEGIN ASSERT (SELECT count(*) FROM messages) = 1; END $$")


async def test_another_programs_schema_is_refused_and_left_as_it_is(schema: str) -> None:
    with psycopg.connect(postgres.DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    postgres.execute(schema, "CREATE TABLE messages (theirs text)")
    with pytest.raises(StorageError, match="something else"):
        await PostgresStorage(postgres.DSN, schema=schema).__aenter__()
    postgres.execute(schema, "DO $$ BEGIN ASSERT to_regclass('facts') IS NULL; END $$")


async def test_a_migration_that_fails_leaves_nothing(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from generalbots_api.backends.postgres import migrating
    from generalbots_api.backends.postgres import schema as steps_of

    broken = (*steps_of.steps(), "SELECT no_such_function()")
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "steps", lambda: broken)
        with pytest.raises(StorageError, match="no_such_function"):
            await PostgresStorage(postgres.DSN, schema=schema).__aenter__()
    async with PostgresStorage(postgres.DSN, schema=schema) as storage:
        await storage.ping()


async def test_an_older_schema_is_brought_to_this_version(schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from generalbots_api.backends.postgres import migrating
    from generalbots_api.backends.postgres import schema as steps_of

    async with PostgresStorage(postgres.DSN, schema=schema) as older:
        await older.log.add_message(a_message("1"), PLENTY, NOON)
        more = (*steps_of.steps(), "ALTER TABLE messages ADD COLUMN later text")
        with monkeypatch.context() as patched:
            patched.setattr(migrating, "steps", lambda: more)
            async with PostgresStorage(postgres.DSN, schema=schema) as newer:
                assert (await newer.log.head(S1)).seq == 1
        await older.log.add_message(a_message("2"), PLENTY, NOON)  # a node that runs goes on
        assert len((await older.log.after(S1, 0, 10)).messages) == 2


async def test_a_schema_may_have_any_printable_name() -> None:
    postgres.needs_server()
    with postgres.new_schema() as name:
        odd = f'{name} "ä;'
        try:
            async with PostgresStorage(postgres.DSN, schema=odd) as storage:
                await storage.ping()
        finally:
            postgres.run(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(odd)))


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32, "nul\x00", "line\n", "pg_mine"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^schema: "):
        PostgresStorage("", schema=name)
    with pytest.raises(ValueError, match=r"^channel: "):
        PostgresBus("", channel=name)


@pytest.mark.parametrize("dsn", [f"postgresql://u:{SECRET}@[bad", f"pasword={SECRET}"])
def test_a_dsn_that_is_none_is_refused_without_telling_it(dsn: str) -> None:
    for make in (PostgresStorage, PostgresBus):
        with pytest.raises(ValueError, match=r"^dsn: ") as refused:
            make(dsn)
        assert SECRET not in str(refused.value)


def test_bounds_are_checked() -> None:
    for fields in ({"pool_size": 0}, {"timeout": 0.0}, {"timeout": float("nan")}):
        with pytest.raises(ValueError, match=f"^{next(iter(fields))}: "):
            PostgresStorage("", **fields)


async def test_a_server_that_is_not_there_is_told_without_the_password(proxy: Proxy) -> None:
    proxy.stop()
    for backend in (PostgresStorage(f"{proxy.dsn} password={SECRET}"), PostgresBus(f"{proxy.dsn} password={SECRET}")):
        with pytest.raises(StorageError, match="refused") as refused:
            await backend.__aenter__()
        assert SECRET not in str(refused.value)


async def test_a_storage_that_is_not_open_is_unavailable(schema: str) -> None:
    storage = PostgresStorage(postgres.DSN, schema=schema)
    with pytest.raises(Unavailable):
        await storage.log.head(S1)
    async with storage, storage:
        pass
    with pytest.raises(Unavailable):
        await storage.ping()


async def test_it_opens_on_another_loop_though_the_first_one_never_closed_it(schema: str) -> None:
    storage = PostgresStorage(postgres.DSN, schema=schema)

    async def left_open() -> None:
        await storage.__aenter__()
        await storage.log.add_message(a_message("1"), PLENTY, NOON)
        if (pool := storage._database._pool) is not None:  # its tasks would outlive the loop
            await pool.close()

    await anyio.to_thread.run_sync(asyncio.run, left_open())
    async with storage:
        assert (await storage.log.head(S1)).seq == 1


async def test_of_two_openings_at_once_both_can_use_it(schema: str) -> None:
    storage = PostgresStorage(postgres.DSN, schema=schema)

    async def use() -> int:
        async with storage:
            return (await storage.log.head(S1)).seq

    assert await at_once(use, use, use) == [0, 0, 0]


async def test_a_schema_that_the_user_may_use_and_not_make_will_do(schema: str) -> None:
    role = f"{schema}_role"
    postgres.execute("public", f"CREATE ROLE {role} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {role}")
    try:
        async with PostgresStorage(postgres.DSN + f"?user={role}", schema=schema) as storage:
            await storage.ping()
    finally:
        postgres.execute("public", f"DROP SCHEMA {schema} CASCADE; DROP ROLE {role}")


async def test_a_commit_waits_for_the_disk_whatever_the_database_says(schema: str) -> None:
    dsn = f"{postgres.DSN}?options=-csynchronous_commit%3Doff"
    async with PostgresStorage(dsn, schema=schema) as storage:
        rows = await storage._database.read("SELECT current_setting('synchronous_commit')")
        assert rows == [("on",)]


def test_a_service_on_this_storage_has_the_bus_of_all_its_nodes() -> None:
    storage = PostgresStorage("")
    settings = Settings(environment="development", secret_keys=["k" * 43])
    service = GeneralBots(settings, storage=storage, authenticate=lambda _: None)  # type: ignore[arg-type, return-value] # never asked
    assert isinstance(service._services.bus, PostgresBus)
