"""Two services in one app that know nothing of each other: each has its own cookie, storage and bots.

    uvicorn examples.two_instances:app

Open http://127.0.0.1:8000/support/ and http://127.0.0.1:8000/sales/, and log in to each.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from examples.directory import KEY, ORIGIN, PATH, client_of
from generalbots_api import BotInfo, EchoBot, GeneralBots, Settings
from generalbots_api.backends.dev_directory import DevDirectory
from generalbots_api.backends.memory import MemoryStorage

provider = DevDirectory(ORIGIN + PATH, secret_keys=[KEY])


def service(name: str) -> GeneralBots:
    settings = Settings(
        secret_keys=[KEY], public_url=f"{ORIGIN}/{name}", after_login=f"/{name}/", cookie_name=f"{name}_session"
    )
    bot = EchoBot(BotInfo(name, name.capitalize(), f"The bot of {name}."))
    return GeneralBots(settings, storage=MemoryStorage(), directory=client_of(provider), bots=[bot])


support, sales = service("support"), service("sales")
app = Starlette(routes=[Mount(PATH, app=provider)])
support.install(app, "/support")
sales.install(app, "/sales")
