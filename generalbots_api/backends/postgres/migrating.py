"""Brings a schema to this version: one process at a time, all or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from psycopg import sql

from generalbots_api.backends.postgres.connecting import Connection
from generalbots_api.backends.postgres.failures import reason_of
from generalbots_api.backends.postgres.schema import steps
from generalbots_api.storage import StorageError

OLDEST_SERVER = 130_000
MIGRATION_SECONDS = 300.0  # for another process that migrates, and for the steps themselves
_LOCK = "SELECT pg_advisory_lock(hashtextextended('generalbots_api ' || $1, 0))"
_FACT = "SELECT value FROM {facts} WHERE name = $1"
_EXISTS = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1"
_STRANGERS = (
    "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1"
)


async def install(parameters: dict[str, Any], schema: str) -> str:
    """Make or migrate what is in `schema`; the epoch of the log in it.

    Raises:
        StorageError: the server cannot be reached, or what is there is not to be used; it is as it was.
    """
    try:
        async with await Connection.connect(**parameters) as connection, asyncio.timeout(MIGRATION_SECONDS):
            await _check_server(connection)
            if await _version(connection, schema) != len(steps()):
                await _migrate(connection, schema)
            return await _fact(connection, schema, "epoch") or ""
    except (psycopg.Error, OSError) as error:
        raise StorageError(f"PostgreSQL cannot be used: {error} ({reason_of(error)})") from error


async def _check_server(connection: Connection) -> None:
    """Raises:
    StorageError.
    """
    if connection.info.server_version < OLDEST_SERVER:
        raise StorageError(f"PostgreSQL {OLDEST_SERVER // 10_000} or newer is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StorageError(f"The database's encoding is {encoding}; make one with ENCODING 'UTF8'")


async def _migrate(connection: Connection, schema: str) -> None:
    """The lock lasts as long as the connection.

    It comes before the transaction: one that has begun does not learn of a schema that is made while it waits.
    """
    await connection.execute(_LOCK, [schema])
    done = await _version(connection, schema)  # again: another process may have been faster
    name = sql.Identifier(schema)
    async with connection.transaction():
        if not await _count(connection, _EXISTS, schema):  # IF NOT EXISTS would want the right to make one all the same
            await connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        await connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
        for step in steps()[done:]:
            await connection.execute(step, prepare=False)
        await connection.execute("UPDATE facts SET value = $1 WHERE name = 'version'", [str(len(steps()))])


async def _version(connection: Connection, schema: str) -> int:
    """How many steps are done.

    Raises:
        StorageError: more than are known here, or the schema is another program's.
    """
    version = await _fact(connection, schema, "version")
    if version is None:
        if await _count(connection, _STRANGERS, schema):
            raise StorageError(f"The schema {schema!r} holds tables of something else; choose another")
        return 0
    if int(version) > len(steps()):
        raise StorageError(
            f"The schema {schema!r} was written by a newer version of generalbots-api (step {version},"
            f" known here: {len(steps())}); use that version, or another schema"
        )
    return int(version)


async def _count(connection: Connection, statement: str, schema: str) -> int:
    [[count]] = await (await connection.execute(statement, [schema])).fetchall()
    return int(count)


async def _fact(connection: Connection, schema: str, name: str) -> str | None:
    """None: there are no facts, or no such one."""
    facts = sql.Identifier(schema, "facts")
    [[found]] = await (await connection.execute("SELECT to_regclass($1)::text", [facts.as_string()])).fetchall()
    if found is None:
        return None
    rows = await (await connection.execute(sql.SQL(_FACT).format(facts=facts), [name])).fetchall()
    return str(rows[0][0]) if rows else None
