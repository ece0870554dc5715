"""Calls of Zitadel's services, and its JSON read with care: proto3 leaves out what is zero or empty."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from generalbots_api.backends.oidc.http import NONSENSE, Outgoing, json_object
from generalbots_api.backends.oidc.strict import Json
from generalbots_api.backends.zitadel.errors import error_of
from generalbots_api.errors import BadGateway

log = logging.getLogger("generalbots_api.directory")

PAGE = 100  # Zitadel's own default, and below every maximum
MAX_ITEMS = 5_000
MAX_DIGITS = 19  # of 64 bits
_READS = ("Get", "List")


@dataclass(frozen=True, slots=True)
class Services:
    """Speaks the Connect protocol to the services below one issuer, as the user whose token is given."""

    outgoing: Outgoing
    issuer: str

    async def call(self, access_token: str, method: str, body: Json) -> Json:
        """`method` is `package.Service/Method`.

        Raises:
            ApiError: by `error_of`.
        """
        response = await self.outgoing.call(
            "POST",
            f"{self.issuer.rstrip('/')}/{method}",
            access_token=access_token,
            body=body,
            is_read=method.rpartition("/")[2].startswith(_READS),
        )
        if response.is_success:  # the gateway says 201 of what was made
            return json_object(response)
        if response.is_redirect:
            raise BadGateway(NONSENSE)
        raise error_of(response.status_code, response.content, method)

    async def pages(self, access_token: str, method: str, body: Json, field: str) -> AsyncIterator[Json]:
        """Every item of a paged list, in Zitadel's order, at most 5,000."""
        seen = 0
        while seen < MAX_ITEMS:
            pagination = {"offset": str(seen), "limit": PAGE, "asc": True}
            answer = await self.call(access_token, method, {**body, "pagination": pagination})
            items = objects(answer, field)
            for item in items:
                yield item
            seen += len(items)
            total = number(answer, "pagination", "totalResult")
            if not items or seen >= total > 0 or (total == 0 and len(items) < PAGE):
                return
        log.warning("directory.list_cut", extra={"method": method, "bound": MAX_ITEMS})


def objects(answer: Json, field: str) -> list[Json]:
    """A list of objects, empty if it was left out.

    Raises:
        BadGateway: it is something else.
    """
    found = answer.get(field, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadGateway(NONSENSE)
    return found


def at(value: Any, *path: str) -> Any:
    """The value below a path of keys; None where one is left out."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str) -> str:
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Any, *path: str) -> int:
    """A count, also as the string that proto3 makes of 64 bits; 0 if it was left out."""
    found = at(value, *path)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= MAX_DIGITS:
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def instant(value: Any, *path: str) -> datetime | None:
    """RFC 3339, in UTC."""
    try:
        found = msgspec.convert(at(value, *path), datetime)
        return found.astimezone(UTC) if found.tzinfo else None
    except (msgspec.ValidationError, OverflowError):
        return None
