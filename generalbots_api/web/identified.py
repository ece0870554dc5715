"""Who a request comes from, as far as it is known."""

from __future__ import annotations

import msgspec

from generalbots_api.caller import Caller
from generalbots_api.ids import TokenHash


class Identified(msgspec.Struct, frozen=True, gc=False):
    """What is known of the sender. `caller` None: no valid session."""

    caller: Caller | None = None
    token_hash: TokenHash | None = None
    is_token_sent: bool = False
    is_by_cookie: bool = False  # the browser sent it by itself, so it proves no intent
    is_unsure: bool = False  # the storage, or the host, has to be asked
