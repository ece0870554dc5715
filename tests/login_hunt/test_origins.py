"""Requests whose origin is in doubt."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from generalbots_api import Caller, EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.ids import UserId
from tests.support.hosts import browser
from tests.support.promises import Headers, check_refused, raw, token_of
from tests.support.service import BASE, KEY, running_service

pytestmark = pytest.mark.anyio

OWN, EVIL = BASE.encode(), b"https://evil.example"
DOUBTFUL: list[Headers] = [
    [(b"origin", EVIL), (b"origin", OWN)],
    [(b"origin", OWN), (b"origin", EVIL)],
    [(b"sec-fetch-site", b"cross-site"), (b"sec-fetch-site", b"same-origin")],
]


@pytest.mark.parametrize("headers", DOUBTFUL)
async def test_an_origin_in_doubt_is_another_one(headers: Headers) -> None:
    async with running_service() as service:
        cookie = (b"cookie", b"gb_session=" + token_of(await service.bearer("alice")).encode())
        headers = [*headers, cookie]
        check_refused(headers, await raw(service, "DELETE", "/api/users/me/sessions", headers), 403)
        check_refused(headers, await raw(service, "POST", "/auth/logout", headers), 403)


async def test_credentials_that_browsers_add_by_themselves_are_protected_as_cookies_are() -> None:
    """A host's own login may be HTTP Basic or Negotiate: browsers send those along for every site that asks."""

    async def authenticate(connection: HTTPConnection) -> Caller | None:
        is_known = connection.headers.get("authorization") in ("Basic YWxpY2U6YWxpY2U=", "Bearer of the host")
        return Caller(user_id=UserId("alice")) if is_known else None

    gb = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), bots=[EchoBot()], authenticate=authenticate)
    statuses = {}
    async with gb.lifespan(), browser(gb) as client:
        for how in ("Basic YWxpY2U6YWxpY2U=", "Bearer of the host"):
            for origin in ("https://evil.example", BASE, None):
                headers = {"authorization": how, **({"origin": origin} if origin else {})}
                answer = await client.post("/api/session/create", json={"bot_id": "echo"}, headers=headers)
                statuses[how[:6], origin] = answer.status_code
    assert list(statuses.values()) == [403, 201, 201, 201, 201, 201], statuses
