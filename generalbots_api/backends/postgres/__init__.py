"""Storage and bus on PostgreSQL."""

from generalbots_api.backends.postgres.bus import PostgresBus
from generalbots_api.backends.postgres.storage import PostgresStorage

__all__ = ["PostgresBus", "PostgresStorage"]
