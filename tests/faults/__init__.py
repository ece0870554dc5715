"""Faults of the world around real processes, and what they cost: `make faults` prints the table."""
