"""Methods for conversations by REST; the live one is in `conversation.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generalbots_api.client.calls import Calls, query
from generalbots_api.client.messages import Cancelled, Conversations, History, Sent, Started
from generalbots_api.client.origin import segment
from generalbots_api.client.requests import Call
from generalbots_api.ids import new_id


class ConversationCalls(Calls):
    async def start_conversation(self, bot_id: str, *, initial_message: str | None = None) -> Started:
        """Open a conversation. Never repeated by itself: twice would be two conversations."""
        body = query({"bot_id": bot_id, "initial_message": initial_message})
        return await self._ask(Started, Call(method="POST", path="/api/conversations/start", body=body))

    async def conversations(
        self,
        *,
        bot_id: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Conversations:
        """One page, the newest activity first; `next_cursor` leads to the next one."""
        parameters = query({"bot_id": bot_id, "status": status, "limit": limit, "cursor": cursor})
        return await self._ask(Conversations, Call(method="GET", path="/api/conversations", query=parameters))

    async def send(
        self,
        session_id: str,
        content: str,
        *,
        id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        if_busy: str | None = None,
        wait: int = 0,
    ) -> Sent:
        """Store a message, once, however often it has to be sent; the bot's reply follows.

        `id` names the message among one's own in the session; left out, a new
        one is made. `wait` is in seconds, for the reply to be in the answer.
        """
        id = id or new_id()
        body: dict[str, Any] = {"content": content, "id": id}
        body |= {"metadata": dict(metadata)} if metadata else {}
        body |= {"if_busy": if_busy} if if_busy else {}
        call = Call(
            method="POST",
            path=f"{_path(session_id)}/messages",
            body=body,
            headers={"Idempotency-Key": id, **({"Prefer": f"wait={wait}"} if wait else {})},
            repeatable=True,
            wait=wait,
        )
        return await self._ask(Sent, call)

    async def history(
        self,
        session_id: str,
        *,
        limit: int | None = None,
        before: int | datetime | None = None,
        after: int | datetime | None = None,
        wait: int | None = None,
    ) -> History:
        """Messages in order: the last ones, or those next to a `seq` or an aware time.

        `wait` is in seconds, for something after `after` to come if there is nothing yet.
        """
        parameters = query(
            {"limit": limit, "before": _place(before), "after": _place(after), "wait": wait},
        )
        call = Call(method="GET", path=f"{_path(session_id)}/history", query=parameters, wait=wait or 0)
        return await self._ask(History, call)

    async def cancel(self, session_id: str, reply_id: str | None = None) -> Cancelled:
        """Stop the running reply; harmless when there is none."""
        body = {} if reply_id is None else {"reply_id": reply_id}
        call = Call(method="POST", path=f"{_path(session_id)}/cancel", body=body, repeatable=reply_id is not None)
        return await self._ask(Cancelled, call)


def _path(session_id: str) -> str:
    return f"/api/conversations/{segment(session_id)}"


def _place(place: int | datetime | None) -> str | int | None:
    if not isinstance(place, datetime):
        return place
    if place.tzinfo is None:
        raise ValueError("a time must be aware")
    return place.isoformat()
