"""HTTP door to status and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from generalbots_api.admin.model import Metrics, SystemStatus
from generalbots_api.admin.prometheus import OPENMETRICS, PLAIN, exposition
from generalbots_api.admin.service import Admin
from generalbots_api.errors import Forbidden, Unavailable
from generalbots_api.web.endpoint import Docs, Endpoint
from generalbots_api.web.reply import Reply, json_reply
from generalbots_api.web.request import ApiRequest


@dataclass(frozen=True, slots=True)
class AdminRoutes:
    admin: Admin

    def endpoints(self) -> list[Endpoint]:
        refusals = (Forbidden, Unavailable)
        return [
            Endpoint(
                method="GET",
                path="/api/admin/system/status",
                handler=self.status,
                docs=Docs(gives=SystemStatus, raises=refusals),
            ),
            Endpoint(
                method="GET",
                path="/api/admin/system/metrics",
                handler=self.metrics,
                docs=Docs(gives=Metrics, raises=refusals),
            ),
        ]

    async def status(self, request: ApiRequest) -> Reply:
        """Check every component and tell how it is."""
        return json_reply(await self.admin.status(request.caller))

    async def metrics(self, request: ApiRequest) -> Reply:
        """Tell the operational figures, as JSON or in the Prometheus text formats."""
        metrics = await self.admin.metrics(request.caller)
        accept = request.headers.get("accept", "")
        for media_type in (OPENMETRICS, PLAIN):
            if media_type in accept:
                content_type, body = exposition(metrics, media_type)
                return Reply(body, 200, content_type, [(b"vary", b"Accept")])
        return json_reply(metrics, headers=[(b"vary", b"Accept")])
