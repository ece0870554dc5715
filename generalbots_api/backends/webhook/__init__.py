"""A bot behind a URL, and what the other side needs to know who calls."""

from generalbots_api.backends.http_bot.connections import UpstreamError
from generalbots_api.backends.webhook.bot import WebhookBot
from generalbots_api.backends.webhook.signing import InvalidSignature, sign, verify

__all__ = ["InvalidSignature", "UpstreamError", "WebhookBot", "sign", "verify"]
