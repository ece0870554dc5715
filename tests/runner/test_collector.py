"""The collector goes on after a start."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from runner.collector import THRESHOLDS, settle


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Cycle:
    def __init__(self) -> None:
        self.me = self


def test_what_is_there_at_the_start_is_not_looked_at_again() -> None:
    settle()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == THRESHOLDS


def test_cycles_of_later_are_still_found() -> None:
    settle()
    found = weakref.ref(Cycle())
    kept = [[number] for number in range(2 * THRESHOLDS[0])]
    assert found() is None
    assert len(kept) == 2 * THRESHOLDS[0]
