"""A login under way as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generalbots_api.auth.model import PendingLogin, Secret
from generalbots_api.backends.rows.values import instant, micros

COLUMNS = "state_hash, browser, nonce, verifier, redirect_uri, target, created_at, expires_at"


def row_of(pending: PendingLogin) -> tuple[Any, ...]:
    return (
        pending.state_hash,
        pending.browser,
        pending.nonce,
        pending.verifier.reveal(),
        pending.redirect_uri,
        pending.target,
        micros(pending.created_at),
        micros(pending.expires_at),
    )


def pending_of(row: Iterable[Any]) -> PendingLogin:
    state_hash, browser, nonce, verifier, redirect_uri, target, created_at, expires_at = row
    return PendingLogin(
        state_hash=state_hash,
        browser=browser,
        nonce=nonce,
        verifier=Secret(verifier),
        redirect_uri=redirect_uri,
        target=target,
        created_at=instant(created_at),
        expires_at=instant(expires_at),
    )
