// Indicators of the candles: lines over the price, and panes of their own below it.
import { color } from "./theme-colors.js";

const { LineSeries, HistogramSeries, LineStyle } = LightweightCharts;
const QUIET = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
const RSI_GUIDES = [30, 70];
const PANE_SHARE = 0.36;
const delta = (row) => row.buy - row.sell;
const bySign = (value) => color(value < 0 ? "--down-soft" : "--up-soft");

// name -> its series: [field or function, label, colour, kind, width]
const SERIES = {
  bb: [
    ["bb_upper", "BB upper", "--bb"], ["bb_middle", "BB middle", "--bb", "dotted"],
    ["bb_lower", "BB lower", "--bb"],
  ],
  ema: [["ema_9", "EMA 9", "--ema-9"], ["ema_21", "EMA 21", "--ema-21"], ["ema_50", "EMA 50", "--ema-50"]],
  vwap: [["vwap", "VWAP", "--vwap", "dashed"]],
  flow: [[delta, "Flow", "--muted", "bars"]],
  rsi: [["rsi_14", "RSI 14", "--ema-21"]],
  macd: [
    ["macd_histogram", "Hist", "--muted", "bars"], ["macd", "MACD", "--ema-9"],
    ["macd_signal", "Signal", "--ema-50"],
  ],
};
const PANES = ["flow", "rsi", "macd"];

const valueOf = (field, row) => (typeof field === "function" ? field(row) : row.more?.[field]);

function pointOf({ field, kind }, row) {
  const value = valueOf(field, row);
  if (value === undefined || value === null) return { time: row.time };
  return kind === "bars" ? { time: row.time, value, color: bySign(value) } : { time: row.time, value };
}

export class Indicators {
  constructor(chart) {
    this.chart = chart;
    this.names = [];
    this.shown = [];
  }

  /** Show these, over candles that are there already. */
  choose(names, rows, decimals) {
    for (const { series } of this.shown) this.chart.removeSeries(series);
    while (this.chart.panes().length > 1) this.chart.removePane(this.chart.panes().length - 1);
    this.names = names;
    this.decimals = decimals;
    const panes = PANES.filter((name) => names.includes(name));
    this.shown = Object.keys(SERIES).filter((name) => names.includes(name)).flatMap((name) =>
      SERIES[name].map((one) => this.#add(name, panes.indexOf(name) + 1, one)));
    panes.forEach((_, at) => this.chart.panes()[at + 1].setStretchFactor(PANE_SHARE));
    this.paint(rows);
  }

  #add(name, pane, [field, label, tone, kind]) {
    const type = kind === "bars" ? HistogramSeries : LineSeries;
    const styles = { dashed: LineStyle.Dashed, dotted: LineStyle.Dotted };
    const series = this.chart.addSeries(type, {
      ...QUIET, lineWidth: 1, lineStyle: styles[kind] ?? LineStyle.Solid,
      priceFormat: this.#format(pane),
      // A band far away must not flatten the candles.
      ...(pane ? {} : { autoscaleInfoProvider: () => null }),
    }, pane);
    if (name === "rsi") {
      for (const price of RSI_GUIDES) {
        series.createPriceLine({ price, color: color("--line"), lineWidth: 1, axisLabelVisible: false, title: "" });
      }
      series.applyOptions({ autoscaleInfoProvider: () => ({ priceRange: { minValue: 10, maxValue: 90 } }) });
    }
    return { name, field, label, tone, kind, pane, series };
  }

  #format(pane) {
    if (pane) return { type: "price", precision: 2, minMove: 0.01 };
    return { type: "price", precision: this.decimals, minMove: 10 ** -this.decimals };
  }

  setDecimals(decimals) {
    this.decimals = decimals;
    for (const { pane, name, series } of this.shown) {
      if (!pane) series.applyOptions({ priceFormat: this.#format(0) });
      if (name === "macd") {
        const precision = Math.min(8, decimals + 2);
        series.applyOptions({ priceFormat: { type: "price", precision, minMove: 10 ** -precision } });
      }
    }
  }

  paint(rows) {
    for (const { series, tone, kind } of this.shown) {
      if (kind !== "bars") series.applyOptions({ color: color(tone) });
    }
    this.load(rows);
  }

  load(rows) {
    for (const one of this.shown) one.series.setData(rows.map((row) => pointOf(one, row)));
  }

  update(row, late) {
    for (const one of this.shown) one.series.update(pointOf(one, row), late);
  }

  /** What the legend says of a candle: [label, text, colour]. */
  legend(row, price) {
    return this.shown.filter(({ label }) => label !== "Hist").map(({ field, label, tone, pane }) => {
      const value = valueOf(field, row);
      const text = value === undefined || value === null ? "–" : pane ? value.toPrecision(3) : price(value);
      return [label, text, tone];
    });
  }
}
