"""The bot that has a language model answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from generalbots_api.auth.model import Secret
from generalbots_api.backends.http_bot.bot import HttpBot
from generalbots_api.backends.http_bot.connections import UpstreamError, checked_url
from generalbots_api.backends.openai.completion import Completion, whole_text
from generalbots_api.bots.model import BotStatus, Piece
from generalbots_api.bots.ports import Turn, TurnMessage

_OWN = frozenset({"messages", "model", "stream"})


@dataclass(slots=True, kw_only=True, eq=False)
class OpenAIBot(HttpBot):
    """Streams from `POST {base_url}/chat/completions`.

    Its connections are kept while the service is open. To cancel the turn
    closes the stream at once, by which the servers notice and stop.

    Raises:
        ValueError: a value is out of range; the message names the field.
    """

    base_url: str
    """With the version, as in `http://127.0.0.1:8080/v1`."""
    model: str
    api_key: Secret | str | None = field(default=None, repr=False)
    system_prompt: str = field(default="", repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further fields of the request, as `{"top_p": 0.9}`."""
    first_timeout: float = 120
    """From the request to the first piece: a local model reads the whole prompt in this time."""
    max_answer_bytes: int = 16_777_216  # of the stream, with all that is around the text

    def __post_init__(self) -> None:
        self.base_url = checked_url(self.base_url, "base_url").rstrip("/")
        HttpBot.__post_init__(self)  # `super()` does not know a class with slots
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError("temperature: must be 0 or more")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError("max_tokens: must be more than 0")
        if _OWN & self.extra.keys():
            raise ValueError(f"extra: must not hold {', '.join(sorted(_OWN & self.extra.keys()))}")
        self.api_key = Secret(self.api_key) if isinstance(self.api_key, str) else self.api_key

    async def reply(self, turn: Turn, /) -> AsyncIterator[Piece]:
        """Raises:
        TimeoutError: a piece took too long.
        UpstreamError: the server cannot be reached, answers with an error, or breaks off.
        """
        body = msgspec.json.encode(self._request(await self._window.of(turn), turn.message))
        headers = {**self._headers(), "content-type": "application/json", "accept": "text/event-stream"}
        async with self._connections.call("POST", f"{self.base_url}/chat/completions", headers, body) as answer:
            if answer.response.status_code != 200:
                raise UpstreamError(f"the server answers {answer.response.status_code}")
            if answer.media_type == "application/json":
                yield whole_text(await answer.read_all())
                return
            completion = Completion(self.max_line_bytes)
            while not completion.is_done:
                chunk = await answer.read()
                texts = completion.end() if chunk is None else completion.feed(chunk)
                if texts:
                    answer.heard()
                if text := "".join(texts):
                    yield text
                if chunk is None:
                    return
            await answer.read_rest()

    async def health(self) -> BotStatus:
        """Whether the server lists its models. Raises as `reply`."""
        async with self._connections.call("GET", f"{self.base_url}/models", self._headers()) as answer:
            await answer.read_rest()
            return BotStatus.ONLINE if answer.response.status_code == 200 else BotStatus.OFFLINE

    def _headers(self) -> dict[str, str]:
        key = self.api_key
        return {"authorization": f"Bearer {key.reveal()}"} if isinstance(key, Secret) else {}

    def _request(self, before: list[TurnMessage], message: TurnMessage) -> dict[str, object]:
        options = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {
            **self.extra,
            **{name: value for name, value in options.items() if value is not None},
            "model": self.model,
            "messages": chat_messages(self.system_prompt, [*before, message]),
            "stream": True,
        }


def chat_messages(system_prompt: str, messages: list[TurnMessage]) -> list[dict[str, str]]:
    """The conversation in OpenAI's form.

    The first is of the user, and the roles alternate, as many models' templates
    refuse anything else: neighbours of one sender become one message.
    """
    chat: list[dict[str, str]] = []
    for message in messages:
        role = "user" if message.sender == "user" else "assistant"
        if chat and chat[-1]["role"] == role:
            chat[-1]["content"] += f"\n\n{message.content}"
        elif chat or role == "user":
            chat.append({"role": role, "content": message.content})
    return [{"role": "system", "content": system_prompt}, *chat] if system_prompt else chat
