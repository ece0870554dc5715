"""Ends a bot's turn from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Cut(Exception):
    """The turn was ended from outside."""


@dataclass(slots=True)
class Leash:
    """`cut` may come before the turn, in it, or after it.

    It needs no scope of cancellation: the bot has a task of its own, and
    whoever waits for what becomes of it is told.
    """

    is_cut: bool = False
    _tell: Callable[[BaseException], None] | None = None

    def cut(self) -> None:
        self.is_cut = True
        if self._tell is not None:
            self._tell(Cut())

    def put_on(self, tell: Callable[[BaseException], None]) -> None:
        """From now on a cut is told to `tell`; also one that has been before."""
        self._tell = tell
        if self.is_cut:
            tell(Cut())

    def take_off(self) -> None:
        self._tell = None
