"""Every setting of the library, with its default, its unit and its range."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

MIN_SECRET_BYTES = 32
_POSITIVE = (
    "max_body", "limit_anonymous", "limit_user", "limit_admin", "limit_window", "limit_keys", "login_timeout",
    "session_idle_timeout", "session_lifetime", "sessions_per_user", "session_cache", "bot_sessions_per_user",
    "bot_session_lifetime", "standing_max_age", "admin_standing_max_age", "max_pending_logins",
    "turn_timeout", "turn_grace", "bot_threads", "reply_max_chars", "message_max_chars", "frame_max_bytes",
    "frames_per_second", "frame_burst", "queued_messages", "socket_queue_frames", "socket_queue_bytes",
    "sockets_per_user", "max_sockets", "write_timeout",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the API behaves. Durations are in seconds, sizes in bytes unless said.

    Raises:
        ValueError: a value is out of range; the message names the field. With
            `environment="production"` also whatever is not safe there.
    """

    secret_keys: Sequence[str | bytes]
    """Newest last: the last one signs and encrypts, all of them verify and decrypt."""
    environment: Literal["development", "production"] = "development"
    public_url: str | None = None
    """What browsers see, prefix included. None: taken from each request (development only)."""

    # Login
    after_login: str = "/"
    """Where the browser goes after a login that names no target; a path on the public origin."""
    after_logout: str | None = None
    """Where the Directory sends the browser after its own logout; None: `public_url` and `after_login`."""
    redirect_origins: Sequence[str] = ()
    cookie_name: str | None = None
    """None: `__Host-gb_session` in production and `gb_session` in development."""
    login_timeout: int = 600
    max_pending_logins: int = 10_000
    session_idle_timeout: int = 3_600
    session_lifetime: int = 43_200
    sessions_per_user: int = 20
    session_cache: int = 200_000
    """Login sessions kept in memory, each at most 1 s without a look at the storage."""
    admin_roles: Sequence[str] = ("admin",)
    standing_max_age: int = 300
    """Roles, groups and "is active" are asked of the Directory again after this time."""
    admin_standing_max_age: int = 60

    # Requests
    max_body: int = 1_048_576
    cors_origins: Sequence[str] | None = None
    """None: no CORS headers, as the host has its own. `("*",)`: any origin, in development only."""
    trusted_proxies: Sequence[str] = ()
    unlimited_networks: Sequence[str] = ()
    limit_anonymous: int = 60
    limit_user: int = 1_000
    limit_admin: int = 5_000
    limit_window: int = 3_600
    limit_keys: int = 1_000_000
    """Counters that the limiter in memory keeps at most; past it the one that expires first goes."""
    limiter_failure: Literal["open", "closed", "local"] = "open"
    """While the limiter is down: let requests in, refuse them (503), or count them in this process alone."""

    # Bot sessions and chat
    bot_sessions_per_user: int = 100
    """Active ones; the oldest is ended past it. Its conversation stays readable."""
    bot_session_lifetime: int = 2_592_000
    turn_timeout: float = 300
    turn_grace: float = 2
    """What a bot may take to end when it is cancelled; it is given up after that."""
    bot_threads: int = 32
    """Turns at a time of bots that run in threads."""
    message_max_chars: int = 32_000
    reply_max_chars: int = 1_000_000
    queued_messages: int = 10
    """Messages of one session that wait while a reply is written."""
    frame_max_bytes: int = 65_536
    frames_per_second: int = 20
    frame_burst: int = 40
    socket_queue_frames: int = 256
    socket_queue_bytes: int = 1_048_576
    sockets_per_user: int = 20
    max_sockets: int = 10_000
    write_timeout: float = 10

    def __post_init__(self) -> None:
        _check(bool(self.secret_keys), "secret_keys", "must hold at least one key")
        _check(all(self.secret_keys), "secret_keys", "must not hold an empty key")
        _check(
            self.environment in ("development", "production"),
            "environment",
            "must be development or production",
        )
        policies = ("open", "closed", "local")
        _check(self.limiter_failure in policies, "limiter_failure", "must be open, closed or local")
        for name in _POSITIVE:
            _check(getattr(self, name) > 0, name, "must be more than 0")
        for name in ("trusted_proxies", "unlimited_networks"):
            for network in getattr(self, name):
                _check_network(network, name)
        if self.public_url is not None:
            _check_public_url(self.public_url)
        if self.cookie_name is not None:
            _check(_is_token(self.cookie_name), "cookie_name", "must be a cookie name (RFC 6265 token)")
        for name in ("redirect_origins", "cors_origins"):
            for origin in getattr(self, name) or ():
                wild = origin == "*" and name == "cors_origins"
                _check(wild or is_origin(origin), name, f"{origin!r} is not an origin like https://app.example")
        if self.is_production:
            self._check_production()

    def _check_production(self) -> None:
        _check(self.public_url is not None, "public_url", "must be set in production")
        _check(str(self.public_url).startswith("https://"), "public_url", "must be https in production")
        _check("*" not in (self.cors_origins or ()), "cors_origins", "must not be * in production")
        for key in self.secret_keys:
            size = len(key if isinstance(key, bytes) else key.encode())
            _check(
                size >= MIN_SECRET_BYTES,
                "secret_keys",
                f"must be at least {MIN_SECRET_BYTES} bytes in production",
            )

    def __repr__(self) -> str:
        return f"Settings(environment={self.environment!r}, public_url={self.public_url!r}, secret_keys=***)"

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def keys(self) -> list[bytes]:
        """`secret_keys` as bytes, newest last."""
        return [key if isinstance(key, bytes) else key.encode() for key in self.secret_keys]

    @property
    def secure_cookies(self) -> bool:
        return self.is_production or (self.public_url or "").startswith("https://")

    @property
    def session_cookie(self) -> str:
        return self.cookie_name or ("__Host-gb_session" if self.secure_cookies else "gb_session")


def is_origin(text: str) -> bool:
    """Whether `text` is a serialised http(s) origin, as browsers send it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return text == f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _check(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise ValueError(f"{field}: {rule}")


def _check_network(network: str, field: str) -> None:
    try:
        ipaddress.ip_network(network, strict=False)
    except ValueError:
        raise ValueError(f"{field}: {network!r} is not an address or a network like 10.0.0.0/8") from None


def _check_public_url(url: str) -> None:
    parts = urlsplit(url)
    fits = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    _check(
        bool(fits) and not parts.username,
        "public_url",
        f"{url!r} is not an http(s) URL without query or user",
    )


def _is_token(name: str) -> bool:
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name)
