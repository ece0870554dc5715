// The socket of the page: speaks `gb.v1`, notices silence, and comes back after every cut that is not final.

import { delay } from "./backoff.js";

const LOGIN_ENDED = 4401;
const FLOOD = 4429;
const FINAL = new Set([1003, 1009, 4400, 4403, 4409]);
const FLOOD_WAIT = 5_000; // milliseconds
const CONNECT_TIMEOUT = 10_000;
const WAKE_TIMEOUT = 3_000; // for a sign of life when the page is looked at again
const AWAY_TIMEOUT = 1_000; // and when the browser says that the network is gone, which need not be true of the server
const SHORTEST_LOOK = 1_000;
const LONGEST_LOOK = 60_000;
const STABLE_AFTER = 10_000; // a connection that lasted so long begins the counting of tries anew

export class Link {
  #socket = null;
  #state = "closed";
  #attempt = 0;
  #tries = 0; // connections that were begun
  #retry = 0;
  #pulse = 0;
  #heardAt = 0;
  #openedAt = 0;
  #deadline = Infinity; // until then something must be heard
  #hello = null;
  #goodbye = null;

  /**
   * `check()` tells whether the login stands, "valid", "ended" or "unknown", and the milliseconds to stay away.
   * `events`: hello(frame), frame(frame), state("connecting" | "online" | "offline" | "closed"), over(reason, code).
   */
  constructor(url, check, events) {
    this.url = url;
    this.check = check;
    this.events = events;
  }

  get isOnline() {
    return this.#state === "online";
  }

  get limits() {
    return this.#hello?.limits ?? null;
  }

  open() {
    addEventListener("online", this.wake);
    addEventListener("offline", this.wake);
    addEventListener("pageshow", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.#connect();
  }

  close() {
    removeEventListener("online", this.wake);
    removeEventListener("offline", this.wake);
    removeEventListener("pageshow", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.#drop();
    this.#become("closed");
  }

  /** False: not sent, as there is no connection. */
  send(frame) {
    if (!this.isOnline || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Give this connection up, and make another one. */
  hangUp() {
    if (this.#socket !== null) this.#lost(1006);
  }

  /** The network or the machine is back, or away: try at once, or see whether the connection lives. */
  wake = (event) => {
    const isBack = event.type === "online";
    if (document.visibilityState === "hidden" && !isBack) return;
    if (this.#state === "offline" || (this.#state === "connecting" && isBack)) {
      this.#attempt = 0;
      this.#connect();
    } else if (this.send({ type: "ping" })) {
      const patience = event.type === "offline" ? AWAY_TIMEOUT : WAKE_TIMEOUT;
      this.#deadline = Math.min(this.#deadline, performance.now() + patience);
      this.#watch();
    }
  };

  #connect() {
    this.#drop();
    this.#become("connecting");
    this.#tries += 1;
    const socket = new WebSocket(this.url, "gb.v1");
    this.#socket = socket;
    this.#hello = this.#goodbye = null;
    this.#deadline = performance.now() + CONNECT_TIMEOUT;
    socket.onmessage = (event) => this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => this.#lost(event.code);
    this.#watch();
  }

  #hear(frame) {
    this.#heardAt = performance.now();
    this.#deadline = Infinity;
    if (frame.type === "ping") {
      this.send({ type: "pong" });
    } else if (frame.type === "hello") {
      this.#greet(frame);
    } else if (frame.type === "goodbye") {
      this.#goodbye = frame;
    } else if (frame.type !== "pong") {
      this.events.frame(frame);
    }
  }

  #greet(frame) {
    this.#hello = frame;
    this.#openedAt = performance.now();
    this.#become("online");
    this.events.hello(frame);
    this.#watch();
  }

  /** Ask for a sign of life after a silence, and hang up where none comes. */
  #watch() {
    clearTimeout(this.#pulse);
    if (this.#socket === null) return;
    const now = performance.now();
    if (now >= this.#deadline) {
      this.hangUp();
      return;
    }
    const silentAt = this.#heardAt + (this.#hello?.heartbeat_ms ?? Infinity);
    if (this.#deadline === Infinity && now >= silentAt) {
      this.send({ type: "ping" });
      this.#deadline = now + this.#hello.pong_timeout_ms;
    }
    const next = Math.min(this.#deadline, Math.max(silentAt, now + SHORTEST_LOOK), now + LONGEST_LOOK);
    this.#pulse = setTimeout(() => this.#watch(), next - now + 1);
  }

  async #lost(code) {
    const { reconnect = true, retry_after_ms: asked = 0 } = this.#goodbye ?? {};
    const wasGreeted = this.#hello !== null;
    if (wasGreeted && performance.now() - this.#openedAt > STABLE_AFTER) this.#attempt = 0;
    this.#drop();
    this.#become("offline");
    if (FINAL.has(code) || (!reconnect && code !== LOGIN_ENDED && code !== FLOOD)) {
      this.#end("closed", code);
      return;
    }
    const wait = delay(this.#attempt, code === FLOOD ? FLOOD_WAIT : asked);
    this.#attempt += 1;
    this.#connectIn(wait);
    if (code === LOGIN_ENDED || !wasGreeted) await this.#askWhy(code); // a refused handshake does not say why
  }

  async #askWhy(code) {
    const tries = this.#tries;
    const [login, asked] = await this.check();
    if (this.#state === "closed") return;
    if (login === "ended") this.#end("login", code);
    else if (asked > 0 && tries === this.#tries) this.#connectIn(asked);
  }

  #connectIn(wait) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #end(reason, code) {
    this.close();
    this.events.over(reason, code);
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#pulse);
    if (this.#socket === null) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.events.state(state);
  }
}
