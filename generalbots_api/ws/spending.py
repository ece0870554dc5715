"""What a message costs, over every door that is not a request of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from generalbots_api.caller import Caller
from generalbots_api.ws.model import Rate

Spend = Callable[[Caller], Awaitable[Rate]]
"""Counts one message against the caller's quota, and tells what is left; raises RateLimited."""
