// The form to write in: what is not sent yet is kept for each conversation, through reloads and logins.

export class Composer {
  #form;
  #text;
  #storage;
  #key = null;

  /** `events`: send(text), stop(); none comes after `signal` was aborted. */
  constructor(form, storage, signal, events) {
    this.#form = form;
    this.#text = form.querySelector("textarea");
    this.#storage = storage;
    const on = (element, type, action) => element.addEventListener(type, action, { signal });
    on(this.#text, "input", () => this.#keep());
    on(form, "submit", (event) => {
      event.preventDefault();
      this.#submit(events.send);
    });
    on(this.#text, "keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") events.stop();
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  /** Write for this conversation; what was begun there is there again. */
  use(userId, conversationId) {
    this.#key = `gb.${userId}.draft.${conversationId}`;
    this.#text.value = this.#storage.getItem(this.#key) ?? "";
  }

  /** Put a text back, before what is there. */
  restore(text) {
    this.#text.value = [text, this.#text.value].filter(Boolean).join("\n");
    this.#keep();
    this.#text.focus();
  }

  enable(isEnabled) {
    this.#form.querySelectorAll("textarea, [type=submit]").forEach((one) => (one.disabled = !isEnabled));
  }

  focus() {
    this.#text.focus();
  }

  #submit(send) {
    const text = this.#text.value.trim();
    if (text === "") return;
    this.#text.value = "";
    this.#keep();
    send(text);
  }

  #keep() {
    if (this.#text.value) this.#storage.setItem(this.#key, this.#text.value);
    else this.#storage.removeItem(this.#key);
  }
}
