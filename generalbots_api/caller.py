"""Who is asking."""

from __future__ import annotations

from datetime import datetime

import msgspec

from generalbots_api.ids import LoginId, UserId


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A signed-in user, as every room sees one.

    `login_id` names the login session that the request came with; it is None
    when the host application brings its own login (`authenticate=`), and then
    `expires_at` may be None too: the host decides how long its sessions live.

    A msgspec value, since the garbage collector need not look at the many that
    a busy service keeps.
    """

    user_id: UserId
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()  # ids and names of the user's groups
    login_id: LoginId | None = None
    created_at: datetime | None = None  # when the login began; aware, UTC
    expires_at: datetime | None = None  # aware, UTC
    organization_id: str | None = None
