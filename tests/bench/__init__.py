"""Benchmarks: `python -m tests.bench` prints one table, measured beside the alternatives in one run."""
