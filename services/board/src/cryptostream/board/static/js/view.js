// What is looked at: symbol, interval and window, kept in the URL.

export const INTERVALS = [["1s", "1s"], ["1m", "1m"]];
export const WINDOWS = {
  "1s": [["5", "5 min"], ["15", "15 min"], ["60", "1 h"]],
  "1m": [["60", "1 h"], ["240", "4 h"], ["1440", "24 h"]],
};
const DEFAULT_MINUTES = { "1s": "15", "1m": "60" };
const SYMBOL = /^[A-Za-z0-9\-_.@+]{1,64}$/;

/** Read the view from a query string; what is missing or unknown gets its default. */
export function readView(search) {
  const query = new URLSearchParams(search);
  const symbol = query.get("symbol") ?? "";
  const asked = query.get("interval");
  const interval = asked in WINDOWS ? asked : "1s";
  return {
    symbol: SYMBOL.test(symbol) ? symbol : null,
    interval,
    minutes: knownMinutes(interval, query.get("minutes")),
  };
}

/** Give the window if the interval has it, else the interval's default. */
export function knownMinutes(interval, minutes) {
  const known = WINDOWS[interval].some(([value]) => value === minutes);
  return known ? minutes : DEFAULT_MINUTES[interval];
}

/** Render the view as a query string. */
export function writeView({ symbol, interval, minutes }) {
  return `?${new URLSearchParams({ symbol, interval, minutes })}`;
}
