"""A host that brings its own login: no Directory Service, no /auth, the host's own users.

    uvicorn examples.own_login:app

Ask as one of them: curl -u ada:lovelace http://127.0.0.1:8000/api/bots
"""

from __future__ import annotations

import base64
import secrets

from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from examples.directory import KEY
from generalbots_api import Caller, EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage
from generalbots_api.ids import UserId

PASSWORDS = {"ada": "lovelace", "grace": "hopper"}
ROLES = {"ada": frozenset({"admin"})}


async def authenticate(connection: HTTPConnection) -> Caller | None:
    """HTTP Basic, as the host has it anyway; None: nobody is logged in."""
    scheme, _, encoded = connection.headers.get("authorization", "").partition(" ")
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not UTF-8
        return None
    known = secrets.compare_digest(PASSWORDS.get(name, "").encode(), password.encode())
    if scheme.lower() != "basic" or name not in PASSWORDS or not known:
        return None
    return Caller(user_id=UserId(name), roles=ROLES.get(name, frozenset()))


gb = GeneralBots(Settings(secret_keys=[KEY]), storage=MemoryStorage(), bots=[EchoBot()], authenticate=authenticate)
app = Starlette(routes=[gb.sessions, gb.bots, gb.conversations, gb.admin, gb.ws, gb.health], lifespan=gb.lifespan)
