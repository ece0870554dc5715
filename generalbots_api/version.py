"""The version, in one place: the package is built with it, and the status tells it."""

__version__ = "0.1.0"
