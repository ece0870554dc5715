"""Everything in memory: for tests and for one process that may forget."""

from generalbots_api.backends.memory.bus import MemoryBus
from generalbots_api.backends.memory.limiter import MemoryLimiter
from generalbots_api.backends.memory.storage import MemoryStorage

__all__ = ["MemoryBus", "MemoryLimiter", "MemoryStorage"]
