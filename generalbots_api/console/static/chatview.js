// Draws the open conversation: its messages, what the bot is doing, suggestions, and how the link is.

import { Messages, button } from "./messages.js";

const $ = (id) => document.getElementById(id);
const LINK = { connecting: "Connecting …", online: "Connected", offline: "Offline, trying again …", closed: "Not connected" };
const ENDED = {
  forbidden: "You may not use this bot any more.",
  expired: "This conversation has expired.",
};

export class ChatView {
  #messages;
  #actions;
  #name = "";
  #suggested = "";
  #frame = 0;
  #tick = 0;

  /** `actions`: again(key), edit(key, text), send(text). */
  constructor(actions) {
    this.#actions = actions;
    this.#messages = new Messages($("messages"), $("scroll"), $("announce"), {
      ...actions,
      scrolled: (isAtEnd) => ($("latest").hidden = isAtEnd),
    });
    $("latest").onclick = () => this.toEnd();
  }

  clear(botName) {
    this.#name = botName;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#messages.clear(botName);
    $("chat-title").textContent = botName;
    $("latest").hidden = true;
  }

  /** Soon, and once for all that happens until then. */
  draw(shown) {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawNow(shown());
      clearTimeout(this.#tick);
      if (shown().items.some((one) => one.status === "waiting")) this.#tick = setTimeout(() => this.draw(shown), 1_000);
    });
  }

  toEnd() {
    this.#messages.toEnd();
  }

  showLink(state) {
    $("connection").textContent = LINK[state];
    $("connection").className = state;
  }

  #drawNow(shown) {
    this.#messages.render(shown.items);
    $("older").hidden = !shown.hasOlder;
    $("nothing").hidden = !shown.isRead || shown.items.length > 0;
    $("stop").hidden = !shown.mayStop && !shown.isStopping;
    $("stop").disabled = !shown.mayStop;
    $("busy").textContent = this.#busy(shown);
    $("ended").hidden = shown.ended === null;
    $("ended-message").textContent = ENDED[shown.ended] ?? "This conversation has ended.";
    for (const id of ["compose", "end"]) $(id).hidden = shown.ended !== null;
    $("new").hidden = false;
    this.#suggest(shown.suggestions);
  }

  #busy({ isBusy, isStopping, queued }) {
    if (!isBusy) return "";
    const waiting = queued === 0 ? "" : queued === 1 ? "; one message waits" : `; ${queued} messages wait`;
    return isStopping ? `${this.#name} is being stopped …` : `${this.#name} is answering${waiting} …`;
  }

  #suggest(texts) {
    const key = JSON.stringify(texts);
    if (key === this.#suggested) return;
    this.#suggested = key;
    $("suggestions").replaceChildren(...texts.map((text) => button(text, () => this.#actions.send(text))));
  }
}
