"""Requests whose origin is in doubt."""

from __future__ import annotations

import pytest

from tests.support.promises import Headers, check_refused, raw, token_of
from tests.support.service import BASE, running_service

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
