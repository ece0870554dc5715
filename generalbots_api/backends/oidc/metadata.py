"""What an OpenID Provider says of itself, and its keys: checked, kept, renewed."""

from __future__ import annotations

import logging
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec
from joserfc.jwk import Key

from generalbots_api.backends.oidc.http import NONSENSE, Outgoing, json_object
from generalbots_api.backends.oidc.kept import Behind, Kept
from generalbots_api.backends.oidc.keys import usable_keys
from generalbots_api.clock import Clock
from generalbots_api.errors import BadGateway, Unavailable

log = logging.getLogger("generalbots_api.directory")

METADATA_AGE = timedelta(hours=1)
KEYS_AGE = timedelta(minutes=10)
KEYS_LAST_GOOD = timedelta(hours=24)  # while the provider is down
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Metadata(msgspec.Struct, frozen=True):
    """The fields of OpenID Connect Discovery 1.0, section 3, that are used here."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def urls(self) -> list[str]:
        named = [
            self.authorization_endpoint,
            self.token_endpoint,
            self.jwks_uri,
            self.userinfo_endpoint,
            self.revocation_endpoint,
            self.end_session_endpoint,
        ]
        return [url for url in named if url is not None]


class Provider:
    """The metadata and the keys of one issuer.

    Raises:
        ValueError: the issuer is not an https URL (http on loopback, for development).
    """

    def __init__(self, issuer: str, outgoing: Outgoing, clock: Clock, behind: Behind, *, for_development: bool) -> None:
        if not is_trustworthy(issuer, for_development=for_development) or "?" in issuer:
            raise ValueError(f"issuer: {issuer!r} must be an https URL without query, user or fragment")
        self.issuer = issuer
        self._outgoing = outgoing
        self._for_development = for_development
        self._metadata = Kept(self._fetch_metadata, clock, METADATA_AGE, behind=behind)
        self._keys = Kept(self._fetch_keys, clock, KEYS_AGE, KEYS_LAST_GOOD)  # not behind: withdrawn is withdrawn

    async def metadata(self) -> Metadata:
        """The last that was good, for logins that are under way and for what follows them.

        Raises:
            Unavailable: it cannot be had, or is not to be trusted.
        """
        try:
            return await self._metadata.get()
        except BadGateway as error:
            raise self._untrustworthy(error) from None

    async def metadata_for_login(self) -> Metadata:
        """Nobody is sent to a provider that does not answer, or has become another.

        Also while the metadata is fresh: if the last call, of whatever kind,
        went wrong, it is asked whether it is there.

        Raises:
            Unavailable: the last try failed, if only the last.
        """
        transport = self._outgoing.transport
        transport.breaker.check()
        found = await self.metadata()
        if self._metadata.error is None and not transport.is_doubtful:
            return found
        found = await self._metadata.again(is_doubtful=transport.is_doubtful)
        match self._metadata.error:
            case None:
                return found
            case BadGateway() as error:
                raise self._untrustworthy(error)
            case error:
                raise Unavailable(error.message)

    async def keys(self) -> list[Key]:
        return await self._keys.get()

    async def newer_keys(self) -> list[Key]:
        """For a key that is not known: fetched again, at most once in 10 s."""
        return await self._keys.again()

    async def ping(self) -> None:
        """Raise unless the metadata can be had now and is right."""
        await self._fetch_metadata()

    def _untrustworthy(self, error: BadGateway) -> Unavailable:
        log.error("directory.metadata_refused", extra={"reason": error.message})
        return Unavailable("The Directory Service is not set up as it should be")

    async def _fetch_metadata(self) -> Metadata:
        response = await self._outgoing.get(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if response.status_code != 200:
            raise Unavailable("The Directory Service does not answer as it should")
        try:
            found = msgspec.convert(json_object(response), Metadata)
        except msgspec.ValidationError:
            raise BadGateway(NONSENSE) from None
        if found.issuer != self.issuer:
            raise BadGateway("The Directory Service names another issuer")
        if not all(is_trustworthy(url, for_development=self._for_development) for url in found.urls):
            raise BadGateway("The Directory Service names an address that is not https")
        if "S256" not in found.code_challenge_methods_supported:
            raise BadGateway("The Directory Service does not support PKCE")
        return found

    async def _fetch_keys(self) -> list[Key]:
        response = await self._outgoing.get((await self.metadata()).jwks_uri)
        if response.status_code != 200:
            raise Unavailable("The Directory Service does not give its keys")
        return usable_keys(json_object(response))


def is_trustworthy(url: str, *, for_development: bool) -> bool:
    """Whether secrets may be sent there: https, or http on loopback for development."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or "#" in url:
        return False
    return parts.scheme == "https" or (for_development and parts.scheme == "http" and host in LOOPBACK)
