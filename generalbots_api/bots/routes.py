"""HTTP door to the bots one may use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec

from generalbots_api.bots.model import BotStatus
from generalbots_api.bots.service import Bots, ListedBot
from generalbots_api.errors import InvalidRequest
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import JSON, Reply, encode_json
from generalbots_api.web.request import ApiRequest

MAX_PAGE = 1_000
_REVALIDATE = (b"cache-control", b"private, no-cache")


class PageQuery(msgspec.Struct):
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class BotJson(msgspec.Struct):
    id: str
    name: str
    description: str
    status: BotStatus


class BotsJson(msgspec.Struct):
    bots: list[BotJson]


@dataclass(frozen=True, slots=True)
class BotRoutes:
    bots: Bots

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="GET",
                path="/api/bots",
                handler=self.list_bots,
                docs=Docs(query=PageQuery, gives=BotsJson, raises=(InvalidRequest,)),
            )
        ]

    async def list_bots(self, request: ApiRequest) -> Reply:
        """List the bots that the caller may use, each with its status."""
        page = request.query(PageQuery)
        listed = await self.bots.listed(request.caller)
        body = encode_json(BotsJson([shown(bot) for bot in listed[page.offset : page.offset + page.limit]]))
        return with_etag(body, request.headers.get("if-none-match"))


def shown(bot: ListedBot) -> BotJson:
    return BotJson(bot.info.id, bot.info.name, bot.info.description, bot.status)


def with_etag(body: bytes, if_none_match: str | None) -> Reply:
    """The body with a strong ETag, or 304 if the client has it. RFC 9110, section 13.1.2."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = [(b"etag", etag.encode()), _REVALIDATE, (b"vary", b"Authorization, Cookie")]
    known = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    if etag in known or "*" in known:
        return Reply(b"", 304, JSON, headers, True)
    return Reply(body, 200, JSON, headers, True)
