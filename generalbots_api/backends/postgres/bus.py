"""The bus on LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from generalbots_api.backends.postgres.connecting import checked_dsn, checked_name, parameters
from generalbots_api.backends.postgres.failures import log
from generalbots_api.backends.postgres.links import Listening, Sending
from generalbots_api.backends.postgres.pieces import Joiner, Splitter, TooBig
from generalbots_api.bus import Listener
from generalbots_api.errors import Unavailable
from generalbots_api.ids import new_id

PING = "\x00ping"
LOST = "\x00lost"


class PostgresBus:
    """Carries news between all processes with the same database and `channel`.

    Listeners of this process are called at once. For the others the news is put
    in a queue, which one connection sends in order, many at a time; another one
    listens. Both come back by themselves when they are lost. While the server
    cannot be reached up to `max_pending` bytes wait, and then the oldest go.
    Whoever may have missed something is told so when all is well again.
    `timeout` is how many seconds the server may take for an answer.
    On one event loop (asyncio) at a time.

    Raises:
        ValueError: the DSN or the channel cannot be one, or a bound is out of range.
    """

    def __init__(
        self, dsn: str = "", *, channel: str = "generalbots", timeout: float = 2.0, max_pending: int = 8_388_608
    ) -> None:
        if not 0.1 <= timeout <= 60:
            raise ValueError("timeout: must be 0.1 to 60 seconds")
        connect = parameters(checked_dsn(dsn), timeout)
        checked_name("channel", channel)
        self._timeout = timeout
        self._listeners: dict[str, dict[object, Listener]] = {}
        self._splitter, self._joiner = Splitter(new_id()), Joiner()
        self._pings: dict[bytes, asyncio.Event] = {}
        self._sending = Sending(connect, channel, timeout, max_pending, self._loss)
        self._listening = Listening(connect, channel, timeout, self._hear, self._note_gap)
        self._gap_listeners: list[Callable[[str], None]] = []
        self._openings = 0

    async def publish(self, topic: str, payload: bytes, /) -> None:
        """Waits for nothing, and raises nothing: what cannot be sent is logged and lost."""
        self._tell(topic, payload)
        self._send(topic, payload)

    def reaches(self, topic: str, but: int, /) -> bool:
        return True  # other nodes may listen

    def subscribe(self, topic: str, listener: Listener, /) -> Callable[[], None]:
        place = object()  # the same listener may come twice, and then hears all twice
        self._listeners.setdefault(topic, {})[place] = listener

        def leave() -> None:
            listeners = self._listeners.get(topic, {})
            if listeners.pop(place, None) is not None and not listeners:
                del self._listeners[topic]

        return leave

    def on_gap(self, listener: Callable[[str], None], /) -> None:
        self._gap_listeners.append(listener)

    async def ping(self) -> None:
        """Send something to oneself, through the server.

        Raises:
            Unavailable: it did not come back in time.
        """
        name, heard = new_id().encode(), asyncio.Event()
        self._pings[name] = heard
        try:
            self._send(PING, name)
            async with asyncio.timeout(self._timeout):
                await heard.wait()
        except TimeoutError:
            raise Unavailable("The bus cannot be reached") from None
        finally:
            del self._pings[name]

    async def __aenter__(self) -> Self:
        """Raises:
        StorageError: the server cannot be reached.
        """
        if self._openings == 0:
            await self._listening.open()
            await self._sending.open()
        self._openings += 1
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._openings -= 1
        if self._openings == 0:
            await self._sending.close()
            await self._listening.close()

    def _send(self, topic: str, payload: bytes) -> None:
        try:
            self._sending.put(self._splitter.pieces(topic, payload))
        except (TooBig, UnicodeEncodeError) as error:
            log.error("postgres.bus_refused", extra={"topic": ascii(topic), "error": str(error)})

    def _hear(self, piece: str) -> None:
        for sender, topic, payload in self._joiner.messages(piece):
            if sender != self._splitter.sender:
                self._note_gap() if topic == LOST else self._tell(topic, payload)
            elif topic == PING and (heard := self._pings.get(payload)) is not None:
                heard.set()

    def _loss(self) -> list[str]:
        return self._splitter.pieces(LOST, b"")

    def _note_gap(self) -> None:
        """Any news of any topic may have been missed."""
        for topic in tuple(self._listeners):
            for listener in self._gap_listeners:
                listener(topic)

    def _tell(self, topic: str, payload: bytes) -> None:
        for listener in tuple(self._listeners.get(topic, {}).values()):  # one may leave meanwhile
            listener(payload)
