"""Standard claims of OpenID Connect, read with care: nothing in them is taken to be of its type."""

from __future__ import annotations

from typing import Any

from generalbots_api.ids import UserId
from generalbots_api.users.model import Profile

MAX_NAMES = 1_000


def names_in(value: object) -> list[str]:
    """Role or group names: a list of strings, one string, or an object whose keys they are."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, dict)):
        return []
    return [name for name in list(value)[:MAX_NAMES] if isinstance(name, str) and name]


def profile_of(info: dict[str, Any], user_id: UserId) -> Profile:
    """Source: OIDC Core 5.1."""

    def text(name: str) -> str:
        value = info.get(name)
        return value if isinstance(value, str) else ""

    return Profile(
        user_id=user_id,
        username=text("preferred_username") or text("email") or user_id,
        email=text("email"),
        email_verified=info.get("email_verified") is True,
        first_name=text("given_name"),
        last_name=text("family_name"),
        display_name=text("name"),
    )
