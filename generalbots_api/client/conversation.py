"""A live conversation over `gb.v1`: comes back after cuts, sends each message once, loses none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from generalbots_api.client.driver import Driver
from generalbots_api.client.errors import ConnectionFailed, ConversationOver
from generalbots_api.client.events import Event
from generalbots_api.client.link import now
from generalbots_api.client.messages import Sent
from generalbots_api.client.model import Rate
from generalbots_api.ids import new_id

MAX_SENDS = 16  # at once: well within the frames that a server takes in one go


class Conversation:
    """Use it by `async with`, send from any task, and read from one: `async for event in chat`.

    Iteration ends when the session has ended or the conversation was left, and
    raises whatever else ended it. Made by `Client.conversation`.
    """

    def __init__(self, driver: Driver, *, open_timeout: float) -> None:
        self._driver = driver
        self._machine = driver.machine
        self._open_timeout = open_timeout
        self._sends = asyncio.Semaphore(MAX_SENDS)
        self._task: asyncio.Task[None] | None = None

    @property
    def seq(self) -> int | None:
        """The place in the log up to which everything was given to the reader, or waits for it; None: not known yet.

        With `epoch`, it is where another conversation object may go on.
        """
        return self._machine.log.seq

    @property
    def epoch(self) -> str | None:
        return self._machine.log.epoch

    @property
    def connected(self) -> bool:
        return self._machine.live

    @property
    def rate(self) -> Rate | None:
        """The quota as the newest acknowledgement told it."""
        return self._machine.rate

    async def send(
        self,
        content: str,
        *,
        id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        if_busy: str | None = None,
    ) -> Sent:
        """Send a message, and return when it is stored: once, whatever is cut meanwhile.

        `id` names the message among one's own in the session; left out, a new
        one is made. To be cancelled leaves open whether it was stored.

        Raises:
            ApiError: the server does not take it.
            ConversationOver: the session has ended, or the conversation was left.
            ClientError: what ended the conversation.
        """
        id = id or new_id()
        async with self._sends:
            if self._driver.failure is not None:
                raise self._driver.failure
            if self._task is None:
                raise ConversationOver("the conversation is not open")
            actions = self._machine.send(id, content, now(), metadata=metadata, if_busy=if_busy)
            answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
            self._driver.waiting[id] = answer
            try:
                self._driver.do(actions)
                return await answer
            finally:
                del self._driver.waiting[id]
                self._machine.sending.forget(id)

    async def cancel(self, reply_id: str | None = None) -> None:
        """Stop the running reply, or the one that is about to run. Harmless when there is none."""
        if self._machine.connected:
            self._driver.do(self._machine.cancel(reply_id))
        else:
            await self._driver.rest.cancel(self._machine.session_id, reply_id)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            self._driver.changed.clear()
            event, actions = self._machine.take(now())
            self._driver.do(actions)
            if event is not None:
                return event
            if self._driver.failure is not None:
                raise self._driver.failure
            if self._machine.over or self._task is None:
                if self._machine.error is None or isinstance(self._machine.error, ConversationOver):
                    raise StopAsyncIteration
                raise self._machine.error
            await self._driver.changed.wait()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._driver.run())
        self._task.add_done_callback(self._driver.note_failure)
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._driver.opened.wait()
        except TimeoutError as error:
            await self._leave()
            raise ConnectionFailed("the conversation did not open in time") from (self._driver.unreached or error)
        except BaseException:
            await self._leave()
            raise
        failure = self._driver.failure or self._machine.error
        if failure is not None:
            await self._leave()
            raise failure
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        self._driver.do(self._machine.end(ConversationOver("the conversation was left")))
        self._driver.stop()  # at once: who leaves may not be able to wait for it
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
