// What a conversation looks like, as a value: the items of the list, what the bot is doing, what may be done now.

import { awaited, stoppable } from "./thread.js";

/**
 * Stored messages by `seq`, then the reply that is being written, then what was not acknowledged yet.
 *
 * An item keeps its `key` from "sending" to stored, and from its first piece to the final message.
 */
export function shown(state, sends) {
  const toCome = awaited(state);
  const isBusy = state.draft !== null || toCome.length > 0;
  const running = isBusy ? [draftItem(state, toCome[0])] : [];
  const items = [...state.messages.map(messageItem), ...running, ...sends.map(sendItem)];
  const waiting = sends.filter((one) => !one.isRefused);
  return {
    items,
    isBusy,
    queued: Math.max(0, toCome.filter((id) => id !== state.draft?.reply_id).length - (state.draft === null ? 1 : 0)),
    isStopping: isBusy && stoppable(state) === null,
    mayStop: stoppable(state) !== null || waiting.some((one) => !one.stop),
    suggestions: isBusy || sends.length > 0 || state.ended !== null ? [] : (state.messages.at(-1)?.suggestions ?? []),
    hasOlder: state.hasOlder,
    isRead: state.seq !== null,
    ended: state.ended,
  };
}

function messageItem({ message_id, id, sender, content, status, error, timestamp }) {
  return { key: id ?? message_id, sender, text: content, status, error, at: timestamp };
}

/** Without a text before the first piece. */
function draftItem({ draft, stopping }, next) {
  const key = draft?.reply_id ?? next;
  return { key, sender: "bot", text: draft?.content ?? "", status: stopping.includes(key) ? "stopping" : "writing" };
}

function sendItem(send) {
  const status = send.isRefused ? "refused" : send.retryAt ? "waiting" : "sending";
  return { key: send.id, sender: "user", text: send.content, status, error: send.error, retryAt: send.retryAt };
}
