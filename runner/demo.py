"""A bot for the first look at permissions: for admins, and for the group `staff`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from generalbots_api import BotAccess, BotInfo, Piece, Suggestions, Turn


@dataclass(frozen=True, slots=True)
class StaffBot:
    """Tells what it knows of whoever asks: enough to see that permissions and memory work."""

    info: BotInfo = BotInfo(
        "staff",
        "Staff desk",
        "For administrators and the group staff.",
        BotAccess(roles=frozenset({"admin"}), groups=frozenset({"staff"})),
    )

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        asked = int(str(turn.memory.get("asked", 0))) + 1
        turn.memory["asked"] = asked
        caller = turn.caller
        yield f"You are user {caller.user_id}. "
        yield f"Roles: {', '.join(sorted(caller.roles)) or 'none'}. "
        yield f"Groups: {', '.join(sorted(name for name in caller.groups if not name.isdigit())) or 'none'}. "
        yield f"You have asked me {asked} time{'s' if asked > 1 else ''} in this session."
        yield Suggestions(("Who am I?",))
