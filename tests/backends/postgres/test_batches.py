"""What goes to the server together is as good as what goes alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import psycopg
import pytest

from generalbots_api.backends.postgres import PostgresStorage
from generalbots_api.errors import ApiError, InvalidRequest
from generalbots_api.ids import BotSessionId, UserId
from generalbots_api.testing.contract import LONE_SURROGATE, NOON, at_once
from generalbots_api.testing.log import PLENTY, S1, a_message, seqs
from generalbots_api.testing.logins import a_login
from generalbots_api.testing.replies import a_reply
from tests.backends.postgres.proxy import Proxy
from tests.support import postgres

pytestmark = pytest.mark.anyio
FAILURES = (psycopg.Error, ApiError)
FAILS_AT_COMMIT = """
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad luck'; END $$;
CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.content = 'bad') EXECUTE FUNCTION fails();
CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON logins DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.address = 'bad') EXECUTE FUNCTION fails();
"""


@pytest.fixture
async def storage(schema: str, anyio_backend: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(postgres.DSN, schema=schema, timeout=30) as storage:
        yield storage


async def test_what_fails_at_the_commit_is_not_answered_as_stored(storage: PostgresStorage) -> None:
    postgres.execute(storage.schema, FAILS_AT_COMMIT)
    with pytest.raises(FAILURES):
        await storage.logins.open(a_login("x", address="bad"), PLENTY)
    assert await storage.logins.of_user(UserId("ada")) == []

    async def add(number: int) -> str | None:
        message = a_message(str(number), content="bad" if number % 10 == 3 else "good")
        try:
            return (await storage.log.add_message(message, PLENTY, NOON)).message.message_id
        except FAILURES:
            return None

    answered = await at_once(*(partial(add, number) for number in range(40)))
    page = await storage.log.after(S1, 0, 100)
    assert {one.message_id for one in page.messages} == set(answered) - {None}
    assert seqs(page.messages) == list(range(1, len(page.messages) + 1))
    assert all(one.content == "good" for one in page.messages)


async def test_what_is_refused_in_part_is_not_done_in_part(storage: PostgresStorage) -> None:
    logins = [a_login("1"), a_login("2")]
    for login in logins:
        await storage.logins.open(login, PLENTY)
    with pytest.raises(InvalidRequest):
        await storage.logins.open(a_login("3", user_agent=LONE_SURROGATE), 1)
    assert await storage.logins.of_user(UserId("ada")) == logins


async def test_what_cannot_be_sent_takes_back_what_has_been(storage: PostgresStorage) -> None:
    logins = [a_login("1"), a_login("2")]
    for login in logins:
        await storage.logins.open(login, PLENTY)
    with pytest.raises((psycopg.ProgrammingError, ApiError)):
        await storage.logins.open(a_login("3", sealed_grant=object()), 1)
    assert await storage.logins.of_user(UserId("ada")) == logins


async def test_questions_of_every_kind_at_once_get_their_own_answers(storage: PostgresStorage) -> None:
    logins = [a_login(str(number), user_id=UserId(str(number))) for number in range(20)]
    await at_once(*(partial(storage.logins.open, login, PLENTY) for login in logins))
    await storage.log.add_message(a_message("1"), PLENTY, NOON)
    found = await at_once(
        *(partial(storage.logins.by_token, login.token_hash) for login in logins),
        *(partial(storage.logins.get, login.id) for login in logins),
    )
    assert found == [*logins, *logins]
    heads = await at_once(*(partial(storage.log.head, BotSessionId(id)) for id in ("s1", LONE_SURROGATE, "other") * 9))
    assert [head.seq for head in heads] == [1, 0, 0] * 9


async def test_turns_of_many_sessions_at_once_from_two_nodes(storage: PostgresStorage) -> None:
    async with PostgresStorage(postgres.DSN, schema=storage.schema, timeout=30) as other:
        sessions = [BotSessionId(f"session {number % 15}") for number in range(150)]

        async def turn(number: int) -> None:
            log = (storage, other)[number % 2].log
            await log.add_message(a_message(str(number), session_id=sessions[number]), PLENTY, NOON)
            await log.add_reply(a_reply(str(number), session_id=sessions[number]), {"n": number}, NOON)

        await at_once(*(partial(turn, number) for number in range(150)))
        for session_id in set(sessions):
            assert seqs((await other.log.after(session_id, 0, 100)).messages) == list(range(1, 21))


async def test_many_at_once_share_their_round_trips(proxy: Proxy, schema: str) -> None:
    async with PostgresStorage(proxy.dsn, schema=schema, timeout=30) as storage:
        login = a_login("x")
        await storage.logins.open(login, PLENTY)
        names = iter(range(1_000))

        def add() -> Awaitable[object]:
            return storage.log.add_message(a_message(str(next(names))), PLENTY, NOON)

        def read() -> Awaitable[object]:
            return storage.logins.by_token(login.token_hash)

        for work in (add, read):
            many: list[Callable[[], Awaitable[object]]] = [work] * 100
            await at_once(*many)  # opens connections and prepares
            before = proxy.round_trips
            await at_once(*many)
            assert proxy.round_trips - before < 50
