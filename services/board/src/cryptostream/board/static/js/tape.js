// The tape: the newest trades of the symbol, each once, with what the model said.
import { byId, make } from "./dom.js";
import * as format from "./format.js";

const MOST_ROWS = 80;
const ARROWS = { buy: "▲", sell: "▼", up: "▲", down: "▼" };

function said(trade) {
  const cell = make("td", "said");
  if (trade.p_up === undefined || trade.p_up === null) {
    cell.append(make("span", "reason", (trade.reason ?? "no prediction").replaceAll("_", " ")));
    cell.title = "No prediction for this trade";
    return cell;
  }
  const percent = Math.round(trade.p_up * 100);
  const way = trade.direction ?? (trade.p_up >= 0.5 ? "up" : "down");
  const bar = make("span", "p-up", make("span", ""));
  bar.style.setProperty("--p", trade.p_up);
  bar.classList.toggle("below", trade.p_up < 0.5);
  const label = make("span", `said-${way}`, `${ARROWS[way] ?? "•"} ${percent}`);
  cell.title = `Model: ${way}; probability that the price goes up ${percent} %`;
  cell.append(bar, label);
  return cell;
}

function row(trade, decimals) {
  const side = make("span", "arrow", ARROWS[trade.side] ?? "");
  side.setAttribute("role", "img");
  side.setAttribute("aria-label", trade.side);
  const element = make(
    "tr", trade.side,
    make("td", "time", format.timeOfDay(trade.time)),
    make("td", "price", side, format.price(trade.price, decimals)),
    make("td", "size", format.amount(trade.size)),
    said(trade),
  );
  element.dataset.id = trade.id;
  return element;
}

export class Tape {
  constructor() {
    this.body = byId("tape");
    this.clear();
  }

  clear() {
    this.trades = [];
    this.decimals = 0;
    this.body.replaceChildren();
  }

  /** Take in trades in any order; those already shown are left out. */
  add(trades) {
    const shown = new Set(this.trades.map((trade) => trade.id));
    const fresh = trades.filter((trade) => !shown.has(trade.id));
    const decimals = Math.max(this.decimals, format.decimalsOf(fresh.map((one) => one.price)));
    const finer = decimals > this.decimals;
    this.decimals = decimals;
    const late = fresh.some((trade) => trade.time < (this.trades[0]?.time ?? 0));
    // A stable sort: within a millisecond the later arrival is the newer one.
    this.trades = [...fresh.reverse(), ...this.trades].sort((a, b) => b.time - a.time);
    this.trades.length = Math.min(this.trades.length, MOST_ROWS);
    this.#show(fresh, finer || late);
  }

  #show(fresh, all) {
    byId("tape-empty").hidden = this.trades.length > 0;
    if (all) {
      this.body.replaceChildren(...this.trades.map((trade) => row(trade, this.decimals)));
      return;
    }
    const kept = new Set(this.trades);
    const rows = fresh.filter((trade) => kept.has(trade)).sort((a, b) => b.time - a.time);
    this.body.prepend(...rows.map((trade) => row(trade, this.decimals)));
    while (this.body.children.length > MOST_ROWS) this.body.lastChild.remove();
  }
}
