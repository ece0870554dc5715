"""HTTP door to health and readiness, and to the documents that describe the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from generalbots_api.clock import Clock
from generalbots_api.errors import Unavailable
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import JSON, Reply, json_reply
from generalbots_api.web.request import ApiRequest


class Health(msgspec.Struct):
    status: Literal["healthy"]
    timestamp: datetime


class Readiness(msgspec.Struct):
    status: Literal["ready"]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class HealthRoutes:
    clock: Clock
    check_ready: Callable[[], Awaitable[None]]  # raises Unavailable while starting, draining or without storage
    openapi: Callable[[], bytes]
    asyncapi: Callable[[], bytes]

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(method="GET", path="/health", handler=self.health, is_public=True, docs=Docs(gives=Health)),
            Endpoint(
                method="GET",
                path="/ready",
                handler=self.readiness,
                is_public=True,
                docs=Docs(gives=Readiness, raises=(Unavailable,)),
            ),
            Endpoint(method="GET", path="/openapi.json", handler=self.openapi_document, is_public=True, docs=Docs()),
            Endpoint(
                method="GET",
                path="/asyncapi.json",
                handler=self.asyncapi_document,
                is_public=True,
                docs=Docs(),
            ),
        ]

    async def health(self, request: ApiRequest) -> Reply:
        """Tell that the server answers; looks at nothing else."""
        return json_reply(Health("healthy", self.clock.now()))

    async def readiness(self, request: ApiRequest) -> Reply:
        """Tell whether requests may be sent here: started, not stopping, storage there."""
        await self.check_ready()
        return json_reply(Readiness("ready", self.clock.now()))

    async def openapi_document(self, request: ApiRequest) -> Reply:
        """The OpenAPI 3.1 document of this API."""
        return Reply(self.openapi(), 200, JSON, [(b"cache-control", b"no-cache")], True)

    async def asyncapi_document(self, request: ApiRequest) -> Reply:
        """The AsyncAPI 3 document of `/ws`."""
        return Reply(self.asyncapi(), 200, JSON, [(b"cache-control", b"no-cache")], True)
