"""Faults that were hunted down in the login: each test failed once."""
