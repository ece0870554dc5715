"""For people who test with this library, or write a backend for it."""

from generalbots_api.testing.clock import ManualClock

__all__ = ["ManualClock"]
