"""Server-sent events: how an event is written, and a place in a log as an id (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import msgspec

from generalbots_api.conversations.events import Event, Stored
from generalbots_api.conversations.following import Place
from generalbots_api.errors import InvalidRequest

MAX_SEQ_DIGITS = 16
BEAT = b": still here\n\n"  # a comment, so that nothing on the way takes the silence for the end


def written(event: Event | str, epoch: str) -> str:
    """A stored message has an id to resume at; pieces of a reply and bare frames have none, as they are not kept."""
    if isinstance(event, str):
        return news(event)
    if isinstance(event.what, Stored):
        return news(event.frame, f"{epoch}:{event.what.message.seq}")
    return news(event.frame)


def news(frame: str, id: str | None = None) -> str:
    """A frame of `gb.v1` as an event; JSON has no line breaks of its own."""
    kind = msgspec.json.decode(frame, type=_Typed).type
    line = f"id: {id}\n" if id is not None else ""
    return f"{line}event: {kind}\ndata: {frame}\n\n"


def place_of(last_event_id: str | None) -> Place:
    """Where a client wants to go on; None: with what comes.

    Raises:
        InvalidRequest: it is no id of ours.
    """
    if not last_event_id:
        return Place()
    epoch, _, seq = last_event_id.rpartition(":")
    if not epoch or not seq.isascii() or not seq.isdigit() or len(seq) > MAX_SEQ_DIGITS:
        raise InvalidRequest("The place is refused", fields={"Last-Event-ID": "is no id of an event"})
    return Place(seq=int(seq), epoch=epoch)


class _Typed(msgspec.Struct):
    type: str
