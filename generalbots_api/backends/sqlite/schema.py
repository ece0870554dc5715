"""The tables, as migrations. A step that has been released is never changed: add another."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlite_utils import Database, Migrations

MIGRATION_SET = "generalbots_api"


def steps() -> dict[str, Callable[[Database], None]]:
    """Every step by its name, oldest first."""
    first = (facts, logins, pending_logins, seen_tokens, bot_sessions, conversations, messages)
    second = (leases, revocations, bot_records, turns)
    return {f"000{n}_{step.__name__}": step for n, part in ((1, first), (2, second)) for step in part}


def migrations() -> Migrations:
    found = Migrations(MIGRATION_SET)
    for name, step in steps().items():
        found(name=name)(step)
    return found


def facts(db: Database) -> None:
    """What is true of the file as a whole; `epoch` names this incarnation of the log."""
    db.table("facts").create({"name": str, "value": str}, pk="name", not_null={"value"}, strict=True)
    db.table("facts").insert({"name": "epoch", "value": secrets.token_urlsafe(9)})


def logins(db: Database) -> None:
    optional = {"directory_session", "organization_id"}
    columns = {
        "n": int,  # in the order of opening
        "id": str,
        "token_hash": bytes,
        "user_id": str,
        "created_at": int,
        "last_seen_at": int,
        "ends_at": int,
        "sealed_grant": bytes,
        "standing": str,
        "standing_at": int,
        "directory_session": str,
        "organization_id": str,
        "user_agent": str,
        "address": str,
    }
    table = db.table("logins").create(columns, pk="n", not_null=set(columns) - optional - {"n"}, strict=True)
    table.create_index(["id"], "logins_by_id", unique=True)
    table.create_index(["token_hash"], "logins_by_token", unique=True)
    table.create_index(["user_id", "created_at"], "logins_by_user")
    table.create_index(["last_seen_at", "ends_at"], "logins_by_use")
    table.create_index(["ends_at"], "logins_by_end")
    db.execute(
        "CREATE INDEX logins_by_directory_session ON logins (directory_session) WHERE directory_session IS NOT NULL"
    )


def pending_logins(db: Database) -> None:
    columns = {
        "n": int,
        "state_hash": bytes,
        "browser": str,
        "nonce": str,
        "verifier": str,
        "redirect_uri": str,
        "target": str,
        "created_at": int,
        "expires_at": int,
    }
    table = db.table("pending_logins").create(columns, pk="n", not_null=set(columns) - {"n"}, strict=True)
    table.create_index(["state_hash"], "pending_logins_by_state", unique=True)
    table.create_index(["browser"], "pending_logins_by_browser")
    table.create_index(["expires_at"], "pending_logins_by_expiry")


def seen_tokens(db: Database) -> None:
    columns = {"token_id": str, "expires_at": int}
    table = db.table("seen_tokens").create(columns, pk="token_id", not_null=set(columns), strict=True)
    table.create_index(["expires_at"], "seen_tokens_by_expiry")


def bot_sessions(db: Database) -> None:
    columns = {
        "n": int,
        "id": str,
        "user_id": str,
        "bot_id": str,
        "created_at": int,
        "expires_at": int,
        "ended_at": int,
    }
    required = set(columns) - {"n", "ended_at"}
    table = db.table("bot_sessions").create(columns, pk="n", not_null=required, strict=True)
    table.create_index(["id"], "bot_sessions_by_id", unique=True)
    db.execute("CREATE INDEX bot_sessions_open ON bot_sessions (user_id, created_at) WHERE ended_at IS NULL")


def conversations(db: Database) -> None:
    """One row for each log: its counter, and the small key that its messages are kept by."""
    columns = {"n": int, "session_id": str, "seq": int, "last_at": int}
    table = db.table("conversations").create(columns, pk="n", not_null=set(columns) - {"n"}, strict=True)
    table.create_index(["session_id"], "conversations_by_session", unique=True)
    db.table("memories").create(
        {"conversation": int, "value": str},
        pk="conversation",
        not_null={"value"},
        foreign_keys=[("conversation", "conversations", "n")],
        strict=True,
    )


def messages(db: Database) -> None:
    required = {"conversation", "seq", "message_id", "sender", "content", "timestamp", "status", "is_answered"}
    columns = {
        "n": int,
        "is_answered": int,  # 0 only for a user's message that has no reply yet
        "conversation": int,
        "seq": int,
        "message_id": str,
        "sender": str,
        "content": str,
        "timestamp": int,
        "status": str,
        "user_id": str,
        "bot_id": str,
        "in_reply_to": str,
        "reply_id": str,
        "client_id": str,
        "error": str,
        "suggestions": str,
        "metadata": str,
    }
    table = db.table("messages").create(
        columns,
        pk="n",
        not_null=required,
        foreign_keys=[("conversation", "conversations", "n")],
        strict=True,
    )
    table.create_index(["conversation", "seq"], "messages_by_seq", unique=True)
    table.create_index(["conversation", "message_id"], "messages_by_id", unique=True)
    db.execute(
        "CREATE UNIQUE INDEX messages_by_client_id ON messages (conversation, client_id) WHERE client_id IS NOT NULL"
    )
    db.execute("CREATE INDEX messages_unanswered ON messages (is_answered) WHERE is_answered = 0")


def leases(db: Database) -> None:
    columns = {"name": str, "holder": str, "until": int}
    db.table("leases").create(columns, pk="name", not_null=set(columns), strict=True)


def revocations(db: Database) -> None:
    columns = {"id": str, "sealed_grant": bytes, "tries": int, "ended_at": int, "gives_up_at": int, "due_at": int}
    table = db.table("revocations").create(columns, pk="id", not_null=set(columns), strict=True)
    table.create_index(["due_at"], "revocations_by_due")


def bot_records(db: Database) -> None:
    columns = {
        "id": str,
        "name": str,
        "kind": str,
        "options": str,
        "description": str,
        "access": str,
        "status": str,
        "updated_at": int,
    }
    db.table("bot_records").create(columns, pk="id", not_null=set(columns), strict=True)


def turns(db: Database) -> None:
    """Which node answers a message, how many of a log wait for a reply, and all of a user's sessions."""
    db.execute("ALTER TABLE messages ADD COLUMN node TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE conversations ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE conversations SET waiting ="
        " (SELECT count(*) FROM messages m WHERE m.conversation = conversations.n AND m.is_answered = 0)"
    )
    db.execute("CREATE INDEX bot_sessions_by_user ON bot_sessions (user_id)")
