"""What keeps a conversation going: one socket after another, and the tasks beside it, as the state machine wants."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from generalbots_api.client.actions import Action, End, Hang, ReadHistory, Reconnect, RenewLogin, Settle, Transmit
from generalbots_api.client.errors import ApiError, BadAnswer, ClientError, ConnectionFailed, ConversationOver
from generalbots_api.client.link import Link, now
from generalbots_api.client.machine import Machine, Next
from generalbots_api.client.messages import Sent
from generalbots_api.client.requests import Requests
from generalbots_api.client.sockets import Connect
from generalbots_api.client.talks import ConversationCalls

PAGE = 100  # messages of the history in one request


@dataclass(slots=True, kw_only=True)
class Driver:
    """`changed` is set when the reader should look, `opened` when it stands or is over; `failure` is an exception
    of the hook for a new login, or of this code: it reaches whoever reads or sends."""

    machine: Machine
    requests: Requests
    rest: ConversationCalls
    connect: Connect
    waiting: dict[str, asyncio.Future[Sent]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None
    unreached: ClientError | None = None  # why the newest try failed
    _link: Link | None = None
    _side: set[asyncio.Task[None]] = field(default_factory=set)
    _token: str | None = None

    async def run(self) -> None:
        """Until it is over."""
        while (reconnect := await self._connection()) is not None:
            backoff, random = self.requests.backoff, self.requests.random
            await self.requests.sleep(backoff.delay(reconnect.attempt, random, at_least=reconnect.at_least))
            if reconnect.renew:
                await self.requests.tokens.renewed(self._token)

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self._do_one(action)
        if self._link is not None:
            self._link.look_again()
        if self.machine.live or self.machine.over:
            self.opened.set()
        if len(self.machine.log.inbox) or self.machine.over:
            self.changed.set()

    def note_failure(self, task: asyncio.Task[None]) -> None:
        """To be called when a task is done: an exception that nobody expected ends the conversation."""
        error = None if task.cancelled() else task.exception()
        if error is not None and self.failure is None:
            self.failure = error
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(error)
            self.do(self.machine.end(ConversationOver("the conversation failed")))

    async def _connection(self) -> Reconnect | None:
        """One socket, from its opening to its end."""
        self._token = await self.requests.tokens.current()
        try:
            socket = await self.connect(self.requests.origin.socket_url("/ws"), self._token)
        except ApiError as error:
            self.unreached = error
            return self._next(self.machine.refused(error))
        except ConnectionFailed as error:
            self.unreached = error
            return self._next(self.machine.unreachable(error))
        except BadAnswer as error:
            self.do(self.machine.end(error))
            return None
        self._link = Link(socket, self.machine, self.do)
        try:
            gone = await self._link.run()
        finally:
            self._link = None
            await self._end_side_tasks()
        return self._next(self.machine.cut(gone.code, gone.reason, now()))

    def _next(self, next: Next) -> Reconnect | None:
        self.do(next[0])
        return next[1]

    def _do_one(self, action: Action) -> None:
        match action:
            case Settle(id, outcome):
                self._settle(id, outcome)
            case Transmit(text) if self._link is not None:
                self._link.transmit(text)
            case ReadHistory(seq) if self._link is not None:
                self._aside(self._read_history(seq))
            case RenewLogin() if self._link is not None:
                self._aside(self._renew())
            case Hang(_, reason) if self._link is not None:
                self._link.hang_up(reason)
            case End() if self._link is not None:
                self._link.hang_up("it is over")
            case _:
                pass  # without a socket: what is missed is made up for when there is one

    def _settle(self, id: str, outcome: Sent | ClientError) -> None:
        answer = self.waiting.get(id)
        if answer is None or answer.done():
            return
        if isinstance(outcome, Sent):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._side.add(task)
        task.add_done_callback(self._side.discard)
        task.add_done_callback(self.note_failure)

    def stop(self) -> list[asyncio.Task[None]]:
        """Cancel what is done beside the socket."""
        tasks = list(self._side)
        for task in tasks:
            task.cancel()
        return tasks

    async def _end_side_tasks(self) -> None:
        if tasks := self.stop():
            await asyncio.wait(tasks)

    async def _read_history(self, seq: int) -> None:
        try:
            page = await self.rest.history(self.machine.session_id, after=seq, limit=PAGE)
        except ClientError as error:
            self.do(self.machine.history_failed(error, now()))
        else:
            self.do(self.machine.history_read(page, now()))

    async def _renew(self) -> None:
        self._token = await self.requests.tokens.renewed(self._token)
        self.do(self.machine.renewed(self._token))
