// One open conversation: reads its history, follows it over the link, sends, stops, and closes every gap.

import { api, conversationPath } from "./api.js";
import { delay } from "./backoff.js";
import { shown } from "./shown.js";
import { acknowledged, empty, hear, isBehind, read, stoppable, stopped } from "./thread.js";

const PAGE = 50;
const HOLE_PATIENCE = 1_000; // milliseconds that a missing message may take to come by itself
const KINDS = { latest: () => "", older: ({ messages }) => `&before=${messages[0].seq}`, after: ({ seq }) => `&after=${seq}` };

export class Conversation {
  #link;
  #sending;
  #events;
  #state;
  #isClosed = false;
  #isReading = false;
  #isFollowing = false; // on this connection, from the asking on
  #attempt = 0;
  #subscriptions = 0;
  #retry = 0;
  #hole = 0;

  /** `events`: changed(), problem(error), gone(error): it cannot be read. */
  constructor({ id, isActive }, link, sending, events) {
    this.id = id;
    this.#link = link;
    this.#sending = sending;
    this.#events = events;
    this.#state = isActive ? empty(id) : { ...empty(id), ended: "ended" };
  }

  get shown() {
    return shown(this.#state, this.#sending.of(this.id));
  }

  get hasEnded() {
    return this.#state.ended !== null;
  }

  open() {
    return this.#read("latest");
  }

  older() {
    return this.#read("older");
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#hole);
    if (this.#isFollowing) this.#link.send({ type: "unsubscribe", session_id: this.id });
  }

  send(content) {
    this.#sending.send(this.id, content);
  }

  /** Also before the first piece, before the acknowledgement, and while there is no connection. */
  stop() {
    const replyId = stoppable(this.#state);
    if (replyId === null) this.#sending.stop(this.id);
    else this.#stopReply(replyId);
  }

  connected() {
    if (this.#state.seq === null) this.#read("latest");
    else this.#subscribe();
  }

  cut() {
    this.#isFollowing = false;
  }

  /** A frame about this conversation. */
  hear(frame) {
    if (frame.type === "error") {
      this.#refused(frame);
    } else {
      this.#become(hear(this.#state, frame));
      if (frame.type === "subscribed") this.#joined();
    }
  }

  /** The server has stored `send`. */
  stored(ack, send) {
    const state = acknowledged(this.#state, ack, send);
    this.#become(send.stop ? stopped(state, ack.reply_id) : state);
  }

  get #subscription() {
    return `subscribe-${this.#subscriptions}`;
  }

  #subscribe() {
    const { seq, epoch, draft, ended } = this.#state;
    if (this.#isClosed || this.#isFollowing || ended !== null || seq === null) return;
    this.#subscriptions += 1;
    const reply = draft !== null && draft.index >= 0 ? { reply_id: draft.reply_id, index: draft.index } : undefined;
    const frame = { type: "subscribe", session_id: this.id, after_seq: seq, epoch, reply, id: this.#subscription };
    this.#isFollowing = this.#link.send(frame);
  }

  #joined() {
    if (this.#state.seq === null) this.#read("latest");
    for (const replyId of this.#state.stopping) this.#cancel(replyId);
  }

  #stopReply(replyId) {
    this.#become(stopped(this.#state, replyId));
    this.#cancel(replyId);
  }

  #cancel(replyId) {
    this.#link.send({ type: "cancel", session_id: this.id, reply_id: replyId, id: "cancel" });
  }

  #refused({ id, error }) {
    if (id !== this.#subscription) {
      this.#events.problem(error);
      return;
    }
    this.#isFollowing = false;
    if (error.details?.retryable) {
      this.#later(() => this.#subscribe(), error.details.retry_after_ms);
    } else {
      this.#become({ ...this.#state, ended: error.code === "NOT_FOUND" ? "ended" : "forbidden" });
    }
  }

  async #read(kind) {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    try {
      const page = await api("GET", conversationPath(this.id, `/history?limit=${PAGE}${KINDS[kind](this.#state)}`));
      this.#isReading = false;
      this.#attempt = 0;
      this.#take(page, kind);
    } catch (error) {
      this.#isReading = false;
      this.#failed(error, kind);
    }
  }

  #take(page, kind) {
    if (this.#isClosed) return;
    for (const one of page.messages) if (one.id) this.#sending.acknowledge(one);
    this.#become(read(this.#state, page, kind));
    if (this.#state.seq === null) this.#read("latest");
    else this.#subscribe();
  }

  #failed(error, kind) {
    if (this.#isClosed) return;
    if ([401, 403, 404].includes(error.status)) {
      this.#events.gone(error);
    } else if (kind === "older") {
      this.#events.problem(error);
    } else {
      this.#later(() => this.#read(kind), error.retryAfter);
    }
  }

  #later(action, asked) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(action, delay(this.#attempt, asked));
    this.#attempt += 1;
  }

  #become(state) {
    const wasBehind = isBehind(this.#state);
    this.#state = state;
    if (isBehind(state) && !wasBehind) this.#hole = setTimeout(() => this.#fill(), HOLE_PATIENCE);
    this.#events.changed();
  }

  /** A message that should have come did not. */
  async #fill() {
    if (isBehind(this.#state)) await this.#read("after");
    if (isBehind(this.#state) && !this.#isReading) this.#later(() => this.#fill(), 0);
  }
}
