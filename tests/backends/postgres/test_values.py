"""What lies in PostgreSQL is what was put there, whatever it was."""

from __future__ import annotations

import random
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from generalbots_api.auth.model import Standing
from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.backends.postgres.failures import translated
from generalbots_api.backends.postgres.texts import TextDumper, TextLoader
from generalbots_api.errors import Conflict, InvalidRequest, Unavailable
from generalbots_api.ids import BotSessionId, LoginId, MessageId, UserId
from generalbots_api.testing.contract import LONE_SURROGATE, NOON
from generalbots_api.testing.log import PLENTY, S1, a_message
from generalbots_api.testing.logins import a_login
from generalbots_api.testing.replies import a_reply
from tests.support import postgres

pytestmark = pytest.mark.anyio
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01\x02a"))
_dumper, _loader = TextDumper(str), TextLoader(25)


def dumped(text: str) -> bytes:
    return bytes(_dumper.dump(text))


@given(TEXTS)
def test_any_text_comes_back_and_has_no_nul_on_its_way(text: str) -> None:
    assert b"\x00" not in dumped(text)
    assert _loader.load(dumped(text)) == text


@given(TEXTS, TEXTS)
def test_texts_keep_their_order_and_what_they_begin_with(one: str, other: str) -> None:
    assert (dumped(one) < dumped(other)) == (one < other)
    assert dumped(one + other).startswith(dumped(one))


def incompressible(length: int) -> str:
    """Of another content each time it is called with another length, and the same otherwise."""
    return "".join(random.Random(length).choices("abcdefghijklmnopqrstuvwxyzäöü€😀\x00\x01", k=length))  # noqa: S311


async def test_ids_are_told_apart_whatever_their_length(schema: str) -> None:
    ids = [incompressible(length) for length in (2_000, 10_000, 300_000)]
    ids += [id + "x" for id in ids]
    async with PostgresStorage(postgres.DSN, schema=schema, timeout=30) as storage:
        for id in ids:
            login = a_login("x", id=LoginId(id), user_id=UserId(id), token_hash=id.encode()[-32:], directory_session=id)
            await storage.logins.open(login, PLENTY)
            await storage.leases.take(id, id, NOON, NOON)
            message = a_message("x", id=id, session_id=BotSessionId(id), message_id=MessageId(id))
            await storage.log.add_message(message, PLENTY, NOON)
        for id in ids:
            assert [login.id for login in await storage.logins.of_user(UserId(id))] == [id]
            found = await storage.log.message(BotSessionId(id), MessageId(id))
            assert found is not None
            assert found == await storage.log.by_client_id(BotSessionId(id), id)
        assert await storage.leases.held("") == {id: id for id in ids}


async def test_what_cannot_be_kept_is_refused_wherever_it_comes(schema: str) -> None:
    async with PostgresStorage(postgres.DSN, schema=schema, timeout=30) as storage:
        login = a_login("x", standing=Standing(roles=frozenset({LONE_SURROGATE})))
        with pytest.raises(InvalidRequest):
            await storage.logins.open(login, PLENTY)
        with pytest.raises(InvalidRequest):
            await storage.log.add_reply(a_reply("1"), {"memory": LONE_SURROGATE}, NOON)
        with pytest.raises(InvalidRequest):
            await storage.log.add_message(a_message("1", metadata={"x": LONE_SURROGATE}), PLENTY, NOON)
        assert (await storage.log.head(S1)).seq == 0


async def test_several_statements_are_done_or_none(schema: str) -> None:
    async with PostgresStorage(postgres.DSN, schema=schema, timeout=30) as storage:
        first, second = a_login("first"), a_login("second")
        for login in (first, second):
            await storage.logins.open(login, PLENTY)
        with pytest.raises(Conflict):  # by the last statement, when the first login is gone already
            await storage.logins.open(replace(a_login("other"), id=second.id), 2)
        assert await storage.logins.of_user(UserId("ada")) == [first, second]
        await storage.logins.open(a_login("third"), PLENTY)  # and the connection is of use


async def test_many_long_replies_are_read_in_one_page(schema: str) -> None:
    async with PostgresStorage(postgres.DSN, schema=schema, timeout=30) as storage:
        contents = [incompressible(100_000 + number) for number in range(10)]
        for number, content in enumerate(contents):
            await storage.log.add_reply(a_reply(str(number), content=content), None, NOON)
        assert [one.content for one in (await storage.log.after(S1, 0, 10)).messages] == contents


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.UniqueViolation(), Conflict),
        (errors.NumericValueOutOfRange(), InvalidRequest),
        (errors.ProgramLimitExceeded(), InvalidRequest),
        (OverflowError(), InvalidRequest),
        (errors.DiskFull(), Unavailable),
        (errors.IoError(), Unavailable),
        (errors.TooManyConnections(), Unavailable),
        (errors.AdminShutdown(), Unavailable),
        (errors.CannotConnectNow(), Unavailable),
        (errors.QueryCanceled(), Unavailable),
        (errors.DeadlockDetected(), Unavailable),
        (errors.ReadOnlySqlTransaction(), Unavailable),
        (psycopg.OperationalError("server closed the connection unexpectedly"), Unavailable),
        (ConnectionResetError(), Unavailable),
        (TimeoutError(), Unavailable),
        (errors.UndefinedTable(), errors.UndefinedTable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_failure_has_its_meaning(error: Exception, meaning: type[Exception]) -> None:
    assert type(translated(error)) is meaning
