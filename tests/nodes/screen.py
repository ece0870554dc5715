"""What somebody sees of a conversation: messages, and the text of the running reply, however it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.puppet import Frame, Talk


@dataclass
class Screen:
    """A piece may come as a delta, or in a snapshot: after a look into the log, for one."""

    hear: Callable[[], Awaitable[Frame]]
    text: str = ""
    messages: list[Frame] = field(default_factory=list)

    @classmethod
    def of(cls, talk: Talk) -> Screen:
        return cls(talk.hear)

    async def shows(self, text: str) -> None:
        """Until the running reply is this. What was shown of it before is never taken back."""
        while self.text != text:
            await self._see()
            assert text.startswith(self.text), (self.text, text)

    async def has(self, count: int) -> list[Frame]:
        """The messages, as soon as there are so many."""
        while len(self.messages) < count:
            await self._see()
        return self.messages

    async def _see(self) -> None:
        frame = await self.hear()
        match frame["type"]:
            case "message":
                self.messages.append(frame)
                self.text = ""
            case "message.start":
                assert self.text == ""
            case "message.delta":
                self.text += frame["content"]
            case "message.snapshot":
                assert frame["content"].startswith(self.text)
                self.text = frame["content"]
