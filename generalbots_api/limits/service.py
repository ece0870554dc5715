"""Which quota counts for whom, and what happens when the limiter is down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Literal

from generalbots_api.caller import Caller
from generalbots_api.errors import Unavailable
from generalbots_api.limits.model import Decision, NotCounted, Quota
from generalbots_api.limits.ports import CountsAtOnce, Limiter

log = logging.getLogger("generalbots_api.limits")

FailurePolicy = Literal["open", "closed", "local"]
TakeNow = Callable[[str, Quota, float], Decision]


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
    take_now: TakeNow | None = field(init=False)
    """As `take`, without waiting: the limiter's own. None: it cannot, ask `take`."""
    failures: int = 0
    _is_failing: bool = field(default=False)

    def __post_init__(self) -> None:
        self.take_now = take_now_of(self.limiter)

    def account_of(self, caller: Caller) -> tuple[str, Quota]:
        """What a user's requests are counted against, and by which quota."""
        user = caller.user_id
        key = "u:" + (user if user.isalnum() else escaped(user))
        return key, self.user if self.admin_roles.isdisjoint(caller.roles) else self.admin

    async def take(self, key: str, quota: Quota, now_unix: float) -> Decision:
        """Count one request against an account.

        Raises:
            NotCounted: the limiter is down and the settings say "closed".
        """
        was_failing = self._is_failing
        try:
            decision = await self.limiter.take(key, quota, now_unix)
        except Unavailable:
            return await self._without_limiter(key, quota, now_unix)
        if was_failing and self._is_failing:  # not by one that was under way when it failed
            self._is_failing = False
            log.warning("limiter.back", extra={"failures": self.failures})
        return decision

    async def take_of(self, caller: Caller, now_unix: float) -> Decision:
        """Count one request of a user; as `take`."""
        key, quota = self.account_of(caller)
        if self.take_now is not None:
            return self.take_now(key, quota, now_unix)
        return await self.take(key, quota, now_unix)

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


def take_now_of(limiter: Limiter) -> TakeNow | None:
    """How it counts without waiting, if it can. A subclass that brings a `take` of its own is asked by that."""
    owner = next((kind for kind in type(limiter).__mro__ if "take" in vars(kind)), None)
    if isinstance(limiter, CountsAtOnce) and owner is not None and "take_now" in vars(owner):
        return limiter.take_now
    return None


def uncounted(quota: Quota, now_unix: float) -> Decision:
    """What is told of a request that does not count."""
    return Decision(True, quota.limit, quota.limit, now_unix + quota.window_seconds)


def escaped(identity: str) -> str:
    """`identity` without the separator of the limiter's keys: "a/b" and "a", "b" must not meet."""
    if "/" in identity or "%" in identity:
        return identity.replace("%", "%25").replace("/", "%2F")
    return identity
