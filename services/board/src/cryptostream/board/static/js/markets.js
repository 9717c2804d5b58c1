// All symbols with last price and change; typing filters, Enter takes the first.
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";

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

  get(symbol) {
    return this.prices.get(symbol);
  }

  /** Take in prices: {symbol, last, change, since}. */
  update(prices) {
    for (const one of prices) {
      this.prices.set(one.symbol, one);
      if (!this.items.has(one.symbol)) this.#add(one.symbol);
      this.#show(one);
    }
    this.#filter();
  }

  choose(symbol) {
    this.chosen = symbol;
    for (const [name, item] of this.items) this.#mark(name, item.button);
  }

  #mark(name, button) {
    if (name === this.chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }

  #add(symbol) {
    const last = make("span", "last");
    const change = make("span", "change");
    const button = make("button", "", make("span", "name", symbol), last, change);
    button.type = "button";
    button.addEventListener("click", () => this.#take(symbol));
    const entry = make("li", "", button);
    entry.dataset.symbol = symbol;
    this.items.set(symbol, { entry, button, last, change });
    this.#mark(symbol, button);
    const after = [...byId("symbols").children].find((one) => one.dataset.symbol > symbol);
    byId("symbols").insertBefore(entry, after ?? null);
  }

  #show({ symbol, last, change, since }) {
    const item = this.items.get(symbol);
    setText(item.last, last === null ? "–" : format.roughPrice(last));
    setText(item.change, change === null ? "" : format.change(change));
    item.change.dataset.trend = format.trend(change ?? 0);
    if (since) item.change.title = `since ${new Date(since).toLocaleString("en-GB")}`;
  }

  #filter() {
    const wanted = this.input.value.trim().toUpperCase();
    let found = 0;
    for (const [symbol, { entry }] of this.items) {
      entry.hidden = !symbol.toUpperCase().includes(wanted);
      found += entry.hidden ? 0 : 1;
    }
    byId("no-symbols").hidden = found > 0 || !wanted;
  }

  #take(symbol) {
    this.input.value = "";
    this.#filter();
    this.#close();
    this.onChoose(symbol);
  }

  #key(event) {
    if (event.key === "Escape") {
      this.#close();
      this.button.focus();
    } else if (event.key === "Enter" && event.target === this.input) {
      const first = byId("symbols").querySelector("li:not([hidden])");
      if (first) this.#take(first.dataset.symbol);
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
