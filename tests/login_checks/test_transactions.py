"""A login under way: what goes to the provider, what is kept of it, and for how long. Source: RFC 9700, RFC 7636."""

from __future__ import annotations

import base64
import hashlib

import httpx2
import pytest

from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.testing.faulty_op import Endpoint, Trouble
from tests.login_checks.stage import CLIENT, ISSUER, SECRET, Stage, check_is_refused, staged, state_of
from tests.support.service import BASE

pytestmark = pytest.mark.anyio


def query_of(url: str) -> dict[str, str]:
    return dict(httpx2.URL(url).params)


def raw_bytes(text: str) -> int:
    return len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def test_the_browser_takes_along_what_it_must_and_nothing_else(stage: Stage) -> None:
    url = await stage.begin()
    query = query_of(url)
    state, nonce, challenge = query.pop("state"), query.pop("nonce"), query.pop("code_challenge")
    assert url.startswith(f"{ISSUER}/authorize?")
    assert query == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": f"{BASE}/auth/callback",
        "scope": "openid profile email offline_access",
        "code_challenge_method": "S256",
    }
    assert [raw_bytes(one) for one in (state, nonce, challenge)] == [32, 32, 32]


async def test_state_nonce_and_verifier_are_new_and_different_each_time(stage: Stage) -> None:
    seen: set[str] = set()
    for _ in range(5):
        url = await stage.begin()
        query = query_of(url)
        assert (await stage.browser.get(await stage.at_provider(url))).status_code == 303
        verifier = stage.op.token_request["code_verifier"]
        digest = hashlib.sha256(verifier.encode()).digest()
        assert query["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert raw_bytes(verifier) == 32
        seen |= {query["state"], query["nonce"], query["code_challenge"], verifier}
    assert len(seen) == 20


async def test_it_is_kept_under_the_hash_of_its_state_and_the_state_is_nowhere(stage: Stage) -> None:
    state = state_of(await stage.begin())
    kept = await stage.storage.pending_logins.get(hashlib.sha256(state.encode()).digest())
    assert kept is not None
    assert state not in repr(kept)
    [cookie] = stage.browser.cookies.jar
    assert state not in f"{cookie.name}{cookie.value}"


async def test_the_cookie_of_a_login_is_its_own_and_for_the_server_only(stage: Stage) -> None:
    first, second = [(await stage.browser.get("/auth/login")).headers.get_list("set-cookie") for _ in range(2)]
    assert len(first) == len(second) == 1
    assert first[0].partition("=")[0] != second[0].partition("=")[0]
    for set_cookie in (*first, *second):
        assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(set_cookie.split("; "))


async def test_five_logins_of_a_browser_run_side_by_side_and_the_sixth_drops_the_oldest(stage: Stage) -> None:
    urls = [await stage.answer() for _ in range(6)]
    check_is_refused(await stage.browser.get(urls[0]), 400)
    assert [(await stage.browser.get(url)).status_code for url in urls[1:]] == [303] * 5


async def test_nothing_is_kept_of_a_login_that_could_not_begin(stage: Stage) -> None:
    stage.trouble(Endpoint.METADATA, Trouble.NOT_FOUND)
    check_is_refused(await stage.browser.get("/auth/login"), 503)
    assert not await stage.storage.pending_logins.prune(stage.clock.now().replace(year=9_000))


async def test_logins_under_way_are_bounded_in_number() -> None:
    async with staged(settings={"max_pending_logins": 3}) as stage:
        first = await stage.answer()
        for _ in range(3):
            async with stage.new_browser() as other:
                await other.get("/auth/login")
        check_is_refused(await stage.browser.get(first), 400)
        await stage.log_in_well()


async def test_parameters_that_a_provider_wants_besides_go_along() -> None:
    async with staged(login_params={"prompt": "consent", "access_type": "offline"}) as stage:
        query = query_of(await stage.begin())
        assert (query["prompt"], query["access_type"]) == ("consent", "offline")
        await stage.log_in_well()


@pytest.mark.parametrize("name", ["state", "nonce", "redirect_uri", "code_challenge_method", "response_mode", "scope"])
def test_parameters_that_the_login_sets_itself_are_refused_when_they_are_set(name: str) -> None:
    with pytest.raises(ValueError, match=f"login_params.*{name}"):
        OidcDirectory(ISSUER, CLIENT, SECRET, login_params={name: "x"})
