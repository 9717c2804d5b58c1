// The chart and the tape of the chosen instrument: loaded once, then kept up by the stream.
import { ask } from "./ask.js";
import { byId } from "./dom.js";
import { showPressure } from "./panels.js";
import { Tape } from "./tape.js";
import { passes, SECONDS, tradeFilter } from "./view.js";

const TAPE_ROWS = 80;
const RETRY_MS = 2000;
const MOST_PENDING = 100;
// A moment is shown with this share of the window after it.
const AFTER = 0.25;

export class Live {
  constructor(view, { showLast }) {
    Object.assign(this, { view, showLast });
    this.tape = new Tape();
    this.loading = 0;
    /** The ticks that came while the page loads; null while it doesn't. */
    this.pending = null;
  }

  /** Load candles and trades anew; what the stream brings meanwhile is merged in. */
  async load(chart) {
    this.chart = chart;
    const mine = ++this.loading;
    const { key: symbol, interval, minutes, at } = this.view;
    this.pending = [];
    try {
      const until = at ? Math.round(Number(at) + AFTER * minutes * 60_000) : "";
      const [candles, trades] = await Promise.all([
        ask("/api/candles", { symbol, interval, minutes, until }),
        ask("/api/trades", { symbol, limit: TAPE_ROWS, until: at ? Number(at) + SECONDS[interval] * 1000 : "", ...tradeFilter(this.view) }),
      ]);
      if (mine !== this.loading) return;
      chart.load(candles.candles, interval, Number(minutes));
      if (at) chart.mark([{ time: Number(at), kind: "event", text: "here" }]);
      else if (this.view.view === "market") chart.mark([]);
      this.tape.clear();
      this.tape.add(trades.trades.reverse());
      const held = this.pending;
      this.pending = null;
      held.forEach((news) => this.#draw(news));
      if (trades.trades.length && !at) this.showLast(trades.trades.at(-1).price);
    } catch {
      if (mine === this.loading) setTimeout(() => mine === this.loading && this.load(chart), RETRY_MS);
    }
  }

  /** Take in a tick of the stream. */
  tick(news) {
    if (news.key !== this.view.key) return;
    if (!this.chart) this.#tell(news);
    else if (this.pending) this.pending = [...this.pending, news].slice(-MOST_PENDING);
    else this.#draw(news);
  }

  #tell(news) {
    showPressure(news.pressure);
    if (news.last !== null) this.showLast(news.last);
  }

  #draw(news) {
    this.#tell(news);
    if (this.view.at) return;
    this.chart.update(news.candles.filter((row) => row.interval === this.view.interval));
    const fitting = news.trades.filter((trade) => passes(trade, this.view));
    if (fitting.length) this.tape.add(fitting);
    byId("tape-empty").hidden = this.tape.trades.length > 0;
  }
}
