"""The General Bots API as an ASGI library."""

from generalbots_api.app import GeneralBots
from generalbots_api.bots.echo import EchoBot
from generalbots_api.bots.model import BotAccess, BotInfo, BotRecord, BotStatus, Piece, Suggestions
from generalbots_api.bots.ports import Bot, BotCatalog, ChecksHealth, Greets, Opening, Turn, TurnMessage
from generalbots_api.bots.stored import StoredBots
from generalbots_api.caller import Caller
from generalbots_api.clock import Clock, SystemClock
from generalbots_api.settings import Settings
from generalbots_api.storage import Storage
from generalbots_api.version import __version__

__all__ = [
    "Bot",
    "BotAccess",
    "BotCatalog",
    "BotInfo",
    "BotRecord",
    "BotStatus",
    "Caller",
    "ChecksHealth",
    "Clock",
    "EchoBot",
    "GeneralBots",
    "Greets",
    "Opening",
    "Piece",
    "Settings",
    "Storage",
    "StoredBots",
    "Suggestions",
    "SystemClock",
    "Turn",
    "TurnMessage",
    "__version__",
]
