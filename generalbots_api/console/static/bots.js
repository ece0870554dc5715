// The list of the bots that one may use.

import { api } from "./api.js";
import { button } from "./messages.js";

export class BotList {
  #list;
  #nothing;
  #choose;

  /** `choose(bot)` is called when one is chosen; `nothing` is shown if there is none. */
  constructor(list, nothing, choose) {
    this.#list = list;
    this.#nothing = nothing;
    this.#choose = choose;
  }

  /** The first one that works, undefined if none does. */
  async load() {
    const { bots } = await api("GET", "api/bots");
    this.#list.replaceChildren(...bots.map((one) => this.#item(one)));
    this.#nothing.hidden = bots.length > 0;
    return bots.find((one) => one.status === "online");
  }

  mark(id) {
    for (const one of this.#list.querySelectorAll("button")) one.setAttribute("aria-current", String(one.dataset.bot === id));
  }

  clear() {
    this.#list.replaceChildren();
  }

  #item(bot) {
    const item = document.createElement("li");
    const about = document.createElement("small");
    const chooser = button(bot.name, () => this.#choose(bot));
    about.textContent = bot.status === "online" ? bot.description : bot.status;
    chooser.disabled = bot.status !== "online";
    chooser.dataset.bot = bot.id;
    chooser.append(about);
    item.append(chooser);
    return item;
  }
}
