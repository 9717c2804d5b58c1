// Wires the page together.
import { Chart } from "./chart.js";
import { byId, Choices, setText } from "./dom.js";
import * as format from "./format.js";
import { Markets } from "./markets.js";
import { showModel, showPipeline, showPressure } from "./panels.js";
import { Stream } from "./stream.js";
import { Tape } from "./tape.js";
import { INTERVALS, knownMinutes, readView, WINDOWS, writeView } from "./view.js";

const TAPE_ROWS = 80;
const RETRY_MS = 2000;
const DEFAULT_SYMBOL = "BTCUSDT";
const MOST_PENDING = 100;

const view = readView(location.search);
const chart = new Chart();
const tape = new Tape();
const markets = new Markets((symbol) => change({ symbol }));
const intervals = new Choices(byId("interval"), (interval) =>
  change({ interval, minutes: knownMinutes(interval, view.minutes) }));
const windows = new Choices(byId("window"), (minutes) => change({ minutes }));
const stream = new Stream({ tick, pulse, reset: load, reopened: load, state: showState });
let loading = 0;
/** The ticks that came while the page loads; null while it doesn't. */
let pending = null;

async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** Load candles and trades anew; what the stream brings meanwhile is merged in. */
async function load() {
  const mine = ++loading;
  const { symbol, interval, minutes } = view;
  pending = [];
  try {
    const [candles, trades] = await Promise.all([
      ask("/api/candles", { symbol, interval, minutes }),
      ask("/api/trades", { symbol, limit: TAPE_ROWS }),
    ]);
    if (mine !== loading) return;
    chart.load(candles.candles, interval, Number(minutes));
    tape.clear();
    tape.add(trades.trades.reverse());
    const held = pending;
    pending = null;
    held.forEach(draw);
    if (trades.trades.length) showLast(trades.trades.at(-1).price);
  } catch {
    if (mine === loading) setTimeout(() => mine === loading && load(), RETRY_MS);
  }
}

function tick(news) {
  if (news.symbol !== view.symbol) return;
  if (pending) pending = [...pending, news].slice(-MOST_PENDING);
  else draw(news);
}

function draw(news) {
  chart.update(news.candles.filter((row) => row.interval === view.interval));
  if (news.trades.length) tape.add(news.trades);
  showPressure(news.pressure);
  if (news.last !== null) showLast(news.last);
}

function showLast(last) {
  const text = format.price(last, Math.max(chart.decimals ?? 0, format.decimalsOf([last])));
  setText(byId("last"), text);
  document.title = `${text} ${view.symbol} · cryptostream`;
  showChange();
}

function showChange() {
  const share = markets.get(view.symbol)?.change ?? null;
  const element = byId("change");
  setText(element, share === null ? "" : format.change(share));
  element.dataset.trend = format.trend(share ?? 0);
}

function pulse(state) {
  markets.update(state.prices);
  showPipeline(state);
  showModel(state.model);
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
      : "";
  setText(byId("banner"), text);
  byId("banner").hidden = !text;
}

/** Look at something else: another symbol, interval or window. */
function change(part) {
  const other = part.symbol !== undefined && part.symbol !== view.symbol;
  Object.assign(view, part);
  history.replaceState(null, "", writeView(view));
  show();
  if (other) {
    setText(byId("last"), "–");
    stream.open(view.symbol);
  }
  load();
}

function show() {
  setText(byId("symbol"), view.symbol);
  intervals.show(INTERVALS, view.interval);
  windows.show(WINDOWS[view.interval], view.minutes);
  markets.choose(view.symbol);
  showChange();
}

function toggleTheme() {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme);
  document.documentElement.dataset.theme = theme;
  chart.paint();
}

async function start() {
  byId("theme").addEventListener("click", toggleTheme);
  document.addEventListener("themechange", () => chart.paint());
  let known = [];
  try {
    known = (await ask("/api/symbols", {})).symbols;
  } catch {
    known = [];
  }
  markets.update(known);
  const names = known.map((one) => one.symbol);
  const first = names.includes(DEFAULT_SYMBOL) ? DEFAULT_SYMBOL : names[0];
  view.symbol ??= first ?? DEFAULT_SYMBOL;
  history.replaceState(null, "", writeView(view));
  show();
  showPressure({ 10: { buy: 0, sell: 0 }, 60: { buy: 0, sell: 0 } });
  stream.open(view.symbol);
  load();
}

start();
