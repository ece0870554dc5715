"""The production client and the development directory, and a browser for each login."""

from __future__ import annotations

import re
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx2

from generalbots_api.auth.model import AuthorizationAnswer, Grant, Identity, PendingLogin, Secret, Standing
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.zitadel import ZitadelDirectory
from generalbots_api.ids import UserId
from generalbots_api.testing import ManualClock

BASE = "http://127.0.0.1:8080"
CALLBACK = f"{BASE}/auth/callback"


class Service:
    """A directory, its client, and a browser for each login."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.dev = DevDirectory(f"{BASE}/dev-directory", secret_keys=["s" * 32], clock=self.clock)
        self.client = ZitadelDirectory(
            self.dev.issuer,
            self.dev.client_id,
            self.dev.client_secret,
            project_id=self.dev.project_id,
            transport=self.dev.transport(),
            clock=self.clock,
            for_development=True,
        )

    async def begin(self, username: str) -> tuple[AuthorizationAnswer, PendingLogin]:
        """From the redirect to the directory to the redirect back."""
        now = self.clock.now()
        pending = PendingLogin(
            state_hash=b"",
            browser="b",
            nonce=secrets.token_urlsafe(32),
            verifier=Secret(secrets.token_urlsafe(32)),
            redirect_uri=CALLBACK,
            target="/",
            created_at=now,
            expires_at=now,
        )
        url = await self.client.authorization_url(pending, "the state")
        async with httpx2.AsyncClient(transport=self.dev.transport(), base_url=BASE) as browser:
            page = (await browser.get(url)).text
            form, action = (re.search(what, page) for what in (r'name="form" value="([^"]+)"', r'action="([^"]+)"'))
            assert form is not None
            assert action is not None
            fields = {"form": form[1], "username": username, "password": username}
            back = urlsplit((await browser.post(action[1], data=fields)).headers["location"])
        query = {name: values[0] for name, values in parse_qs(back.query).items()}
        assert back._replace(query="").geturl() == CALLBACK
        return AuthorizationAnswer(code=query["code"], state=query["state"], issuer=query.get("iss")), pending

    async def log_in(self, username: str) -> tuple[Grant, Identity]:
        answer, pending = await self.begin(username)
        assert answer.state == "the state"
        return await self.client.finish(answer, pending, self.clock.now())

    async def token(self, username: str) -> str:
        return (await self.log_in(username))[0].access_token.reveal()

    async def standing(self, username: str, grant: Grant | None = None) -> Standing:
        grant = grant or (await self.log_in(username))[0]
        return await self.client.standing(grant.access_token, self.id(username))

    def id(self, username: str) -> UserId:
        return UserId(self.dev.user_id(username))
