"""A PostgreSQL server for tests, and schemas on it that are gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from secrets import token_hex

import psycopg
import pytest
from psycopg import sql

DSN = os.environ.get("GB_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")


def needs_server() -> None:
    """Skip the test where there is no server; in CI there must be one."""
    if (reason := missing()) is not None and os.environ.get("CI") != "true":
        pytest.skip(f"no PostgreSQL at GB_TEST_POSTGRES: {reason}")


@cache
def missing() -> str | None:
    try:
        psycopg.connect(DSN, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return str(error)
    return None


@contextmanager
def new_schema() -> Iterator[str]:
    """The name of one that is not there yet."""
    name = f"gb_test_{token_hex(6)}"
    try:
        yield name
    finally:
        run(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


def empty(schema: str) -> None:
    """As if it had just been made, if it has been."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_name <> 'facts'",
            [schema],
        ).fetchall()
        names = [sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, name)) for [name] in tables]
        if names:
            connection.execute(sql.SQL("; ").join(names))


def run(statement: sql.Composed) -> None:
    with psycopg.connect(DSN, autocommit=True, options="-clock_timeout=5s") as connection:
        connection.execute(statement)


def execute(schema: str, statements: str) -> None:
    """Run them with `schema` as the search path."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        connection.execute(statements.encode())
