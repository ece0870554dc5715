"""A client and a server as values, and what lies between them: frames on their way, time, cuts, and a history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count, pairwise

import msgspec

from generalbots_api.client import (
    ClientError,
    ConnectionFailed,
    ConversationOver,
    Event,
    Gap,
    History,
    Message,
    NewMessage,
    NotFound,
    ReplyDelta,
    ReplySnapshot,
    ReplyStarted,
    Sent,
    SessionUpdated,
)
from generalbots_api.client.actions import Action, End, Hang, ReadHistory, Settle, Transmit
from generalbots_api.client.machine import new_machine
from generalbots_api.client.reception import Reception
from tests.client.model_server import SESSION, Frame, ModelServer, ModelSocket

MOVABLE = {"message", "ack"}
REPEATED = {"message", "ack", "message.start", "message.delta"}


class World:
    """What is tried and is not possible now does nothing. Each thing shown and each answer is checked as it comes."""

    def __init__(self, max_events: int) -> None:
        self.server = ModelServer()
        self.machine = new_machine(SESSION, after_seq=0, max_events=max_events)
        self.reception = Reception(self.machine)
        self.now = 0.0
        self.socket: ModelSocket | None = None
        self.upward: list[str] = []  # frames on their way to the server
        self.reading: int | None = None  # the history is asked for, after this place
        self.outcomes: dict[str, Sent | ClientError] = {}
        self.sent: dict[str, str] = {}  # content by id
        self.gone: set[str] = set()  # what was lost with its log
        self.shown: list[Message] = []  # since the last gap
        self.texts: dict[str, str] = {}  # of replies, as shown
        self.ended = False
        self.numbers = count()

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Transmit(text):
                    assert self.machine.connected
                    self.upward.append(text)
                case ReadHistory(seq):
                    assert self.reading is None, "one page at a time"
                    self.reading = seq
                case Settle(id, outcome):
                    assert id not in self.outcomes, "one answer for each"
                    self.outcomes[id] = outcome
                case Hang():
                    self.cut()
                case End():
                    assert self.machine.over

    # between them

    def connect(self) -> None:
        if self.socket is None and not self.machine.over:
            self.socket = self.server.open()
            self.do(self.machine.opened(self.now))

    def cut(self) -> None:
        if self.socket is not None:
            self.server.sockets = [one for one in self.server.sockets if one is not self.socket]
            self.socket, self.upward, self.reading = None, [], None
            self.do(self.machine.cut(1006, "", self.now)[0])

    def up(self, number: int) -> None:
        while number and self.upward and self.socket is not None:
            number -= 1
            self.server.receive(self.socket, self.upward.pop(0))

    def down(self, number: int) -> None:
        while number and self.socket is not None and self.socket.frames:
            number -= 1
            self.do(self.reception.received(json.dumps(self.socket.frames.pop(0)), self.now))

    def swap(self) -> None:
        """What is sent for another device, and the answer to this one, may come in either order."""
        frames = self.socket.frames if self.socket is not None else []
        for place, (one, next) in enumerate(pairwise(frames)):
            if {one["type"], next["type"]} == MOVABLE and "bot" not in (one.get("sender"), next.get("sender")):
                frames[place : place + 2] = [next, one]
                return

    def repeat(self) -> None:
        if self.socket is not None and self.socket.frames and self.socket.frames[-1]["type"] in REPEATED:
            self.socket.frames.append(self.socket.frames[-1])

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(5):
            if self.machine.deadline <= self.now:
                self.do(self.machine.tick(self.now))
        assert not self.machine.connected or self.machine.deadline > self.now, "nothing that is due is left undone"

    def page(self) -> None:
        if self.reading is not None:
            after, self.reading = self.reading, None
            self.do(self.machine.history_read(msgspec.convert(self.server.history(after), History), self.now))

    def no_page(self) -> None:
        if self.reading is not None:
            self.reading = None
            self.do(self.machine.history_failed(ConnectionFailed("cut"), self.now))

    # the server

    def piece(self) -> None:
        number = next(self.numbers)
        self.server.piece(f"{number} ", 1 + number % 3)

    def lose(self) -> None:
        self.server.lose_next = True

    def put_off(self) -> None:
        self.server.put_off_next = True

    def elsewhere(self) -> None:
        if not self.server.ended:
            self.server.store("user", "from elsewhere")

    def crash(self) -> None:
        self.server.finish("interrupted")
        self.cut()

    def replace(self) -> None:
        if not self.server.ended:
            self.gone |= {one["id"] for one in self.server.log if one.get("id")}
            self.server.replace()
            self.cut()

    def end(self) -> None:
        if self.machine.was_live:
            self.server.end()

    # the user

    def send(self) -> None:
        number = next(self.numbers)
        id = f"c{number}"
        try:
            actions = self.machine.send(id, f"text {number}", self.now, metadata=None, if_busy=None)
        except ConversationOver:
            assert self.machine.over
        else:
            self.sent[id] = f"text {number}"
            self.do(actions)

    def read(self, number: int) -> None:
        while number:
            number -= 1
            event, actions = self.machine.take(self.now)
            self.do(actions)
            if event is not None:
                self.show(event)

    def show(self, event: Event) -> None:
        assert not self.ended, "nothing after the end"
        done = {message.message_id for message in self.shown}
        match event:
            case NewMessage(message, mine):
                assert mine == (message.id in self.sent)
                assert message.content.startswith(self.texts.get(message.message_id, ""))
                self.shown.append(message)
            case ReplyStarted(reply_id, in_reply_to):
                assert reply_id not in done, "no reply begins after its end"
                assert reply_id not in self.texts
                known = in_reply_to is None or in_reply_to in done or self.server.has_lost
                assert known, "no answer before the question, unless that did not come"
                self.texts[reply_id] = ""
            case ReplyDelta(reply_id, _, content):
                assert reply_id not in done
                self.texts[reply_id] += content
            case ReplySnapshot(reply_id, _, content):
                assert reply_id not in done
                self.texts[reply_id] = content
            case Gap():
                self.shown, self.texts = [], {}
            case SessionUpdated(status="ended"):
                self.ended = True

    # what holds at any time

    def check(self) -> None:
        self.check_answers()
        gap_waits = any(isinstance(event, Gap) for event in self.machine.log.inbox._events)
        if self.machine.log.epoch in (None, self.server.epoch) and not gap_waits:
            assert [plain(one) for one in self.shown] == [logged(one) for one in self.server.log[: len(self.shown)]]
            reply = self.server.reply
            if reply is not None:
                assert "".join(reply["pieces"]).startswith(self.texts.get(reply["reply_id"], ""))

    def check_answers(self) -> None:
        for id, outcome in self.outcomes.items():
            found = [(one["seq"], one["content"]) for one in self.server.log if one.get("id") == id]
            if not isinstance(outcome, Sent):
                assert isinstance(outcome, NotFound | ConversationOver)
                assert found == []
            elif id not in self.gone:
                assert found == [(outcome.seq, self.sent[id])]

    def heal(self) -> None:
        """Nothing goes wrong any more: then everything is answered, and all of the log is shown."""
        self.server.lose_next = self.server.put_off_next = False
        for _ in range(400):
            self.connect()
            self.up(99)
            self.server.start()
            self.server.finish()
            self.down(99)
            self.page()
            self.read(99)
            self.wait(1.0)
            self.check()
            if self.is_whole() and not (self.server.unanswered and not self.server.ended):
                return
        raise AssertionError((self.shown, self.server.log, self.machine))

    def is_whole(self) -> bool:
        shown = len(self.shown) == self.server.seq and self.machine.log.epoch == self.server.epoch
        return shown and set(self.outcomes) == set(self.sent) and self.ended == self.server.ended


def plain(message: Message) -> tuple[str, int, str, str]:
    return message.message_id, message.seq, message.sender, message.content


def logged(frame: Frame) -> tuple[str, int, str, str]:
    return frame["message_id"], frame["seq"], frame["sender"], frame["content"]
