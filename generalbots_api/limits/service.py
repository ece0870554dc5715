"""Which quota counts for whom, and what happens when the limiter is down."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Literal

from generalbots_api.caller import Caller
from generalbots_api.errors import Unavailable
from generalbots_api.limits.model import Decision, NotCounted, Quota
from generalbots_api.limits.ports import Limiter

log = logging.getLogger("generalbots_api.limits")

FailurePolicy = Literal["open", "closed", "local"]


@dataclass(slots=True)
class RateLimits:
    """Counts each request once, against the user or else the address.

    Source: spec, "Rate Limiting".
    """

    limiter: Limiter
    anonymous: Quota
    user: Quota
    admin: Quota
    admin_roles: Set[str]
    on_failure: FailurePolicy
    local: Limiter
    """Counts in this process, while the limiter is down and the policy is "local"."""
    failures: int = 0
    _is_failing: bool = field(default=False)

    async def take_of(self, caller: Caller, now_unix: float) -> tuple[Quota, Decision]:
        """Count one request of a user, and say by which quota.

        Raises:
            NotCounted: the limiter is down and the settings say "closed".
        """
        quota = self.user if self.admin_roles.isdisjoint(caller.roles) else self.admin
        return quota, await self._take("u:" + escaped(caller.user_id), quota, now_unix)

    async def take_from(self, budget: str, now_unix: float) -> tuple[Quota, Decision]:
        """Count one request without a valid session, against what shares one budget; as `take_of`."""
        return self.anonymous, await self._take("a:" + escaped(budget), self.anonymous, now_unix)

    async def _take(self, key: str, quota: Quota, now_unix: float) -> Decision:
        was_failing = self._is_failing
        try:
            decision = await self.limiter.take(key, quota, now_unix)
        except Unavailable:
            return await self._without_limiter(key, quota, now_unix)
        if was_failing and self._is_failing:  # not by one that was under way when it failed
            self._is_failing = False
            log.warning("limiter.back", extra={"failures": self.failures})
        return decision

    async def _without_limiter(self, key: str, quota: Quota, now_unix: float) -> Decision:
        self.failures += 1
        if not self._is_failing:  # once, not at every request
            self._is_failing = True
            log.error("limiter.down", extra={"policy": self.on_failure})
        if self.on_failure == "local":
            return await self.local.take(key, quota, now_unix)
        if self.on_failure == "closed":
            raise NotCounted(quota, Decision(False, quota.limit, 0, now_unix + quota.window_seconds))
        return uncounted(quota, now_unix)


def uncounted(quota: Quota, now_unix: float) -> Decision:
    """What is told of a request that does not count."""
    return Decision(True, quota.limit, quota.limit, now_unix + quota.window_seconds)


def escaped(identity: str) -> str:
    """`identity` without the separator of the limiter's keys: "a/b" and "a", "b" must not meet."""
    if "/" in identity or "%" in identity:
        return identity.replace("%", "%25").replace("/", "%2F")
    return identity
