"""A waiting revocation as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generalbots_api.auth.model import Revocation
from generalbots_api.backends.rows.values import instant, micros

COLUMNS = "id, sealed_grant, tries, ended_at, gives_up_at"


def row_of(revocation: Revocation) -> tuple[Any, ...]:
    return (
        revocation.id,
        revocation.sealed_grant,
        revocation.tries,
        micros(revocation.ended_at),
        micros(revocation.gives_up_at),
    )


def revocation_of(row: Iterable[Any]) -> Revocation:
    id, sealed_grant, tries, ended_at, gives_up_at = row
    return Revocation(
        id=id,
        sealed_grant=sealed_grant,
        tries=tries,
        ended_at=instant(ended_at),
        gives_up_at=instant(gives_up_at),
    )
