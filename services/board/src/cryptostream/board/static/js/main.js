// Wires the page together.
import { Alerts } from "./alerts.js";
import { ask } from "./ask.js";
import { Chart } from "./chart.js";
import * as controls from "./controls.js";
import { byId, Choices, setText } from "./dom.js";
import * as format from "./format.js";
import { History } from "./history.js";
import { Live } from "./live.js";
import { Markets } from "./markets.js";
import { Model } from "./model.js";
import { Overview } from "./overview.js";
import { showModel, showPipeline, showPressure } from "./panels.js";
import { Pipeline } from "./pipeline.js";
import { Stream } from "./stream.js";
import {
  INTERVALS, knownMinutes, labelOf, nameOf, readView, resolve, WINDOWS, writeView,
} from "./view.js";

const DEFAULT_SYMBOL = "BTCUSDT";
const SPANS = [["5m", "5 min"], ["1h", "1 h"], ["24h", "24 h"]];
const SEVERITIES = [["", "all"], ["info", "info"], ["warning", "warning"], ["critical", "critical"]];
const CHARTED = { market: "market-chart", model: "model-chart", history: "history-chart" };

const view = readView(location.search);
const markets = new Markets((key) => change({ symbol: nameOf(key), at: "" }));
const live = new Live(view, { showLast });
const charts = Object.fromEntries(
  Object.entries(CHARTED).map(([name, id]) => [name, new Chart(byId(id))]));
const toSymbol = (key) => {
  change({ view: "market", symbol: nameOf(key), at: "" });
  scrollTo({ top: 0 });
};
const overview = new Overview(view, toSymbol);
const pipeline = new Pipeline();
const model = new Model(view, charts.model);
const alerts = new Alerts(view, () => markets.keys(), showMoment);
const past = new History(view, charts.history, {
  onRange: (range) => change(range),
  onInterval: (interval) => change({ interval, minutes: knownMinutes(interval, view.minutes) }),
});
const intervals = new Choices(byId("interval"), (interval) =>
  change({ interval, minutes: knownMinutes(interval, view.minutes) }));
const windows = new Choices(byId("window"), (minutes) => change({ minutes }));
const spans = new Choices(byId("span"), (span) => change({ span }));
const severities = new Choices(byId("severity"), (severity) => change({ severity }));
const stream = new Stream({
  tick: (news) => live.tick(news), pulse, alert: (one) => alerts.hear(one), reset: reload,
  reopened: reload, state: showState,
});
const parts = {
  market: { start: () => overview.start(), stop: () => overview.stop() },
  model: { start: () => model.start(), stop: () => model.stop() },
  alerts: { start: () => alerts.show(), stop() {} },
  pipeline: { start: () => pipeline.start(), stop: () => pipeline.stop() },
  history: { start: () => past.load(), stop() {} },
};

function showMoment(alert, key) {
  const interval = view.interval === "1s" ? "1s" : "1m";
  const minutes = knownMinutes(interval, view.minutes);
  change({ view: "market", symbol: nameOf(key), at: String(alert.time), interval, minutes });
}

function showLast(last) {
  const text = format.price(last, Math.max(live.chart?.decimals ?? 0, format.decimalsOf([last])));
  setText(byId("last"), text);
  document.title = `${text} ${view.label} · cryptostream`;
  showChange();
}

function showChange() {
  const share = markets.get(view.key)?.change ?? null;
  const element = byId("change");
  setText(element, share === null ? "" : format.change(share));
  element.dataset.trend = format.trend(share ?? 0);
}

function pulse(state) {
  markets.update(state.prices);
  showLabel();
  showPipeline(state);
  pipeline.pulse(state);
  showModel(state.model);
  model.hear(state.model);
  showChange();
}

function showState(name, age, state) {
  const pill = byId("state");
  pill.dataset.state = name;
  setText(pill, name === "stale" && age !== null ? `stale ${Math.round(age / 1000)} s` : name);
  const text = stream.lost
    ? "The board can't be reached. Trying again."
    : state?.elasticsearch.ok === false
      ? `${state.elasticsearch.detail}. The page goes on by itself once it answers.`
      : state?.kafka.ok === false ? `${state.kafka.detail}. Candles and trades go on.` : "";
  setText(byId("banner"), text);
  byId("banner").hidden = !text;
}

/** Look at something else. A view or a symbol is a step back in the browser's history. */
function change(part) {
  const before = { ...view };
  Object.assign(view, part);
  const step = view.view !== before.view || view.symbol !== before.symbol || view.at !== before.at;
  history[step ? "pushState" : "replaceState"](null, "", writeView(view));
  turn(before);
}

/** Bring the page from what it showed before to what `view` says. */
function turn(before) {
  view.key = resolve(view.symbol, markets.keys());
  show();
  if (view.key !== before.key) {
    setText(byId("last"), "–");
    stream.open(view.key);
  }
  parts[before.view]?.stop();
  parts[view.view].start();
  if (view.severity !== before.severity) alerts.load();
  loadLive();
}

/** After an interruption: what was missed is loaded, whatever is looked at. */
function reload() {
  loadLive();
  alerts.load();
  parts[view.view].start();
}

function loadLive() {
  if (view.view === "market" || view.view === "model") live.load(charts[view.view]);
}

function showLabel() {
  view.label = labelOf(view.key, markets.keys());
  setText(byId("symbol"), view.label);
}

function show() {
  showLabel();
  intervals.show(INTERVALS, view.interval);
  windows.show(WINDOWS[view.interval], view.minutes);
  spans.show(SPANS, view.span);
  severities.show(SEVERITIES, view.severity);
  controls.showTabs(view.view, (name) => writeView({ ...view, view: name }));
  controls.showChips(view.ind);
  controls.showFilters(view);
  const charted = view.view in CHARTED;
  byId("toolbar").hidden = !charted;
  byId("window").hidden = view.view === "history";
  byId("moment").hidden = !view.at || !["market", "model"].includes(view.view);
  setText(byId("moment-text"), view.at ? `Around ${format.dateAndTime(Number(view.at))}` : "");
  if (charted) charts[view.view].choose(controls.indicatorsOf(view.ind));
  document.body.dataset.view = view.view;
  markets.choose(view.key);
  showChange();
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme);
  document.documentElement.dataset.theme = theme;
  repaint();
}

function repaint() {
  for (const chart of Object.values(charts)) chart.paint();
}

function bind() {
  byId("theme").addEventListener("click", toggleTheme);
  document.addEventListener("themechange", repaint);
  byId("moment-end").addEventListener("click", () => change({ at: "" }));
  controls.makeTabs((name) => change({ view: name }));
  controls.makeChips(() => view.ind, (ind) => change({ ind }));
  controls.bindFilters((filter) => change(filter));
  addEventListener("popstate", () => {
    const before = { ...view };
    Object.assign(view, readView(location.search));
    view.symbol ??= before.symbol;
    turn(before);
  });
}

async function start() {
  bind();
  const known = await ask("/api/symbols").then((answer) => answer.symbols, () => []);
  markets.update(known);
  const names = markets.keys();
  view.symbol ??= nameOf(names.includes(resolve(DEFAULT_SYMBOL, names)) ? resolve(DEFAULT_SYMBOL, names) : names[0] ?? DEFAULT_SYMBOL);
  history.replaceState(null, "", writeView(view));
  showPressure({ 10: { buy: 0, sell: 0 }, 60: { buy: 0, sell: 0 } });
  alerts.load();
  turn({});
}

start();
