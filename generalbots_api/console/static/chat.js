// One conversation over /ws: connects, sends with ids that make a repeat harmless, and reconnects with what is missing.

import { ApiError, api, socketUrl } from "./api.js";

const FIRST_DELAY = 500;
const LAST_DELAY = 15_000;
const FINAL_CODES = new Set([4401, 4403, 4409]);

export class Conversation {
  #socket = null;
  #delay = FIRST_DELAY;
  #timer = 0;
  #closed = false;
  #seq = 0;
  #unsent = new Map();

  /** `events`: message(message), problem(error), state("connecting" | "online" | "offline" | "closed"), over(code). */
  constructor(sessionId, events) {
    this.sessionId = sessionId;
    this.events = events;
  }

  async open() {
    await this.#catchUp();
    this.#connect();
  }

  send(content) {
    const id = `c-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2) + Date.now()}`;
    const frame = { type: "message", session_id: this.sessionId, content, id };
    this.#unsent.set(id, frame);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
    return id;
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.events.state("closed");
  }

  /** Everything that the log has past what is shown. */
  async #catchUp() {
    let page;
    do {
      const path = `api/conversations/${encodeURIComponent(this.sessionId)}/history?limit=100`;
      page = await api("GET", this.#seq ? `${path}&after=${this.#seq}` : path);
      page.messages.forEach((message) => this.#show(message));
    } while (this.#seq && page.has_more && page.messages.length && page.messages.at(-1).seq < page.seq);
  }

  #connect() {
    if (this.#closed) return;
    this.events.state("connecting");
    const socket = new WebSocket(socketUrl(`ws?session_id=${encodeURIComponent(this.sessionId)}`));
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#heard(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
  }

  #opened() {
    this.#delay = FIRST_DELAY;
    this.events.state("online");
    for (const frame of this.#unsent.values()) this.#socket.send(JSON.stringify(frame));
  }

  #heard(frame) {
    if (frame.type === "message") {
      this.#settle(frame);
      this.#show(frame);
    } else if (frame.type === "error") {
      this.#unsent.delete(frame.id);
      this.events.problem(new ApiError(0, frame.error), frame.in_reply_to);
    }
  }

  /** A reply proves that its message is stored; so does the history. */
  #settle(frame) {
    const [first] = this.#unsent.keys();
    if (frame.sender === "bot" && first) this.#unsent.delete(first);
  }

  #show(message) {
    this.#seq = Math.max(this.#seq, message.seq);
    if (message.id) this.#unsent.delete(message.id);
    this.events.message(message);
  }

  #lost(code) {
    if (this.#closed) return;
    if (FINAL_CODES.has(code)) {
      this.close();
      this.events.over(code);
      return;
    }
    this.events.state("offline");
    this.#timer = setTimeout(() => this.#again(), Math.random() * this.#delay);
    this.#delay = Math.min(LAST_DELAY, this.#delay * 2);
  }

  async #again() {
    try {
      await this.#catchUp();
      this.#connect();
    } catch (error) {
      if (error.status === 401 || error.status === 404 || error.status === 403) {
        this.close();
        this.events.over(error.status === 401 ? 4401 : 4403);
      } else {
        this.#lost(0);
      }
    }
  }
}
