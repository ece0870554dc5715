"""Client and server as values, with everything between them at random: cuts, losses, repeats, reorderings, restarts.

What is acknowledged is in the log once; what the reader is shown is the log, in order, whole in the end; of a reply
nothing is shown but what the bot wrote, in order, and nothing after its end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from generalbots_api.client import (
    ClientError,
    ConnectionFailed,
    ConversationOver,
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


class Conversations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server = ModelServer()
        self.now = 0.0
        self.socket: ModelSocket | None = None
        self.upward: list[str] = []  # frames on their way to the server
        self.reading: int | None = None  # the history is asked for, after this place
        self.outcomes: dict[str, Sent | ClientError] = {}
        self.sent: dict[str, str] = {}  # content by id
        self.shown: list[Message] = []  # since the last gap
        self.texts: dict[str, str] = {}  # of replies, as shown
        self.done: set[str] = set()  # replies whose message was shown
        self.ended = False
        self.gone: set[str] = set()  # messages that were acknowledged and lost with their log

    @initialize(max_events=st.sampled_from([4, 256]), first=st.integers(0, 12))
    def begin(self, max_events: int, first: int) -> None:
        for place in range(first):
            self.server.store("user", f"before {place}")
        self.machine = new_machine(SESSION, after_seq=0, max_events=max_events)
        self.reception = Reception(self.machine)

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Transmit(text):
                    assert self.machine.connected
                    self.upward.append(text)
                case ReadHistory(seq):
                    self.reading = seq
                case Settle(id, outcome):
                    assert id not in self.outcomes, "settled once"
                    self.outcomes[id] = outcome
                case Hang():
                    self.cut()
                case End():
                    assert self.machine.over

    # what the world does

    @rule()
    def connect(self) -> None:
        if self.socket is None and not self.machine.over:
            self.socket = self.server.open()
            self.do(self.machine.opened(self.now))

    @precondition(lambda self: self.socket is not None)
    @rule(code=st.sampled_from([1006, 1012, 1013, 4408, 4450, 1000]))
    def cut(self, code: int = 1006) -> None:
        if self.socket in self.server.sockets:
            self.server.sockets.remove(self.socket)
        self.socket, self.upward, self.reading = None, [], None
        actions, _ = self.machine.cut(code, "", self.now)
        self.do(actions)

    @rule(number=st.integers(1, 6))
    def arrive_at_server(self, number: int) -> None:
        for _ in range(min(number, len(self.upward))):
            if self.socket is not None and self.socket in self.server.sockets:
                self.server.receive(self.socket, self.upward.pop(0))

    @rule(number=st.integers(1, 6))
    def arrive_at_client(self, number: int) -> None:
        for _ in range(number):
            if self.socket is not None and self.socket.frames:
                self.do(self.reception.received(json.dumps(self.socket.frames.pop(0)), self.now))

    @precondition(lambda self: self.socket is not None and len(self.socket.frames) > 1)
    @rule(place=st.integers(0, 20))
    def swap_frames(self, place: int) -> None:
        frames = self.socket.frames  # type: ignore[union-attr] # by the precondition
        place %= len(frames) - 1
        kinds = {frames[place]["type"], frames[place + 1]["type"]}
        if kinds <= {"message", "ack"} and frames[place].get("sender") != "bot" != frames[place + 1].get("sender"):
            frames[place : place + 2] = reversed(frames[place : place + 2])

    @precondition(lambda self: self.socket is not None and self.socket.frames)
    @rule(place=st.integers(0, 20))
    def double_a_frame(self, place: int) -> None:
        frames = self.socket.frames  # type: ignore[union-attr] # by the precondition
        place %= len(frames)
        if frames[place]["type"] in ("message", "message.delta", "message.start", "ack"):
            frames.insert(place, frames[place])

    @rule(seconds=st.sampled_from([0.1, 1.0, 12.0, 26.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now += seconds
        for _ in range(5):
            if self.machine.deadline <= self.now:
                self.do(self.machine.tick(self.now))
        assert not self.machine.connected or self.machine.deadline > self.now, "nothing that is due is left undone"

    @precondition(lambda self: self.reading is not None)
    @rule(good=st.sampled_from([True, True, True, False]))
    def history_arrives(self, good: bool) -> None:
        after, self.reading = self.reading, None
        assert after is not None
        if good:
            page = msgspec.convert(self.server.history(after), History)
            self.do(self.machine.history_read(page, self.now))
        else:
            self.do(self.machine.history_failed(ConnectionFailed("cut"), self.now))

    # what the server does

    @rule(what=st.sampled_from(["start", "finish", "lose", "put off"]))
    def server_acts(self, what: str) -> None:
        match what:
            case "start":
                self.server.start()
            case "finish":
                self.server.finish()
            case "lose":
                self.server.lose_next = True
            case "put off":
                self.server.put_off_next = True

    @rule(text=st.text("ab", max_size=3), merged=st.integers(1, 3))
    def bot_writes(self, text: str, merged: int) -> None:
        self.server.piece(text, merged)

    @rule()
    def another_device_sends(self) -> None:
        if not self.server.ended:
            self.server.store("user", "from elsewhere")

    @rule()
    def crash(self) -> None:
        self.server.restart()
        if self.socket is not None:
            self.cut(1006)

    @rule(sure=st.integers(0, 9))
    def lose_the_log(self, sure: int) -> None:
        if sure == 0 and not self.server.ended:
            self.gone |= {one["id"] for one in self.server.log if one.get("id")}
            self.server.replace()
            if self.socket is not None:
                self.cut(1006)

    @rule(sure=st.integers(0, 9))
    def end_session(self, sure: int) -> None:
        if sure == 0 and self.machine.was_live:
            self.server.end()

    # what the user does

    @rule(content=st.text("xyz", min_size=1, max_size=5))
    def send(self, content: str) -> None:
        id = f"c{len(self.sent)}"
        try:
            actions = self.machine.send(id, content, self.now, metadata=None, if_busy=None)
        except ConversationOver:
            assert self.machine.over
            return
        self.sent[id] = content
        self.do(actions)

    @rule(number=st.integers(1, 8))
    def read(self, number: int) -> None:
        for _ in range(number):
            event, actions = self.machine.take(self.now)
            self.do(actions)
            if event is None:
                return
            self.show(event)

    def show(self, event: Any) -> None:
        assert not self.ended, "nothing after the end"
        match event:
            case NewMessage(message, mine):
                assert mine == (message.id in self.sent)
                self.shown.append(message)
                self.done.add(message.message_id)
            case ReplyStarted(reply_id):
                assert reply_id not in self.texts
                assert reply_id not in self.done, "no reply begins after its end"
                self.texts[reply_id] = ""
            case ReplyDelta(reply_id, _, content):
                assert reply_id not in self.done
                self.texts[reply_id] += content
            case ReplySnapshot(reply_id, _, content):
                assert reply_id not in self.done
                self.texts[reply_id] = content
            case Gap():
                self.shown, self.texts, self.done = [], {}, set()
            case SessionUpdated(status="ended"):
                self.ended = True

    @invariant()
    def what_is_shown_is_a_beginning_of_the_log(self) -> None:
        if not hasattr(self, "machine") or self.machine.log.epoch not in (None, self.server.epoch):
            return
        if any(isinstance(event, Gap) for event in self.machine.log.inbox._events):
            return
        assert [plain(one) for one in self.shown] == [logged(one) for one in self.server.log[: len(self.shown)]]
        reply = self.server.reply
        if reply is not None and reply["reply_id"] in self.texts:
            assert "".join(reply["pieces"]).startswith(self.texts[reply["reply_id"]])

    @invariant()
    def what_is_acknowledged_is_in_the_log_once(self) -> None:
        for id, outcome in self.outcomes.items():
            found = [one for one in self.server.log if one.get("id") == id]
            if isinstance(outcome, Sent) and id not in self.gone:
                assert [(one["seq"], one["content"]) for one in found] == [(outcome.seq, self.sent[id])]
            elif not isinstance(outcome, Sent):
                assert isinstance(outcome, NotFound | ConversationOver)
                assert found == []

    def teardown(self) -> None:
        if not hasattr(self, "machine"):
            return
        self.server.lose_next = self.server.put_off_next = False
        while self.server.reply is not None or (self.server.unanswered and not self.server.ended):
            self.server.start()
            self.server.finish()
        for _ in range(400):
            self.connect()
            self.arrive_at_server(99)
            self.arrive_at_client(99)
            if self.reading is not None:
                self.history_arrives(good=True)
            self.read(99)
            self.time_goes_on(1.0)
            self.what_is_shown_is_a_beginning_of_the_log()
            self.what_is_acknowledged_is_in_the_log_once()
            self.server.start()
            self.server.finish()
            if self.whole():
                break
        assert self.whole(), (self.shown, self.server.log, self.machine)
        assert self.ended == self.server.ended

    def whole(self) -> bool:
        complete = len(self.shown) == self.server.seq and self.machine.log.epoch == self.server.epoch
        return complete and set(self.outcomes) == set(self.sent) and self.ended == self.server.ended


def plain(message: Message) -> tuple[str, int, str, str]:
    return message.message_id, message.seq, message.sender, message.content


def logged(frame: Frame) -> tuple[str, int, str, str]:
    return frame["message_id"], frame["seq"], frame["sender"], frame["content"]


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
