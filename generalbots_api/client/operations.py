"""Methods for administrators, for probes, and for many calls in one."""

from __future__ import annotations

from collections.abc import Sequence

from generalbots_api.client.calls import Calls
from generalbots_api.client.model import Health, Metrics, Operation, OperationResult, OperationResults, SystemStatus
from generalbots_api.client.requests import Call


class OperationCalls(Calls):
    async def system_status(self) -> SystemStatus:
        return await self._ask(SystemStatus, Call(method="GET", path="/api/admin/system/status"))

    async def metrics(self) -> Metrics:
        return await self._ask(Metrics, Call(method="GET", path="/api/admin/system/metrics"))

    async def health(self) -> Health:
        return await self._ask(Health, Call(method="GET", path="/health"))

    async def batch(self, operations: Sequence[Operation]) -> list[OperationResult]:
        """Up to 50 operations in one request, with results in their order; it is not "all or nothing".

        Repeated after a cut only if each operation reads or has an idempotency key.
        """
        safe = all(one.method.upper() in ("GET", "HEAD") or one.idempotency_key for one in operations)
        call = Call(method="POST", path="/api/batch", body={"operations": list(operations)}, repeatable=safe)
        return (await self._ask(OperationResults, call)).results
