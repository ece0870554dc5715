"""The promises of a directory, on every one; and whole stories with a provider that nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.directory import Directory
from generalbots_api.testing import DirectoryContract, KnownUser
from generalbots_api.testing.visit import Visit
from tests.contracts import directories
from tests.contracts.directories import CALLBACK, SECRET, Known, Visitor
from tests.oidc_provider.process import running_provider
from tests.support.service import BASE, KEY


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Of npm's `oidc-provider`."""
    with running_provider(CALLBACK, SECRET) as issuer:
        yield issuer


@pytest.fixture(params=["DevDirectory", "FaultyOp", "oidc-provider"])
async def known(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Known]:
    match request.param:
        case "DevDirectory":
            entered = directories.dev()
        case "FaultyOp":
            entered = directories.faulty()
        case _:
            entered = directories.certified(request.getfixturevalue("issuer"))
    async with entered as known:
        yield known


class TestDirectory(DirectoryContract):
    @pytest.fixture
    def directory(self, known: Known) -> Directory:
        return known[0]

    @pytest.fixture
    def user(self, known: Known) -> KnownUser:
        return known[1]


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "Ed25519"])
async def test_oidc_provider_may_sign_by_other_algorithms(issuer: str, algorithm: str) -> None:
    async with directories.certified(issuer, algorithm) as (directory, user):
        grant, identity = await Visit(directory, user).whole()
        assert identity.user_id == "ada"
        await directory.revoke(grant)


@pytest.mark.anyio
async def test_a_whole_story_with_oidc_provider(issuer: str) -> None:
    """From the first redirect to the logout that the provider tells behind the browser's back."""
    async with (
        directories.certified(issuer) as (directory, _),
        httpx2.AsyncClient(trust_env=False) as other,
    ):
        gb = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), directory=directory, bots=[EchoBot()])
        visitor = Visitor(other)
        transport = httpx2.ASGITransport(app=gb)
        async with gb.lifespan(), httpx2.AsyncClient(transport=transport, base_url=BASE) as browser:
            back = await visitor.log_in((await browser.get("/auth/login")).headers["location"])
            assert (await browser.get(back)).status_code == 303
            profile = (await browser.get("/api/users/me")).json()
            assert (profile["user_id"], profile["email"], profile["roles"]) == ("ada", "ada@example.com", ["user"])
            assert (await browser.get("/api/groups/list")).json()["groups"][0]["name"] == "staff"

            out = (await browser.post("/auth/logout")).json()
            assert out["directory_revoked"] is True

            back = await visitor.log_in((await browser.get("/auth/login")).headers["location"])
            assert (await browser.get(back)).status_code == 303
            token = await visitor.log_out(out["logout_url"])
            told = await browser.post("/auth/backchannel-logout", data={"logout_token": token})
            assert told.status_code == 200
            assert (await browser.get("/api/session")).status_code == 401
