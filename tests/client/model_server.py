"""A `gb.v1` server as a model: a log, one running reply, and sockets that are lists of frames. No time, no tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

MAX_REPLAY = 5
SESSION = "s1"
Frame = dict[str, Any]


@dataclass
class ModelSocket:
    """Frames that are on their way to the client; `behind_ack`: the ids that this socket sent."""

    frames: list[Frame] = field(default_factory=list)
    subscribed: bool = False

    def send(self, type: str, **fields: Any) -> None:
        self.frames.append({"type": type, **fields})


@dataclass
class ModelServer:
    epoch: str = "e0"
    log: list[Frame] = field(default_factory=list)
    ended: bool = False
    reply: Frame | None = None  # reply_id, in_reply_to, pieces
    unanswered: list[Frame] = field(default_factory=list)
    lose_next: bool = False  # the bus loses the next message
    has_lost: bool = False
    put_off_next: bool = False  # the next message is refused for the moment
    sockets: list[ModelSocket] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=count)

    @property
    def seq(self) -> int:
        return len(self.log)

    def open(self) -> ModelSocket:
        socket = ModelSocket()
        socket.send("hello", heartbeat_ms=25_000, pong_timeout_ms=10_000)
        self.sockets.append(socket)
        return socket

    def receive(self, socket: ModelSocket, text: str) -> None:
        frame = json.loads(text)
        match frame["type"]:
            case "message":
                self._message(socket, frame)
            case "subscribe":
                self._subscribe(socket, frame)
            case "ping":
                socket.send("pong")
            case "cancel":
                self.finish("cancelled")

    def _refuse(self, socket: ModelSocket, frame: Frame, code: str, **details: Any) -> None:
        error = {"code": code, "message": "no", "details": details}
        socket.send("error", id=frame.get("id"), session_id=SESSION, error=error)

    def _message(self, socket: ModelSocket, frame: Frame) -> None:
        known = next((one for one in self.log if one.get("id") == frame["id"]), None)
        if known is None and self.ended:
            self._refuse(socket, frame, "NOT_FOUND")
            return
        if self.put_off_next:
            self.put_off_next = False
            self._refuse(socket, frame, "RATE_LIMITED", retryable=True, retry_after_ms=500)
            return
        stored = known or self.store("user", frame["content"], id=frame["id"], but=socket)
        socket.subscribed = True
        socket.send(
            "ack",
            id=frame["id"],
            session_id=SESSION,
            message_id=stored["message_id"],
            seq=stored["seq"],
            duplicate=known is not None,
            reply_id=stored["reply_id"],
        )

    def _subscribe(self, socket: ModelSocket, frame: Frame) -> None:
        if self.ended:
            self._refuse(socket, frame, "NOT_FOUND")
            return
        after = frame.get("after_seq")
        same = frame.get("epoch") in (None, self.epoch)
        missed = self.log[after:] if after is not None else []
        recovered = same and len(missed) <= MAX_REPLAY
        socket.subscribed = True
        socket.send(
            "subscribed",
            session_id=SESSION,
            id=frame["id"],
            epoch=self.epoch,
            seq=self.seq,
            recovered=recovered,
            replayed=len(missed) if recovered else 0,
            running={"reply_id": self.reply["reply_id"], "index": self.index} if self.reply else None,
        )
        if recovered:
            socket.frames.extend(missed)
        known = (frame.get("reply") or {}).get("index", -1)
        if self.reply and self.reply["pieces"] and known != self.index:
            content = "".join(self.reply["pieces"])
            reply_id = self.reply["reply_id"]
            socket.send("message.snapshot", session_id=SESSION, reply_id=reply_id, index=self.index, content=content)

    @property
    def index(self) -> int:
        return len(self.reply["pieces"]) - 1 if self.reply else -1

    def store(self, sender: str, content: str, *, but: ModelSocket | None = None, **fields: Any) -> Frame:
        fields.setdefault("message_id", f"m{next(self._names)}")
        if sender == "user":
            fields["reply_id"] = f"r{next(self._names)}"
        message = {
            "type": "message",
            "session_id": SESSION,
            "seq": self.seq + 1,
            "sender": sender,
            "content": content,
            "timestamp": "2026-01-20T12:00:00Z",
            **fields,
        }
        self.log.append(message)
        if sender == "user":
            self.unanswered.append(message)
        self._tell(message, but)
        return message

    def _tell(self, frame: Frame, but: ModelSocket | None = None) -> None:
        if self.lose_next and frame["type"] in ("message", "message.delta"):
            self.lose_next, self.has_lost = False, True
            return
        for socket in self.sockets:
            if socket.subscribed and socket is not but:
                socket.frames.append(frame)

    def start(self) -> None:
        """The bot begins to answer the oldest message."""
        if self.reply is None and self.unanswered and not self.ended:
            message = self.unanswered.pop(0)
            self.reply = {"reply_id": message["reply_id"], "in_reply_to": message["message_id"], "pieces": []}
            self._tell({"type": "message.start", "session_id": SESSION, **self.reply, "bot_id": "b"})

    def piece(self, text: str, merged: int = 1) -> None:
        if self.reply is None:
            return
        self.reply["pieces"] += [""] * (merged - 1) + [text]
        where = {"session_id": SESSION, "reply_id": self.reply["reply_id"], "index": self.index}
        self._tell({"type": "message.delta", **where, "merged": merged, "content": text})

    def finish(self, status: str = "completed") -> None:
        if self.reply is None:
            return
        reply, self.reply = self.reply, None
        content = "".join(reply["pieces"])
        self.store(
            "bot", content, message_id=reply["reply_id"], in_reply_to=reply["in_reply_to"], status=status, bot_id="b"
        )

    def end(self) -> None:
        """The end has a place in the log, and is not a message."""
        if not self.ended:
            self.finish("cancelled")
            self.ended = True
            self._tell({"type": "session.updated", "session_id": SESSION, "status": "ended", "seq": self.seq + 1})

    def restart(self) -> None:
        """A crash: every socket is gone, the running reply is interrupted."""
        self.sockets.clear()
        self.finish("interrupted")

    def replace(self) -> None:
        """The log is lost; what is not answered is forgotten."""
        self.sockets.clear()
        self.epoch = f"e{next(self._names)}"
        self.log, self.unanswered, self.reply = [], [], None

    def history(self, after: int, limit: int = 3) -> Frame:
        messages = self.log[after : after + limit]
        seq = self.seq + 1 if self.ended else self.seq
        return {"messages": messages, "has_more": after + limit < self.seq, "epoch": self.epoch, "seq": seq}
