// What one sees when logged in: the bots, the conversations, and the open one over the link.

import { api, loginState, socketUrl, tellQuota } from "./api.js";
import { BotList } from "./bots.js";
import { ChatView } from "./chatview.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { Link } from "./link.js";
import { ConversationList } from "./list.js";
import { problem } from "./notices.js";
import { Outbox } from "./outbox.js";
import { Sending } from "./sending.js";

const $ = (id) => document.getElementById(id);
const CLOSED = {
  4403: "You may not use this any more",
  4409: "You have this page open in too many places",
};

export class Desk {
  #user;
  #events;
  #link;
  #sending;
  #view;
  #composer;
  #bots;
  #list;
  #conversation = null;
  #about = null; // the open conversation, as the list has it
  #isLoading = false;
  #isLoaded = false;
  #wiring = new AbortController();

  /** `events`: over(), the login has ended; attempt(action), do it and tell of what goes wrong. */
  constructor(user, events) {
    this.#user = user;
    this.#events = events;
    this.#link = new Link(socketUrl(), () => loginState(user.user_id), {
      hello: (frame) => this.#greeted(frame),
      frame: (frame) => this.#hear(frame),
      state: (state) => this.#linkBecame(state),
      over: (reason, code) => this.#closed(reason, code),
    });
    this.#sending = new Sending(new Outbox(sessionStorage, user.user_id), this.#link, {
      changed: (id) => this.#draw(id),
      stored: (ack, send) => this.#stored(ack, send),
    });
    this.#view = new ChatView({
      again: (id) => this.#sending.again(id),
      edit: (id, text) => this.#edit(id, text),
      send: (text) => this.#say(text),
    });
    this.#composer = new Composer($("compose"), sessionStorage, this.#wiring.signal, {
      send: (text) => this.#say(text),
      stop: () => this.#conversation?.stop(),
    });
    this.#bots = new BotList($("bots"), $("no-bots"), (one) => this.#events.attempt(() => this.#choose(one)));
    this.#list = new ConversationList($("conversations"), $("more"), (one) => this.#open(one));
    this.#wire();
  }

  open() {
    this.#link.open();
    return this.#load();
  }

  close() {
    this.#wiring.abort();
    this.#conversation?.close();
    this.#link.close();
    this.#view.clear("");
    this.#bots.clear();
    this.#list.clear();
  }

  /** Nothing of the user's stays in this tab. */
  forget() {
    const own = Object.keys(sessionStorage).filter((key) => key.startsWith(`gb.${this.#user.user_id}.`));
    for (const key of own) sessionStorage.removeItem(key);
  }

  get #lastKey() {
    return `gb.${this.#user.user_id}.open`;
  }

  /** Once; tried again at the next connection if it fails. */
  async #load() {
    if (this.#isLoading || this.#isLoaded) return;
    this.#isLoading = true;
    try {
      await this.#fill();
      this.#isLoaded = true;
    } finally {
      this.#isLoading = false;
    }
  }

  async #fill() {
    const [first] = await Promise.all([this.#bots.load(), this.#list.load()]);
    const last = this.#list.find(sessionStorage.getItem(this.#lastKey)) ?? this.#list.active();
    if (last !== undefined) this.#open(last);
    else if (first !== undefined) await this.#start(first);
  }

  #wire() {
    const on = (id, action) => $(id).addEventListener("click", () => this.#events.attempt(action), { signal: this.#wiring.signal });
    on("new", () => this.#startAnother());
    on("new-instead", () => this.#startAnother());
    on("end", () => api("DELETE", `api/session/${encodeURIComponent(this.#about.id)}`));
    on("stop", () => this.#conversation.stop());
    on("older", () => this.#conversation.older());
    on("more", () => this.#list.more());
    on("reconnect", () => this.#reconnect());
    on("stay", () => this.#stay());
  }

  async #choose(bot) {
    const active = this.#list.active(bot.id);
    if (active !== undefined) this.#open(active);
    else await this.#start(bot);
  }

  async #start({ id, name }) {
    const { conversation_id: conversation } = await api("POST", "api/conversations/start", { bot_id: id });
    const [last_activity, last_message] = [new Date().toISOString(), null];
    this.#list.add({ id: conversation, bot_id: id, bot_name: name, last_message, last_activity, status: "active" });
    this.#open(this.#list.find(conversation));
  }

  async #startAnother() {
    const { bot_id: id, bot_name: name, last_message: last, status } = this.#about;
    if (last !== null || status === "ended") await this.#start({ id, name });
    this.#composer.focus();
  }

  #open(about) {
    this.#conversation?.close();
    this.#about = about;
    sessionStorage.setItem(this.#lastKey, about.id);
    this.#list.choose(about.id);
    this.#bots.mark(about.bot_id);
    this.#view.clear(about.bot_name);
    this.#composer.use(this.#user.user_id, about.id);
    const isActive = about.status === "active";
    this.#conversation = new Conversation({ id: about.id, isActive }, this.#link, this.#sending, {
      changed: () => this.#draw(about.id),
      problem,
      gone: (error) => this.#gone(error),
    });
    this.#conversation.open();
    this.#draw(about.id);
    this.#composer.focus();
  }

  #draw(id) {
    if (this.#conversation?.id !== id) return;
    const { hasEnded } = this.#conversation;
    this.#view.draw(() => this.#conversation.shown);
    this.#composer.enable(!hasEnded);
    if (hasEnded && this.#about.status === "active") this.#noteEnd(id);
  }

  #noteEnd(id) {
    this.#list.note(id, { status: "ended" });
    this.#about = this.#list.find(id) ?? { ...this.#about, status: "ended" };
  }

  #say(text) {
    this.#conversation.send(text);
    this.#view.toEnd();
  }

  #edit(id, text) {
    this.#sending.settle(id);
    this.#composer.restore(text);
  }

  #greeted({ user_id: userId }) {
    if (userId !== this.#user.user_id) {
      this.#events.over();
      return;
    }
    this.#conversation?.connected();
    this.#sending.connected();
    if (!this.#isLoaded) this.#events.attempt(() => this.#load());
  }

  #hear(frame) {
    if (frame.type === "ack") {
      if (frame.rate) tellQuota(frame.rate);
      this.#sending.acknowledge(frame);
    } else if (frame.type === "session.expiring") {
      $("expiring").hidden = false;
    } else if (frame.type !== "error" || !this.#sending.refuse(frame.id, frame.error)) {
      this.#passOn(frame);
    }
  }

  #passOn(frame) {
    if (frame.type === "message" && frame.id) this.#sending.acknowledge(frame);
    if (frame.type === "message") this.#note(frame.session_id, frame);
    if (frame.session_id === this.#conversation?.id) this.#conversation.hear(frame);
    else if (frame.type === "error") problem(frame.error);
  }

  #stored(ack, send) {
    this.#note(ack.session_id, { content: send.content, timestamp: new Date(send.at).toISOString() });
    if (ack.session_id === this.#conversation?.id) this.#conversation.stored(ack, send);
    else this.#link.send({ type: "unsubscribe", session_id: ack.session_id });
  }

  #note(id, message) {
    this.#list.note(id, { last_message: message, last_activity: message.timestamp });
    if (this.#about?.id === id) this.#about = this.#list.find(id) ?? this.#about;
  }

  #linkBecame(state) {
    this.#view.showLink(state);
    if (state === "online") return;
    this.#conversation?.cut();
    this.#sending.cut();
  }

  #closed(reason, code) {
    if (reason === "login") {
      this.#events.over();
      return;
    }
    problem({ message: CLOSED[code] ?? "The server has closed the connection", code: String(code) });
    $("reconnect").hidden = false;
  }

  #reconnect() {
    $("reconnect").hidden = true;
    this.#link.open();
  }

  async #stay() {
    await api("GET", "api/session");
    $("expiring").hidden = true;
  }

  #gone(error) {
    if (error.status === 401) this.#events.over();
    else problem(error);
  }
}
