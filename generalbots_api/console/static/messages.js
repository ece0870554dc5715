// The list of messages on the page: elements that grow and move, so that a selection and the scrolling stay. Text only.

import { clock, reason, when } from "./words.js";

const NEAR_END = 48; // pixels
const NOTES = {
  sending: () => "Sending …",
  stopping: () => "Stopping …",
  cancelled: () => "Stopped",
  interrupted: () => "Interrupted: the rest of this answer is lost",
  failed: ({ error }) => `Failed: ${error?.message ?? "the bot could not answer"}`,
  refused: ({ error }) => `Not sent: ${reason(error)} (${error.code})`,
  waiting: ({ error, retryAt }) => `${error.message}: sent again ${when(retryAt)}`,
};

export class Messages {
  #list;
  #scroller;
  #announcer;
  #actions;
  #rows = new Map(); // by key
  #name = "";
  #isFollowing = true; // the end of the list is kept in sight

  /** `actions`: again(key), edit(key, text), scrolled(isAtEnd). `announcer` says finished replies to those who do not see them. */
  constructor(list, scroller, announcer, actions) {
    this.#list = list;
    this.#scroller = scroller;
    this.#announcer = announcer;
    this.#actions = actions;
    scroller.onscroll = () => {
      this.#isFollowing = this.#isAtEnd;
      actions.scrolled(this.#isFollowing);
    };
    new ResizeObserver(() => this.#isFollowing && this.toEnd()).observe(scroller);
  }

  clear(botName) {
    this.#name = botName;
    this.#isFollowing = true;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#announcer.textContent = "";
  }

  render(items) {
    const first = this.#list.firstElementChild;
    const top = first?.offsetTop;
    this.#removeOthers(new Set(items.map((one) => one.key)));
    let place = this.#list.firstElementChild;
    for (const item of items) {
      const row = this.#row(item);
      if (row.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(row.element, place);
      this.#update(row, item);
    }
    if (this.#isFollowing) this.toEnd();
    else if (first?.isConnected) this.#scroller.scrollTop += first.offsetTop - top; // older ones came in above
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  toEnd() {
    this.#isFollowing = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #removeOthers(keys) {
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
  }

  #row({ key, sender }) {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const [element, from, body, meta, time, note] = ["li", "span", "p", "p", "time", "span"].map((tag) => document.createElement(tag));
    from.className = "visually-hidden";
    from.textContent = sender === "user" ? "You: " : `${this.#name}: `;
    body.className = "text";
    meta.className = "meta";
    meta.append(time, note);
    element.append(from, body, meta);
    const row = { element, text: body.appendChild(new Text()), meta, time, note, status: null };
    this.#rows.set(key, row);
    return row;
  }

  #update(row, item) {
    const { text, status, sender, at } = item;
    if (text.startsWith(row.text.data)) row.text.appendData(text.slice(row.text.data.length));
    else row.text.data = text;
    row.element.className = `${sender} ${status}${text === "" ? " empty" : ""}`;
    row.note.textContent = NOTES[status]?.(item) ?? "";
    if (at !== undefined && row.time.dateTime !== at) {
      row.time.dateTime = at;
      row.time.textContent = clock(at);
    }
    if (status === row.status) return;
    this.#showActions(row, item);
    if (row.status === "writing" || row.status === "stopping") this.#announce(`${this.#name}: ${text}`, row);
    if (status === "refused" || status === "waiting") this.#announce(text, row);
    row.status = status;
  }

  #showActions({ meta }, { key, status, text }) {
    meta.querySelectorAll("button").forEach((one) => one.remove());
    if (status === "refused" || status === "waiting") {
      meta.append(button("Try now", () => this.#actions.again(key)), button("Edit", () => this.#actions.edit(key, text)));
    }
  }

  /** A growing text is not read out piece by piece, but once, when it is whole. */
  #announce(text, { note }) {
    this.#announcer.textContent = `${text} ${note.textContent}`.trim();
  }
}

export function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}
