// All symbols at once: heat map, movers and correlations. Each is a way to a symbol.
import { ask, Repeated } from "./ask.js";
import { byId, make } from "./dom.js";
import * as format from "./format.js";
import { labelOf } from "./view.js";

const SECONDS = 10;
const MOST_TILES = 60;
const MOST_MOVERS = 5;
// Basis points at which a tile has its full colour.
const FULL_HEAT = { "5m": 40, "1h": 120, "24h": 500 };

/** Cut a rectangle into areas in proportion to the weights, as square as can be, in percent. */
export function squarify(weights, width = 100, height = 100) {
  const total = weights.reduce((sum, one) => sum + one, 0);
  const areas = weights.map((one) => (one / total) * width * height);
  const tiles = [];
  let [x, y, w, h] = [0, 0, width, height];
  for (let at = 0; at < areas.length;) {
    const side = Math.min(w, h);
    let [end, best] = [at + 1, worst(areas.slice(at, at + 1), side)];
    while (end < areas.length && worst(areas.slice(at, end + 1), side) <= best) {
      end += 1;
      best = worst(areas.slice(at, end), side);
    }
    const row = areas.slice(at, end);
    const thick = row.reduce((sum, one) => sum + one, 0) / side;
    let along = 0;
    for (const area of row) {
      const long = area / thick;
      tiles.push(w >= h ? [x, y + along, thick, long] : [x + along, y, long, thick]);
      along += long;
    }
    if (w >= h) [x, w] = [x + thick, w - thick];
    else [y, h] = [y + thick, h - thick];
    at = end;
  }
  return tiles;
}

function worst(row, side) {
  const sum = row.reduce((total, one) => total + one, 0);
  return Math.max(
    ...row.map((area) => Math.max((side * side * area) / sum ** 2, sum ** 2 / (side * side * area))),
  );
}

const short = (label, all) => {
  const quote = ["USDT", "USDC", "USD"].find((one) => all.every((other) => other.includes(one)));
  return quote ? label.replace(new RegExp(`-?${quote}`), "") : label;
};

export class Overview {
  constructor(view, onChoose) {
    this.view = view;
    this.onChoose = onChoose;
    this.rows = [];
    this.overview = new Repeated(
      SECONDS, () => ask("/api/overview", { window: view.span }), (answer) => this.#take(answer));
    this.matrix = new Repeated(SECONDS, () => ask("/api/matrix"), (answer) => this.#correlations(answer));
    new ResizeObserver(() => this.#heat()).observe(byId("heat"));
  }

  start() {
    this.overview.start();
    this.matrix.start();
  }

  stop() {
    this.overview.stop();
    this.matrix.stop();
  }

  #take({ rows }) {
    this.rows = rows.filter((row) => row.return_bps !== undefined && row.turnover > 0);
    this.keys = rows.map((row) => row.key);
    this.#heat();
    this.#movers();
  }

  #heat() {
    const map = byId("heat");
    const box = map.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const rows = this.rows.slice(0, MOST_TILES);
    byId("heat-empty").hidden = rows.length > 0;
    const labels = rows.map((row) => labelOf(row.key, this.keys));
    // The root of the turnover: the small stay readable beside the biggest.
    const tiles = squarify(rows.map((row) => Math.sqrt(row.turnover)), box.width, box.height);
    map.replaceChildren(...rows.map((row, at) => this.#tile(row, short(labels[at], labels), tiles[at], box)));
  }

  #tile(row, label, [x, y, w, h], box) {
    const share = row.return_bps / 10_000;
    const tile = make("button", "tile", make("b", "", label), make("span", "", format.signed(share)));
    tile.type = "button";
    tile.dataset.key = row.key;
    tile.dataset.bps = row.return_bps;
    tile.dataset.turnover = row.turnover;
    const heat = Math.min(1, Math.abs(row.return_bps) / FULL_HEAT[this.view.span]);
    const set = (name, value) => tile.style.setProperty(name, value);
    set("--heat", `${Math.round(6 + heat * 40)}%`);
    tile.dataset.trend = format.trend(row.return_bps);
    set("left", `${(100 * x) / box.width}%`);
    set("top", `${(100 * y) / box.height}%`);
    set("width", `${(100 * w) / box.width}%`);
    set("height", `${(100 * h) / box.height}%`);
    tile.classList.toggle("tight", w < 62 || h < 38);
    tile.classList.toggle("tiny", w < 34 || h < 20);
    const seen = row.coverage === undefined ? "" : `, ${Math.round(row.coverage * 100)} % of the span seen`;
    const text = `${label}: ${format.change(share)}, turnover ${format.amount(row.turnover)}${seen}`;
    tile.title = text;
    tile.setAttribute("aria-label", text);
    tile.addEventListener("click", () => this.onChoose(row.key));
    return tile;
  }

  #movers() {
    const sorted = [...this.rows].sort((a, b) => b.return_bps - a.return_bps);
    const ups = sorted.filter((row) => row.return_bps > 0).slice(0, MOST_MOVERS);
    const downs = sorted.filter((row) => row.return_bps < 0).slice(-MOST_MOVERS).reverse();
    const entry = (row) => {
      const change = make("span", "change", format.change(row.return_bps / 10_000));
      change.dataset.trend = format.trend(row.return_bps);
      const button = make(
        "button", "", make("span", "name", labelOf(row.key, this.keys)), change,
        make("span", "amount", format.amount(row.turnover)),
      );
      button.type = "button";
      button.addEventListener("click", () => this.onChoose(row.key));
      const item = make("li", "", button);
      item.dataset.key = row.key;
      return item;
    };
    byId("movers").replaceChildren(...[...ups, ...downs].map(entry));
  }

  #correlations({ keys, values }) {
    const known = values.some((row, at) => row.some((value, other) => other !== at && value !== null));
    byId("matrix-empty").hidden = known;
    if (!known) return byId("matrix").replaceChildren();
    const labels = keys.map((key) => labelOf(key, keys));
    const names = labels.map((label) => short(label, labels));
    const head = make("tr", "", make("td", ""), ...names.map((name) => this.#name("col", name)));
    const lines = values.map((row, at) => make(
      "tr", "", this.#name("row", names[at], keys[at]),
      ...row.map((value, other) => this.#cell(value, at === other, `${names[at]} and ${names[other]}`))));
    byId("matrix").replaceChildren(make("thead", "", head), make("tbody", "", ...lines));
  }

  #name(scope, name, key) {
    if (!key) {
      const cell = make("th", "", name);
      cell.scope = scope;
      return cell;
    }
    const button = make("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => this.onChoose(key));
    const cell = make("th", "", button);
    cell.scope = scope;
    return cell;
  }

  #cell(value, same, title) {
    const cell = make("td", same ? "same" : "", same ? "" : value === null ? "–" : value.toFixed(2));
    if (!same && value !== null) {
      cell.dataset.value = value;
      cell.dataset.trend = format.trend(value);
      cell.style.setProperty("--heat", `${Math.round(Math.abs(value) * 46)}%`);
      cell.title = `${title}: ${value.toFixed(3)}`;
    }
    return cell;
  }
}
