// Delivers the outbox: in order, one message of a session at a time, again after every cut, until the server has it.

import { api, conversationPath } from "./api.js";

const ACK_TIMEOUT = 30_000; // milliseconds
const BUSY_WAIT = 2_000;
const LONGEST_TIMER = 2 ** 31 - 1;

export class Sending {
  #outbox;
  #link;
  #events;
  #underWay = new Map(); // ids by session
  #timers = new Map(); // by id

  /** `events`: changed(sessionId), something else is to be shown; stored(ack, send), the server has one. */
  constructor(outbox, link, events) {
    this.#outbox = outbox;
    this.#link = link;
    this.#events = events;
  }

  of(sessionId) {
    return this.#outbox.of(sessionId);
  }

  send(sessionId, content) {
    this.#outbox.add(sessionId, content);
    this.#go(sessionId);
  }

  connected() {
    this.cut();
    for (const sessionId of this.#outbox.sessions) this.#go(sessionId);
  }

  cut() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#underWay.clear();
  }

  /** The reply to what was not acknowledged yet is to be stopped as soon as it has an id. */
  stop(sessionId) {
    for (const { id, isRefused } of this.of(sessionId)) if (!isRefused) this.#outbox.change(id, { stop: true });
    this.#events.changed(sessionId);
  }

  /** An acknowledgement, or the stored message itself; what comes twice says nothing new. */
  acknowledge(ack) {
    const send = this.#outbox.find(ack.id);
    if (send === undefined) return;
    this.#events.stored(ack, send);
    if (send.stop) this.#link.send({ type: "cancel", session_id: send.session_id, reply_id: ack.reply_id });
    this.settle(ack.id);
  }

  /** It is stored, or is not to be sent any more. */
  settle(id) {
    const send = this.#outbox.find(id);
    if (send === undefined) return;
    this.#outbox.remove(id);
    this.#next(send);
  }

  /** False: the error is not about a message of ours. */
  refuse(id, error) {
    const send = this.#outbox.find(id);
    if (send === undefined) return false;
    const { retryable = false, retry_after_ms: wait = BUSY_WAIT } = error.details ?? {};
    this.#outbox.change(id, retryable ? { error, retryAt: Date.now() + wait } : { error, isRefused: true });
    this.#next(send);
    return true;
  }

  /** One that was refused, or waits. */
  again(id) {
    const send = this.#outbox.find(id);
    if (send === undefined) return;
    this.#outbox.change(id, { error: undefined, isRefused: undefined, retryAt: undefined });
    this.#next(send);
  }

  #next({ id, session_id: sessionId }) {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    if (this.#underWay.get(sessionId) === id) this.#underWay.delete(sessionId);
    this.#go(sessionId);
  }

  #go(sessionId) {
    const first = this.of(sessionId).find((one) => !one.isRefused);
    if (first !== undefined && !this.#underWay.has(sessionId) && this.#link.isOnline) this.#start(first);
    this.#events.changed(sessionId);
  }

  #start(send) {
    const { id, session_id: sessionId, content, retryAt = 0 } = send;
    const wait = retryAt - Date.now();
    const act = wait > 0 ? () => this.again(id) : () => this.#link.hangUp();
    this.#underWay.set(sessionId, id);
    this.#timers.set(id, setTimeout(act, wait > 0 ? Math.min(wait, LONGEST_TIMER) : ACK_TIMEOUT));
    if (wait > 0) return;
    const frame = { type: "message", session_id: sessionId, content, id };
    const bytes = new TextEncoder().encode(JSON.stringify(frame)).length;
    if (bytes > this.#link.limits.frame_bytes) this.#post(send);
    else this.#link.send(frame);
  }

  /** What is too big for a frame goes by REST, with the same id. */
  async #post({ id, session_id: sessionId, content }) {
    try {
      const path = conversationPath(sessionId, "/messages");
      this.acknowledge({ ...(await api("POST", path, { id, content })), id, session_id: sessionId });
    } catch (error) {
      this.refuse(id, error.asFrameError);
    }
  }
}
