"""What the provider says of itself, before anybody is sent there. Source: OpenID Connect Discovery 1.0, section 4.3."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.backends.oidc import OidcDirectory
from generalbots_api.testing.faulty_op import LEFT_OUT, Endpoint, Trouble
from tests.login_checks.stage import CLIENT, ISSUER, SECRET, Stage, check_is_refused, staged
from tests.support.service import KEY

pytestmark = pytest.mark.anyio

METADATA = Endpoint.METADATA
HOUR = 3_600
LIES: dict[str, dict[str, Any]] = {
    **{
        f"issuer {issuer}": {"issuer": issuer} for issuer in (f"{ISSUER}/", ISSUER.upper(), "https://elsewhere.example")
    },
    **{f"issuer {issuer}": {"issuer": issuer} for issuer in (f"{ISSUER} ", f"{ISSUER}:443", "", None, 5, LEFT_OUT)},
    **{f"no {name}": {name: LEFT_OUT} for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")},
    "http": {"token_endpoint": "http://op.example/token"},
    "http on loopback": {"authorization_endpoint": "http://127.0.0.1/authorize"},
    "http for keys": {"jwks_uri": "http://op.example/keys"},
    "http for the userinfo": {"userinfo_endpoint": "http://op.example/userinfo"},
    "http for revocation": {"revocation_endpoint": "http://op.example/revoke"},
    "http for logout": {"end_session_endpoint": "http://op.example/end_session"},
    "a script": {"authorization_endpoint": "javascript:alert(1)"},
    "a path": {"authorization_endpoint": "/authorize"},
    "a user in it": {"authorization_endpoint": "https://op.example@evil.example/authorize"},
    "a port that is none": {"token_endpoint": "https://op.example:x/token"},
    "a number": {"token_endpoint": 5},
    "algorithms that are no list": {"id_token_signing_alg_values_supported": "RS256"},
    "no PKCE": {"code_challenge_methods_supported": ["plain"]},
}


async def check_nobody_is_sent_there(stage: Stage) -> None:
    answer = await stage.browser.get("/auth/login")
    check_is_refused(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert not stage.browser.cookies


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_metadata_that_is_not_right_sends_nobody_anywhere(stage: Stage, lie: dict[str, Any]) -> None:
    stage.lie(metadata=lie)
    await check_nobody_is_sent_there(stage)
    assert set(stage.op.calls) == {METADATA}  # nothing of it was used
    stage.lie()
    stage.clock.advance(10)
    await stage.log_in_well()


@pytest.mark.parametrize("trouble", Trouble)
async def test_metadata_that_cannot_be_had_sends_nobody_anywhere(stage: Stage, trouble: Trouble) -> None:
    stage.trouble(METADATA, trouble)
    await check_nobody_is_sent_there(stage)
    await stage.recover()
    await stage.log_in_well()


async def test_it_is_kept_for_an_hour_and_renewed_behind_the_scenes(stage: Stage) -> None:
    for seconds, fetched in ((0, 1), (HOUR - 1, 1)):
        stage.clock.advance(seconds)
        await stage.begin()
        await anyio.wait_all_tasks_blocked()
        assert stage.op.calls[METADATA] == fetched
    stage.clock.advance(1)
    stage.lie(metadata={"authorization_endpoint": f"{ISSUER}/new"})
    assert (await stage.begin()).startswith(f"{ISSUER}/authorize?")
    await anyio.wait_all_tasks_blocked()
    assert (await stage.begin()).startswith(f"{ISSUER}/new?")
    assert stage.op.calls[METADATA] == 2


@pytest.mark.parametrize(
    "faults",
    [{"metadata": {"issuer": "https://elsewhere.example"}}, {"troubles": {METADATA: Trouble.NOT_FOUND}}],
    ids=["another issuer", "down"],
)
async def test_a_provider_that_became_another_or_is_down_gets_nobody_sent_there(
    stage: Stage, faults: dict[str, Any]
) -> None:
    await stage.begin()
    stage.lie(**faults)
    stage.clock.advance(HOUR)
    await stage.begin()  # by what was good until now, which is asked for again behind the scenes
    await anyio.wait_all_tasks_blocked()
    check_is_refused(await stage.browser.get("/auth/login"), 503)
    stage.lie()
    stage.clock.advance(10)
    await stage.log_in_well()


async def test_a_login_that_was_begun_is_finished_by_the_last_good_one(stage: Stage) -> None:
    await stage.begin()
    stage.clock.advance(HOUR - 1)
    url = await stage.answer()
    stage.lie(metadata={"issuer": "https://elsewhere.example", "token_endpoint": "https://elsewhere.example/token"})
    stage.clock.advance(1)
    answer = await stage.browser.get(url)
    assert answer.status_code == 303
    await anyio.wait_all_tasks_blocked()
    check_is_refused(await stage.browser.get("/auth/login"), 503)


async def test_for_development_http_on_loopback_will_do() -> None:
    async with staged("http://127.0.0.1:9000", for_development=True) as stage:
        await stage.log_in_well()


@pytest.mark.parametrize(
    "issuer", ["http://op.example", "http://127.0.0.1:9000", "op.example", "https://op.example?x=1"]
)
def test_another_issuer_than_https_is_refused_when_it_is_set(issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"):
        OidcDirectory(issuer, CLIENT, SECRET)


async def test_a_provider_that_is_down_does_not_keep_the_service_from_starting() -> None:
    directory = OidcDirectory(ISSUER, CLIENT, SECRET, transport=httpx2.MockTransport(refuse))
    gb = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), directory=directory, bots=[EchoBot()])
    async with gb.lifespan():
        pass


def refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("Connection refused")
