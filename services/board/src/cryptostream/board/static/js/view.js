// What is looked at: everything that a link must bring back, kept in the URL.

export const VIEWS = [
  ["market", "Market"], ["model", "Model"], ["alerts", "Alerts"], ["pipeline", "Pipeline"],
  ["history", "History"],
];
export const INTERVALS = ["1s", "1m", "5m", "15m", "1h"].map((name) => [name, name]);
export const SECONDS = { "1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600 };
export const WINDOWS = {
  "1s": [["5", "5 min"], ["15", "15 min"], ["60", "1 h"]],
  "1m": [["60", "1 h"], ["240", "4 h"], ["1440", "24 h"]],
  "5m": [["240", "4 h"], ["1440", "24 h"], ["4320", "3 d"]],
  "15m": [["1440", "24 h"], ["4320", "3 d"], ["10080", "7 d"]],
  "1h": [["4320", "3 d"], ["10080", "7 d"], ["43200", "30 d"]],
};
export const INDICATORS = [
  ["bb", "Bollinger"], ["ema", "EMA"], ["vwap", "VWAP"], ["flow", "Order flow"], ["rsi", "RSI"],
  ["macd", "MACD"],
];
const DEFAULT_MINUTES = { "1s": "15", "1m": "60", "5m": "240", "15m": "1440", "1h": "4320" };
const DEFAULT_INDICATORS = "ema,vwap";
const SYMBOL = /^(?:[A-Za-z0-9\-_.@+]{1,64}:[A-Za-z0-9\-_.@+]{1,64}:)?[A-Za-z0-9\-_.@+]{1,64}$/;
// Each part: what it may be, and what it is unless said otherwise (then it isn't written).
const PARTS = {
  view: [/^(market|model|alerts|pipeline|history)$/, "market"],
  ind: [/^(none|[a-z,]{2,40})$/, DEFAULT_INDICATORS],
  side: [/^(buy|sell)$/, ""],
  prediction: [/^(up|down|none)$/, ""],
  confidence: [/^(55|60|70|80)$/, ""],
  at: [/^\d{13}$/, ""],
  span: [/^(5m|1h|24h)$/, "1h"],
  severity: [/^(info|warning|critical)$/, ""],
  from: [/^\d{13}$/, ""],
  to: [/^\d{13}$/, ""],
};

/** Read the view from a query string; what is missing or unknown gets its default. */
export function readView(search) {
  const query = new URLSearchParams(search);
  const symbol = query.get("symbol") ?? "";
  const asked = query.get("interval");
  const interval = asked in WINDOWS ? asked : "1s";
  const view = {
    symbol: SYMBOL.test(symbol) ? symbol : null,
    interval,
    minutes: knownMinutes(interval, query.get("minutes")),
  };
  for (const [name, [form, usual]] of Object.entries(PARTS)) {
    const value = query.get(name) ?? "";
    view[name] = form.test(value) ? value : usual;
  }
  return view;
}

/** Give the window if the interval has it, else the interval's default. */
export function knownMinutes(interval, minutes) {
  const known = WINDOWS[interval].some(([value]) => value === minutes);
  return known ? minutes : DEFAULT_MINUTES[interval];
}

/** Render the view as a query string. */
export function writeView(view) {
  const query = new URLSearchParams({
    symbol: view.symbol, interval: view.interval, minutes: view.minutes,
  });
  for (const [name, [, usual]] of Object.entries(PARTS)) {
    if (view[name] !== usual) query.set(name, view[name]);
  }
  // Colons and commas may stand in a query as they are.
  return `?${query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",")}`;
}

/** The filters of trades as the API takes them. */
export function tradeFilter({ side, prediction, confidence }) {
  const given = Object.entries({ side, prediction, confidence });
  return Object.fromEntries(given.filter(([, value]) => value));
}

/** Whether a trade of the stream passes the filters; the API does the same with stored ones. */
export function passes(trade, { side, prediction, confidence }) {
  const p = trade.p_up ?? null;
  if (side && trade.side !== side) return false;
  if (prediction === "none") return p === null;
  if (prediction && trade.direction !== prediction) return false;
  if (confidence) return p !== null && Math.max(p, 1 - p) >= confidence / 100;
  return true;
}

/** The key of the instrument that a name means, as the board resolves it. */
export function resolve(name, keys) {
  if (name.includes(":")) return name;
  const home = `bybit:spot:${name}`;
  const found = keys.filter((key) => key.endsWith(`:${name}`));
  return found.includes(home) || !found.length ? home : found.sort()[0];
}

/** What the URL calls an instrument: its bare symbol at home, else its key. */
export function nameOf(key) {
  const home = "bybit:spot:";
  return key.startsWith(home) ? key.slice(home.length) : key;
}

/** What people read: the symbol, with its exchange as soon as there are several. */
export function labelOf(key, keys) {
  const [exchange, category, symbol] = key.split(":");
  const places = new Set(keys.map((one) => one.split(":").slice(0, 2).join(":")));
  if (places.size < 2) return symbol;
  return category === "spot" ? `${symbol} · ${exchange}` : `${symbol} · ${exchange} ${category}`;
}
