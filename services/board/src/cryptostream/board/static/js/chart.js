// Candlesticks over volume, with indicators; a volume bar is the buyers' share below and the
// sellers' above.
import { make, setText } from "./dom.js";
import * as format from "./format.js";
import { Indicators } from "./indicators.js";
import { color } from "./theme-colors.js";
import { SECONDS } from "./view.js";

const MOST_CANDLES = 3600;
// With fewer candles than this the chart leaves room on the left instead of drawing them fat.
const FEWEST_SHOWN = 60;
const MARGIN_BARS = 4;
const {
  createChart, createSeriesMarkers, CandlestickSeries, HistogramSeries, CrosshairMode,
} = LightweightCharts;

function tickLabel(time, type) {
  const date = new Date(time * 1000);
  if (type <= 2) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const text = format.timeOfDay(date);
  return type === 3 ? text.slice(0, 5) : text;
}

export class Chart {
  /** `root` is a section with .canvas, .legend and .empty in it. */
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector(".canvas");
    this.empty = root.querySelector(".empty");
    this.rows = new Map();
    this.decimals = null;
    this.marked = [];
    this.chart = createChart(this.canvas, this.#options());
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.markers = createSeriesMarkers(this.candles, []);
    const volume = {
      priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false,
      priceFormat: { type: "volume" },
    };
    this.total = this.chart.addSeries(HistogramSeries, volume);
    this.bought = this.chart.addSeries(HistogramSeries, volume);
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.indicators = new Indicators(this.chart);
    this.chart.subscribeCrosshairMove((at) => this.#legend(this.rows.get(at.time)));
    for (const gesture of ["wheel", "pointerdown"]) {
      this.canvas.addEventListener(gesture, () => (this.following = false), { passive: true });
    }
    this.paint();
  }

  #options() {
    return {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, background: { color: "transparent" } },
      crosshair: { mode: CrosshairMode.Normal },
      localization: { timeFormatter: (time) => format.dateAndTime(time * 1000) },
      timeScale: {
        timeVisible: true, secondsVisible: true, rightOffset: MARGIN_BARS, minBarSpacing: 0.2,
        tickMarkFormatter: tickLabel, borderVisible: false,
      },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.14, bottom: 0.24 } },
    };
  }

  /** Take the colours of the theme. */
  paint() {
    const [up, down] = [color("--up"), color("--down")];
    const line = { color: color("--grid") };
    const crosshair = { color: color("--muted"), labelBackgroundColor: color("--label") };
    this.chart.applyOptions({
      layout: {
        textColor: color("--muted"), fontFamily: color("--font"),
        panes: { separatorColor: color("--line"), enableResize: false },
      },
      grid: { vertLines: line, horzLines: line },
      crosshair: { vertLine: crosshair, horzLine: crosshair },
    });
    this.candles.applyOptions({
      upColor: up, downColor: down, wickUpColor: up, wickDownColor: down,
    });
    this.total.applyOptions({ color: color("--down-soft") });
    this.bought.applyOptions({ color: color("--up-soft") });
    this.indicators.paint(this.#sorted());
    this.mark(this.marked);
  }

  /** Choose the indicators: names of `view.INDICATORS`. */
  choose(names) {
    this.indicators.choose(names, this.#sorted(), this.decimals ?? 2);
    this.#legend();
  }

  /** Show other candles, oldest first; the view follows the window until the user moves it. */
  load(rows, interval, minutes) {
    this.interval = interval;
    this.windowSeconds = minutes * 60;
    this.following = true;
    this.rows = new Map(rows.map((row) => [row.time, row]));
    this.newest = rows.at(-1)?.time ?? 0;
    this.decimals = null;
    this.chart.applyOptions({ timeScale: { secondsVisible: interval === "1s" } });
    this.#reset();
    this.mark(this.marked);
    this.#follow();
  }

  #follow() {
    if (!this.following) return;
    let inWindow = 0;
    for (const time of this.rows.keys()) inWindow += time > this.newest - this.windowSeconds;
    const to = this.rows.size - 1 + MARGIN_BARS;
    const from = this.rows.size - Math.max(FEWEST_SHOWN, inWindow);
    this.chart.timeScale().setVisibleLogicalRange({ from, to });
  }

  /** Take in new states of candles. */
  update(rows) {
    let inserted = false;
    const count = this.rows.size;
    for (const row of rows) {
      const before = this.rows.get(row.time);
      // A candle only gains trades: fewer of them is an older state that came round later.
      if (before && before.trades > row.trades) continue;
      const late = row.time < this.newest;
      this.rows.set(row.time, row);
      this.newest = Math.max(this.newest, row.time);
      if (late && !before) inserted = true;
      else this.#draw(row, late);
    }
    if (this.rows.size > 2 * MOST_CANDLES) this.#forget();
    else if (inserted) this.#reset();
    else if (rows.length) this.#shown();
    if (this.rows.size !== count) this.#follow();
  }

  /**
   * Mark moments: [{time (ms), kind: up|down|event, text}]; those outside the candles are left out.
   * Several of a kind on one candle are one mark with their number.
   */
  mark(moments) {
    this.marked = moments;
    const seconds = SECONDS[this.interval] ?? 1;
    const shapes = { up: "arrowUp", down: "arrowDown", event: "circle" };
    const colors = { up: color("--up"), down: color("--down"), event: color("--accent") };
    const groups = new Map();
    for (const { time, kind, text } of moments) {
      const start = Math.floor(time / 1000 / seconds) * seconds;
      if (!this.rows.has(start)) continue;
      const key = `${start} ${kind}`;
      const group = groups.get(key) ?? { time: start, kind, text, count: 0 };
      groups.set(key, { ...group, count: group.count + 1 });
    }
    const found = [...groups.values()]
      .map(({ time, kind, text, count }) => ({
        time, position: kind === "up" ? "belowBar" : "aboveBar", shape: shapes[kind],
        color: colors[kind], text: count > 1 ? String(count) : text,
      }))
      .sort((a, b) => a.time - b.time);
    this.markers.setMarkers(found);
    this.root.dataset.markers = found.length;
  }

  #sorted() {
    return [...this.rows.values()].sort((a, b) => a.time - b.time);
  }

  #draw(row, late) {
    this.candles.update(row, late);
    this.total.update({ time: row.time, value: row.volume }, late);
    this.bought.update({ time: row.time, value: row.buy }, late);
    this.indicators.update(row, late);
  }

  #forget() {
    const kept = [...this.rows.keys()].sort((a, b) => a - b).slice(-MOST_CANDLES);
    this.rows = new Map(kept.map((time) => [time, this.rows.get(time)]));
    this.#reset();
  }

  #reset() {
    const rows = this.#sorted();
    this.candles.setData(rows);
    this.total.setData(rows.map((row) => ({ time: row.time, value: row.volume })));
    this.bought.setData(rows.map((row) => ({ time: row.time, value: row.buy })));
    this.indicators.load(rows);
    this.#shown();
  }

  #shown() {
    this.empty.hidden = this.rows.size > 0;
    const needs = format.decimalsOf([...this.rows.values()].slice(-60).map((row) => row.close));
    if (this.rows.size && (this.decimals === null || needs > this.decimals)) {
      this.decimals = needs;
      const priceFormat = { type: "price", precision: needs, minMove: 10 ** -needs };
      this.candles.applyOptions({ priceFormat });
      this.indicators.setDecimals(needs);
    }
    this.#legend();
  }

  #legend(under) {
    const row = under ?? this.rows.get(this.newest);
    const legend = this.root.querySelector(".legend");
    legend.dataset.trend = row ? format.trend(row.close - row.open) : "flat";
    if (!row) return legend.replaceChildren();
    const price = (value) => format.price(value, this.decimals ?? 2);
    const share = row.volume ? `${Math.round((100 * row.buy) / row.volume)} %` : "–";
    const entries = [
      ["O", price(row.open)], ["H", price(row.high)], ["L", price(row.low)],
      ["C", price(row.close)], ["Vol", format.amount(row.volume)], ["Buy", share],
      ...this.indicators.legend(row, price),
    ];
    const names = entries.map(([name]) => name).join();
    if (this.legendNames !== names || !legend.children.length) {
      this.legendNames = names;
      legend.replaceChildren(...entries.map(([name, , tone]) => {
        const entry = make("div", tone ? "indicator" : "", make("dt", "", name), make("dd", ""));
        entry.dataset.name = name;
        if (tone) entry.style.setProperty("--tone", `var(${tone})`);
        return entry;
      }));
    }
    entries.forEach(([, text], at) => setText(legend.children[at].lastChild, text));
  }
}
