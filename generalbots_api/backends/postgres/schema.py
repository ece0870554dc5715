"""The tables, as migrations. A step that has been released is never changed: add another.

A node of an older version goes on working while a newer one migrates: columns
are added, not changed, and a function that changes gets another name.
"""

from __future__ import annotations

from generalbots_api.backends.postgres.functions import ADD_MESSAGE, ADD_OTHER, KEY_OF, LOCKED_LOG, SEQ_BEFORE


def steps() -> tuple[str, ...]:
    """Every step, oldest first; each runs with the schema as its search path."""
    return (FACTS, KEY_OF, LOGINS, LEASES, SESSIONS, LOG, LOCKED_LOG, ADD_MESSAGE, ADD_OTHER, SEQ_BEFORE)


FACTS = """
CREATE TABLE facts (name text COLLATE "C" PRIMARY KEY, value text COLLATE "C" NOT NULL) WITH (fillfactor = 50);
INSERT INTO facts VALUES ('version', '0'), ('probe', '0'),
    ('epoch', substr(replace(gen_random_uuid()::text, '-', ''), 1, 12));
"""
LOGINS = """
CREATE TABLE logins (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- in the order of opening
    id text COLLATE "C" NOT NULL,
    token_hash bytea NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    sealed_grant bytea NOT NULL,
    standing text COLLATE "C" NOT NULL,
    standing_at bigint NOT NULL,
    directory_session text COLLATE "C",
    organization_id text COLLATE "C",
    user_agent text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL
) WITH (fillfactor = 80);  -- no index on what changes with use: those updates stay within their page
CREATE UNIQUE INDEX logins_by_id ON logins (key_of(id));
CREATE UNIQUE INDEX logins_by_token ON logins (token_hash);
CREATE INDEX logins_by_user ON logins (key_of(user_id));
CREATE INDEX logins_by_directory_session ON logins (key_of(directory_session)) WHERE directory_session IS NOT NULL;

CREATE TABLE pending_logins (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state_hash bytea NOT NULL UNIQUE,
    browser text COLLATE "C" NOT NULL,
    nonce text COLLATE "C" NOT NULL,
    verifier text COLLATE "C" NOT NULL,
    redirect_uri text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX pending_logins_by_browser ON pending_logins (key_of(browser));
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires_at);

CREATE TABLE seen_tokens (key bytea PRIMARY KEY, expires_at bigint NOT NULL);
CREATE INDEX seen_tokens_by_expiry ON seen_tokens (expires_at);

CREATE TABLE revocations (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    sealed_grant bytea NOT NULL,
    tries bigint NOT NULL,
    ended_at bigint NOT NULL,
    gives_up_at bigint NOT NULL,
    due_at bigint NOT NULL
);
CREATE UNIQUE INDEX revocations_by_id ON revocations (key_of(id));
CREATE INDEX revocations_by_due ON revocations (due_at, n);
"""
LEASES = """
CREATE TABLE leases (name text COLLATE "C" NOT NULL, holder text COLLATE "C" NOT NULL, until bigint NOT NULL)
    WITH (fillfactor = 50);
CREATE UNIQUE INDEX leases_by_name ON leases (key_of(name));

CREATE TABLE bot_records (
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    options text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    access text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    updated_at bigint NOT NULL
);
CREATE UNIQUE INDEX bot_records_by_id ON bot_records (key_of(id));
"""
SESSIONS = """
CREATE TABLE bot_sessions (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    bot_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint
);
CREATE UNIQUE INDEX bot_sessions_by_id ON bot_sessions (key_of(id));
CREATE INDEX bot_sessions_by_user ON bot_sessions (key_of(user_id));
CREATE INDEX bot_sessions_open ON bot_sessions (key_of(user_id), created_at) WHERE ended_at IS NULL;
"""
LOG = """
CREATE TABLE conversations (  -- one row for each log: its counter, and the small key that its messages are kept by
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL DEFAULT 0,
    last_at bigint NOT NULL DEFAULT 0,
    waiting bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX conversations_by_session ON conversations (key_of(session_id));

CREATE TABLE memories (conversation bigint PRIMARY KEY, value text COLLATE "C" NOT NULL) WITH (fillfactor = 70);

CREATE TABLE messages (  -- added to, never changed
    conversation bigint NOT NULL,
    seq bigint NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    content text COLLATE "C" NOT NULL,
    timestamp bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    user_id text COLLATE "C",
    bot_id text COLLATE "C",
    in_reply_to text COLLATE "C",
    reply_id text COLLATE "C",
    client_id text COLLATE "C",
    error text COLLATE "C",
    suggestions text COLLATE "C",
    metadata text COLLATE "C",
    PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX messages_by_id ON messages (conversation, key_of(message_id));
CREATE UNIQUE INDEX messages_by_client_id ON messages (conversation, key_of(client_id)) WHERE client_id IS NOT NULL;

CREATE TABLE waiting (  -- users' messages without a reply: small rows that come and go, in the order of their coming
    conversation bigint NOT NULL,
    seq bigint NOT NULL,
    n bigint GENERATED ALWAYS AS IDENTITY,
    message_id text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    PRIMARY KEY (conversation, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""
