"""A login session as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from generalbots_api.auth.model import Login, Standing
from generalbots_api.backends.rows.values import canonical_json, instant, micros

COLUMNS = (
    "id, token_hash, user_id, created_at, last_seen_at, ends_at, sealed_grant, standing, standing_at,"
    " directory_session, organization_id, user_agent, address"
)

_standing = msgspec.json.Decoder(Standing).decode


def standing_text(standing: Standing) -> str:
    return canonical_json(standing)


def row_of(login: Login) -> tuple[Any, ...]:
    return (
        login.id,
        login.token_hash,
        login.user_id,
        micros(login.created_at),
        micros(login.last_seen_at),
        micros(login.ends_at),
        login.sealed_grant,
        standing_text(login.standing),
        micros(login.standing_at),
        login.directory_session,
        login.organization_id,
        login.user_agent,
        login.address,
    )


def login_of(row: Iterable[Any]) -> Login:
    id, token, user, created, seen, ends, grant, standing, standing_at, sid, organization, agent, address = row
    return Login(
        id=id,
        token_hash=token,
        user_id=user,
        created_at=instant(created),
        last_seen_at=instant(seen),
        ends_at=instant(ends),
        sealed_grant=grant,
        standing=_standing(standing),
        standing_at=instant(standing_at),
        directory_session=sid,
        organization_id=organization,
        user_agent=agent,
        address=address,
    )
