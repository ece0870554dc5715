"""The tokens and the userinfo, and a provider that is in trouble on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from generalbots_api.auth.model import Secret, Standing
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.ids import UserId
from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint, Trouble
from tests.login_checks.stage import Stage, check_is_refused, staged
from tests.support.service import session_token

pytestmark = pytest.mark.anyio

LIES: dict[str, tuple[int, dict[str, Any]]] = {
    "no token_type": (401, {"token": {"token_type": LEFT_OUT}}),
    "token_type MAC": (401, {"token": {"token_type": "mac"}}),
    "token_type DPoP": (401, {"token": {"token_type": "DPoP"}}),
    "token_type a list": (502, {"token": {"token_type": ["Bearer"]}}),
    "no id token": (401, {"token": {"id_token": LEFT_OUT}}),
    "id token null": (401, {"token": {"id_token": None}}),
    "id token empty": (401, {"token": {"id_token": ""}}),
    "id token an object": (502, {"token": {"id_token": {"sub": "42"}}}),
    "id token no token": (401, {"token": {"id_token": "x.y.z"}}),
    "no access token": (502, {"token": {"access_token": LEFT_OUT}}),
    "access token empty": (502, {"token": {"access_token": ""}}),
    "access token a number": (502, {"token": {"access_token": 5}}),
    "tokens and an error": (502, {"token": {"error": "access_denied"}}),
    "invalid_grant": (401, {"token_error": "invalid_grant"}),
    "access_denied": (401, {"token_error": "access_denied"}),
    "invalid_client": (503, {"token_error": "invalid_client"}),
    "an error that nobody knows": (503, {"token_error": "<script>"}),
    "userinfo of another": (401, {"userinfo": {"sub": "43"}}),
    "userinfo of nobody": (401, {"userinfo": {"sub": LEFT_OUT}}),
    "userinfo with sub null": (401, {"userinfo": {"sub": None}}),
    "userinfo with sub a number": (401, {"userinfo": {"sub": 42}}),
    "userinfo with sub a list": (401, {"userinfo": {"sub": ["42"]}}),
    "userinfo with sub and a space": (401, {"userinfo": {"sub": "42 "}}),
}


@pytest.mark.parametrize(("status", "lie"), LIES.values(), ids=LIES)
async def test_an_answer_that_fails_a_check_logs_nobody_in(stage: Stage, status: int, lie: dict[str, Any]) -> None:
    stage.lie(**lie)
    await stage.refused(status)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
async def test_the_type_of_the_token_is_bearer_in_any_case(stage: Stage, kind: str) -> None:
    stage.lie(token={"token_type": kind})
    await stage.log_in_well()


STATUSES = {
    Trouble.UNAUTHORIZED: (401, 502, 503),
    **dict.fromkeys((Trouble.DOWN, Trouble.SLOW, Trouble.ERROR, Trouble.BUSY), (503,)),
    **dict.fromkeys((Trouble.NOT_FOUND, Trouble.REDIRECT), (502, 503)),
    **dict.fromkeys((Trouble.HTML, Trouble.EMPTY, Trouble.OVERSIZED, Trouble.MALFORMED), (502,)),
    **dict.fromkeys((Trouble.NO_OBJECT, Trouble.REPEATED), (502,)),
}


@pytest.mark.parametrize(
    ("endpoint", "trouble"), list(product((Endpoint.TOKEN, Endpoint.KEYS, Endpoint.USERINFO), Trouble))
)
async def test_trouble_on_the_way_logs_nobody_in(stage: Stage, endpoint: Endpoint, trouble: Trouble) -> None:
    url = await stage.answer()
    stage.trouble(endpoint, trouble)
    await stage.refused(*STATUSES[trouble], url=url)


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_code_is_exchanged_once_whatever_comes_of_it(stage: Stage, trouble: Trouble) -> None:
    url = await stage.answer()
    stage.trouble(Endpoint.TOKEN, trouble)
    await stage.browser.get(url)
    assert stage.op.calls[Endpoint.TOKEN] == 1


async def test_an_account_that_the_provider_locked_after_the_tokens_logs_nobody_in(stage: Stage) -> None:
    url = await stage.answer()
    stage.trouble(Endpoint.USERINFO, Trouble.UNAUTHORIZED)
    await stage.refused(401, url=url)


class Locking(OidcDirectory):
    """One that tells whether an account is active."""

    is_active = False

    async def standing(self, access_token: Secret, user_id: UserId, /) -> Standing:
        return replace(await super().standing(access_token, user_id), active=self.is_active)


async def test_an_account_that_is_not_active_logs_nobody_in() -> None:
    async with staged(kind=Locking) as stage:
        url = await stage.answer()
        check_is_refused(await stage.browser.get(url), 401)
        assert await stage.sessions() == 0
        await stage.is_spent(url)
        stage.directory.is_active = True  # type: ignore[attr-defined] # of Locking
        await stage.log_in_well()


async def test_a_login_gives_a_new_session_and_ends_the_old_one_of_the_browser(stage: Stage) -> None:
    await stage.log_in_well()
    old = session_token(stage.browser)
    answer = await stage.log_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert session_token(stage.browser) != old
    assert await stage.sessions() == 1
    async with stage.new_browser() as other:
        assert (await other.get("/api/session", headers={"Authorization": f"Bearer {old}"})).status_code == 401


async def test_an_answer_that_is_refused_leaves_the_session_of_the_browser_alone(stage: Stage) -> None:
    await stage.log_in_well()
    stage.lie(claims={"nonce": "another"})
    check_is_refused(await stage.log_in(), 401)
    assert (await stage.browser.get("/api/session")).status_code == 200
