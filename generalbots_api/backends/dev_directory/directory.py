"""`DevDirectory`: the provider as an ASGI app, as a transport for the production client, and its levers for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from generalbots_api.backends.dev_directory.app import Front, starlette_app
from generalbots_api.backends.dev_directory.building import checked_issuer, client_of, core_of, people_of
from generalbots_api.backends.dev_directory.lever import SERVICES, Levers
from generalbots_api.backends.dev_directory.login_form import LoginForms
from generalbots_api.backends.dev_directory.logout import BackChannel
from generalbots_api.backends.dev_directory.sessions import Cookies
from generalbots_api.backends.dev_directory.signers import Signers
from generalbots_api.backends.dev_directory.signing import SigningKeys
from generalbots_api.clock import Clock, SystemClock


class DevDirectory:
    """A provider for one client, on loopback.

    Served at the path of its issuer (`Mount("/dev-directory", app=dev)`), and
    reached in process by `transport()`.

    Tokens and the browser's login outlive a restart with the same `secret_keys`.
    The rest is in memory and goes with the process: users and groups as changed,
    revocations, logins under way, and a signing key that was not given.

    - `users_file`: TOML, as `generalbots_api.backends.dev_directory.seed` tells;
      None: `admin`, `alice` and `bob`, each with the name as the password.
    - `client_secret`: None: derived from the newest secret key; "": a public client.
    - `redirect_uris`: None: any address of loopback that ends in `/auth/callback`.
    - `signing_key`: a private RSA key as PEM, JWK or joserfc's own; None: made at first use.
    - `backchannel_transport`: how logout tokens are sent; None: by real connections.

    Raises:
        ValueError: the issuer is not on loopback, or another argument is wrong;
            for the users file the message names the file and the field.
    """

    def __init__(
        self,
        issuer: str,
        *,
        secret_keys: Sequence[str | bytes],
        users_file: str | Path | None = None,
        client_id: str = "generalbots",
        client_secret: str | None = None,
        project_id: str = "1001",
        redirect_uris: Sequence[str] | None = None,
        backchannel_logout_uri: str | None = None,
        backchannel_transport: httpx2.AsyncBaseTransport | None = None,
        signing_key: str | bytes | RSAKey | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        signers = Signers.of(secret_keys, checked_issuer(issuer))
        secret = client_secret if client_secret is not None else signers.client_secret()
        self._state = core_of(
            issuer,
            signers=signers,
            client=client_of(client_id, secret, redirect_uris, backchannel_logout_uri),
            project_id=project_id,
            people=people_of(users_file, clock),
            keys=SigningKeys(signing_key),
            clock=clock,
        )
        self._back_channel = BackChannel(self._state, backchannel_transport)
        forms = LoginForms(signers.new("form"), Cookies(issuer), clock)
        self._levers = Levers(self._state)
        self._front = Front(starlette_app(self._state, forms, self._back_channel, self._levers))

    @property
    def issuer(self) -> str:
        return self._state.issuer

    @property
    def client_id(self) -> str:
        return self._state.client.id

    @property
    def client_secret(self) -> str:
        return self._state.client.secret

    @property
    def project_id(self) -> str:
        return self._state.project_id

    @property
    def usernames(self) -> list[str]:
        """In the order of the seed."""
        return [user.username for user in self._state.people.users.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front(scope, receive, send)

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Reaches the directory at its issuer's URLs without a socket."""
        return httpx2.ASGITransport(app=Starlette(routes=[Mount(self._state.path, app=self)]))

    def user_id(self, username: str) -> str:
        """Raises:
        ValueError: there is no such user; so in all methods that take a username.
        """
        return self._state.people.named(username).id

    def email_code(self, username: str) -> str | None:
        """What was sent to a new address that is not confirmed; no mail ever leaves."""
        return self._state.people.named(username).email_code

    def set_roles(self, username: str, roles: Sequence[str]) -> None:
        self._state.people.named(username).roles = set(roles)

    def set_inactive_roles(self, username: str, roles: Sequence[str]) -> None:
        """Roles of an authorization that was deactivated: listed with that state, in no claim."""
        self._state.people.named(username).inactive_roles = set(roles)

    def activate(self, username: str) -> None:
        """He may log in again; what he had before stays ended."""
        self._state.people.named(username).is_active = True

    def deactivate(self, username: str) -> None:
        """He cannot log in, and his tokens and browser sessions end for good."""
        user = self._state.people.named(username)
        user.is_active = False
        self._state.lapses.end_user(user.id)

    def set_active(self, username: str, *, is_active: bool) -> None:
        """`activate` or `deactivate`, by a value."""
        (self.activate if is_active else self.deactivate)(username)

    def set_down(self, is_down: bool) -> None:
        """Answer everything with 503 and a page, as a proxy in front of a dead service does."""
        self._front.is_down = is_down

    def set_lagging(self, is_lagging: bool) -> None:
        """From now on reads of the services tell how it is now, whatever is written: they are eventually consistent."""
        if is_lagging:
            self._levers.lag()
        else:
            self._levers.catch_up()

    def set_missing(self, *services: str) -> None:
        """Lack these (`GroupService`, `AuthorizationService`, `UserService`), and no others, as an older Zitadel does.

        Raises:
            ValueError: there is no such service anyway.
        """
        if not set(services) <= set(SERVICES):
            raise ValueError(f"services: must be of {', '.join(SERVICES)}")
        self._levers.missing = set(services)

    def rotate_key(self) -> None:
        """Sign with a new key from now on; the one before it stays published until the next time."""
        self._state.keys.rotate()

    def revoke_everything(self) -> None:
        """All tokens and browser sessions of all users end; the client is not told."""
        self._state.lapses.end_everything()

    async def end_session_of(self, username: str, transport: httpx2.AsyncBaseTransport | None = None) -> int | None:
        """Log a user out from here: all his browser sessions and tokens end, and the client is told.

        Returns the client's status; None if it has no back-channel address, or
        does not answer.
        """
        user = self._state.people.named(username)
        self._state.lapses.end_user(user.id)
        return await self._back_channel.tell(user.id, None, transport)

    def logout_token(self, username: str, sid: str | None = None, **claims: Any) -> str:
        """A logout token as it would be sent; `claims` are added, or take the place of its own."""
        return self._back_channel.token(self.user_id(username), sid, **claims)
