"""Changes of a standing that others change too: in other tasks, and on other nodes."""

from __future__ import annotations

from collections.abc import Callable

from generalbots_api.auth.model import Login
from generalbots_api.auth.ports import LoginStore
from generalbots_api.ids import LoginId

TRIES = 50  # then the change is made whatever others did meanwhile


async def changed_standing(logins: LoginStore, id: LoginId, change: Callable[[Login], Login]) -> Login | None:
    """What `change` makes of the login's standing, stored; made again if another was faster. None: it ended."""
    for tries_left in range(TRIES, -1, -1):
        login = await logins.get(id)
        if login is None:
            break
        new = change(login)
        before = login.standing if tries_left else None
        if await logins.set_standing(id, new.standing, new.standing_at, before=before):
            return new
    return None
