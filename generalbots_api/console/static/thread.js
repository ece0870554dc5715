// A conversation as a value: every function takes a state and gives the next one. No DOM, no network, no clock.

export function empty(sessionId) {
  return {
    sessionId,
    epoch: null,
    messages: [], // the stored ones that are held, in the order of `seq`
    seq: null, // nothing is missing up to here; null: the history has not been read
    newest: 0, // the highest `seq` that was heard of
    hasOlder: false,
    draft: null, // the reply that is being written: {reply_id, index, content}; index -1: no piece yet
    stopping: [], // ids of replies that are to be stopped
    ended: null, // why the session has ended
  };
}

/** The state after a frame of the server. */
export function hear(state, frame) {
  switch (frame.type) {
    case "subscribed":
      return joined(state, frame);
    case "message":
      return stored(state, frame);
    case "message.start":
      return started(state, frame);
    case "message.delta":
      return grown(state, frame);
    case "message.snapshot":
      return replaced(state, frame);
    case "session.updated":
      return { ...state, ended: frame.reason, draft: null, stopping: [], newest: Math.max(state.newest, frame.seq - 1) };
    default:
      return state;
  }
}

/** The server has stored a message of ours; `send` is what we sent. */
export function acknowledged(state, ack, send) {
  if (state.messages.some((one) => one.message_id === ack.message_id)) return state;
  return stored(state, {
    message_id: ack.message_id,
    seq: ack.seq,
    sender: "user",
    content: send.content,
    status: "completed",
    suggestions: [],
    id: send.id,
    reply_id: ack.reply_id,
    timestamp: new Date(send.at).toISOString(),
  });
}

/** The state with a page of the history: the "latest", the one with what is "older", or the one "after" `seq`. */
export function read(state, page, kind) {
  if (state.epoch !== null && state.epoch !== page.epoch) {
    const anew = { ...empty(state.sessionId), epoch: page.epoch, ended: state.ended };
    return kind === "latest" ? read(anew, page, kind) : anew;
  }
  const next = page.messages.reduce(put, { ...state, epoch: page.epoch });
  if (kind === "older") return { ...next, hasOlder: page.has_more };
  const isWhole = kind === "latest" || !page.has_more;
  const seq = Math.max(state.seq ?? 0, isWhole ? page.seq : (page.messages.at(-1)?.seq ?? 0));
  const hasOlder = kind === "latest" ? page.has_more : state.hasOlder;
  const newest = isWhole ? 0 : next.newest; // past the end of the log there is only what is held
  return withoutDone(advanced({ ...next, seq, hasOlder, newest: Math.max(newest, next.messages.at(-1)?.seq ?? 0) }));
}

export function stopped(state, replyId) {
  return state.stopping.includes(replyId) ? state : { ...state, stopping: [...state.stopping, replyId] };
}

/** Messages are known to be stored that are not held. */
export function isBehind(state) {
  return state.seq !== null && state.newest > state.seq;
}

/** The ids of the replies that are still to come, in their order. */
export function awaited(state) {
  if (state.ended !== null) return [];
  const held = new Set(state.messages.map((one) => one.message_id));
  return state.messages.filter((one) => one.reply_id && !held.has(one.reply_id)).map((one) => one.reply_id);
}

/** The id of the reply that a stop would stop; null: there is none, or it is being stopped. */
export function stoppable(state) {
  const running = state.draft?.reply_id ?? awaited(state)[0] ?? null;
  return state.stopping.includes(running) ? null : running;
}

function joined(state, { epoch, seq, recovered, running }) {
  const isRunning = running !== null && running.reply_id === state.draft?.reply_id;
  if (!recovered) {
    const { sessionId, stopping } = state;
    return { ...empty(sessionId), epoch, newest: seq, stopping, draft: isRunning ? state.draft : null };
  }
  const isAwaited = awaited(state).includes(state.draft?.reply_id);
  return { ...state, epoch, newest: Math.max(state.newest, seq), draft: isRunning || isAwaited ? state.draft : null };
}

function stored(state, message) {
  return withoutDone(advanced(put(state, message)));
}

/** A message in its place; one that is held already is replaced. */
function put(state, message) {
  const before = state.messages.findLastIndex((one) => one.seq <= message.seq);
  const isHeld = state.messages[before]?.seq === message.seq;
  const messages = state.messages.toSpliced(isHeld ? before : before + 1, isHeld ? 1 : 0, message);
  return { ...state, messages, newest: Math.max(state.newest, message.seq) };
}

/** `seq` moved on over what came before what was missing. */
function advanced(state) {
  if (state.seq === null) return state;
  let { seq } = state;
  for (const one of state.messages) if (one.seq === seq + 1) seq += 1;
  return { ...state, seq, newest: Math.max(state.newest, seq) };
}

/** The final message of a reply has the full text, whatever was heard of it before. */
function withoutDone(state) {
  const isHeld = (id) => state.messages.some((one) => one.message_id === id);
  const draft = state.draft !== null && isHeld(state.draft.reply_id) ? null : state.draft;
  return { ...state, draft, stopping: state.stopping.filter((id) => !isHeld(id)) };
}

function started(state, { reply_id }) {
  if (state.draft?.reply_id === reply_id) return state;
  return withoutDone({ ...state, draft: { reply_id, index: -1, content: "" } });
}

/** A piece that follows on what is there; any other waits for a snapshot or the final message. */
function grown(state, { reply_id, index, merged = 1, content }) {
  const draft = started(state, { reply_id }).draft;
  if (draft === null || index - merged !== draft.index) return state;
  return { ...state, draft: { ...draft, index, content: draft.content + content } };
}

function replaced(state, { reply_id, index, content }) {
  if (state.draft?.reply_id === reply_id && state.draft.index > index) return state;
  return withoutDone({ ...state, draft: { reply_id, index, content } });
}
