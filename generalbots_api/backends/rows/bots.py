"""A bot record as a row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from generalbots_api.backends.rows.values import as_json, from_json, instant, micros
from generalbots_api.bots.model import BotAccess, BotRecord, BotStatus

COLUMNS = "id, name, kind, options, description, access, status, updated_at"


def row_of(record: BotRecord) -> tuple[Any, ...]:
    access = {kind: sorted(getattr(record.access, kind)) for kind in ("roles", "groups", "users")}
    return (
        record.id,
        record.name,
        record.kind,
        as_json(record.options),
        record.description,
        as_json(access),
        record.status.value,
        micros(record.updated_at),
    )


def record_of(row: Iterable[Any]) -> BotRecord:
    id, name, kind, options, description, access, status, updated_at = row
    return BotRecord(
        id=id,
        name=name,
        kind=kind,
        options=from_json(options),
        description=description,
        access=BotAccess(**{kind: frozenset(who) for kind, who in from_json(access).items()}),
        status=BotStatus(status),
        updated_at=instant(updated_at),
    )
