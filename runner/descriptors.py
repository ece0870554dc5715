"""How many files and connections this process may have open."""

from __future__ import annotations

import resource

ENOUGH = 1_048_576
KEPT = 128  # for files, the database, the Directory: not for clients
LEAST = 16


def room_for_connections() -> int:
    """Clients that may be connected at once; as many as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(LEAST, wanted - KEPT)
