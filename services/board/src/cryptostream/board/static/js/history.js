// Any past range: candles, statistics and predictions from Elasticsearch, and files to take away.
import { ask, queryOf } from "./ask.js";
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";
import { SECONDS, tradeFilter } from "./view.js";

const HOUR_MS = 3_600_000;
const QUICK = [["1 h", 1], ["6 h", 6], ["24 h", 24], ["7 d", 168], ["30 d", 720]];
const MOST_CANDLES = 3600;
const pad = (value) => String(value).padStart(2, "0");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");

/** A time as `datetime-local` wants it: local, to the second. */
export function localText(ms) {
  const at = new Date(ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}T${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** The finest interval at or above the wanted one whose candles of the range can be shown. */
export function fitting(interval, spanMs) {
  const names = Object.keys(SECONDS);
  const able = names.slice(names.indexOf(interval)).find((one) => spanMs / 1000 / SECONDS[one] <= MOST_CANDLES);
  return able ?? "1h";
}

export class History {
  /** `onRange({from, to})` keeps the range in the URL; `onInterval(name)` a coarser interval. */
  constructor(view, chart, { onRange, onInterval }) {
    Object.assign(this, { view, chart, onRange, onInterval });
    byId("range").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#pick(new Date(byId("from").value).getTime(), new Date(byId("to").value).getTime());
    });
    byId("quick").append(...QUICK.map(([label, hours]) => {
      const button = make("button", "link", label);
      button.type = "button";
      button.addEventListener("click", () => this.#pick(Date.now() - hours * HOUR_MS, Date.now()));
      return button;
    }));
  }

  #pick(from, to) {
    const bad = !(to > from);
    this.#problem(bad ? "To must be later than From." : "");
    if (!bad) this.onRange({ from: String(from), to: String(to) });
  }

  #problem(text) {
    setText(byId("range-problem"), text);
    byId("range-problem").hidden = !text;
  }

  async load() {
    const { view } = this;
    if (!view.from || !view.to) {
      const now = Date.now();
      return this.onRange({ from: String(now - HOUR_MS), to: String(now) });
    }
    byId("from").value = localText(Number(view.from));
    byId("to").value = localText(Number(view.to));
    const span = view.to - view.from;
    const interval = fitting(view.interval, span);
    if (interval !== view.interval) return this.onInterval(interval);
    const asked = { symbol: view.symbol, interval, from: view.from, to: view.to, ...tradeFilter(view) };
    this.#links(asked);
    const mine = (this.loading = {});
    try {
      const answer = await ask("/api/history", asked);
      if (mine !== this.loading) return;
      this.#problem("");
      this.chart.load(answer.candles, interval, span / 60_000);
      facts(byId("statistics"), statistics(answer.statistics, this.chart.decimals ?? 2));
      facts(byId("predictions"), predictions(answer.predictions));
    } catch (error) {
      if (mine === this.loading) this.#problem(error.message);
    }
  }

  #links(asked) {
    for (const kind of ["candles", "trades"]) {
      for (const form of ["csv", "parquet"]) {
        byId(`export-${kind}-${form}`).href = `/api/export?${queryOf({ ...asked, kind, format: form })}`;
      }
    }
  }
}

function statistics(found, decimals) {
  if (!found) return [["Candles", "0", "candles", 0]];
  const price = (value) => format.price(value, decimals);
  return [
    ["Open", price(found.open), "open", found.open], ["Close", price(found.close), "close", found.close],
    ["Change", format.change(found.change ?? 0), "change", found.change],
    ["High", price(found.high), "high", found.high], ["Low", price(found.low), "low", found.low],
    ["VWAP", found.vwap === null ? "–" : price(found.vwap), "vwap", found.vwap],
    ["Volume", format.amount(found.volume), "volume", found.volume],
    ["Turnover", format.amount(found.turnover), "turnover", found.turnover],
    ["Bought", percent(found.buy_volume, found.volume), "buy_volume", found.buy_volume],
    ["Trades", format.count(found.trades), "trades", found.trades],
    ["Candles", format.count(found.candles), "candles", found.candles],
  ];
}

function predictions(found) {
  const models = Object.keys(found.models).length;
  const reasons = Object.entries(found.reasons).map(([name, n]) => [`Not: ${name.replaceAll("_", " ")}`, format.count(n), name, n]);
  return [
    ["Trades", format.count(found.trades), "trades", found.trades],
    ["Scored", percent(found.scored, found.trades), "scored", found.scored],
    ["Mean P(up)", found.mean_p_up === null ? "–" : `${(found.mean_p_up * 100).toFixed(1)} %`, "mean_p_up", found.mean_p_up],
    ["Up", percent(found.directions.up ?? 0, found.scored), "up", found.directions.up ?? 0],
    ["Down", percent(found.directions.down ?? 0, found.scored), "down", found.directions.down ?? 0],
    ["Without edge", percent(found.no_edge, found.scored), "no_edge", found.no_edge],
    ["Models", format.count(models), "models", models], ...reasons,
  ];
}

function facts(root, entries) {
  root.replaceChildren(...entries.map(([label, text, name, value]) => {
    const entry = make("div", "", make("dt", "", label), make("dd", "", text));
    entry.dataset.name = name;
    entry.dataset.value = value ?? "";
    return entry;
  }));
}
