"""Counts each request once, and has its response tell what is left."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from starlette.types import Scope

from generalbots_api.caller import Caller
from generalbots_api.errors import RateLimited
from generalbots_api.limits.model import Decision, NotCounted, Quota
from generalbots_api.limits.service import RateLimits, TakeNow, escaped, uncounted
from generalbots_api.web.address import Addresses, budget_of
from generalbots_api.web.rate_headers import RateHeaders
from generalbots_api.web.reply import Reply, error_reply, fixed
from generalbots_api.web.visit import Visit


class Counting:
    """Each way to count gives None: the request may go on; or what it is answered, as the quota is used up.

    That is no exception, and is kept for whoever goes on and hears the same for a
    second: to be refused should cost less than to be served.
    """

    def __init__(self, rates: RateLimits, rate_headers: RateHeaders, addresses: Addresses) -> None:
        self.rates = rates
        self._rate_headers = rate_headers
        self._addresses = addresses
        self._refusal = lru_cache(maxsize=1_024)(self._new_refusal)

    def now(self, take_now: TakeNow, visit: Visit, scope: Scope, caller: Caller | None) -> Reply | None:
        """Count by a limiter that need not wait: `take_now` is the one of `rates`."""
        key, quota = self._sender(visit, scope) if caller is None else self.rates.account_of(caller)
        now = visit.now_unix
        decision = take_now(key, quota, now) if key is not None else uncounted(quota, now)
        if not decision.allowed:
            return self._refusal(quota, ceil(decision.resets_unix), ceil(decision.resets_unix - now))
        visit.headers.extend(self._rate_headers.of(quota, decision, now))
        return None

    async def soon(self, visit: Visit, scope: Scope, caller: Caller | None) -> Reply | None:
        """Count by any limiter.

        Raises:
            NotCounted: it is down and the settings say "closed".
        """
        key, quota = self._sender(visit, scope) if caller is None else self.rates.account_of(caller)
        now = visit.now_unix
        try:
            decision = await self.rates.take(key, quota, now) if key is not None else uncounted(quota, now)
        except NotCounted as refused:
            visit.headers += self._rate_headers.of(refused.quota, refused.decision, now)
            raise
        if not decision.allowed:
            return self._refusal(quota, ceil(decision.resets_unix), ceil(decision.resets_unix - now))
        visit.headers.extend(self._rate_headers.of(quota, decision, now))
        return None

    def _sender(self, visit: Visit, scope: Scope) -> tuple[str | None, Quota]:
        """The account of the sender's address. None: it is not counted."""
        address = self._addresses.client(scope, visit.head)
        if self._addresses.unlimited and self._addresses.is_unlimited(address):
            return None, self.rates.anonymous
        return account_from(address), self.rates.anonymous

    def _new_refusal(self, quota: Quota, resets: int, seconds: int) -> Reply:
        reply = error_reply(too_many(max(1, seconds)), "")
        decision = Decision(False, quota.limit, 0, resets)
        reply.headers = [*self._rate_headers.of(quota, decision, resets - seconds), *reply.headers]
        return fixed(reply)


@lru_cache(maxsize=4_096)  # an IPv6 address takes 7 µs, an IPv4 address three times as long as its look-up
def account_from(address: str) -> str:
    """What the requests without a valid session of an address are counted against."""
    return "a:" + escaped(budget_of(address))


def too_many(wait_seconds: int) -> RateLimited:
    return RateLimited("The request quota is used up", retry_after=wait_seconds)
