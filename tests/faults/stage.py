"""People at a real runner, what they were promised, and what can be seen of its process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx2
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.proof.served import no_authorities, token_at
from tests.support import postgres

PATIENCE = 60  # seconds: a guard against a test that would hang
BOTS = (
    "generalbots_api.bots.echo:EchoBot",
    "tests.proof.talker:Talker",
    "tests.faults.bots:Flood",
    "tests.faults.bots:Slow",
)
OPTIONS = (
    *("--bots", ",".join(BOTS)),
    *("--limit-user", "100000000", "--limit-anonymous", "100000000"),
    *("--sockets-per-user", "6000", "--bot-sessions-per-user", "100000"),
    *("--reply-max-chars", "100000000", "--queued-messages", "1000", "--standing-max-age", "86400"),
)
Told = dict[str, Any]


@dataclass
class Person:
    """Sends as a careful client does: with an id, and again until there is an answer."""

    http: httpx2.AsyncClient
    bot: str = "echo"
    session: str = ""
    told: list[Told] = field(default_factory=list)  # what was acknowledged
    refused: int = 0  # tries that were not

    async def begin(self) -> None:
        answer = await self.http.post("/api/session/create", json={"bot_id": self.bot})
        assert answer.status_code == 201, answer.text
        self.session = answer.json()["session_id"]

    async def try_to_say(self, content: str) -> int:
        """Once: the status, 0 if there was no answer."""
        body = {"content": content, "id": f"c-{content}"}
        try:
            answer = await self.http.post(f"/api/conversations/{self.session}/messages", json=body)
        except httpx2.TransportError:
            self.refused += 1
            return 0
        if answer.status_code == 202:
            self.told.append({**answer.json(), "content": content})
        else:
            assert answer.status_code in (409, 503), answer.text
            self.refused += 1
        return answer.status_code

    async def say(self, content: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.try_to_say(content) != 202:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)

    async def log(self) -> list[Told]:
        messages: list[Told] = []
        while True:
            path = f"/api/conversations/{self.session}/history"
            page = (await self.http.get(path, params={"after": len(messages), "limit": 100})).json()
            messages += page["messages"]
            if not page["has_more"]:
                return messages

    async def answered(self) -> list[Told]:
        """The log, as soon as everything in it is answered."""
        async with asyncio.timeout(PATIENCE):
            while True:
                messages = await self.log()
                users = [one for one in messages if one["sender"] == "user"]
                if len(messages) == 2 * len(users) and messages:
                    return messages
                await asyncio.sleep(0.05)

    def check(self, messages: list[Told]) -> None:
        """No hole, nothing twice, and all that was acknowledged where it was said to be."""
        assert [one["seq"] for one in messages] == list(range(1, len(messages) + 1))
        own_ids = [one["id"] for one in messages if one["sender"] == "user"]
        assert len(set(own_ids)) == len(own_ids), "a send that was repeated is stored once"
        replies = [one["in_reply_to"] for one in messages if one["sender"] == "bot"]
        assert len(set(replies)) == len(replies), "one reply to each"
        for told in self.told:
            stored = messages[told["seq"] - 1]
            assert (stored["message_id"], stored["content"]) == (told["message_id"], told["content"])


@asynccontextmanager
async def people_at(base: str, count: int, bot: str = "echo") -> AsyncIterator[list[Person]]:
    """Alice on so many devices, each with a session of its own."""
    token = await token_at(base, "alice")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=base, headers=headers, verify=no_authorities(), timeout=PATIENCE) as http:
        people = [Person(http, bot) for _ in range(count)]
        for one in people:
            await one.begin()
        yield people


@contextmanager
def new_database() -> Iterator[str]:
    """The DSN of a database that is gone afterwards."""
    name = f"gb_test_{token_hex(6)}"
    to = conninfo_to_dict(postgres.DSN)
    with psycopg.connect(postgres.DSN, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"postgresql://{to.get('user', 'root')}@{to.get('host', '127.0.0.1')}:{to.get('port', 5432)}/{name}"
    finally:
        with psycopg.connect(postgres.DSN, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def resident(pid: int) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096


def sqlite_file(folder: Path) -> Path:
    return folder / "generalbots.db"
