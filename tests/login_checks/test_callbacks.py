"""The callback, in its order: parameters, state and cookie, one use, issuer, error."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

from generalbots_api.auth.service import hash_state
from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint
from tests.login_checks.stage import ISSUER, Stage, check_is_refused, state_of

pytestmark = pytest.mark.anyio

TOO_LONG = "x" * 4_097


async def check_is_left_alone(stage: Stage, url: str, *, browser: httpx2.AsyncClient | None = None) -> None:
    """Refused before anything: the provider is not asked, and the login that was begun can still be finished."""
    good = await stage.answer()
    calls = stage.op.calls.copy()
    check_is_refused(await (browser or stage.browser).get(url), 400)
    assert stage.op.calls == calls
    assert await stage.sessions() == 0
    assert (await stage.browser.get(good)).status_code == 303


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "session_state"])
async def test_a_parameter_that_comes_twice_stops_it_before_anything(stage: Stage, name: str) -> None:
    stage.lie(answer={name: "x"} if name in ("error", "session_state") else {}, repeated_in_answer=frozenset({name}))
    url = await stage.answer()
    stage.lie()
    await check_is_left_alone(stage, url)
    assert await stage.storage.pending_logins.get(hash_state(state_of(url))) is not None


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "session_state"])
async def test_a_parameter_that_is_too_long_stops_it_before_anything(stage: Stage, name: str) -> None:
    stage.lie(answer={name: TOO_LONG})
    url = await stage.answer()
    stage.lie()
    await check_is_left_alone(stage, url)


@pytest.mark.parametrize("more", ["st%61te=x", "state", "state=", "%73tate=x&other=y", "c%6Fde=x", "iss"])
async def test_a_parameter_that_comes_twice_in_another_spelling_stops_it_too(stage: Stage, more: str) -> None:
    url = await stage.answer()
    await check_is_left_alone(stage, f"{url}&{more}")


@pytest.mark.parametrize(
    "query", ["state=%ff&code=x", "state=%ed%a0%80&code=x", "state[]=x&code=x", "state=x;code=x", "?"]
)
async def test_a_query_that_cannot_be_read_stops_it(stage: Stage, query: str) -> None:
    await check_is_left_alone(stage, f"/auth/callback?{query}")


@pytest.mark.parametrize("state", [LEFT_OUT, "", "unknown", "ü", "\0"])
async def test_a_state_that_is_missing_or_unknown_stops_it(stage: Stage, state: object) -> None:
    stage.lie(answer={"state": state})
    url = await stage.answer()
    stage.lie()
    await check_is_left_alone(stage, url)


async def test_a_state_of_another_browser_stops_it_and_is_not_spent_by_the_stranger(stage: Stage) -> None:
    url = await stage.answer()
    async with stage.new_browser() as stranger:
        await check_is_left_alone(stage, url, browser=stranger)
        await stranger.get("/auth/login")  # now with a login cookie of its own
        check_is_refused(await stranger.get(url), 400)
    assert (await stage.browser.get(url)).status_code == 303


async def test_a_cookie_that_was_made_up_or_is_of_another_login_stops_it(stage: Stage) -> None:
    mine, other = await stage.answer(), await stage.answer()
    cookies = {cookie.name: cookie.value or "" for cookie in stage.browser.cookies.jar}
    own, others = list(cookies)
    for value in (cookies[others], cookies[own][:-1], "", "x.y.z"):
        async with stage.new_browser() as stranger:
            stranger.cookies.set(own, value)
            check_is_refused(await stranger.get(mine), 400)
    assert (await stage.browser.get(other)).status_code == 303


async def test_a_login_that_took_more_than_ten_minutes_is_over(stage: Stage) -> None:
    late, in_time = await stage.answer(), await stage.answer()
    stage.clock.advance(599)
    assert (await stage.browser.get(in_time)).status_code == 303
    stage.clock.advance(1)
    calls = stage.op.calls[Endpoint.TOKEN]
    check_is_refused(await stage.browser.get(late), 400)
    assert stage.op.calls[Endpoint.TOKEN] == calls


async def test_of_many_answers_with_one_state_at_once_one_is_taken_to_the_provider(stage: Stage) -> None:
    url, statuses = await stage.answer(), []

    async def take() -> None:
        statuses.append((await stage.browser.get(url)).status_code)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(take)
    assert sorted(statuses) == [303, *[400] * 9]
    assert stage.op.calls[Endpoint.TOKEN] == 1


async def test_an_answer_that_was_taken_is_spent(stage: Stage) -> None:
    url = await stage.answer()
    assert (await stage.browser.get(url)).status_code == 303
    await stage.is_spent(url)


LIES: dict[str, dict[str, Any]] = {
    "no iss though the metadata promises one": {"answer": {"iss": LEFT_OUT}},
    "iss of another": {"answer": {"iss": "https://elsewhere.example"}},
    "iss with a slash": {"answer": {"iss": f"{ISSUER}/"}},
    "iss empty": {"answer": {"iss": ""}},
    "iss of another, promised or not": {
        "answer": {"iss": "https://elsewhere.example"},
        "metadata": {"authorization_response_iss_parameter_supported": LEFT_OUT},
    },
    "error": {"answer": {"error": "access_denied", "error_description": "Of the provider", "code": LEFT_OUT}},
    "error with a code": {"answer": {"error": "login_required"}},
    "error empty": {"answer": {"error": ""}},
    "error of another issuer": {"answer": {"error": "access_denied", "iss": "https://elsewhere.example"}},
    "no code": {"answer": {"code": LEFT_OUT}},
    "code empty": {"answer": {"code": ""}},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_an_answer_that_fails_a_check_is_never_exchanged(stage: Stage, lie: dict[str, Any]) -> None:
    stage.lie(**lie)
    url = await stage.answer()
    await stage.refused(401, url=url)
    assert stage.op.calls[Endpoint.TOKEN] == 1  # of the honest login that follows


async def test_no_iss_is_wanted_where_the_metadata_promises_none(stage: Stage) -> None:
    stage.lie(answer={"iss": LEFT_OUT}, metadata={"authorization_response_iss_parameter_supported": LEFT_OUT})
    await stage.log_in_well()


async def test_a_code_of_another_login_is_refused(stage: Stage) -> None:
    """Swapped by somebody on the way: PKCE binds it to the login that it was given for."""
    other = httpx2.URL(await stage.answer()).params["code"]
    stage.lie(answer={"code": other})
    await stage.refused(401)
