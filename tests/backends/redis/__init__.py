"""Redis, well and ill."""
