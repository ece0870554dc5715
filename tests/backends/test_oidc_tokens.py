"""What follows a login: refresh, revocation, logout, and trouble at the token endpoint."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from generalbots_api.auth.model import Grant, Secret
from generalbots_api.errors import ApiError, BadGateway, NotSupported, Unauthorized, Unavailable
from tests.backends.oidc_forge import (
    ACCESS,
    CLIENT,
    ISSUER,
    TinyOp,
    forged,
    id_claims,
)

pytestmark = pytest.mark.anyio

THEIRS = "words of the Directory"


def error(code: object, status: int = 400) -> httpx2.Response:
    return httpx2.Response(status, json={"error": code, "error_description": THEIRS})


TOKEN_ERRORS: list[tuple[httpx2.Response | Exception, type[ApiError]]] = [
    (error("invalid_grant"), Unauthorized),
    (error("access_denied", 403), Unauthorized),
    (error("invalid_client", 401), Unavailable),
    (error("invalid_request"), Unavailable),
    (error("unauthorized_client"), Unavailable),
    (error("unsupported_grant_type"), Unavailable),
    (error("temporarily_unavailable"), Unavailable),
    (error(THEIRS), Unavailable),
    (error(["invalid_grant"]), BadGateway),
    (error("invalid_grant", 200), BadGateway),
    (error("invalid_grant", 500), Unavailable),
    (error("invalid_grant", 429), Unavailable),
    (httpx2.Response(503, text=f"<h1>{THEIRS}</h1>"), Unavailable),
    (httpx2.Response(400, text=THEIRS), BadGateway),
    (httpx2.Response(400, json={"message": THEIRS}), BadGateway),
    (httpx2.Response(302, headers={"location": "/elsewhere"}), BadGateway),
    (httpx2.Response(200, text="<h1>hello</h1>"), BadGateway),
    (httpx2.Response(200, json=[{"access_token": "a"}]), BadGateway),
    (httpx2.Response(200, json={}), BadGateway),
    (httpx2.Response(200, text="[" * 100_000), BadGateway),
    (httpx2.Response(200, content=b'{"access_token":"a","access_token":"b","token_type":"Bearer"}'), BadGateway),
    (httpx2.Response(200, json={"access_token": ["a"], "token_type": "Bearer"}), BadGateway),
    (httpx2.Response(200, json={"access_token": "", "token_type": "Bearer"}), BadGateway),
    (httpx2.Response(200, json={"access_token": "a", "token_type": 5}), BadGateway),
    (httpx2.Response(200, json={"access_token": "a", "token_type": "Bearer", "id_token": {}}), BadGateway),
    (httpx2.Response(200, json={"token_type": "Bearer", "pad": "x" * 1_048_576}), BadGateway),
    (httpx2.ConnectError("refused"), Unavailable),
    (httpx2.ReadTimeout("slow"), Unavailable),
    (httpx2.RemoteProtocolError("cut"), Unavailable),
    (OSError("unplugged"), Unavailable),
]


@pytest.mark.parametrize(("answer", "raised"), TOKEN_ERRORS, ids=[str(n) for n in range(len(TOKEN_ERRORS))])
@pytest.mark.parametrize("call", ["login", "refresh"])
async def test_trouble_at_the_token_endpoint_is_told_in_our_words_and_never_tried_again(
    call: str, answer: httpx2.Response | Exception, raised: type[ApiError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    op = TinyOp(bent={"/token": answer})
    async with op.directory() as directory:
        asked = op.log_in(directory) if call == "login" else directory.refresh(old_grant(), op.clock.now())
        with pytest.raises(raised) as caught:
            await asked
    assert op.calls["/token"] == 1
    assert THEIRS not in caught.value.message
    ours = [record for record in caplog.records if record.name.startswith("generalbots_api")]
    assert THEIRS not in str([vars(record) for record in ours])


def old_grant(**changes: Any) -> Grant:
    given: dict[str, Any] = {
        "access_token": Secret("old access"),
        "refresh_token": Secret("old refresh"),
        "id_token": Secret(forged(id_claims())),
    }
    return Grant(**{**given, **changes})


async def test_a_refresh_gives_new_tokens() -> None:
    op = TinyOp(token={"expires_in": 60})
    async with op.directory() as directory:
        grant = await directory.refresh(old_grant(), op.clock.now())
    assert grant.access_token == Secret(ACCESS)
    assert grant.refresh_token == Secret("refresh-token-1")
    assert grant.id_token not in (None, old_grant().id_token)
    assert grant.expires_at == op.clock.now() + timedelta(seconds=60)
    form = parse_qs(op.requests[-1].content.decode())
    assert form == {"grant_type": ["refresh_token"], "refresh_token": ["old refresh"]}


async def test_a_refresh_keeps_the_tokens_that_the_answer_leaves_out() -> None:
    op = TinyOp(token={"refresh_token": None, "id_token": None, "expires_in": None})
    old = old_grant()
    async with op.directory() as directory:
        grant = await directory.refresh(old, op.clock.now())
    assert grant == Grant(access_token=Secret(ACCESS), refresh_token=old.refresh_token, id_token=old.id_token)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(3600, 3600), ("3600", 3600), (1.5, 1), (0, None), (-1, None), ("x", None), (True, None), ([], None)],
)
async def test_a_lifetime_that_makes_no_sense_is_not_known(expires_in: object, seconds: int | None) -> None:
    op = TinyOp(token={"expires_in": expires_in, "expires_at": ["x"]})
    async with op.directory() as directory:
        grant = await directory.refresh(old_grant(), op.clock.now())
    assert grant.expires_at == (None if seconds is None else op.clock.now() + timedelta(seconds=seconds))


async def test_a_refresh_that_becomes_somebody_else_ends_the_login() -> None:
    op = TinyOp(claims={"sub": "43"})
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await directory.refresh(old_grant(), op.clock.now())


async def test_without_a_refresh_token_nothing_is_asked() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        with pytest.raises(Unauthorized):
            await directory.refresh(old_grant(refresh_token=None), op.clock.now())
    assert not op.requests


def revoked(op: TinyOp) -> list[tuple[str, str]]:
    forms = [parse_qs(one.content.decode()) for one in op.requests if one.url.path == "/revoke"]
    return [(form["token_type_hint"][0], form["token"][0]) for form in forms]


async def test_revoking_takes_the_refresh_token_first() -> None:
    op = TinyOp()
    async with op.directory() as directory:
        await directory.revoke(old_grant())
    assert revoked(op) == [("refresh_token", "old refresh"), ("access_token", "old access")]
    assert all(one.headers["authorization"].startswith("Basic ") for one in op.requests if one.method == "POST")


async def test_a_provider_that_revokes_refresh_tokens_only_has_confirmed_it() -> None:
    def only_refresh(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200) if b"=refresh_token" in request.content else error("unsupported_token_type")

    op = TinyOp(bent={"/revoke": only_refresh})
    async with op.directory() as directory:
        await directory.revoke(old_grant())
    assert len(revoked(op)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, html="<h1>It works!</h1>"),
        httpx2.Response(503),
        httpx2.Response(302, headers={"location": "/"}),
        error("invalid_client", 401),
        error("unsupported_token_type"),
        httpx2.ConnectError("refused"),
    ],
    ids=str,
)
async def test_a_revocation_that_was_not_confirmed_is_an_error(answer: httpx2.Response | Exception) -> None:
    op = TinyOp(bent={"/revoke": answer})
    async with op.directory() as directory:
        with pytest.raises(Unavailable):
            await directory.revoke(old_grant())
    assert op.calls["/revoke"] == 1


async def test_a_provider_that_cannot_revoke_is_not_said_to_have_done_so() -> None:
    op = TinyOp(metadata={"revocation_endpoint": None})
    async with op.directory() as directory:
        with pytest.raises(NotSupported):
            await directory.revoke(old_grant())


async def test_the_browser_ends_its_session_at_the_provider() -> None:
    op, grant = TinyOp(), old_grant()
    async with op.directory() as directory:
        url = urlsplit(await directory.logout_url(grant, "https://app.example/bye") or "")
        short = await directory.logout_url(old_grant(id_token=None), None)
    assert url._replace(query="").geturl() == f"{ISSUER}/end_session"
    assert grant.id_token is not None
    query = parse_qs(url.query)
    assert len(query.pop("state")[0]) == 22
    assert query == {
        "client_id": [CLIENT],
        "id_token_hint": [grant.id_token.reveal()],
        "post_logout_redirect_uri": ["https://app.example/bye"],
    }
    assert short == f"{ISSUER}/end_session?client_id=client+one"


async def test_where_sessions_cannot_be_ended_there_is_no_place_to_go() -> None:
    op = TinyOp(metadata={"end_session_endpoint": None})
    async with op.directory() as directory:
        assert await directory.logout_url(old_grant(), None) is None
