// Messages that the server has not acknowledged, kept with their ids so that a reload loses and doubles none.

export class Outbox {
  #storage;
  #key;
  #sends;

  /** `storage` is the tab's own: each tab sends what was written in it. */
  constructor(storage, userId) {
    this.#storage = storage;
    this.#key = `gb.${userId}.outbox`;
    this.#sends = JSON.parse(storage.getItem(this.#key) ?? "[]");
  }

  get sessions() {
    return [...new Set(this.#sends.map((one) => one.session_id))];
  }

  of(sessionId) {
    return this.#sends.filter((one) => one.session_id === sessionId);
  }

  find(id) {
    return this.#sends.find((one) => one.id === id);
  }

  /** {id, session_id, content, at (Unix milliseconds), stop?, retryAt?, error?, isRefused?} */
  add(sessionId, content) {
    const send = { id: `c-${randomId()}`, session_id: sessionId, content, at: Date.now() };
    this.#keep([...this.#sends, send]);
    return send;
  }

  change(id, fields) {
    this.#keep(this.#sends.map((one) => (one.id === id ? { ...one, ...fields } : one)));
  }

  remove(id) {
    this.#keep(this.#sends.filter((one) => one.id !== id));
  }

  #keep(sends) {
    this.#sends = sends;
    if (sends.length) this.#storage.setItem(this.#key, JSON.stringify(sends));
    else this.#storage.removeItem(this.#key);
  }
}

function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
