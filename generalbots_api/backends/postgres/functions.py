"""What adds to the log, as functions of the server: each is one round trip, and the log's row is locked meanwhile."""

KEY_OF = r"""
CREATE FUNCTION key_of(id text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT sha256(decode(replace(id, '\', '\\'), 'escape')) $$;
COMMENT ON FUNCTION key_of IS 'The UTF-8 bytes of an id, hashed: an index takes no entry over 2,704 bytes';
"""

LOCKED_LOG = """
CREATE FUNCTION locked_log(of_session text) RETURNS conversations LANGUAGE plpgsql AS $$
DECLARE
    log conversations;
BEGIN
    SELECT * INTO log FROM conversations c WHERE key_of(c.session_id) = key_of(of_session) FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO conversations (session_id) VALUES (of_session) ON CONFLICT DO NOTHING;
        SELECT * INTO log FROM conversations c WHERE key_of(c.session_id) = key_of(of_session) FOR UPDATE;
    END IF;
    RETURN log;
END $$;
"""

ADD_MESSAGE = """
CREATE FUNCTION add_message(
    of_session text, most_waiting bigint, now bigint, message_id text, content text, status text, user_id text,
    reply_id text, client_id text, metadata text, node text,
    OUT outcome text, OUT at_seq bigint, OUT at_time bigint, OUT behind bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    log conversations := locked_log(of_session);
BEGIN
    IF client_id IS NOT NULL THEN
        SELECT m.seq INTO at_seq FROM messages m
            WHERE m.conversation = log.n AND key_of(m.client_id) = key_of(client_id) AND m.client_id IS NOT NULL;
        IF FOUND THEN
            outcome := 'known';
            RETURN;
        END IF;
    END IF;
    IF log.waiting > most_waiting THEN
        outcome := 'busy';
        RETURN;
    END IF;
    outcome := 'added';
    at_seq := log.seq + 1;
    at_time := greatest(now, log.last_at);
    behind := log.waiting;
    UPDATE conversations c SET seq = at_seq, last_at = at_time, waiting = c.waiting + 1 WHERE c.n = log.n;
    INSERT INTO messages (conversation, seq, message_id, sender, content, timestamp, status, user_id, reply_id,
            client_id, metadata)
        VALUES (log.n, at_seq, message_id, 'user', content, at_time, status, user_id, reply_id, client_id, metadata);
    INSERT INTO waiting (conversation, seq, message_id, node) VALUES (log.n, at_seq, message_id, node);
END $$;
"""

ADD_OTHER = """
CREATE FUNCTION add_other(
    of_session text, now bigint, message_id text, sender text, content text, status text, bot_id text,
    in_reply_to text, error text, suggestions text, memory text,
    OUT outcome text, OUT at_seq bigint, OUT at_time bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    log conversations := locked_log(of_session);
    answered bigint := 0;
BEGIN
    SELECT m.seq INTO at_seq FROM messages m
        WHERE m.conversation = log.n AND key_of(m.message_id) = key_of(message_id);
    IF FOUND THEN
        outcome := 'known';
        RETURN;
    END IF;
    IF in_reply_to IS NOT NULL THEN
        DELETE FROM waiting w WHERE w.conversation = log.n AND w.message_id = in_reply_to;
        GET DIAGNOSTICS answered = ROW_COUNT;
    END IF;
    outcome := 'added';
    at_seq := log.seq + 1;
    at_time := greatest(now, log.last_at);
    UPDATE conversations c SET seq = at_seq, last_at = at_time, waiting = c.waiting - answered WHERE c.n = log.n;
    INSERT INTO messages (conversation, seq, message_id, sender, content, timestamp, status, bot_id, in_reply_to,
            error, suggestions)
        VALUES (log.n, at_seq, message_id, sender, content, at_time, status, bot_id, in_reply_to, error, suggestions);
    IF memory IS NOT NULL THEN
        INSERT INTO memories (conversation, value) VALUES (log.n, memory)
            ON CONFLICT (conversation) DO UPDATE SET value = excluded.value;
    END IF;
END $$;
"""

SEQ_BEFORE = """
CREATE FUNCTION seq_before(of_session text, at bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    log conversations;
    low bigint := 0;  -- the last one known to be stored before
    high bigint;  -- the first one known not to be
    middle bigint;
BEGIN
    SELECT * INTO log FROM conversations c WHERE key_of(c.session_id) = key_of(of_session);
    high := coalesce(log.seq, 0) + 1;
    WHILE high - low > 1 LOOP
        middle := (low + high) / 2;
        IF (SELECT m.timestamp FROM messages m WHERE m.conversation = log.n AND m.seq = middle) < at THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;
COMMENT ON FUNCTION seq_before IS 'By bisection: times never fall within a log';
"""
