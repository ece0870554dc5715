"""Two nodes that share PostgreSQL and Redis, seen as one service."""
