"""Bots that never end, for a real runner: `--bots tests.bots.for_ever:BOTS`."""

from __future__ import annotations

from generalbots_api import BotInfo
from tests.bots import test_misbehaving as bad

NAMES = ["swallows_cancellation", "clings_to_its_end", "blocks_a_thread"]
BOTS = [bad.Bad(getattr(bad, name), BotInfo(name, name)) for name in NAMES]
