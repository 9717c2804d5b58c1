// All symbols with last price and change; typing filters, Enter takes the first.
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { labelOf } from "./view.js";

export class Markets {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.prices = new Map();
    this.items = new Map();
    this.chosen = null;
    this.panel = byId("markets");
    this.button = byId("symbol-button");
    this.input = byId("filter");
    this.button.addEventListener("click", () => this.#toggle());
    this.input.addEventListener("input", () => this.#filter());
    this.panel.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!this.panel.contains(event.target) && !this.button.contains(event.target)) this.#close();
    });
  }

  get(key) {
    return this.prices.get(key);
  }

  /** The keys of all known instruments. */
  keys() {
    return [...this.prices.keys()];
  }

  /** Take in prices: {key, symbol, last, change, since}. */
  update(prices) {
    const known = this.items.size;
    for (const one of prices) {
      this.prices.set(one.key, one);
      if (!this.items.has(one.key)) this.#add(one);
      this.#show(one);
    }
    if (this.items.size > known) this.#label();
    this.#filter();
  }

  #label() {
    const keys = this.keys();
    for (const [key, item] of this.items) setText(item.name, labelOf(key, keys));
  }

  choose(key) {
    this.chosen = key;
    for (const [name, item] of this.items) this.#mark(name, item.button);
  }

  #mark(name, button) {
    if (name === this.chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  #add({ key, symbol }) {
    const name = make("span", "name", symbol);
    const last = make("span", "last");
    const change = make("span", "change");
    const button = make("button", "", name, last, change);
    button.type = "button";
    button.addEventListener("click", () => this.#take(key));
    const entry = make("li", "", button);
    entry.dataset.symbol = symbol;
    entry.dataset.key = key;
    this.items.set(key, { entry, button, name, last, change });
    this.#mark(key, button);
    const order = `${symbol} ${key}`;
    const after = [...byId("symbols").children].find(
      (one) => `${one.dataset.symbol} ${one.dataset.key}` > order);
    byId("symbols").insertBefore(entry, after ?? null);
  }

  #show({ key, last, change, since }) {
    const item = this.items.get(key);
    setText(item.last, last === null ? "–" : format.roughPrice(last));
    setText(item.change, change === null ? "" : format.change(change));
    item.change.dataset.trend = format.trend(change ?? 0);
    if (since) item.change.title = `since ${new Date(since).toLocaleString("en-GB")}`;
  }

  #filter() {
    const wanted = this.input.value.trim().toUpperCase();
    let found = 0;
    for (const [key, { entry }] of this.items) {
      entry.hidden = !key.toUpperCase().includes(wanted);
      found += entry.hidden ? 0 : 1;
    }
    byId("no-symbols").hidden = found > 0 || !wanted;
  }

  #take(key) {
    this.input.value = "";
    this.#filter();
    this.#close();
    this.onChoose(key);
  }

  #key(event) {
    if (event.key === "Escape") {
      this.#close();
      this.button.focus();
    } else if (event.key === "Enter" && event.target === this.input) {
      const first = byId("symbols").querySelector("li:not([hidden])");
      if (first) this.#take(first.dataset.key);
    }
  }

  #toggle() {
    const open = this.panel.classList.toggle("open");
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.input.focus();
  }

  #close() {
    this.panel.classList.remove("open");
    this.button.setAttribute("aria-expanded", "false");
  }
}
