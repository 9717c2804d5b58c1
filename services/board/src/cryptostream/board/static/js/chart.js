// Candlesticks over volume; a volume bar is the buyers' share below and the sellers' above.
import { byId, make, setText } from "./dom.js";
import * as format from "./format.js";

const MOST_CANDLES = 3600;
// With fewer candles than this the chart leaves room on the left instead of drawing them fat.
const FEWEST_SHOWN = 60;
const MARGIN_BARS = 4;
const { createChart, CandlestickSeries, HistogramSeries, CrosshairMode } = LightweightCharts;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function tickLabel(time, type) {
  const date = new Date(time * 1000);
  if (type <= 2) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  const text = format.timeOfDay(date);
  return type === 3 ? text.slice(0, 5) : text;
}

export class Chart {
  constructor() {
    this.rows = new Map();
    this.decimals = null;
    this.chart = createChart(byId("chart"), {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, background: { color: "transparent" } },
      crosshair: { mode: CrosshairMode.Normal },
      localization: { timeFormatter: (time) => format.timeOfDay(time * 1000) },
      timeScale: {
        timeVisible: true, secondsVisible: true, rightOffset: MARGIN_BARS, minBarSpacing: 0.2,
        tickMarkFormatter: tickLabel, borderVisible: false,
      },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.14, bottom: 0.24 } },
    });
    this.candles = this.chart.addSeries(CandlestickSeries, { borderVisible: false });
    const volume = {
      priceScaleId: "volume", lastValueVisible: false, priceLineVisible: false,
      priceFormat: { type: "volume" },
    };
    this.total = this.chart.addSeries(HistogramSeries, volume);
    this.bought = this.chart.addSeries(HistogramSeries, volume);
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.chart.subscribeCrosshairMove((at) => this.#legend(this.rows.get(at.time)));
    for (const gesture of ["wheel", "pointerdown"]) {
      byId("chart").addEventListener(gesture, () => (this.following = false), { passive: true });
    }
    this.paint();
  }

  /** Take the colours of the theme. */
  paint() {
    const [up, down] = [color("--up"), color("--down")];
    const line = { color: color("--grid") };
    const crosshair = { color: color("--muted"), labelBackgroundColor: color("--label") };
    this.chart.applyOptions({
      layout: { textColor: color("--muted"), fontFamily: color("--font") },
      grid: { vertLines: line, horzLines: line },
      crosshair: { vertLine: crosshair, horzLine: crosshair },
    });
    this.candles.applyOptions({
      upColor: up, downColor: down, wickUpColor: up, wickDownColor: down,
    });
    this.total.applyOptions({ color: color("--down-soft") });
    this.bought.applyOptions({ color: color("--up-soft") });
  }

  /** Show other candles, oldest first; the view follows the window until the user moves it. */
  load(rows, interval, minutes) {
    this.windowSeconds = minutes * 60;
    this.following = true;
    this.rows = new Map(rows.map((row) => [row.time, row]));
    this.newest = rows.at(-1)?.time ?? 0;
    this.decimals = null;
    this.chart.applyOptions({ timeScale: { secondsVisible: interval === "1s" } });
    this.#reset();
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

  #draw(row, late) {
    this.candles.update(row, late);
    this.total.update({ time: row.time, value: row.volume }, late);
    this.bought.update({ time: row.time, value: row.buy }, late);
  }

  #forget() {
    const kept = [...this.rows.keys()].sort((a, b) => a - b).slice(-MOST_CANDLES);
    this.rows = new Map(kept.map((time) => [time, this.rows.get(time)]));
    this.#reset();
  }

  #reset() {
    const rows = [...this.rows.values()].sort((a, b) => a.time - b.time);
    this.candles.setData(rows);
    this.total.setData(rows.map((row) => ({ time: row.time, value: row.volume })));
    this.bought.setData(rows.map((row) => ({ time: row.time, value: row.buy })));
    this.#shown();
  }

  #shown() {
    byId("chart-empty").hidden = this.rows.size > 0;
    const needs = format.decimalsOf([...this.rows.values()].slice(-60).map((row) => row.close));
    if (this.rows.size && (this.decimals === null || needs > this.decimals)) {
      this.decimals = needs;
      const priceFormat = { type: "price", precision: needs, minMove: 10 ** -needs };
      this.candles.applyOptions({ priceFormat });
    }
    this.#legend();
  }

  #legend(under) {
    const row = under ?? this.rows.get(this.newest);
    const legend = byId("legend");
    legend.dataset.trend = row ? format.trend(row.close - row.open) : "flat";
    if (!row) return legend.replaceChildren();
    if (!legend.children.length) {
      for (const name of ["O", "H", "L", "C", "Vol", "Buy"]) {
        legend.append(make("div", "", make("dt", "", name), make("dd", "")));
      }
    }
    const price = (value) => format.price(value, this.decimals ?? 2);
    const share = row.volume ? `${Math.round((100 * row.buy) / row.volume)} %` : "–";
    const texts = [
      ...[row.open, row.high, row.low, row.close].map(price), format.amount(row.volume), share,
    ];
    texts.forEach((text, at) => setText(legend.children[at].lastChild, text));
  }
}
