// Numbers and times as text. Pure.

const MAX_DECIMALS = 8;
const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** How many decimals the finest of the values needs. */
export function decimalsOf(values) {
  let most = 0;
  for (const value of values) {
    const text = String(value);
    const small = text.match(/e-(\d+)$/);
    const dot = text.indexOf(".");
    const needs = small ? Number(small[1]) : dot < 0 ? 0 : text.length - dot - 1;
    most = Math.max(most, needs);
  }
  return Math.min(most, MAX_DECIMALS);
}

/** A price with a fixed number of decimals, grouped by thousands. */
export function price(value, decimals) {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: decimals, maximumFractionDigits: decimals,
  });
}

/** A price of an unknown tick: about six significant digits. */
export function roughPrice(value) {
  const whole = value >= 1 ? Math.floor(Math.log10(value)) + 1 : 0;
  return price(value, Math.min(MAX_DECIMALS, Math.max(2, 5 - whole)));
}

/** An amount, short: 1,234 / 12.3 / 0.00123. */
export function amount(value) {
  if (value >= 1e6) {
    return value.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 2 });
  }
  const digits = value >= 1000 ? 0 : value >= 100 ? 1 : value >= 1 ? 2 : value >= 0.01 ? 4 : 6;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits,
  });
}

/** A relative change as an arrow, a sign and two decimals. */
export function change(share) {
  const arrow = share > 0 ? "▲" : share < 0 ? "▼" : "•";
  return `${arrow} ${Math.abs(share * 100).toFixed(2)} %`;
}

/** A relative change with its sign, short. */
export function signed(share) {
  return `${share > 0 ? "+" : share < 0 ? "−" : ""}${Math.abs(share * 100).toFixed(2)} %`;
}

/** Milliseconds as [number, unit]. */
export function duration(ms) {
  if (ms < 1000) return [Math.round(ms).toString(), "ms"];
  return ms < 60000 ? [(ms / 1000).toFixed(2), "s"] : [(ms / 60000).toFixed(1), "min"];
}

/** Local time of day, to the second. */
export function timeOfDay(ms) {
  return clock.format(ms);
}

/** Local date and time, to the second. */
export function dateAndTime(ms) {
  return new Date(ms).toLocaleString("en-GB", {
    day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
}

/** Seconds or minutes ago, short. */
export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} d ago`;
}

/** A count, grouped by thousands. */
export function count(value) {
  return value.toLocaleString("en-US");
}

/** up, down or flat. */
export function trend(value) {
  return value > 0 ? "up" : value < 0 ? "down" : "flat";
}
