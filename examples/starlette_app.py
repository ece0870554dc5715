"""Some of the mounts in a Starlette app of your own, one of them somewhere else.

    uvicorn examples.starlette_app:app

Log in at http://127.0.0.1:8000/auth/login, then open http://127.0.0.1:8000/v1/assistants.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from examples.directory import KEY, PATH, development_directory
from generalbots_api import EchoBot, GeneralBots, Settings
from generalbots_api.backends.memory import MemoryStorage

provider, directory = development_directory()
gb = GeneralBots(
    Settings(secret_keys=[KEY], after_login="/v1/assistants"),
    storage=MemoryStorage(),
    directory=directory,
    bots=[EchoBot()],
)


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("This page is the app's own.")


app = Starlette(
    routes=[
        Route("/", home),
        Mount(PATH, app=provider),
        gb.auth,
        gb.sessions,
        gb.ws,
        gb.bots.at("/v1/assistants"),
    ],
    lifespan=gb.lifespan,
)
