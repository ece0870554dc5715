"""What the provider may answer to a refresh token, seen from a session that needs a new access token."""

from __future__ import annotations

from typing import Any

import pytest

from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint, Trouble
from tests.login_checks.stage import Stage, check_is_refused

pytestmark = pytest.mark.anyio

REFRESH = Endpoint.REFRESH


async def grow_old(stage: Stage) -> None:
    """Until the access token of an hour is nearly over; the session is used, and lives on."""
    await stage.log_in_well()
    for seconds in (1_770, 1_700):
        stage.clock.advance(seconds)
        assert (await stage.browser.get("/api/session")).status_code == 200
    stage.clock.advance(100)


async def profile(stage: Stage) -> int:
    return (await stage.browser.get("/api/users/me")).status_code


KEPT: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "no new refresh token": {"refreshed": {"refresh_token": LEFT_OUT}},
    "no new id token": {"refreshed": {"id_token": LEFT_OUT}},
    "neither": {"refreshed": {"refresh_token": LEFT_OUT, "id_token": LEFT_OUT}},
    "no lifetime": {"refreshed": {"expires_in": LEFT_OUT}},
    "a lifetime that is none": {"refreshed": {"expires_in": "soon"}},
}


@pytest.mark.parametrize("faults", KEPT.values(), ids=KEPT)
async def test_the_session_goes_on_with_what_it_got_and_keeps_what_was_left_out(
    stage: Stage, faults: dict[str, Any]
) -> None:
    await grow_old(stage)
    stage.lie(**faults)
    assert await profile(stage) == 200
    assert stage.op.calls[REFRESH] == 1
    for _ in range(2):
        stage.clock.advance(1_770)
        await stage.browser.get("/api/session")
    stage.lie()
    assert await profile(stage) == 200
    answer = await stage.browser.post("/auth/logout")
    assert answer.json()["directory_revoked"] is True
    assert "id_token_hint=" in answer.json()["logout_url"]


OVER: dict[str, dict[str, Any]] = {
    "invalid_grant": {"refresh_error": "invalid_grant"},
    "an id token of another subject": {"claims": {"sub": "43"}},
    "an id token of another issuer": {"claims": {"iss": "https://elsewhere.example"}},
    "an id token for another": {"claims": {"aud": "another"}},
    "an id token that is none": {"refreshed": {"id_token": "x"}},
}


@pytest.mark.parametrize("lie", OVER.values(), ids=OVER)
async def test_a_refusal_or_another_subject_ends_the_session(stage: Stage, lie: dict[str, Any]) -> None:
    await grow_old(stage)
    stage.lie(**lie)
    check_is_refused(await stage.browser.get("/api/users/me"), 401)
    assert await stage.sessions() == 0
    await stage.recover()
    await stage.log_in_well()


@pytest.mark.parametrize("trouble", Trouble)
async def test_trouble_costs_the_call_and_keeps_the_session(stage: Stage, trouble: Trouble) -> None:
    await grow_old(stage)
    stage.trouble(REFRESH, trouble)
    check_is_refused(await stage.browser.get("/api/users/me"), 502, 503)
    assert await stage.sessions() == 1
    assert (await stage.browser.get("/api/session")).status_code == 200
    await stage.recover()
    assert await profile(stage) == 200


NONSENSE: dict[str, dict[str, Any]] = {
    "invalid_client": {"refresh_error": "invalid_client"},
    "an error that nobody knows": {"refresh_error": "x"},
    "no access token": {"refreshed": {"access_token": LEFT_OUT}},
    "no Bearer": {"refreshed": {"token_type": "mac"}},
}


@pytest.mark.parametrize("lie", NONSENSE.values(), ids=NONSENSE)
async def test_an_answer_that_makes_no_sense_costs_the_call_and_keeps_the_session(
    stage: Stage, lie: dict[str, Any]
) -> None:
    await grow_old(stage)
    stage.lie(**lie)
    check_is_refused(await stage.browser.get("/api/users/me"), 502, 503)
    assert await stage.sessions() == 1


async def test_a_refresh_token_is_tried_once_for_each_call(stage: Stage) -> None:
    await grow_old(stage)
    stage.trouble(REFRESH, Trouble.ERROR)
    await profile(stage)
    assert stage.op.calls[REFRESH] == 1


async def test_a_userinfo_of_somebody_else_is_never_shown(stage: Stage) -> None:
    await stage.log_in_well()
    stage.lie(userinfo={"sub": "43", "email": "eve@example.com"})
    answer = await stage.browser.get("/api/users/me")
    check_is_refused(answer, 502)
    assert "eve" not in answer.text
