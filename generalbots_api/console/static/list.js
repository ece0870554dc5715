// The list of one's conversations, the one with the newest activity first, a page at a time.

import { api } from "./api.js";
import { clock } from "./words.js";

const PAGE = 30;

export class ConversationList {
  #list;
  #more;
  #open;
  #found = []; // as GET /api/conversations gives them
  #cursor = null;
  #current = null;

  /** `open(conversation)` is called when one is chosen. */
  constructor(list, more, open) {
    this.#list = list;
    this.#more = more;
    this.#open = open;
  }

  async load() {
    this.clear();
    await this.more();
  }

  clear() {
    this.#found = [];
    this.#cursor = null;
    this.#render();
  }

  async more() {
    const cursor = this.#cursor === null ? "" : `&cursor=${encodeURIComponent(this.#cursor)}`;
    const page = await api("GET", `api/conversations?limit=${PAGE}${cursor}`);
    const known = new Set(this.#found.map((one) => one.id));
    this.#found.push(...page.conversations.filter((one) => !known.has(one.id)));
    this.#cursor = page.next_cursor;
    this.#render();
  }

  find(id) {
    return this.#found.find((one) => one.id === id);
  }

  /** The newest one that goes on, of a bot or of any. */
  active(botId) {
    return this.#found.find((one) => one.status === "active" && (botId === undefined || one.bot_id === botId));
  }

  add(conversation) {
    this.#found.unshift(conversation);
    this.#render();
  }

  choose(id) {
    this.#current = id;
    this.#render();
  }

  /** Fields that have changed: `last_message` and `last_activity`, or `status`. */
  note(id, fields) {
    const place = this.#found.findIndex((one) => one.id === id);
    if (place < 0) return;
    const [found] = this.#found.splice(place, 1);
    this.#found.splice(fields.last_message ? 0 : place, 0, { ...found, ...fields });
    this.#render();
  }

  #render() {
    this.#more.hidden = this.#cursor === null;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.conversation : null;
    this.#list.replaceChildren(...this.#found.map((one) => this.#item(one)));
    if (focused) this.#list.querySelector(`[data-conversation="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(one) {
    const [item, button, name, time, said] = ["li", "button", "span", "time", "small"].map((tag) => document.createElement(tag));
    button.type = "button";
    button.dataset.conversation = one.id;
    button.setAttribute("aria-current", String(one.id === this.#current));
    button.addEventListener("click", () => this.#open(one));
    name.textContent = one.bot_name;
    time.dateTime = one.last_activity;
    time.textContent = clock(one.last_activity);
    const parts = [one.status === "ended" ? "Ended" : "", one.last_message?.content.slice(0, 120) ?? "Nothing said yet"];
    said.textContent = parts.filter(Boolean).join(" · ");
    button.append(name, time, said);
    item.append(button);
    return item;
  }
}
