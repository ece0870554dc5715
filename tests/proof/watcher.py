"""One who follows a conversation over the wire as it is, and checks each frame against what must hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import anyio

from generalbots_api.client.sockets import SocketClosed
from tests.proof.wire import Frame, Wire


@dataclass
class Watcher:
    """`seq` is the place up to which it has seen everything; what it has seen past that is in `seen`."""

    session: str
    is_stream: bool = False  # server-sent events, which bring no acknowledgement
    wire: Wire | None = None
    epoch: str | None = None
    seq: int | None = None
    seen: dict[int, Frame] = field(default_factory=dict)  # of this subscription, by seq
    asked: dict[str, int | None] = field(default_factory=dict)  # where each subscription begins
    is_exact: bool = True  # no node died and no news were lost: the pieces are all there
    acks: list[Frame] = field(default_factory=list)  # all
    errors: list[Frame] = field(default_factory=list)
    pieces: dict[str, tuple[int, str]] = field(default_factory=dict)  # index of the last, and the text, by reply
    whole: set[str] = field(default_factory=set)  # replies that this subscription brought pieces of
    texts: list[tuple[str, int, str]] = field(default_factory=list)  # whatever was shown: reply, index, text so far
    running: str | None = None
    is_subscribed: bool = False
    is_paused: bool = False
    ended: Frame | None = None
    changed: anyio.Event = field(default_factory=anyio.Event)
    last_seq: int = 0  # of the newest message frame on this subscription

    def subscription(self, after: int | None) -> Frame:
        """What to say to go on from `after`; None: live only."""
        id = f"s-{len(self.asked)}"
        self.asked[id] = after
        frame: Frame = {"type": "subscribe", "session_id": self.session, "id": id}
        if after is not None:
            frame |= {"after_seq": after, "epoch": self.epoch}
        if self.running is not None and self.running in self.pieces:
            frame["reply"] = {"reply_id": self.running, "index": self.pieces[self.running][0]}
        return frame

    async def listen(self, wire: Wire) -> None:
        """Take what comes over this wire, to its end."""
        text = ""
        try:
            while True:
                while self.is_paused:
                    await self.changed.wait()
                heard = await wire.hear()
                if self.wire is not wire:
                    return
                if not self.is_stream:
                    self.take(json.loads(heard))
                    continue
                text += heard
                *events, text = text.split("\n\n")
                for event in events:
                    lines = [line for line in event.split("\n") if line.startswith("data: ")]
                    if lines:
                        self.take(json.loads(lines[0][6:]))
        except SocketClosed:
            if self.wire is wire:
                self.wire = None
                self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    def take(self, frame: Frame) -> None:
        assert frame.get("session_id", self.session) == self.session, "nothing of another session is seen"
        kind = frame["type"]
        if kind == "subscribed":
            self._subscribed(frame)
        elif kind == "ack":
            self.acks.append(frame)
            if not frame["duplicate"]:
                self._place(frame["seq"], frame)
        elif kind == "message":
            self._message(frame)
        elif kind in ("message.start", "message.delta", "message.snapshot"):
            self._piece(kind, frame)
        elif kind == "session.updated":
            self.ended = frame
        elif kind == "error":
            self.errors.append(frame)
        self.tell()

    def _subscribed(self, frame: Frame) -> None:
        assert self.epoch in (None, frame["epoch"]), "the log is the same"
        assert frame["recovered"]
        after = self.asked[frame["id"] or "s-0"]
        self.epoch, self.seen, self.whole, self.is_subscribed = frame["epoch"], {}, set(), True
        self.seq = self.last_seq = frame["seq"] if after is None else after
        assert frame["replayed"] == frame["seq"] - self.seq

    def _message(self, frame: Frame) -> None:
        assert frame["seq"] > self.last_seq, "messages come in the order of the log"
        self.last_seq = frame["seq"]
        self._place(frame["seq"], frame)
        if frame["sender"] == "bot":
            reply = frame["message_id"]
            if self.is_exact and reply in self.whole and frame["status"] != "interrupted":
                assert self.pieces[reply][1] == frame["content"], "what was told is what is stored"
            self.pieces.pop(reply, None)
            self.running = None if self.running == reply else self.running

    def _place(self, seq: int, frame: Frame) -> None:
        assert seq not in self.seen, "each once"
        assert self.seq is None or seq > self.seq, "nothing from before the place that was asked for"
        self.seen[seq] = frame
        while self.seq is not None and self.seq + 1 in self.seen:
            self.seq += 1

    def _piece(self, kind: str, frame: Frame) -> None:
        reply = frame["reply_id"]
        done = [one for one in self.seen.values() if one.get("message_id") == reply]
        assert not done, "nothing of a reply comes behind its end"
        self.running = reply
        self.whole.add(reply)
        index, text = self.pieces.get(reply, (-1, ""))
        if kind == "message.start":
            index, text = -1, ""
        elif kind == "message.snapshot":
            assert frame["index"] >= index
            index, text = frame["index"], frame["content"]
        else:
            assert frame["index"] - frame.get("merged", 1) == index, "pieces have no gap and no double"
            index, text = frame["index"], text + frame["content"]
        self.pieces[reply] = index, text
        self.texts.append((reply, index, text))
