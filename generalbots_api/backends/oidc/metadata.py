"""What an OpenID Provider says of itself, and its keys: checked, kept, renewed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import Key, RSAKey, import_key

from generalbots_api.backends.oidc.http import NONSENSE, Outgoing, json_object
from generalbots_api.clock import Clock
from generalbots_api.errors import ApiError, BadGateway, Unavailable

log = logging.getLogger("generalbots_api.directory")

METADATA_AGE = timedelta(hours=1)
KEYS_AGE = timedelta(minutes=10)
KEYS_LAST_GOOD = timedelta(hours=24)  # while the provider is down
REFETCH_PAUSE = timedelta(seconds=10)
MAX_KEYS = 64
MIN_RSA_BITS = 2048
T = TypeVar("T")
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
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


@dataclass(slots=True)
class Kept(Generic[T]):
    """A value that is fetched when it is too old, by one caller at a time; the last good one is kept."""

    fetch: Callable[[], Awaitable[T]]
    max_age: timedelta
    last_good_age: timedelta | None  # None: for ever
    clock: Clock
    value: T | None = None
    fetched_at: datetime | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def get(self) -> T:
        """Raises what `fetch` raises, if there is no value that is good enough."""
        if self.value is not None and self._age() < self.max_age:
            return self.value
        async with self._lock:
            if self.value is not None and self._age() < self.max_age:
                return self.value
            return await self._renew()

    async def again(self, pause: timedelta) -> T:
        """A new one now, unless the last try is less than `pause` ago."""
        async with self._lock:
            if self.value is not None and self._age() < pause:
                return self.value
            return await self._renew()

    async def _renew(self) -> T:
        try:
            self.value = await self.fetch()
            self.fetched_at = self.clock.now()
        except ApiError as error:
            if self.value is None or (self.last_good_age is not None and self._age() >= self.last_good_age):
                raise
            log.warning("directory.kept_last_good", extra={"reason": error.message})
        return self.value

    def _age(self) -> timedelta:
        return self.clock.now() - self.fetched_at if self.fetched_at else timedelta.max


class Provider:
    """The metadata and the keys of one issuer.

    Raises:
        ValueError: the issuer is not an https URL (http on loopback, for development).
    """

    def __init__(self, issuer: str, outgoing: Outgoing, clock: Clock, *, for_development: bool) -> None:
        self.issuer = issuer
        self._outgoing = outgoing
        self._for_development = for_development
        if not self._is_trustworthy(issuer):
            raise ValueError(f"issuer: {issuer!r} must be an https URL")
        self._metadata = Kept(self._fetch_metadata, METADATA_AGE, None, clock)
        self._keys = Kept(self._fetch_keys, KEYS_AGE, KEYS_LAST_GOOD, clock)

    async def metadata(self) -> Metadata:
        """Raises:
        Unavailable: it cannot be had, or is not to be trusted.
        """
        try:
            return await self._metadata.get()
        except BadGateway as error:
            log.error("directory.metadata_refused", extra={"reason": error.message})
            raise Unavailable("The Directory Service is not set up as it should be") from error

    async def keys(self) -> list[Key]:
        return await self._keys.get()

    async def newer_keys(self) -> list[Key]:
        """For a key that is not known: fetched again, at most once in 10 s."""
        return await self._keys.again(REFETCH_PAUSE)

    async def ping(self) -> None:
        """Raise unless the metadata can be had now and is right."""
        await self._fetch_metadata()

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
        if not all(self._is_trustworthy(url) for url in _urls(found)):
            raise BadGateway("The Directory Service names an address that is not https")
        return found

    async def _fetch_keys(self) -> list[Key]:
        response = await self._outgoing.get((await self.metadata()).jwks_uri)
        if response.status_code != 200:
            raise Unavailable("The Directory Service does not give its keys")
        listed = json_object(response).get("keys")
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise BadGateway(NONSENSE)
        return [key for one in listed if (key := usable_key(one)) is not None]

    def _is_trustworthy(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if not host or parts.username or parts.fragment:
            return False
        is_local = parts.scheme == "http" and host in LOOPBACK
        return parts.scheme == "https" or (is_local and self._for_development)


def _urls(metadata: Metadata) -> list[str]:
    named = [
        metadata.authorization_endpoint,
        metadata.token_endpoint,
        metadata.jwks_uri,
        metadata.userinfo_endpoint,
        metadata.revocation_endpoint,
        metadata.end_session_endpoint,
    ]
    return [url for url in named if url is not None]


def usable_key(jwk: object) -> Key | None:
    """A public signing key, or None for kinds and sizes that are not used."""
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "EC", "OKP") or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = import_key({name: value for name, value in jwk.items() if name not in ("d", "p", "q", "key_ops")})
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return key
