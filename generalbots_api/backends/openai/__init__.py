"""A bot behind any server that speaks OpenAI's chat completions interface."""

from generalbots_api.backends.http_bot.connections import UpstreamError
from generalbots_api.backends.openai.bot import OpenAIBot

__all__ = ["OpenAIBot", "UpstreamError"]
